#include "hand_back.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

/* Where a character ends at or before `at`. */
static size_t whole(const char *words, size_t at)
{
	size_t start = at;

	while (start && at - start < 3 && ((unsigned char)words[start] & 0xc0) == 0x80)
		start--;
	return start;
}

void og_hand_back_reason(const char *words, char ret[static OG_REASON_MAX + 1])
{
	size_t len = strlen(words), at = 0, offset;

	if (len > OG_REASON_MAX)
		len = whole(words, OG_REASON_MAX);
	memcpy(ret, words, len);
	ret[len] = '\0';
	while (!og_utf8_valid(ret + at, len - at, &offset)) {
		at += offset;
		ret[at++] = '?';
	}
}

struct og_message *og_hand_back(const struct og_run *r, const struct og_identity *who, const char *words)
{
	struct og_message m = *r->placed;
	char reason[OG_REASON_MAX + 1];
	struct og_envelope e;
	struct og_error err;

	og_hand_back_reason(words, reason);
	if (og_envelope_decode(&m, &e, &err) < 0) /* it was read when it came */
		return NULL;
	e.attempt = r->attempt;
	e.lease = *r->lease ? r->lease : NULL;
	e.epoch = r->epoch;
	e.error_type = og_fault_name(r->fault);
	e.reason = reason;
	e.run = r->run;
	e.node = who->node_id;
	e.node_name = who->node_name;
	e.worker = who->worker;
	og_envelope_encode(&e, &m);
	m.exchange = OG_X_RETRY;
	m.routing_key = OG_K_RETRY;
	m.user_id = NULL; /* another's: the broker refuses that from us */
	m.persistent = true;
	m.redelivered = false;
	return og_message_copy(&m);
}
