/* What comes about a job: its messages, and the answers to what was asked about it. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "job/link_state.h"
#include "model/json.h"
#include "model/names.h"

/* So often, 300 ms apart, a job may be unknown before we believe it; one of ours may long be on its way. */
#define UNKNOWN_MAX      4
#define UNKNOWN_OURS_MAX 100

static void heard(struct og_job *j)
{
	j->heard_ms = j->answered_ms = og_clock_mono_ms();
	j->unknown = 0;
}

static bool is_newer(const struct og_job *j, const struct og_envelope *e)
{
	return e->attempt > j->attempt || (e->attempt == j->attempt && e->run > j->run);
}

static bool is_older(const struct og_job *j, const struct og_envelope *e)
{
	return e->attempt < j->attempt || (e->attempt == j->attempt && e->run < j->run);
}

/* What comes now is of a newer run than what came. False: the job was left over it. */
static bool begin_anew(struct og_job *j, const struct og_envelope *e)
{
	bool void_now = j->next_seq > 0;

	j->attempt = e->attempt;
	j->run = e->run;
	j->next_seq = 0;
	return !void_now || !j->sink.restarts || j->sink.restarts(j->sink.ctx);
}

/* Whether its sink has not left it. */
static bool is_there(struct og_link *l, const char *id, const struct og_job *j)
{
	struct og_topic *t = NULL;
	const struct og_job *x;

	HASH_FIND_STR(l->topics, id, t);
	for (x = t ? t->jobs : NULL; x && x != j; x = x->next)
		;
	return x != NULL;
}

static void take_chunk(struct og_job *j, const struct og_chunk_at *at, const char *data, size_t len)
{
	if (at->seq != j->next_seq)
		return;
	j->next_seq++;
	if (j->sink.chunk)
		j->sink.chunk(j->sink.ctx, at, data, len);
}

/* Several chunks may come in one message, a line each. */
static void take_chunks(struct og_job *j, const struct og_envelope *e, const char *lines, size_t len)
{
	struct og_chunk_at at = {e->attempt, e->run, e->seq};
	struct og_link *l = j->l;
	const char *end = lines + len;
	char id[OG_ID_LEN + 1];

	strcpy(id, og_job_id(j));
	for (; lines < end && is_there(l, id, j); at.seq++) {
		const char *stop = e->bundle > 1 ? memchr(lines, '\n', (size_t)(end - lines)) : NULL;

		stop = stop ? stop : end;
		take_chunk(j, &at, lines, (size_t)(stop - lines));
		lines = stop + 1;
	}
}

/* A gap (the reply queue drops its oldest where it is too full) is asked for; what comes behind it comes again then. */
static void on_chunk(struct og_job *j, const struct og_envelope *e, const struct og_message *m)
{
	if (!j->wants_chunks || is_older(j, e) || (is_newer(j, e) && !begin_anew(j, e)))
		return;
	if (e->seq > j->next_seq) {
		j->asks = true;
		if (!j->question)
			og_job_ask(j);
		return;
	}
	take_chunks(j, e, m->body, m->body_len);
}

/* Told where progress was asked for, and where a stream was: another attempt was placed, or will be. */
static void on_placed(struct og_job *j, const struct og_envelope *e)
{
	if (j->wants_chunks && j->attempt && is_newer(j, e) && !begin_anew(j, e))
		return;
	if (j->sink.progress)
		j->sink.progress(j->sink.ctx, e);
}

/* Whether there are chunks that this end tells of and nobody showed us. One that is of no run (the result of a job that had
 * ended before it was asked for) does not tell how many there were. */
static bool has_gap(const struct og_job *j, const struct og_envelope *e)
{
	if (!j->streams)
		return false;
	if (!e || is_newer(j, e) || e->seq > j->next_seq)
		return true;
	return !e->attempt && (j->ours || !j->next_seq);
}

static void end(struct og_job *j, enum og_state state, const struct og_envelope *e, const char *body, size_t len)
{
	struct og_job_end end = {.state = state, .e = e, .body = body, .len = len};
	json_t *said = NULL;
	const json_t *error;

	end.gap = has_gap(j, e);
	if (state != OG_STATE_DONE && body && og_json_parse(body, len, &said, NULL) == 0) {
		error = json_object_get(said, "error");
		end.error_type = json_string_value(json_object_get(error, "type"));
		end.message = json_string_value(json_object_get(error, "message"));
	}
	if (state != OG_STATE_DONE && !end.error_type)
		end.error_type = e && e->error_type ? e->error_type : og_state_name(state);
	if (!end.message)
		end.message = "";
	og_job_end(j, &end);
	json_decref(said);
}

static void on_done(struct og_job *j, const struct og_envelope *e, const struct og_message *m)
{
	enum og_state state;

	if (og_state_parse(e->state, &state, NULL) < 0 || !og_state_terminal(state))
		return;
	if (state == OG_STATE_DONE && j->streams && e->attempt && is_newer(j, e) && !begin_anew(j, e))
		return;
	end(j, state, e, m->body, m->body_len);
}

void og_job_message(struct og_job *j, const struct og_envelope *e, const struct og_message *m)
{
	if (!j->may_hear) { /* it comes for another listener here, who may be of another tenant */
		j->missed = true;
		return;
	}
	heard(j);
	if (!strcmp(e->type, OG_T_CHUNK))
		on_chunk(j, e, m);
	else if (!strcmp(e->type, OG_T_RESPONSE) && e->state)
		on_done(j, e, m);
	else if (!strcmp(e->type, OG_T_PLACED))
		on_placed(j, e);
}

/* One that nobody knows (yet), or whose record cannot be read just now, is asked for again soon. */
static void on_refused(struct og_job *j, const char *type)
{
	bool unknown = !strcmp(type, "not_found");

	j->answered_ms = og_clock_mono_ms();
	j->unknown++;
	if (j->phase == OG_JOB_LEAVES)
		return;
	if (!strcmp(type, "result_gone")) {
		og_job_fail(j, type, "its result is no longer kept");
	} else if (unknown && j->unknown >= (j->ours ? UNKNOWN_OURS_MAX : UNKNOWN_MAX)) {
		og_job_fail(j, type, "there is no such job, or its record has expired");
	} else if (j->wants_chunks && !strcmp(type, "invalid_request")) {
		j->wants_chunks = false; /* a scheduler that cannot attach: its end will do */
		og_job_ask(j);
	}
}

void og_job_answered(struct og_job *j, const char *err_type, const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "state"));
	const json_t *result = json_object_get(answer, "result");
	og_autofree char *body = NULL;
	enum og_state state;

	if (err_type) {
		on_refused(j, err_type);
		return;
	}
	heard(j);
	if (!name || og_state_parse(name, &state, NULL) < 0)
		return;
	j->may_hear = true;
	if (j->phase == OG_JOB_LEAVES) {
		j->never_ran = state == OG_STATE_CANCELLED && !j->unsure;
		og_job_left(j);
	} else if (result) {
		body = json_dumps(result, JSON_COMPACT);
		end(j, state, NULL, body, body ? strlen(body) : 0);
	} else if (og_state_terminal(state)) {
		j->wants_chunks = false;
		og_job_ask(j);
	} else if (j->missed) {
		j->missed = false;
		og_job_ask(j);
	} else if (j->asks && !j->wants_chunks && !j->yielded && !j->waits) { /* one that did not wait: by the tick */
		og_job_wait(j);
	}
}
