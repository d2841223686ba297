#include "model/catalogue.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/parse.h"

#define SECTION_PREFIX "tier "
#define NEAREST        3
#define DEFAULT_TAG    ":latest"

enum type { NUMBER, INTEGER, NAME, NAMES, CAPABILITIES };

struct key {
	const char *name;
	enum type type;
	size_t offset;
	bool required;
	double max;
};

static const struct key keys[] = {
	{"cpu_cores", NUMBER, offsetof(struct og_tier, cpu_cores), true, 65536},
	{"ram_gib", NUMBER, offsetof(struct og_tier, ram_gib), true, 1 << 20},
	{"vram_gib", NUMBER, offsetof(struct og_tier, vram_gib), false, 1 << 20},
	{"disk_gib", NUMBER, offsetof(struct og_tier, disk_gib), true, 1 << 30},
	{"context_tokens", INTEGER, offsetof(struct og_tier, context_tokens), false, 1 << 30},
	{"engine_model", NAME, offsetof(struct og_tier, engine_model), false, 0},
	{"aliases", NAMES, offsetof(struct og_tier, aliases), false, 0},
	{"capabilities", CAPABILITIES, offsetof(struct og_tier, capabilities), false, 0},
};

const char *const og_capabilities[OG_CAPABILITIES_N] = {"tools", "vision", "thinking", "insert", "embedding"};

struct parser {
	struct og_catalogue *c;
	unsigned seen[OG_TIERS_MAX]; /* keys given for each tier, a bit each */
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < OG_COUNT(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static int unknown_key(const char *name, struct og_error *err)
{
	const char *nearest = keys[0].name;

	for (size_t i = 1; i < OG_COUNT(keys); i++)
		if (og_edit_distance(name, keys[i].name) < og_edit_distance(name, nearest))
			nearest = keys[i].name;
	return og_fail(err, OG_INVALID, "unknown key '%s': did you mean '%s'?", name, nearest);
}

/* A name is printable and without blanks, and no other tier answers to it. A tier may list its own id. */
static int check_name(const struct og_catalogue *c, const struct og_tier *owner, const char *name, struct og_error *err)
{
	const struct og_tier *other = og_catalogue_find(c, name);

	if (!*name || strlen(name) >= OG_NAME_MAX)
		return og_fail(err, OG_INVALID, "'%.40s' does not have 1 to %d bytes", name, OG_NAME_MAX - 1);
	for (const char *s = name; *s; s++)
		if (*s <= ' ' || *s > '~')
			return og_fail(err, OG_INVALID, "'%s' holds a character outside printable ASCII", name);
	if (!strcasecmp(name, "auto"))
		return og_fail(err, OG_INVALID, "'auto' is reserved: it asks for the best tier that is served");
	if (other && other != owner)
		return og_fail(err, OG_INVALID, "'%s' is already a name of tier %s", name, other->id);
	return 0;
}

static int begin_tier(struct og_catalogue *c, const char *id, struct og_error *err)
{
	const struct og_tier *other;
	struct og_tier *t;
	char key[OG_NAME_MAX];

	if (c->n == OG_TIERS_MAX)
		return og_fail(err, OG_INVALID, "there are more than %d tiers", OG_TIERS_MAX);
	if (check_name(c, NULL, id, err) < 0 || og_name_key(id, key, sizeof(key), err) < 0)
		return -1;
	other = og_catalogue_find_key(c, key);
	if (other)
		return og_fail(err, OG_INVALID, "its key '%s' is also that of tier %s", key, other->id);
	t = &c->tiers[c->n++];
	strcpy(t->id, id);
	strcpy(t->key, key);
	strcpy(t->engine_model, id);
	return 0;
}

static int add_aliases(const struct og_catalogue *c, struct og_tier *t, const char *value, struct og_error *err)
{
	og_autofree char *list = og_strdup(value);
	char *rest = NULL;

	for (char *s = strtok_r(list, ", \t", &rest); s; s = strtok_r(NULL, ", \t", &rest)) {
		if (check_name(c, t, s, err) < 0)
			return -1;
		for (size_t i = 0; i < t->n_aliases; i++)
			if (!strcasecmp(t->aliases[i], s))
				return og_fail(err, OG_INVALID, "'%s' is given twice", s);
		if (t->n_aliases == OG_ALIASES_MAX)
			return og_fail(err, OG_INVALID, "more than %d names", OG_ALIASES_MAX);
		strcpy(t->aliases[t->n_aliases++], s);
	}
	return 0;
}

/* "tools, vision, …" */
static char *list_capabilities(void)
{
	struct og_buf list;

	og_buf_init(&list, 1024);
	for (unsigned i = 0; i < OG_CAPABILITIES_N; i++)
		og_buf_addf(&list, "%s%s", i ? ", " : "", og_capabilities[i]);
	return og_buf_take(&list);
}

static int capability_of(const char *name, unsigned *ret, struct og_error *err)
{
	og_autofree char *known = NULL;

	for (unsigned i = 0; i < OG_CAPABILITIES_N; i++) {
		if (!strcmp(name, og_capabilities[i])) {
			*ret = 1u << i;
			return 0;
		}
	}
	known = list_capabilities();
	return og_fail(err, OG_INVALID, "'%s' is none of %s", name, known);
}

static int add_capabilities(unsigned *ret, const char *value, struct og_error *err)
{
	og_autofree char *list = og_strdup(value);
	char *rest = NULL;
	unsigned bit;

	for (char *s = strtok_r(list, ", \t", &rest); s; s = strtok_r(NULL, ", \t", &rest)) {
		if (capability_of(s, &bit, err) < 0)
			return -1;
		*ret |= bit;
	}
	return 0;
}

static int set_value(
	const struct og_catalogue *c, struct og_tier *t, const struct key *k, const char *value, struct og_error *err)
{
	void *field = (char *)t + k->offset;

	switch (k->type) {
	case NUMBER:
		return og_parse_double(value, 0, k->max, field, err);
	case INTEGER:
		return og_parse_int(value, 0, (int64_t)k->max, field, err);
	case NAME:
		if (!*value || strlen(value) >= OG_NAME_MAX)
			return og_fail(err, OG_INVALID, "does not have 1 to %d bytes", OG_NAME_MAX - 1);
		strcpy(field, value);
		return 0;
	case NAMES:
		return add_aliases(c, t, value, err);
	case CAPABILITIES:
		return add_capabilities(field, value, err);
	}
	return 0;
}

static int on_value(void *ctx, const char *section, const char *name, const char *value, struct og_error *err)
{
	struct parser *p = ctx;
	struct og_catalogue *c = p->c;
	const char *id = section + strlen(SECTION_PREFIX);
	const struct key *k = find_key(name);
	unsigned bit;

	if (strncmp(section, SECTION_PREFIX, strlen(SECTION_PREFIX)) != 0)
		return og_fail(err, OG_INVALID, "'%s' stands in section [%s], not in a [tier <id>]", name, section);
	if ((!c->n || strcmp(id, c->tiers[c->n - 1].id) != 0) && begin_tier(c, id, err) < 0)
		return og_fail_in(err, "[%s]", section);
	if (!k)
		return unknown_key(name, err);
	bit = 1u << (k - keys);
	if (p->seen[c->n - 1] & bit)
		return og_fail(err, OG_INVALID, "'%s' is given twice for tier %s", name, id);
	p->seen[c->n - 1] |= bit;
	return set_value(c, &c->tiers[c->n - 1], k, value, err) < 0 ? og_fail_in(err, "%s", name) : 0;
}

int og_catalogue_parse(const char *text, size_t len, const char *name, struct og_catalogue **ret, struct og_error *err)
{
	og_autofree struct og_catalogue *c = og_new(struct og_catalogue);
	struct parser p = {.c = c};

	if (len > OG_CATALOGUE_CAP)
		return og_fail(err, OG_INVALID, "%s is longer than %u bytes", name, OG_CATALOGUE_CAP);
	if (og_ini_parse(text, len, name, on_value, &p, err) < 0)
		return -1;
	if (!c->n)
		return og_fail(err, OG_INVALID, "%s: no [tier <id>] in it", name);
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < OG_COUNT(keys); k++)
			if (keys[k].required && !(p.seen[i] & 1u << k))
				return og_fail(err, OG_INVALID, "%s: [tier %s] has no '%s'", name, c->tiers[i].id,
					keys[k].name);
	*ret = OG_TAKE(c);
	return 0;
}

int og_catalogue_load(const char *path, struct og_catalogue **ret, struct og_error *err)
{
	og_autofree char *text = NULL;
	size_t len;

	if (!path || !*path || (access(path, F_OK) < 0 && errno == ENOENT)) {
		*ret = og_catalogue_default();
		return 0;
	}
	if (og_file_read(path, OG_CATALOGUE_CAP, &text, &len, err) < 0)
		return -1;
	return og_catalogue_parse(text, len, path, ret, err);
}

struct og_catalogue *og_catalogue_default(void)
{
	const char *text = og_catalogue_default_text();
	struct og_catalogue *c = NULL;

	if (og_catalogue_parse(text, strlen(text), "built-in catalogue", &c, NULL) < 0)
		abort(); /* our own text: a test parses it */
	return c;
}

static size_t len_without_tag(const char *name)
{
	size_t len = strlen(name), tag = sizeof(DEFAULT_TAG) - 1;

	return len > tag && !strcasecmp(name + len - tag, DEFAULT_TAG) ? len - tag : len;
}

bool og_model_same(const char *a, const char *b)
{
	size_t len = len_without_tag(a);

	return len == len_without_tag(b) && !strncasecmp(a, b, len);
}

static bool answers_to(const struct og_tier *t, const char *name)
{
	if (og_model_same(t->id, name))
		return true;
	for (size_t i = 0; i < t->n_aliases; i++)
		if (og_model_same(t->aliases[i], name))
			return true;
	return false;
}

const struct og_tier *og_catalogue_find(const struct og_catalogue *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (answers_to(&c->tiers[i], name))
			return &c->tiers[i];
	return NULL;
}

const struct og_tier *og_catalogue_find_key(const struct og_catalogue *c, const char *key)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->tiers[i].key, key))
			return &c->tiers[i];
	return NULL;
}

/* How far a tier's names are from what was asked for; a name that contains it is nearest of all. */
static size_t distance(const struct og_tier *t, const char *name)
{
	size_t best = strcasestr(t->id, name) ? 0 : og_edit_distance(t->id, name);

	for (size_t i = 0; i < t->n_aliases; i++) {
		size_t d = strcasestr(t->aliases[i], name) ? 0 : og_edit_distance(t->aliases[i], name);

		if (d < best)
			best = d;
	}
	return best;
}

static bool is_any(const bool *served, size_t n)
{
	for (size_t i = 0; served && i < n; i++)
		if (served[i])
			return true;
	return false;
}

int og_catalogue_unknown(const struct og_catalogue *c, const char *name, const bool *served, struct og_error *err)
{
	bool some = is_any(served, c->n);
	const char *nearest[NEAREST + 1] = {0}; /* sorted; the last place is for what falls out */
	size_t distances[NEAREST + 1];
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		size_t d = distance(&c->tiers[i], name);
		size_t at = n;

		if (some && !served[i])
			continue;
		for (; at && distances[at - 1] > d; at--) {
			distances[at] = distances[at - 1];
			nearest[at] = nearest[at - 1];
		}
		distances[at] = d;
		nearest[at] = c->tiers[i].id;
		if (n < NEAREST)
			n++;
	}
	return og_fail(err, OG_INVALID, "unknown model '%.*s': nearest %s %s%s%s%s%s", OG_NAME_MAX, name,
		n == 1 ? "is" : "are", nearest[0], n > 1 ? ", " : "", n > 1 ? nearest[1] : "", n > 2 ? ", " : "",
		n > 2 ? nearest[2] : "");
}
