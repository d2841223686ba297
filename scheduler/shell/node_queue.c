#include "shell/node_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "shell/answer.h"
#include "shell/args.h"
#include "shell/records.h"
#include "shell/retry.h"

#define TELL_EVERY_MS 1000
#define UNREAD_MS     3000 /* a worker that lives may leave its own queue unread for so long */
#define KEY           "node_queues"

struct og_node_queue {
	UT_hash_handle hh; /* by name */
	struct og_scheduler *s;
	char name[OG_KEY_MAX]; /* "<user>~<key of the worker>" */
	int64_t wanted_at;     /* monotonic: since when a job waits for it; 0: it is read, or nobody wants it */
	int64_t told_at;
	int64_t unread_since; /* monotonic: its worker lives and does not read it; 0: it does, or it is gone */
	const struct og_worker *worker; /* that lives; NULL: none, as of the last look */
	bool made;                      /* by us, in this term */
	bool heard;                     /* its worker was, in this term */
	unsigned sweeper;               /* our consumer, where its worker is gone; 0: none */
};

static struct og_node_queue *find(const struct og_scheduler *s, const char *name)
{
	struct og_node_queue *q;

	HASH_FIND_STR(s->term->node_queues, name, q);
	return q;
}

static struct og_node_queue *know(struct og_scheduler *s, const char *name)
{
	struct og_node_queue *q = find(s, name);

	if (q)
		return q;
	q = og_new(struct og_node_queue);
	q->s = s;
	snprintf(q->name, sizeof(q->name), "%s", name);
	HASH_ADD_STR(s->term->node_queues, name, q);
	return q;
}

static void name_of(const struct og_worker *w, char ret[static OG_KEY_MAX])
{
	if (snprintf(ret, OG_KEY_MAX, "%s~%.*s", w->node->user, OG_NAME_MAX, w->key) < 0)
		ret[0] = '\0';
}

/* The user and the key of the worker, from the name of its queue. */
static const char *split(const struct og_node_queue *q, char ret_user[static OG_NAME_MAX])
{
	size_t n = strcspn(q->name, "~");

	snprintf(ret_user, OG_NAME_MAX, "%.*s", (int)(n < OG_NAME_MAX ? n : OG_NAME_MAX - 1), q->name);
	return q->name[n] ? q->name + n + 1 : "";
}

/* A queue that we may not declare would cost us the connection. */
static bool is_name(const char *text)
{
	size_t user = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
	const char *key = user && text[user] == '~' ? text + user + 1 : "";

	return *key && strlen(text) < OG_KEY_MAX - sizeof("og.node.") &&
	       key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

/* --- making --- */

static void remember(struct og_scheduler *s, const char *name)
{
	struct og_args a;

	if (!og_records_healthy(s))
		return;
	og_args_begin_command(s, &a, "SADD", KEY, "");
	og_args_add(&a, name);
	og_args_command(s, &a, NULL, NULL);
}

static void make(struct og_node_queue *q)
{
	struct og_amqp *c = q->s->lead;
	char user[OG_NAME_MAX];
	struct og_binding binding;
	struct og_queue queue;
	const char *key = split(q, user);

	q->made = true;
	og_topology_node_queue(user, key, &queue, &binding);
	c->ops->recipe_queue(c, &queue);
	c->ops->recipe_bind(c, &binding);
	remember(q->s, q->name);
}

static void tell(struct og_node_queue *q, const struct og_worker *w, int64_t now)
{
	if (q->told_at && now - q->told_at < TELL_EVERY_MS)
		return;
	q->told_at = now;
	og_answer_node_queue(q->s, w);
}

enum og_node_queue_state og_node_queue_want(struct og_scheduler *s, const struct og_worker *w, int64_t now)
{
	char name[OG_KEY_MAX];
	struct og_node_queue *q;

	name_of(w, name);
	if (!is_name(name))
		return OG_NODE_QUEUE_LATE;
	q = know(s, name);
	q->heard = true;
	if (w->said.node_queue && !q->sweeper) {
		q->wanted_at = 0;
		return OG_NODE_QUEUE_READ;
	}
	if (!q->wanted_at)
		q->wanted_at = now;
	if (!q->made)
		make(q);
	tell(q, w, now);
	return now - q->wanted_at < OG_NODE_QUEUE_MS ? OG_NODE_QUEUE_COMING : OG_NODE_QUEUE_LATE;
}

void og_node_queue_missing(struct og_scheduler *s, const struct og_worker *w)
{
	char name[OG_KEY_MAX];

	name_of(w, name);
	og_warn("a worker's own queue was gone: it is made again", "queue=og.node.%s", name);
	make(know(s, name));
}

/* --- those whose worker is gone --- */

static void on_left(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_node_queue *q = ctx;

	og_retry_reclaim(q->s, m, epoch);
}

static void begin_to_sweep(struct og_node_queue *q)
{
	struct og_amqp *c = q->s->term->intake.amqp;
	char queue[OG_KEY_MAX], user[OG_NAME_MAX];
	const char *key = split(q, user);

	if (!q->made) { /* so that reading it, at the next look, cannot fail */
		make(q);
		return;
	}
	og_queue_node(user, key, queue);
	og_info("nobody reads a worker's own queue: what is left in it is placed again", "queue=%s", queue);
	q->sweeper = c->ops->recipe_consume(c, queue, OG_NODE_QUEUE_PREFETCH, 0, on_left, q);
}

/* A leader that has just begun has not heard all yet, nor has one whose heartbeats were cut off. */
static bool may_be_unheard(const struct og_node_queue *q, int64_t now)
{
	const struct og_scheduler *s = q->s;
	int64_t since = s->term->since > s->presence_since ? s->term->since : s->presence_since;

	return !s->presence_up || (!q->heard && now - since <= OG_PRESENCE_LOST_MS);
}

static void look_after(struct og_node_queue *q, int64_t now)
{
	struct og_amqp *c = q->s->term->intake.amqp;

	if (!q->worker) {
		q->unread_since = 0;
		if (!q->sweeper && !may_be_unheard(q, now))
			begin_to_sweep(q);
		return;
	}
	q->heard = true;
	if (!q->worker->said.node_queue) { /* a new process under an old name, or one that takes nothing now */
		tell(q, q->worker, now);
		if (!q->unread_since)
			q->unread_since = now;
		if (!q->sweeper && now - q->unread_since >= UNREAD_MS)
			begin_to_sweep(q);
		return;
	}
	q->unread_since = 0;
	if (q->sweeper)
		c->ops->cancel(c, q->sweeper);
	q->sweeper = 0;
}

void og_node_queues_tick(struct og_scheduler *s, int64_t now)
{
	struct og_node_queue *q, *tmp;
	char name[OG_KEY_MAX];

	HASH_ITER(hh, s->term->node_queues, q, tmp)
	q->worker = NULL;
	for (const struct og_worker *w = s->plan.nodes.workers; w; w = w->hh.next) {
		if (!*w->key)
			continue;
		name_of(w, name);
		q = w->said.node_queue ? know(s, name) : find(s, name);
		if (q)
			q->worker = w;
	}
	HASH_ITER(hh, s->term->node_queues, q, tmp)
	look_after(q, now);
}

/* --- terms --- */

struct loading {
	struct og_scheduler *s;
	uint64_t term;
};

static void on_names(void *ctx, const struct og_redis_reply *reply, const struct og_error *err)
{
	struct loading l = *(struct loading *)ctx;

	(void)err;
	free(ctx);
	if (!reply || reply->type != OG_REPLY_ARRAY || !l.s->term || l.s->term->serial != l.term)
		return;
	for (size_t i = 0; i < reply->n; i++)
		if (is_name(og_record_text(reply, i)))
			know(l.s, og_record_text(reply, i));
}

void og_node_queues_load(struct og_scheduler *s)
{
	struct og_node_queue *q, *tmp;
	struct loading *l;
	struct og_args a;

	if (!og_records_healthy(s))
		return;
	HASH_ITER(hh, s->term->node_queues, q, tmp)
	remember(s, q->name);
	l = og_new(struct loading);
	*l = (struct loading){.s = s, .term = s->term->serial};
	og_args_begin_command(s, &a, "SMEMBERS", KEY, "");
	if (og_args_command(s, &a, on_names, l) != 0)
		free(l);
}

void og_node_queues_drop(struct og_scheduler *s)
{
	struct og_node_queue *q, *tmp;

	HASH_ITER(hh, s->term->node_queues, q, tmp)
	{
		HASH_DEL(s->term->node_queues, q);
		free(q);
	}
}
