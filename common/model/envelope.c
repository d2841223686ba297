/* The envelope is a table: a header more is one field in envelope.h and one row here. */
#include "model/envelope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "model/names.h"
#include "model/trace.h"

#define UNKNOWN_VERSION "unknown version"
#define STRINGIZE_(x)   #x
#define STRINGIZE(x)    STRINGIZE_(x)
#define VERSION         STRINGIZE(OG_VERSION_MAJOR) "." STRINGIZE(OG_VERSION_MINOR)

#define NAME_LEN   (OG_NAME_MAX - 1)
#define WORKER_LEN (3 * OG_NAME_MAX - 1)    /* "<node name>/<tier>/<n>" */
#define NODES_LEN  1023                     /* of ids of nodes */
#define TIME_MAX   INT64_C(253402300799999) /* ms: the end of the year 9999 */
#define COUNT_MAX  INT64_C(1000000000000)

/* Which types of message must have a header. */
enum {
	REQUEST = 1 << 0,
	CHUNK = 1 << 1,
	RESPONSE = 1 << 2,
	PLACED = 1 << 3,
	STARTED = 1 << 4,
	RPC = 1 << 5,
	RPC_REPLY = 1 << 6,
	CANCEL = 1 << 7,
	ATTACH = 1 << 8,
	ALONE = 1 << 9,
	JOB = REQUEST | CHUNK | RESPONSE | PLACED | STARTED,
};

static const struct {
	const char *name;
	unsigned flag;
} types[] = {
	{OG_T_REQUEST, REQUEST},
	{OG_T_CHUNK, CHUNK},
	{OG_T_RESPONSE, RESPONSE},
	{OG_T_PLACED, PLACED},
	{OG_T_STARTED, STARTED},
	{OG_T_RPC, RPC},
	{OG_T_RPC_REPLY, RPC_REPLY},
	{OG_T_CANCEL, CANCEL},
	{OG_T_ATTACH, ATTACH},
	{OG_T_ALONE, ALONE},
};

enum kind { TEXT, WORDS, CLASS, STATE, LEASE, ERROR_TYPE, NUMBER };

struct row {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t min, max; /* of a text its bytes, of a number its value */
	unsigned required;
	bool received; /* the broker's: read, never written */
};

#define AT(field) offsetof(struct og_envelope, field)

static const struct row rows[] = {
	{"og-version", TEXT, AT(version), 1, 16, JOB | RPC | RPC_REPLY, false},
	{"og-tier", TEXT, AT(tier), 1, NAME_LEN, 0, false},
	{"og-model", TEXT, AT(model), 1, NAME_LEN, 0, false},
	{"og-region", TEXT, AT(region), 1, NAME_LEN, 0, false},
	{"og-tenant", TEXT, AT(tenant), 1, NAME_LEN, 0, false},
	{"og-weight", NUMBER, AT(weight), 1, OG_WEIGHT_MAX, 0, false},
	{"og-submitter", TEXT, AT(submitter), 1, NAME_LEN, 0, false},
	{"og-class", CLASS, AT(class_name), 0, 0, 0, false},
	{"og-deadline", NUMBER, AT(deadline_ms), 0, TIME_MAX, 0, false},
	{"og-accepted", NUMBER, AT(accepted_ms), 0, TIME_MAX, 0, false},
	{"og-attempt", NUMBER, AT(attempt), 1, 1000000, CHUNK | STARTED | ALONE, false},
	{"og-run", NUMBER, AT(run), 0, 1000000, 0, false},
	{"og-lease", LEASE, AT(lease), 0, 0, ALONE, false},
	{"og-epoch", NUMBER, AT(epoch), 0, TIME_MAX, 0, false},
	{"og-stream", NUMBER, AT(stream), 0, 1, 0, false},
	{"og-bundle", NUMBER, AT(bundle), 0, 1000000, 0, false},
	{"og-progress", NUMBER, AT(progress), 0, 1, 0, false},
	{"og-explicit-id", NUMBER, AT(explicit_id), 0, 1, 0, false},
	{"og-detach", NUMBER, AT(detach), 0, 1, 0, false},
	{"og-seq", NUMBER, AT(seq), 0, COUNT_MAX, 0, false},
	{"og-state", STATE, AT(state), 0, 0, RESPONSE | PLACED, false},
	{"og-error", ERROR_TYPE, AT(error_type), 1, 63, 0, false},
	{"og-node", TEXT, AT(node), 1, NAME_LEN, 0, false},
	{"og-node-name", TEXT, AT(node_name), 1, NAME_LEN, 0, false},
	{"og-worker", TEXT, AT(worker), 1, WORKER_LEN, 0, false},
	{"og-queue-ms", NUMBER, AT(queue_ms), 0, TIME_MAX, 0, false},
	{"og-first-token-ms", NUMBER, AT(first_token_ms), 0, TIME_MAX, 0, false},
	{"og-run-ms", NUMBER, AT(run_ms), 0, TIME_MAX, 0, false},
	{"og-prompt-tokens", NUMBER, AT(prompt_tokens), 0, COUNT_MAX, 0, false},
	{"og-completion-tokens", NUMBER, AT(completion_tokens), 0, COUNT_MAX, 0, false},
	{"og-ahead", NUMBER, AT(ahead), 0, COUNT_MAX, 0, false},
	{"og-max-tokens", NUMBER, AT(max_tokens), 0, COUNT_MAX, 0, false},
	{"og-verb", TEXT, AT(verb), 1, 31, RPC, false},
	{"og-session", TEXT, AT(session), 1, NAME_LEN, 0, false},
	{"og-avoid", TEXT, AT(avoid), 1, NODES_LEN, 0, false},
	{"og-tried", TEXT, AT(tried), 1, NODES_LEN, 0, false},
	{"og-reason", WORDS, AT(reason), 1, 1023, 0, false},
	{"og-suspect", NUMBER, AT(suspect), 0, 1, 0, false},
	{"og-deaths", NUMBER, AT(deaths), 0, 1000000, 0, false},
	{"og-not-before", NUMBER, AT(not_before_ms), 0, TIME_MAX, 0, false},
	{"og-operation", TEXT, AT(operation), 1, 31, 0, false},
	{"og-traceparent", TEXT, AT(traceparent), 1, NAME_LEN, 0, false},
	{"og-tracestate", TEXT, AT(tracestate), 1, OG_TRACESTATE_MAX, 0, false},
	{"x-delivery-count", NUMBER, AT(delivery_count), 0, COUNT_MAX, 0, true},
};

_Static_assert(OG_COUNT(rows) <= OG_MESSAGE_HEADERS_MAX, "a message must hold every header");
_Static_assert(OG_COUNT(rows) <= 64, "the headers seen are one bit each");

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < OG_COUNT(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static unsigned flag_of_type(const char *type)
{
	for (size_t i = 0; i < OG_COUNT(types); i++)
		if (!strcmp(types[i].name, type))
			return types[i].flag;
	return 0;
}

/* Text that may go into a log line, a Redis field or JSON without a second look. */
static int check_text(const char *name, const char *s, int64_t max, struct og_error *err)
{
	size_t len = strlen(s);

	if (!len || (int64_t)len > max)
		return og_fail(err, OG_INVALID, "%s is %zu bytes long, 1 to %" PRId64 " are allowed", name, len, max);
	if (!og_utf8_valid(s, len, NULL))
		return og_fail(err, OG_INVALID, "%s is not UTF-8", name);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return og_fail(err, OG_INVALID, "%s holds a control character", name);
	return 0;
}

static int check_number(const struct row *row, const struct og_header *h, struct og_error *err)
{
	if (h->text)
		return og_fail(err, OG_INVALID, "%s is text, a number is wanted", row->name);
	if (h->number < row->min || h->number > row->max)
		return og_fail(err, OG_INVALID, "%s is %" PRId64 ", %" PRId64 " to %" PRId64 " are allowed", row->name,
			h->number, row->min, row->max);
	return 0;
}

static int check_header(const struct row *row, const struct og_header *h, struct og_error *err)
{
	enum og_class class;
	enum og_state state;

	if (row->kind == NUMBER)
		return check_number(row, h, err);
	if (!h->text)
		return og_fail(err, OG_INVALID, "%s is a number, text is wanted", row->name);
	switch (row->kind) {
	case CLASS:
		return og_class_parse(h->text, &class, err) ? og_fail_in(err, "%s", row->name) : 0;
	case STATE:
		return og_state_parse(h->text, &state, err) ? og_fail_in(err, "%s", row->name) : 0;
	case LEASE:
		if (strlen(h->text) != 64 || strspn(h->text, "0123456789abcdef") != 64)
			return og_fail(err, OG_INVALID, "%s is not 64 lower-case hex digits", row->name);
		return 0;
	case ERROR_TYPE:
		if (strspn(h->text, "abcdefghijklmnopqrstuvwxyz_") != strlen(h->text))
			return og_fail(err, OG_INVALID, "%s is not a name in lower case", row->name);
		return check_text(row->name, h->text, row->max, err);
	case WORDS: /* for people: whoever shows them quotes them */
		if (strlen(h->text) > (size_t)row->max)
			return og_fail(err, OG_INVALID, "%s is longer than %" PRId64 " bytes", row->name, row->max);
		return 0;
	case TEXT:
	case NUMBER:
		break;
	}
	return check_text(row->name, h->text, row->max, err);
}

static int decode_headers(const struct og_message *m, struct og_envelope *e, uint64_t *ret_seen, struct og_error *err)
{
	for (size_t i = 0; i < m->n_headers; i++) {
		const struct og_header *h = &m->headers[i];
		const struct row *row = find_row(h->name);
		uint64_t bit;

		if (!row)
			continue;
		bit = UINT64_C(1) << (row - rows);
		if (*ret_seen & bit)
			return og_fail(err, OG_INVALID, "%s is there twice", row->name);
		*ret_seen |= bit;
		if (check_header(row, h, err))
			return -1;
		if (row->kind == NUMBER)
			*(int64_t *)((char *)e + row->offset) = h->number;
		else
			*(const char **)((char *)e + row->offset) = h->text;
	}
	return 0;
}

/* "major.minor", digits only. */
static int check_version(const char *version, struct og_error *err)
{
	size_t major = strspn(version, "0123456789");
	size_t minor = version[major] == '.' ? strspn(version + major + 1, "0123456789") : 0;

	if (!major || !minor || version[major + 1 + minor])
		return og_fail(err, OG_INVALID, UNKNOWN_VERSION " '%.16s': not major.minor", version);
	if (major > 4 || atoi(version) != OG_VERSION_MAJOR)
		return og_fail(err, OG_INVALID, UNKNOWN_VERSION " %.16s: this program speaks %s", version, VERSION);
	return 0;
}

static int decode_properties(const struct og_message *m, struct og_envelope *e, unsigned flag, struct og_error *err)
{
	*e = (struct og_envelope){
		.type = m->type,
		.id = m->message_id ? m->message_id : m->correlation_id,
		.reply_to = m->reply_to,
		.user_id = m->user_id,
		.content_type = m->content_type,
		.timestamp_s = m->timestamp_s <= TIME_MAX / 1000 ? (int64_t)m->timestamp_s : 0,
	};
	if (e->user_id && check_text("user_id", e->user_id, NAME_LEN, err))
		return -1;
	if (e->content_type && check_text("content_type", e->content_type, NAME_LEN, err))
		return -1;
	if (e->reply_to && !og_reply_valid(e->reply_to))
		return og_fail(err, OG_INVALID, "reply_to is not <user>~<%d hex digits>", OG_REPLY_RANDOM);
	if (e->id && !og_uuid_valid(e->id))
		return og_fail(err, OG_INVALID, "message_id '%.64s' is not a UUID in lower case", e->id);
	if (flag && !e->id)
		return og_fail(err, OG_INVALID, "message_id is missing");
	return 0;
}

const char *og_envelope_error_type(const struct og_error *why)
{
	return strncmp(why->message, UNKNOWN_VERSION, strlen(UNKNOWN_VERSION)) == 0 ? "unknown_version"
	                                                                            : "invalid_request";
}

int og_envelope_decode(const struct og_message *m, struct og_envelope *ret, struct og_error *err)
{
	unsigned flag = m->type ? flag_of_type(m->type) : 0;
	struct og_envelope e = {0};
	uint64_t seen = 0;

	if (!m->type)
		return og_fail(err, OG_INVALID, "type is missing");
	if (m->headers_cut)
		return og_fail(err, OG_INVALID, "there are more than %d headers", OG_MESSAGE_HEADERS_MAX);
	/* The version first: of another one, nothing else can be judged. */
	for (size_t i = 0; i < m->n_headers; i++)
		if (!strcmp(m->headers[i].name, rows[0].name) && m->headers[i].text &&
			check_version(m->headers[i].text, err))
			return -1;
	if (decode_properties(m, &e, flag, err) || decode_headers(m, &e, &seen, err))
		return -1;
	for (size_t i = 0; i < OG_COUNT(rows); i++)
		if (rows[i].required & flag && !(seen & UINT64_C(1) << i))
			return og_fail(err, OG_INVALID, "%s is missing", rows[i].name);
	*ret = e;
	return 0;
}

int og_envelope_check(const struct og_envelope *e, struct og_error *err)
{
	struct og_message m = {0};
	struct og_envelope read;

	og_envelope_encode(e, &m);
	return og_envelope_decode(&m, &read, err);
}

void og_envelope_encode(const struct og_envelope *e, struct og_message *m)
{
	struct og_header foreign[OG_MESSAGE_HEADERS_MAX];
	size_t n_foreign = 0, n = 0;

	/* What others wrote travels on; ours is written anew, and x-… is the broker's. */
	for (size_t i = 0; i < m->n_headers; i++)
		if (!find_row(m->headers[i].name) && strncmp(m->headers[i].name, "x-", 2) != 0)
			foreign[n_foreign++] = m->headers[i];
	for (size_t i = 0; i < OG_COUNT(rows); i++) {
		const char *field = (const char *)e + rows[i].offset;
		struct og_header h = {.name = rows[i].name};

		if (rows[i].kind == NUMBER)
			h.number = *(const int64_t *)field;
		else
			h.text = i ? *(const char *const *)field : VERSION;
		if (((h.text && *h.text) || h.number) && !rows[i].received)
			m->headers[n++] = h;
	}
	for (size_t i = 0; i < n_foreign && n < OG_MESSAGE_HEADERS_MAX; i++)
		m->headers[n++] = foreign[i];
	m->n_headers = n;
	m->type = e->type;
	m->message_id = m->correlation_id = e->id;
	m->reply_to = e->reply_to;
	m->content_type = e->content_type;
	m->timestamp_s = e->timestamp_s > 0 ? (uint64_t)e->timestamp_s : 0;
}
