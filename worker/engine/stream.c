#include "engine/stream.h"

#include <stdarg.h>
#include <stdio.h>

static bool finishes(const json_t *chunk)
{
	const json_t *choice;
	size_t i;

	json_array_foreach(json_object_get(chunk, "choices"), i, choice)
	{
		if (json_is_string(json_object_get(choice, "finish_reason")))
			return true;
	}
	return false;
}

static int on_event(void *ctx, const struct og_sse_event *event)
{
	struct og_engine_stream *s = ctx;
	struct og_dialect_event e = {0};
	enum og_fault fault = OG_FAULT_NONE;

	s->dialect->event(&s->run, event, &e);
	s->run.events++;
	if (e.fault)
		og_engine_stream_fault(s, e.fault, "%s", e.words);
	if (e.chunk && !e.fault) {
		s->finished = s->finished || finishes(e.chunk);
		fault = s->event(s->ctx, e.chunk, e.verbatim ? event->data : NULL, event->len);
		if (fault)
			og_engine_stream_fault(s, fault, "%s",
				fault == OG_FAULT_TOO_LARGE ? OG_ANSWER_TOO_LARGE
							    : "the engine sent an event that is no chunk of an answer");
	}
	json_decref(e.chunk);
	s->ended = e.end && !s->fault;
	return s->fault || s->ended ? -1 : 0;
}

void og_engine_stream_init(struct og_engine_stream *s, const struct og_dialect *dialect,
	const struct og_dialect_run *run,
	enum og_fault (*event)(void *ctx, json_t *chunk, const char *text, size_t len), void *ctx)
{
	*s = (struct og_engine_stream){.dialect = dialect, .run = *run, .event = event, .ctx = ctx};
	og_sse_init(&s->sse, dialect->framing, OG_STREAM_LINE_MAX, on_event, s);
}

void og_engine_stream_done(struct og_engine_stream *s)
{
	og_sse_done(&s->sse);
}

void og_engine_stream_fault(struct og_engine_stream *s, enum og_fault fault, const char *fmt, ...)
{
	va_list ap;

	if (s->fault)
		return;
	s->fault = fault;
	va_start(ap, fmt);
	vsnprintf(s->words, sizeof(s->words), fmt, ap);
	va_end(ap);
}

int og_engine_stream_push(struct og_engine_stream *s, const char *bytes, size_t len)
{
	struct og_error err;

	if (s->ended || s->fault)
		return -1;
	if (og_sse_push(&s->sse, bytes, len, &err) == 0)
		return 0;
	if (!s->ended)
		og_engine_stream_fault(s, OG_FAULT_ENGINE_GARBAGE, "the engine's answer: %s", err.message);
	return -1;
}

void og_engine_stream_close(struct og_engine_stream *s)
{
	struct og_error err;

	if (s->ended || s->fault)
		return;
	if (og_sse_end(&s->sse, &err) < 0 && !s->ended)
		og_engine_stream_fault(s, OG_FAULT_ENGINE_GARBAGE, "the engine's answer: %s", err.message);
	if (!s->run.events)
		og_engine_stream_fault(s, OG_FAULT_ENGINE_GARBAGE, "the engine answered without a single event");
	else if (!s->finished && !s->ended)
		og_engine_stream_fault(s, OG_FAULT_ENGINE_CUT, "the engine's answer ended before it was finished");
	s->ended = !s->fault;
}
