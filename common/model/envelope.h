/* The envelope: what routing needs to know about a message, in AMQP properties and `og-*` headers, so that nobody
 * between producer and engine has to open the body. One table row a header (envelope.c): name, field, type, bounds,
 * which message types must have it.
 *
 * Versions: `og-version` is "major.minor". Another major is refused (INVALID, message begins "unknown version"); a
 * higher minor is read, and its unknown headers ignored. */
#ifndef OG_MODEL_ENVELOPE_H
#define OG_MODEL_ENVELOPE_H

#include <stdint.h>

#include "base/error.h"
#include "model/job.h"
#include "model/message.h"

#define OG_VERSION_MAJOR 1
#define OG_VERSION_MINOR 3
#define OG_TIER_AUTO     "auto" /* let the scheduler choose */

/* What may come together, where several of it are there at a time. */
enum og_bundles {
	OG_BUNDLES_NONE,
	OG_BUNDLES_CHUNKS,   /* chunks of a run: lines of one message */
	OG_BUNDLES_MESSAGES, /* and messages of any runs: io/amqp_bundle.h */
};

/* Strings are borrowed from the message (or from whoever filled the struct, when encoding); NULL is absent. */
struct og_envelope {
	/* properties */
	const char *type, *id /* message_id = correlation_id */, *reply_to, *user_id, *content_type;
	int64_t timestamp_s;

	/* headers, in the order of the table */
	const char *version;    /* og-version; filled by encode */
	const char *tier;       /* og-tier: catalogue id, or "auto" */
	const char *model;      /* og-model: what the client asked for, an id or an alias */
	const char *region;     /* og-region: a label */
	const char *tenant;     /* og-tenant: believed only from the scheduler and the role gateway */
	int64_t weight;         /* og-weight: the tenant's, believed likewise; 0: nobody says */
	const char *submitter;  /* og-submitter: the broker-checked user_id of the request, written by the scheduler */
	const char *class_name; /* og-class: high, normal, batch; absent is normal */
	int64_t deadline_ms;    /* og-deadline: absolute, ms since the Unix epoch; 0: none */
	int64_t accepted_ms;    /* og-accepted: when the scheduler took it, likewise */
	int64_t attempt;        /* og-attempt: counts from 1 */
	int64_t run;            /* og-run: x-delivery-count of the delivery that ran; with attempt it names the run */
	const char *lease;      /* og-lease: 64 hex digits, HMAC-SHA256(job, attempt, epoch) */
	int64_t epoch;          /* og-epoch: of the leader that placed it */
	int64_t stream;         /* og-stream: 1 where chunks are wanted */
	int64_t bundle; /* og-bundle: of a request what its submitter can read (enum og_bundles); of a chunk how many */
	int64_t progress;       /* og-progress: 1 where placed/started messages are wanted */
	int64_t explicit_id;    /* og-explicit-id: 1 where the client chose the id (duplicates are answered, not run) */
	int64_t detach;         /* og-detach: 1 where nobody waits */
	int64_t seq;            /* og-seq: of a chunk, from 0; of a done: how many chunks there were */
	const char *state;      /* og-state: of a done, the terminal state; of a placed: "placed" or "queued" */
	const char *error_type; /* og-error: typed error of a done that is not `done`: engine_error, unknown_model, … */
	const char *node;       /* og-node: node id that ran it */
	const char *node_name;                    /* og-node-name */
	const char *worker;                       /* og-worker: "<node name>/<tier>/<n>" */
	int64_t queue_ms;                         /* og-queue-ms: accepted → started */
	int64_t first_token_ms;                   /* og-first-token-ms: started → first token; 0: none */
	int64_t run_ms;                           /* og-run-ms: started → ended */
	int64_t prompt_tokens, completion_tokens; /* og-prompt-tokens, og-completion-tokens */
	int64_t ahead;                            /* og-ahead: jobs before this one, in a placed */
	int64_t max_tokens;      /* og-max-tokens: what the request asks for at most, for cost; 0: unknown */
	const char *verb;        /* og-verb: of an rpc_request */
	const char *session;     /* og-session: requests of one session run best where the last one ran */
	const char *avoid;       /* og-avoid: ids or names of nodes, with commas between, on which it must not run */
	const char *tried;       /* og-tried: ids of the nodes that tried it and failed, likewise, oldest first */
	const char *reason;      /* og-reason: why, in words: of what is handed back, dead, or tried again */
	int64_t suspect;         /* og-suspect: 1 where it is to be run alone */
	int64_t deaths;          /* og-deaths: workers that died while they ran it alone */
	int64_t not_before_ms;   /* og-not-before: absolute; of a retry, and of a pause until when it lasts */
	const char *operation;   /* og-operation: what is asked of the engine (operation.h); absent is generate */
	const char *traceparent; /* og-traceparent: the W3C trace that it belongs to, for the engine (trace.h) */
	const char *tracestate;  /* og-tracestate: what goes with it */

	/* deliveries only: not headers of ours */
	int64_t delivery_count; /* x-delivery-count (quorum queues), 0 on a first delivery */
};

/* Points into `m`. Checks shape and bounds of every header that is there and that the type's required ones are. */
int og_envelope_decode(const struct og_message *m, struct og_envelope *ret, struct og_error *err);
/* Whether a message can hold it: what og_envelope_decode would say of it once it is encoded. For texts that strangers gave. */
int og_envelope_check(const struct og_envelope *e, struct og_error *err);
/* What og-error is for a message that could not be decoded, for this reason. */
const char *og_envelope_error_type(const struct og_error *why);

/* Fills properties and headers of `m` (its exchange, routing key, body and user_id stay as they are); absent and empty
 * strings and zero numbers are left out, except og-version. Headers of `m` that are not the envelope's stay, those of
 * the broker (`x-…`) go: so a delivery's message, decoded, changed and encoded again, carries on what it does not
 * know. Points into `e`. */
void og_envelope_encode(const struct og_envelope *e, struct og_message *m);

#endif
