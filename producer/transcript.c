#include "transcript.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"

void og_transcript_init(struct og_transcript *s, size_t cap)
{
	*s = (struct og_transcript){0};
	og_buf_init(&s->shown, cap);
}

void og_transcript_done(struct og_transcript *s)
{
	og_buf_done(&s->shown);
}

/* Makes (attempt, run) the current one. False: it is a lower one, whose messages do not count. */
static bool enter(struct og_transcript *s, int64_t attempt, int64_t run, struct og_piece *out)
{
	bool higher = attempt != s->attempt ? attempt > s->attempt : run > s->run;

	if (attempt == s->attempt && run == s->run)
		return true;
	if (!higher)
		return false;
	out->restarted = s->shown.len > 0;
	s->attempt = attempt;
	s->run = run;
	s->next = 0;
	s->gap = false;
	og_buf_clear(&s->shown);
	return true;
}

struct og_piece og_transcript_begin(struct og_transcript *s, int64_t attempt, int64_t run)
{
	struct og_piece out = {0};

	out.dropped = s->ended || !enter(s, attempt, run, &out);
	return out;
}

struct og_piece og_transcript_chunk(
	struct og_transcript *s, int64_t attempt, int64_t run, int64_t seq, const char *text, size_t len)
{
	struct og_piece out = {0};

	if (s->ended || !enter(s, attempt, run, &out) || seq < s->next) {
		out.dropped = true;
		return out;
	}
	if (seq > s->next)
		s->gap = true;
	s->next = seq + 1;
	/* An answer above the cap is shown by its `done` alone, which will say that it is too large. */
	if (s->gap || og_buf_add(&s->shown, text, len) < 0) {
		s->gap = true;
		return out;
	}
	out.text = text;
	out.len = len;
	return out;
}

struct og_piece og_transcript_end(
	struct og_transcript *s, int64_t attempt, int64_t run, int64_t chunks, const char *text, size_t len)
{
	struct og_piece out = {0};

	if (s->ended || (attempt && !enter(s, attempt, run, &out))) {
		out.dropped = true;
		return out;
	}
	s->ended = true;
	if (!text)
		return out;
	if (len >= s->shown.len && !memcmp(text, og_buf_str(&s->shown), s->shown.len)) {
		out.text = text + s->shown.len;
		out.len = len - s->shown.len;
		return out;
	}
	/* Every chunk was shown and yet the texts differ: an engine whose final text is a tidied one. Once is enough. */
	if (!s->gap && s->next == chunks)
		return out;
	/* Otherwise what was shown is of another run, of which only the end reached us. */
	out.restarted = true;
	out.text = text;
	out.len = len;
	return out;
}

char *og_transcript_chunk_text(const void *body, size_t body_len, size_t *ret_len)
{
	json_t *chunk = json_loadb(body, body_len, 0, NULL);
	json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0);
	json_t *text = json_object_get(json_object_get(choice, "delta"), "content");
	char *copy = NULL;

	if (!text)
		text = json_object_get(choice, "text");
	if (json_is_string(text)) {
		*ret_len = json_string_length(text);
		copy = og_strndup(json_string_value(text), *ret_len);
	}
	json_decref(chunk);
	return copy;
}
