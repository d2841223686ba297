/* The Responses as a form of a prompt (prompt.h). */
#ifndef OG_RESPONSES_FORM_H
#define OG_RESPONSES_FORM_H

#include "api/prompt.h"
#include "api/responses/events.h"

extern const struct og_form og_responses_form;
/* What the form works with, for og_prompt_request.of_form; `after`: the last event that the client has, -1: none. */
struct og_response_events *og_responses_form_new(const char *hex, const json_t *echo, int64_t after);
void og_responses_form_free(void *of_form);

/* The chat completion in a job's end, a new reference; NULL: there is none. */
json_t *og_completion_of(const struct og_job_end *end);

#endif
