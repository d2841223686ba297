/* Commands in flight are in one of three queues. They are written when they enter `sent`; replies come in its order.
 *
 *      submit ──▶ sent ──▶ answered
 *        │         │  ▲
 *        ▼         ▼  │ once `sent` is empty: all of `again`, then all of `parked`
 *      parked    again
 *
 * A call that meets NOSCRIPT (it was not executed) goes to `again`, and from then on nothing is sent until all that had
 * been sent is answered; what is submitted meanwhile is parked. Then everything goes out, each script's SCRIPT LOAD
 * before its first use. So calls that met NOSCRIPT one behind the other stay in their order, and in front of what came
 * later; and each is executed once. */
#include "io/redis_pipeline.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/redis_reply.h"

#define BYTES_IN_FLIGHT_MAX ((size_t)64 << 20)
#define REPAIRS_MAX         3 /* how often one call may meet NOSCRIPT */

struct og_redis_pending {
	STAILQ_ENTRY(og_redis_pending) next;
	og_redis_cb *cb;
	void *ctx;
	struct og_redis_script *script; /* of a call or a LOAD, or NULL */
	bool is_load;
	unsigned repairs;
	int64_t deadline;
	char *wire; /* kept until the answer, as it may have to be sent again */
	size_t wire_len;
};

void og_redis_pipeline_init(struct og_redis_pipeline *p)
{
	*p = (struct og_redis_pipeline){0};
	STAILQ_INIT(&p->again);
	STAILQ_INIT(&p->sent);
	STAILQ_INIT(&p->parked);
}

void og_redis_pipeline_done(struct og_redis_pipeline *p)
{
	free(p->loaded);
}

void og_redis_pipeline_connected(struct og_redis_pipeline *p)
{
	p->n_loaded = 0;
	p->refused = NULL;
}

/* ---- asking ---- */

static struct og_redis_pending *pending_new(
	int64_t deadline, int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb, void *ctx)
{
	struct og_redis_pending *c = og_new(struct og_redis_pending);
	int len = redisFormatCommandArgv(&c->wire, argc, (const char **)argv, lens);

	if (len < 0)
		abort(); /* out of memory */
	c->wire_len = (size_t)len;
	c->deadline = deadline;
	c->cb = cb;
	c->ctx = ctx;
	return c;
}

static void pending_free(struct og_redis_pending *c)
{
	redisFreeCommand(c->wire);
	free(c);
}

static void put(struct og_redis_pipeline *p, struct og_redis_pending *c)
{
	STAILQ_INSERT_TAIL(&p->sent, c, next);
	p->send(p->ctx, c->wire, c->wire_len);
}

/* The LOAD is as old as the call that needs it, so that the queue stays in the order of deadlines. */
static void load(struct og_redis_pipeline *p, struct og_redis_script *script, int64_t deadline)
{
	const char *argv[] = {"SCRIPT", "LOAD", script->text};
	struct og_redis_pending *c;

	for (size_t i = 0; i < p->n_loaded; i++)
		if (p->loaded[i] == script)
			return;
	if (p->n_loaded == p->room_loaded) {
		p->room_loaded = p->room_loaded ? 2 * p->room_loaded : 8;
		p->loaded = og_realloc(p->loaded, p->room_loaded * sizeof(*p->loaded));
	}
	p->loaded[p->n_loaded++] = script;
	c = pending_new(deadline, OG_COUNT(argv), argv, NULL, NULL, NULL);
	c->script = script;
	c->is_load = true;
	put(p, c);
}

static void send_pending(struct og_redis_pipeline *p, struct og_redis_pending *c)
{
	if (c->script)
		load(p, c->script, c->deadline);
	put(p, c);
}

static void resume(struct og_redis_pipeline *p)
{
	struct og_redis_queue queue = STAILQ_HEAD_INITIALIZER(queue);
	struct og_redis_pending *c;

	p->repairing = false;
	STAILQ_CONCAT(&queue, &p->again);
	STAILQ_CONCAT(&queue, &p->parked);
	while ((c = STAILQ_FIRST(&queue))) {
		STAILQ_REMOVE_HEAD(&queue, next);
		send_pending(p, c);
	}
}

/* Before anything is copied, as a caller may well try again and again while it is busy. */
static int admit(
	const struct og_redis_pipeline *p, int argc, const char *const *argv, const size_t *lens, struct og_error *err)
{
	size_t size = 0;

	for (int i = 0; i < argc; i++)
		size += lens ? lens[i] : strlen(argv[i]);
	if (size > BYTES_IN_FLIGHT_MAX)
		return og_fail(err, OG_INVALID, "a Redis command of %zu bytes is too large", size);
	if (p->in_flight >= p->window || p->bytes + size > BYTES_IN_FLIGHT_MAX)
		return og_fail(err, OG_BUSY, "%u Redis commands of %zu bytes are in flight", p->in_flight, p->bytes);
	return 0;
}

static void submit(struct og_redis_pipeline *p, struct og_redis_pending *c)
{
	p->in_flight++;
	p->bytes += c->wire_len;
	if (p->repairing)
		STAILQ_INSERT_TAIL(&p->parked, c, next);
	else
		send_pending(p, c);
}

int og_redis_pipeline_command(struct og_redis_pipeline *p, int64_t now, int argc, const char *const *argv,
	const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	if (admit(p, argc, argv, lens, err) < 0)
		return -1;
	submit(p, pending_new(now + p->timeout_ms, argc, argv, lens, cb, ctx));
	return 0;
}

static void sha1_hex(const char *text, char out[static 41])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL))
		abort();
	for (size_t i = 0; i < 20; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

int og_redis_pipeline_eval(struct og_redis_pipeline *p, int64_t now, struct og_redis_script *script, int n_keys,
	int argc, const char *const *argv, const size_t *lens, og_redis_cb *cb, void *ctx, struct og_error *err)
{
	enum { HEAD = 3 };
	og_autofree const char **all = NULL;
	og_autofree size_t *all_lens = NULL;
	char keys[12];
	struct og_redis_pending *c;

	if (admit(p, argc, argv, lens, err) < 0)
		return -1;
	all = og_alloc((size_t)(HEAD + argc) * sizeof(*all));
	all_lens = og_alloc((size_t)(HEAD + argc) * sizeof(*all_lens));
	if (!script->sha1[0])
		sha1_hex(script->text, script->sha1);
	snprintf(keys, sizeof(keys), "%d", n_keys);
	all[0] = "EVALSHA";
	all[1] = script->sha1;
	all[2] = keys;
	for (int i = 0; i < argc; i++)
		all[HEAD + i] = argv[i];
	for (int i = 0; i < HEAD + argc; i++)
		all_lens[i] = lens && i >= HEAD ? lens[i - HEAD] : strlen(all[i]);
	c = pending_new(now + p->timeout_ms, HEAD + argc, all, all_lens, cb, ctx);
	c->script = script;
	submit(p, c);
	return 0;
}

/* ---- answers ---- */

static void answer(const struct og_redis_pending *c, const redisReply *reply)
{
	struct og_redis_reply view;
	struct og_error err = {0};

	if (!c->cb)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		og_fail(&err, og_redis_error_kind(reply->str), "%s%s%s", c->script ? c->script->name : "",
			c->script ? ": " : "", reply->str);
		c->cb(c->ctx, NULL, &err);
		return;
	}
	og_redis_view(reply, &view);
	c->cb(c->ctx, &view, NULL);
	og_redis_view_done(&view);
}

static bool is_noscript(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", strlen("NOSCRIPT")) == 0;
}

static void on_load_reply(struct og_redis_pipeline *p, const struct og_redis_script *script, const redisReply *reply)
{
	if (p->refused == script)
		p->refused = NULL;
	if (reply->type != REDIS_REPLY_ERROR)
		return;
	p->refused = script;
	p->refusal = (struct og_error){0};
	og_fail(&p->refusal, og_redis_error_kind(reply->str), "%s: cannot be loaded: %s", script->name, reply->str);
	for (size_t i = 0; i < p->n_loaded; i++) /* the next use tries it again */
		if (p->loaded[i] == script)
			p->loaded[i] = p->loaded[--p->n_loaded];
}

static void on_call_reply(struct og_redis_pipeline *p, struct og_redis_pending *c, const redisReply *reply)
{
	bool noscript = c->script && is_noscript(reply), refused = noscript && c->script == p->refused;

	if (noscript && !refused && c->repairs < REPAIRS_MAX) {
		c->repairs++;
		STAILQ_INSERT_TAIL(&p->again, c, next);
		p->repairing = true;
		p->n_loaded = 0;
		return;
	}
	p->in_flight--;
	p->bytes -= c->wire_len;
	if (!refused)
		answer(c, reply);
	else if (c->cb)
		c->cb(c->ctx, NULL, &p->refusal);
	pending_free(c);
}

int og_redis_pipeline_reply(struct og_redis_pipeline *p, const redisReply *reply)
{
	struct og_redis_pending *c = STAILQ_FIRST(&p->sent);

	if (!c)
		return -1;
	STAILQ_REMOVE_HEAD(&p->sent, next);
	if (c->is_load) {
		on_load_reply(p, c->script, reply);
		pending_free(c);
	} else {
		on_call_reply(p, c, reply);
	}
	if (p->repairing && STAILQ_EMPTY(&p->sent))
		resume(p);
	return 0;
}

const void *og_redis_pipeline_oldest(const struct og_redis_pipeline *p, int64_t *ret_deadline)
{
	const struct og_redis_queue *queues[] = {&p->again, &p->sent, &p->parked};

	for (size_t i = 0; i < OG_COUNT(queues); i++) {
		const struct og_redis_pending *c = STAILQ_FIRST(queues[i]);

		if (c) {
			*ret_deadline = c->deadline;
			return c;
		}
	}
	return NULL;
}

void og_redis_pipeline_fail(struct og_redis_pipeline *p, const struct og_error *err)
{
	struct og_redis_queue queue = STAILQ_HEAD_INITIALIZER(queue);
	struct og_redis_pending *c;

	STAILQ_CONCAT(&queue, &p->again);
	STAILQ_CONCAT(&queue, &p->sent);
	STAILQ_CONCAT(&queue, &p->parked);
	p->in_flight = 0;
	p->bytes = 0;
	p->repairing = false;
	while ((c = STAILQ_FIRST(&queue))) {
		STAILQ_REMOVE_HEAD(&queue, next);
		if (c->cb)
			c->cb(c->ctx, NULL, err);
		pending_free(c);
	}
}
