/* What a client says of its prompt beside the prompt itself, and what becomes of that on the way to the cluster. */
#include <string.h>

#include "api/background.h"
#include "api/prompt.h"
#include "base/clock.h"
#include "base/parse.h"
#include "model/names.h"
#include "model/trace.h"

/* In how much time, "90s", or when, in ms since the Unix epoch. */
static int read_deadline(const char *text, int64_t now, int64_t *ret, struct og_refusal *why)
{
	int64_t ms;

	if (!text)
		return 0;
	if (og_parse_int(text, now - 1, INT64_MAX, &ms, NULL) == 0)
		*ret = ms;
	else if (og_parse_duration_ms(text, 1, INT64_C(30) * 86400 * 1000, &ms, NULL) == 0)
		*ret = now + ms;
	else
		return og_refuse_with(why, 400, "invalid_request",
			"deadline: '%.60s' is neither a duration (90s, 5m; up to 30 days) nor milliseconds since 1970 "
			"that are to come",
			text);
	return 0;
}

static int read_id(struct og_web_call *c, const struct og_prompt_about *about, const char *tenant,
	char id[static OG_ID_LEN + 1], struct og_envelope *ret, struct og_refusal *why)
{
	const char *key = about->idempotency_key;

	if (!key) {
		strcpy(id, og_web_request_id(c));
		return 0;
	}
	if (!*key || strlen(key) > OG_IDEMPOTENCY_KEY_MAX)
		return og_refuse_with(why, 400, "invalid_request", "idempotency key: has 1 to %d bytes, not %zu",
			OG_IDEMPOTENCY_KEY_MAX, strlen(key));
	og_uuid_of_key(tenant, key, id);
	ret->explicit_id = 1;
	return 0;
}

void og_prompt_about(struct og_web_call *c, struct og_prompt_about *ret)
{
	*ret = (struct og_prompt_about){.class_name = og_web_header(c, "og-class"),
		.deadline = og_web_header(c, "og-deadline"),
		.region = og_web_header(c, "og-region"),
		.tier = og_web_header(c, "og-tier"),
		.session = og_web_header(c, "og-session"),
		.avoid = og_web_header(c, "og-avoid"),
		.idempotency_key = og_web_header(c, "idempotency-key")};
}

/* They travel as headers of a message, whose texts are UTF-8. */
static int check_texts(const struct og_prompt_about *about, struct og_refusal *why)
{
	const struct {
		const char *name, *text;
		size_t max;
	} texts[] = {
		{"region", about->region, OG_NAME_MAX - 1},
		{"tier", about->tier, OG_NAME_MAX - 1},
		{"session", about->session, OG_NAME_MAX - 1},
		{"avoid", about->avoid, 1023},
	};
	size_t bad;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!texts[i].text)
			continue;
		if (strlen(texts[i].text) > texts[i].max)
			return og_refuse_with(why, 400, "invalid_request", "%s: is longer than %zu bytes",
				texts[i].name, texts[i].max);
		if (!og_utf8_valid(texts[i].text, strlen(texts[i].text), &bad))
			return og_refuse_with(why, 400, "invalid_request", "%s: is not UTF-8", texts[i].name);
	}
	return 0;
}

/* Of a tracestate in several lines the first counts: in it are those who had the request last. */
static void read_trace(const struct og_web_call *c, struct og_envelope *e)
{
	const char *parent = og_web_header(c, "traceparent"), *state = og_web_header(c, "tracestate");
	char read[OG_TRACEPARENT_LEN + 1];

	if (!og_traceparent_read(parent, read) || strlen(parent) >= OG_NAME_MAX)
		return;
	e->traceparent = parent;
	e->tracestate = state && og_tracestate_valid(state) ? state : NULL;
}

static bool may(const struct og_caller *caller, enum og_class class)
{
	return !caller->key || og_key_may_class(caller->key, og_class_name(class));
}

/* NULL: the one that is normal, be it allowed or not. Nobody gets a better one unasked. */
static const char *class_unsaid(const struct og_caller *caller)
{
	return !may(caller, OG_CLASS_NORMAL) && may(caller, OG_CLASS_BATCH) ? og_class_name(OG_CLASS_BATCH) : NULL;
}

void og_prompt_aside(const struct og_api *api, const struct og_web_call *c, const json_t *body, struct og_envelope *e)
{
	if (!e->class_name && may(og_api_caller(c), OG_CLASS_BATCH) &&
		og_background_is(api->settings->gateway_background, body))
		e->class_name = og_class_name(OG_CLASS_BATCH);
}

int og_prompt_envelope_about(struct og_web_call *c, const struct og_prompt_about *about, char id[static OG_ID_LEN + 1],
	struct og_envelope *ret, struct og_refusal *why)
{
	const struct og_caller *caller = og_api_caller(c);
	enum og_class class;
	struct og_error err;

	*ret = (struct og_envelope){.type = OG_T_REQUEST,
		.id = id,
		.content_type = "application/json",
		.timestamp_s = og_clock_wall_ms() / 1000,
		.tenant = caller->tenant,
		.weight = caller->key ? caller->key->weight : 0,
		.class_name = about->class_name ? about->class_name : class_unsaid(caller),
		.region = about->region,
		.tier = about->tier,
		.session = about->session,
		.avoid = about->avoid};
	read_trace(c, ret);
	if (ret->class_name && og_class_parse(ret->class_name, &class, &err) < 0)
		return og_refuse_with(why, 400, "invalid_request", "class: %s", err.message);
	if (check_texts(about, why) < 0 ||
		read_deadline(about->deadline, og_clock_wall_ms(), &ret->deadline_ms, why) < 0)
		return -1;
	return read_id(c, about, caller->tenant, id, ret, why);
}

int og_prompt_envelope(
	struct og_web_call *c, char id[static OG_ID_LEN + 1], struct og_envelope *ret, struct og_refusal *why)
{
	struct og_prompt_about about;

	og_prompt_about(c, &about);
	return og_prompt_envelope_about(c, &about, id, ret, why);
}
