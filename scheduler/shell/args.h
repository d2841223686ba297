/* The arguments of one command or script for Redis. Numbers are written into the struct; everything else is borrowed
 * until the call, and the struct is filled anew for each. */
#ifndef OG_SCHEDULER_ARGS_H
#define OG_SCHEDULER_ARGS_H

#include "shell/scheduler.h"

#define OG_ARGS_MAX 64

struct og_args {
	const char *argv[OG_ARGS_MAX];
	size_t lens[OG_ARGS_MAX];
	char numbers[24][24];
	int n, n_numbers;
	char key[OG_NAME_MAX + 128];
};

/* A move of writes.h about an id. */
void og_args_begin_move(struct og_args *a, const char *move, const char *id);
/* A script: the prefix is its key; those that write carry the epoch and are about an id. */
void og_args_begin(const struct og_scheduler *s, struct og_args *a);
void og_args_begin_fenced(const struct og_scheduler *s, struct og_args *a, const char *id);
/* A command on the key "og:<cluster>:<what><id>". */
void og_args_begin_command(
	const struct og_scheduler *s, struct og_args *a, const char *command, const char *what, const char *id);

void og_args_add(struct og_args *a, const char *text);
void og_args_add_bytes(struct og_args *a, const void *bytes, size_t len);
void og_args_add_number(struct og_args *a, int64_t number);
/* A field and its value; nothing where the text is NULL or "", the number 0. */
void og_args_add_field(struct og_args *a, const char *field, const char *text);
void og_args_add_field_number(struct og_args *a, const char *field, int64_t number);

/* Behind all that writes.h has of before. */
int og_args_eval(
	struct og_scheduler *s, struct og_redis_script *script, const struct og_args *a, og_redis_cb *cb, void *ctx);
int og_args_command(struct og_scheduler *s, const struct og_args *a, og_redis_cb *cb, void *ctx);

#endif
