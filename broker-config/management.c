#include "management.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/alloc.h"
#include "io/http.h"

/* A broker that starts, or was installed a moment ago, may hang up on us for a while. Every request here may be made
 * twice: it says what is to be, not what to change. */
#define TRIES    10
#define AGAIN_MS 500

#define ANSWER_CAP (64u * 1024 * 1024) /* the definitions of a broker that others use as well */

static const struct og_http_limits limits = {.connect_ms = 5000, .total_ms = 120000, .body_cap = ANSWER_CAP};

int og_management_open(const struct og_settings *s, struct og_management *m, struct og_error *err)
{
	if (og_credentials_load(s, "admin", &m->admin, err) != 0)
		return og_fail_in(err, "this needs an administrator of the broker");
	m->url = s->broker_management;
	return 0;
}

/* What the broker says of a refusal: {"error":"bad_request","reason":"inequivalent arg …"}; the reason may be any
 * Erlang term. */
static int refused(int status, const json_t *answer, const struct og_management *m, const char *method,
	const char *path, struct og_error *err)
{
	const json_t *reason = json_object_get(answer, "reason");
	og_autofree char *text = reason ? json_dumps(reason, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	if (status == 401 || status == 403)
		return og_fail(err, OG_FATAL,
			"RabbitMQ at %s refuses the user '%s' of admin.credentials (%d): it must exist, with this "
			"password and the tag administrator",
			m->url, m->admin.user, status);
	return og_fail(err, OG_INVALID, "%s %s: %d: %s", method, path, status, text ? text : "no reason given");
}

static int fetch(
	const struct og_http_request *request, int *ret_status, char **ret_body, size_t *ret_len, struct og_error *err)
{
	for (int tries = 1;; tries++) {
		if (og_http_fetch(request, ret_status, ret_body, ret_len, err) == 0)
			return 0;
		if (err->kind != OG_RETRY || tries == TRIES)
			return -1;
		uv_sleep(AGAIN_MS);
	}
}

int og_management_call(const struct og_management *m, const char *method, const char *path, const json_t *body,
	json_t **ret, int *ret_status, struct og_error *err)
{
	og_autofree char *url = og_printf("%s%s", m->url, path);
	og_autofree char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	og_autofree char *answer = NULL;
	const char *const headers[] = {"Content-Type: application/json", NULL};
	const struct og_http_request request = {
		.method = method,
		.url = url,
		.headers = text ? headers : NULL,
		.body = text,
		.body_len = text ? strlen(text) : 0,
		.user = m->admin.user,
		.password = m->admin.password,
		.limits = limits,
	};
	json_t *parsed = NULL;
	size_t len = 0;
	int status = 0, rc = 0;

	if (fetch(&request, &status, &answer, &len, err) != 0)
		return og_fail_in(
			err, "the management API of RabbitMQ (broker.management = %s) is not reached", m->url);
	if (ret_status)
		*ret_status = status;
	if (len)
		parsed = json_loadb(answer, len, 0, NULL);
	if (status >= 300)
		rc = refused(status, parsed, m, method, path, err);
	else if (len && !parsed)
		rc = og_fail(err, OG_FATAL, "%s does not answer in JSON: is it RabbitMQ's management API?", url);
	if (rc == 0 && ret)
		*ret = OG_TAKE(parsed);
	json_decref(parsed);
	return rc;
}
