/* One table row a key. What a section leaves out is filled in from [default] when all is read, wherever that stands. */
#include "model/tenants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/parse.h"

#define SECTION_PREFIX  "tenant "
#define SECTION_DEFAULT "default"
#define UNSET           (-1)

#define AT(field) offsetof(struct og_tenant_rule, field)
static const struct key {
	const char *name;
	size_t offset;
	int64_t min, max, usual;
	const char *mend;
} keys[] = {
	{"weight", AT(weight), 1, OG_WEIGHT_MAX, 1,
		"1 is the least share; to shut a tenant out, take its credentials away"},
	{"max_running", AT(max_running), 0, OG_TENANT_LIMIT, 0, "0 is any number"},
	{"max_queued", AT(max_queued), 0, OG_TENANT_LIMIT, 0, "0 is any number"},
	{"per_minute", AT(per_minute), 0, OG_TENANT_LIMIT, 0, "0 is any number"},
};

static const struct og_tenant_rule usual = {.weight = 1};

static int64_t *field_of(struct og_tenant_rule *r, const struct key *k)
{
	return (int64_t *)((char *)r + k->offset);
}

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < OG_COUNT(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static void unset(struct og_tenant_rule *r)
{
	for (size_t i = 0; i < OG_COUNT(keys); i++)
		*field_of(r, &keys[i]) = UNSET;
}

static struct og_tenant_rule *find_rule(const struct og_tenants *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->rules[i].name, name))
			return &t->rules[i];
	return NULL;
}

/* The rule of a section, made where it is new; NULL: there is no such. */
static struct og_tenant_rule *rule_of(struct og_tenants *t, const char *section, struct og_error *err)
{
	const char *name = section + strlen(SECTION_PREFIX);
	struct og_tenant_rule *r;

	if (!strcmp(section, SECTION_DEFAULT))
		return &t->usual;
	if (strncmp(section, SECTION_PREFIX, strlen(SECTION_PREFIX)) != 0 || !*name) {
		og_error_set(err, OG_INVALID, "[%s] is neither [default] nor [tenant <name>]", section);
		return NULL;
	}
	r = t->n && !strcmp(t->rules[t->n - 1].name, name) ? &t->rules[t->n - 1] : find_rule(t, name);
	if (r)
		return r;
	if (t->n == OG_TENANTS_MAX) {
		og_error_set(err, OG_INVALID, "there are more than %d tenants", OG_TENANTS_MAX);
		return NULL;
	}
	t->rules = og_realloc(t->rules, (t->n + 1) * sizeof(*t->rules));
	r = &t->rules[t->n++];
	*r = (struct og_tenant_rule){0};
	strcpy(r->name, name); /* a section's name is shorter */
	unset(r);
	return r;
}

static int on_value(void *ctx, const char *section, const char *key, const char *value, struct og_error *err)
{
	struct og_tenant_rule *r = rule_of(ctx, section, err);
	const struct key *k = find_key(key);

	if (!r)
		return -1;
	if (!k)
		return og_fail(err, OG_INVALID,
			"unknown key '%s': weight, max_running, max_queued and per_minute are known", key);
	if (*field_of(r, k) != UNSET)
		return og_fail(err, OG_INVALID, "'%s' is given twice in [%s]", key, section);
	if (og_parse_int(value, k->min, k->max, field_of(r, k), err) != 0) {
		if (err)
			snprintf(err->message + strlen(err->message), sizeof(err->message) - strlen(err->message),
				" (%s)", k->mend);
		return og_fail_in(err, "[%s] %s", section, key);
	}
	return 0;
}

static void fill_in(struct og_tenant_rule *r, const struct og_tenant_rule *from)
{
	for (size_t i = 0; i < OG_COUNT(keys); i++)
		if (*field_of(r, &keys[i]) == UNSET)
			*field_of(r, &keys[i]) = *field_of((struct og_tenant_rule *)from, &keys[i]);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct og_tenant_rule *)a)->name, ((const struct og_tenant_rule *)b)->name);
}

static void free_at(struct og_tenants **t)
{
	og_tenants_free(*t);
}

int og_tenants_parse(const char *text, size_t len, const char *name, struct og_tenants **ret, struct og_error *err)
{
	OG_CLEANUP(free_at) struct og_tenants *t = og_new(struct og_tenants);

	if (len > OG_TENANTS_CAP)
		return og_fail(err, OG_INVALID, "%s is longer than %u bytes", name, OG_TENANTS_CAP);
	unset(&t->usual);
	if (og_ini_parse(text, len, name, on_value, t, err) != 0)
		return -1;
	fill_in(&t->usual, &usual);
	for (size_t i = 0; i < t->n; i++)
		fill_in(&t->rules[i], &t->usual);
	if (t->n)
		qsort(t->rules, t->n, sizeof(*t->rules), by_name);
	*ret = OG_TAKE(t);
	return 0;
}

int og_tenants_load(const char *path, struct og_tenants **ret, struct og_error *err)
{
	og_autofree char *text = NULL;
	size_t len = 0;

	if (!*path || (access(path, F_OK) < 0 && errno == ENOENT))
		return og_tenants_parse("", 0, "", ret, err);
	if (og_file_read(path, OG_TENANTS_CAP, &text, &len, err) < 0)
		return -1;
	return og_tenants_parse(text, len, path, ret, err);
}

void og_tenants_free(struct og_tenants *t)
{
	if (!t)
		return;
	free(t->rules);
	free(t);
}

const struct og_tenant_rule *og_tenants_find(const struct og_tenants *t, const char *name)
{
	struct og_tenant_rule key;
	const struct og_tenant_rule *r = NULL;

	if (!t)
		return &usual;
	snprintf(key.name, sizeof(key.name), "%s", name);
	if (t->n)
		r = bsearch(&key, t->rules, t->n, sizeof(*t->rules), by_name);
	return r ? r : &t->usual;
}
