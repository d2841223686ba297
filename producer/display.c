#include "display.h"

#include <inttypes.h>
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

/* A break between what no longer counts and what follows. In a pipe it cannot be told from the text: then on stderr
 * alone. */
static void show_break(struct og_display *d)
{
	static const char mark[] = "--- a new attempt begins: what is above does not count ---\n";

	og_screen_answer_end(d->screen);
	if (d->screen->out_tty)
		og_screen_answer(d->screen, mark, sizeof(mark) - 1);
	else
		og_screen_error(d->screen, "a new attempt begins: what was printed so far does not count");
}

static void show(struct og_display *d, const struct og_piece *out)
{
	if (out->restarted)
		show_break(d);
	og_screen_answer(d->screen, out->text, out->len);
}

void og_display_placed(struct og_display *d, const struct og_envelope *e)
{
	bool queued = !strcmp(e->state, og_state_name(OG_STATE_QUEUED));
	const char *where = e->node_name ? e->node_name : e->tier ? e->tier : "its tier";

	/* It comes from the scheduler, and a quick worker's `started` may have overtaken it. */
	if (d->text.attempt >= (e->attempt ? e->attempt : 1))
		return;
	og_screen_progress(
		d->screen, "%s %s, %" PRId64 " ahead", queued ? "waiting for" : "placed on", where, e->ahead);
}

void og_display_started(struct og_display *d, const struct og_envelope *e)
{
	struct og_piece out = og_transcript_begin(&d->text, e->attempt, e->run);

	if (out.dropped)
		return;
	show(d, &out);
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
	show(d, &out);
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
		show(d, &out);
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
