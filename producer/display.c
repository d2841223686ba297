#include "display.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "model/message.h"

void og_display_init(struct og_display *d, struct og_screen *screen, const char *id, bool stream, bool json)
{
	*d = (struct og_display){.screen = screen, .id = id, .stream = stream && !json, .json = json};
	og_transcript_init(&d->text, OG_BODY_MAX);
}

void og_display_done(struct og_display *d)
{
	og_transcript_done(&d->text);
}

/* Why an attempt is not the first: "engine_cut on NodeB: its words"; as far as it is known. */
static char *describe_break(const struct og_display *d, const struct og_envelope *e)
{
	const char *type = e->error_type ? e->error_type : "", *words = e->reason ? e->reason : "";
	bool on = *type && *d->last_node;

	return og_printf(
		"%s%s%s%s%s", type, on ? " on " : "", on ? d->last_node : "", *type && *words ? ": " : "", words);
}

/* A new attempt or run begins. `void`: something of an earlier one was shown, and no longer counts; the answer goes on in a
 * line of its own. Where the answer's terminal does not show stderr, it is told there too. */
static void tell_begin(struct og_display *d, const struct og_envelope *e, bool is_void)
{
	static const char mark[] = "--- a new attempt begins: what is above does not count ---\n";
	og_autofree char *why = describe_break(d, e);
	og_autofree char *what = e->attempt > d->told && e->attempt > 1
	                                 ? og_printf("attempt %" PRId64 " begins", e->attempt)
	                                 : og_strdup("a new attempt begins");

	if (is_void) {
		og_screen_answer_end(d->screen);
		if (d->screen->out_tty && !d->screen->err_tty)
			og_screen_answer(d->screen, mark, sizeof(mark) - 1);
		og_screen_error(
			d->screen, "%s%s%s; what was printed so far does not count", what, *why ? ": " : "", why);
	} else if (e->attempt > d->told && e->attempt > 1) {
		og_screen_note(d->screen, "%s%s%s", what, *why ? ": " : "", why);
	}
	if (e->attempt > d->told)
		d->told = e->attempt;
}

static void show(struct og_display *d, const struct og_envelope *e, const struct og_piece *out)
{
	if (e && (out->restarted || e->attempt > d->told))
		tell_begin(d, e, out->restarted);
	og_screen_answer(d->screen, out->text, out->len);
}

void og_display_placed(struct og_display *d, const struct og_envelope *e)
{
	bool queued = !strcmp(e->state, og_state_name(OG_STATE_QUEUED));
	const char *where = e->node_name ? e->node_name : e->tier ? e->tier : "its tier";
	int64_t attempt = e->attempt ? e->attempt : 1;
	struct og_piece out;

	/* It comes from the scheduler, and a quick worker's `started` may have overtaken it. */
	if (d->started >= attempt)
		return;
	if (attempt > 1) {
		out = og_transcript_begin(&d->text, attempt, 0);
		if (out.dropped)
			return;
		show(d, e, &out);
	}
	og_screen_progress(
		d->screen, "%s %s, %" PRId64 " ahead", queued ? "waiting for" : "placed on", where, e->ahead);
}

void og_display_started(struct og_display *d, const struct og_envelope *e)
{
	struct og_piece out = og_transcript_begin(&d->text, e->attempt, e->run);

	if (out.dropped)
		return;
	show(d, e, &out);
	d->started = e->attempt;
	snprintf(d->last_node, sizeof(d->last_node), "%s", e->node_name ? e->node_name : "");
	og_screen_progress(d->screen, "running on %s", e->node_name ? e->node_name : "a node");
}

void og_display_chunk(struct og_display *d, const struct og_envelope *e, const void *body, size_t len)
{
	og_autofree char *text = NULL;
	struct og_piece out;
	size_t text_len = 0;

	if (!d->stream)
		return;
	text = og_transcript_chunk_text(body, len, &text_len);
	out = og_transcript_chunk(&d->text, e->attempt, e->run, e->seq, text ? text : "", text_len);
	if (out.dropped)
		return;
	show(d, e, &out);
	d->started = e->attempt;
}

int64_t og_display_next(const struct og_display *d)
{
	return d->text.next;
}

bool og_display_attempt(struct og_display *d, int64_t attempt)
{
	const struct og_envelope e = {.attempt = attempt};
	struct og_piece out;

	if (attempt <= d->text.attempt)
		return false;
	out = og_transcript_begin(&d->text, attempt, 0);
	if (!out.dropped && d->told) /* the first that we hear of is no new one */
		show(d, &e, &out);
	d->told = attempt;
	return !out.dropped;
}

/* An answer that stops in the middle of a sentence looks like a whole one. */
static void tell_cut(struct og_display *d, const json_t *result)
{
	const json_t *choices = json_object_get(json_object_get(result, "response"), "choices");
	const char *why = json_string_value(json_object_get(json_array_get(choices, 0), "finish_reason"));

	if (why && !strcmp(why, "length"))
		og_screen_note(d->screen, "the answer is cut off: it has as many tokens as it may have "
					  "(--max-tokens, or what the engine's context holds)");
}

bool og_display_end(
	struct og_display *d, enum og_state state, const json_t *result, const struct og_envelope *e, enum og_exit *ret)
{
	const char *text = NULL;
	struct og_piece out;
	size_t len = 0;

	if (state == OG_STATE_DONE)
		text = og_answer_text(result, &len);
	out = og_transcript_end(&d->text, e ? e->attempt : 0, e ? e->run : 0, e ? e->seq : -1, text, len);
	if (out.dropped)
		return false;
	if (!d->json) {
		if (e && out.restarted)
			tell_begin(d, e, true);
		else if (out.restarted)
			tell_begin(d, &(struct og_envelope){0}, true);
		og_screen_answer(d->screen, out.text, out.len);
		og_screen_answer_end(d->screen);
	}
	og_screen_settle(d->screen);
	*ret = og_answer_end(d->screen, d->json, d->id, state, result);
	if (state == OG_STATE_DONE && !d->json)
		tell_cut(d, result);
	if (d->screen->gone) {
		*ret = OG_EXIT_INTERNAL;
		if (state == OG_STATE_DONE)
			og_screen_note(d->screen, "the answer was not written: `og result %s` has it", d->id);
	}
	return true;
}
