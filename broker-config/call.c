#include <string.h>

#include "verbs.h"

/* The flag that argv[i] is; *ret_value is what stands behind a '=', else NULL. */
static const struct og_flag *flag_of(const char *arg, const struct og_flag *flags, size_t n, const char **ret_value)
{
	size_t len = strcspn(arg, "=");

	for (size_t i = 0; i < n; i++) {
		if (strlen(flags[i].name) == len - 2 && strncmp(arg + 2, flags[i].name, len - 2) == 0) {
			*ret_value = arg[len] ? arg + len + 1 : NULL;
			return &flags[i];
		}
	}
	return NULL;
}

int og_call_parse(struct og_call *c, const struct og_flag *flags, size_t n_flags, int n_arguments)
{
	int n = 0;

	for (int i = 0; i < c->argc; i++) {
		const struct og_flag *f;
		const char *value;

		if (strncmp(c->argv[i], "--", 2) != 0) {
			c->argv[n++] = c->argv[i];
			continue;
		}
		f = flag_of(c->argv[i], flags, n_flags, &value);
		if (!f)
			return og_fail(&c->err, OG_INVALID, "%s has no option %s", c->verb->name, c->argv[i]);
		if (!value && i + 1 < c->argc)
			value = c->argv[++i];
		if (!value || !*value)
			return og_fail(&c->err, OG_INVALID, "--%s wants a value", f->name);
		*f->value = value;
	}
	c->argc = n;
	if (n != n_arguments)
		return og_fail(&c->err, OG_INVALID, "%s takes %s", c->verb->name,
			*c->verb->arguments ? c->verb->arguments : "no arguments");
	return 0;
}
