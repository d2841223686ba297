#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/parse.h"
#include "service/supervisor.h"

#define FILE_CAP        (64u * 1024)
#define DEFAULT_STOP_MS 10000
#define MAX_STOP_MS     600000

static int add(char **list, const char *what, char *word, struct og_error *err)
{
	for (size_t i = 0; i < OG_SUPERVISED_ARGS; i++) {
		if (!list[i]) {
			list[i] = word;
			return 0;
		}
	}
	free(word);
	return og_fail(err, OG_INVALID, "more than %d %s", OG_SUPERVISED_ARGS, what);
}

/* Reads one word at *at, which stands on no blank, and moves it behind the word. */
static char *word_at(const char **at)
{
	struct og_buf word;
	bool in_quotes = false;
	const char *p = *at;

	og_buf_init(&word, FILE_CAP);
	for (; *p && (in_quotes || !isspace((unsigned char)*p)); p++) {
		if (*p == '"') {
			in_quotes = !in_quotes;
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		og_buf_add(&word, p, 1);
	}
	*at = p;
	if (!in_quotes)
		return og_buf_take(&word);
	og_buf_done(&word);
	return NULL;
}

static int split_command(const char *value, char **args, struct og_error *err)
{
	for (const char *p = value;;) {
		char *word;

		while (isspace((unsigned char)*p))
			p++;
		if (!*p)
			return args[0] ? 0 : og_fail(err, OG_INVALID, "command is empty");
		word = word_at(&p);
		if (!word)
			return og_fail(err, OG_INVALID, "command has a \" that is not closed");
		if (add(args, "words in command", word, err) != 0)
			return -1;
	}
}

static int check_ready(const char *value, struct og_error *err)
{
	if (strcmp(value, "none") == 0 || strncmp(value, "unix:/", 6) == 0)
		return 0;
	if (strncmp(value, "tcp:", 4) == 0 && strchr(value + 4, ':'))
		return 0;
	return og_fail(err, OG_INVALID, "ready is '%s', and must be tcp:ADDRESS:PORT, unix:/PATH or none", value);
}

static int on_pair(void *ctx, const char *section, const char *key, const char *value, struct og_error *err)
{
	struct og_supervised *s = ctx;

	if (strcmp(section, "service") != 0)
		return og_fail(err, OG_INVALID, "the only section is [service]");
	if (strcmp(key, "command") == 0)
		return s->args[0] ? og_fail(err, OG_INVALID, "command is there twice")
		                  : split_command(value, s->args, err);
	if (strncmp(key, "env.", 4) == 0 && key[4])
		return add(s->env, "env", og_printf("%s=%s", key + 4, value), err);
	if (strcmp(key, "stop_ms") == 0)
		return og_parse_int(value, 0, MAX_STOP_MS, &s->stop_ms, err) ? og_fail_in(err, "stop_ms") : 0;
	if (strcmp(key, "ready") == 0) {
		if (check_ready(value, err) != 0)
			return -1;
		if (snprintf(s->ready, sizeof(s->ready), "%s", strcmp(value, "none") ? value : "") >=
			(int)sizeof(s->ready))
			return og_fail(err, OG_INVALID, "ready is too long");
		return 0;
	}
	return og_fail(err, OG_INVALID, "unknown key '%s': there are command, env.NAME, ready, stop_ms", key);
}

/* "/x/10-redis.ini" → "redis" */
static int name_of(const char *path, char *ret, size_t size, struct og_error *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *name = strchr(base, '-');
	size_t len = strlen(base);

	name = name ? name + 1 : "";
	if (len < 5 || strcmp(base + len - 4, ".ini") != 0 || strlen(name) <= 4 || strlen(name) - 4 >= size)
		return og_fail(err, OG_INVALID, "%s: a service's file is called <nn>-<name>.ini", path);
	snprintf(ret, size, "%.*s", (int)(strlen(name) - 4), name);
	if (ret[strspn(ret, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		return og_fail(err, OG_INVALID, "%s: a service's name is of letters, digits and ._-", path);
	return 0;
}

int og_supervised_parse(const char *path, struct og_supervised *ret, struct og_error *err)
{
	struct og_supervised s = {.stop_ms = DEFAULT_STOP_MS};
	og_autofree char *text = NULL;
	size_t len;

	if (name_of(path, s.name, sizeof(s.name), err) != 0 || og_file_read(path, FILE_CAP, &text, &len, err) != 0)
		return -1;
	if (og_ini_parse(text, len, path, on_pair, &s, err) != 0 ||
		(!s.args[0] && og_fail(err, OG_INVALID, "%s: there is no command", path) != 0)) {
		og_supervised_done(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

void og_supervised_done(struct og_supervised *s)
{
	for (size_t i = 0; i <= OG_SUPERVISED_ARGS; i++) {
		free(s->args[i]);
		free(s->env[i]);
	}
	*s = (struct og_supervised){0};
}
