#include "peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

#define ID_SHOWN 8

static int by_name(const void *a, const void *b)
{
	const struct og_member *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	return order ? order : strcmp((*x)->id, (*y)->id);
}

static bool same_name(const struct og_member *a, const struct og_member *b)
{
	return strcmp(a->name, b->name) == 0;
}

static char **names_of(const struct og_member *const *sorted, size_t n)
{
	char **names = og_alloc(n * sizeof(*names));

	for (size_t i = 0; i < n; i++) {
		bool shared = (i && same_name(sorted[i], sorted[i - 1])) ||
		              (i + 1 < n && same_name(sorted[i], sorted[i + 1]));

		names[i] = shared ? og_printf("%s (%.*s)", sorted[i]->name, ID_SHOWN, sorted[i]->id)
		                  : og_strdup(sorted[i]->name);
	}
	return names;
}

static bool same(const struct og_peers *a, const struct og_peers *b)
{
	if (a->n != b->n || a->untold != b->untold || a->namesake != b->namesake)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	}
	return true;
}

bool og_peers_hear(struct og_peers *p, const char *self_id, const char *self_name, const struct og_member *members,
	size_t n, size_t count)
{
	og_autofree const struct og_member **others = og_alloc(n * sizeof(*others));
	struct og_peers heard = {0};
	bool self_told = false, news;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(members[i].id, self_id) == 0) {
			self_told = true;
			continue;
		}
		others[heard.n++] = &members[i];
		heard.namesake = heard.namesake || strcmp(members[i].name, self_name) == 0;
	}
	/* Of a list that was cut we are one of those left out, unless we are in it. */
	if (count > n)
		heard.untold = count - n - !self_told;
	qsort(others, heard.n, sizeof(const struct og_member *), by_name);
	heard.names = names_of(others, heard.n);
	news = !same(p, &heard);
	og_peers_done(p);
	*p = heard;
	return news;
}

char *og_peers_text(const struct og_peers *p)
{
	struct og_buf text;

	og_buf_init(&text, (size_t)OG_MEMBERS_TOLD * (OG_NAME_MAX + 16));
	og_buf_adds(&text, "[");
	for (size_t i = 0; i < p->n; i++)
		og_buf_addf(&text, "%s%s", i ? ", " : "", p->names[i]);
	if (p->untold)
		og_buf_addf(&text, " and %zu more", p->untold);
	og_buf_adds(&text, "]");
	return og_buf_take(&text);
}

void og_peers_done(struct og_peers *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->names[i]);
	free(p->names);
	*p = (struct og_peers){0};
}
