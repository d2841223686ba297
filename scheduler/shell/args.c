#include "shell/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shell/writes.h"

void og_args_add_bytes(struct og_args *a, const void *bytes, size_t len)
{
	a->argv[a->n] = len ? bytes : "";
	a->lens[a->n++] = len;
}

void og_args_add(struct og_args *a, const char *text)
{
	og_args_add_bytes(a, text, strlen(text));
}

void og_args_add_number(struct og_args *a, int64_t number)
{
	char *text = a->numbers[a->n_numbers++];

	snprintf(text, sizeof(a->numbers[0]), "%" PRId64, number);
	og_args_add(a, text);
}

void og_args_add_field(struct og_args *a, const char *field, const char *text)
{
	if (text && *text) {
		og_args_add(a, field);
		og_args_add(a, text);
	}
}

void og_args_add_field_number(struct og_args *a, const char *field, int64_t number)
{
	if (number) {
		og_args_add(a, field);
		og_args_add_number(a, number);
	}
}

void og_args_begin_move(struct og_args *a, const char *move, const char *id)
{
	a->n = a->n_numbers = 0;
	og_args_add(a, move);
	og_args_add(a, id);
}

void og_args_begin(const struct og_scheduler *s, struct og_args *a)
{
	a->n = a->n_numbers = 0;
	snprintf(a->key, sizeof(a->key), "og:%s:", s->settings->cluster);
	og_args_add(a, a->key);
}

void og_args_begin_fenced(const struct og_scheduler *s, struct og_args *a, const char *id)
{
	og_args_begin(s, a);
	og_args_add_number(a, s->term->epoch);
	og_args_add(a, id);
}

int og_args_eval(
	struct og_scheduler *s, struct og_redis_script *script, const struct og_args *a, og_redis_cb *cb, void *ctx)
{
	if (og_writes_send(s) != 0)
		return -1;
	return og_redis_eval(s->redis, script, 1, a->n, a->argv, a->lens, cb, ctx, NULL);
}

void og_args_begin_command(
	const struct og_scheduler *s, struct og_args *a, const char *command, const char *what, const char *id)
{
	a->n = a->n_numbers = 0;
	snprintf(a->key, sizeof(a->key), "og:%s:%s%s", s->settings->cluster, what, id);
	og_args_add(a, command);
	og_args_add(a, a->key);
}

int og_args_command(struct og_scheduler *s, const struct og_args *a, og_redis_cb *cb, void *ctx)
{
	if (og_writes_send(s) != 0)
		return -1;
	return og_redis_command(s->redis, a->n, a->argv, a->lens, cb, ctx, NULL);
}
