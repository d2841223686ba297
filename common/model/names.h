/* Every name that goes over the wire: exchanges, queues, routing keys, user names. docs/PROTOCOL.md is this file in
 * prose. */
#ifndef OG_MODEL_NAMES_H
#define OG_MODEL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/job.h"

/* exchanges */
#define OG_X_JOBS     "og.jobs"     /* direct:  producers → intake */
#define OG_X_WAIT     "og.wait"     /* direct:  scheduler → lanes */
#define OG_X_WORK     "og.work"     /* direct:  scheduler → tier and node queues */
#define OG_X_REPLIES  "og.replies"  /* topic:   workers, scheduler → producers; *.done also → og.state */
#define OG_X_CONTROL  "og.control"  /* topic:   scheduler → workers */
#define OG_X_PRESENCE "og.presence" /* fanout:  workers → every scheduler */
#define OG_X_RPC      "og.rpc"      /* direct:  anyone → the leading scheduler */
#define OG_X_RETRY    "og.retry"    /* direct:  workers → og.retry */
#define OG_X_LATER    "og.later"    /* direct:  scheduler → og.state.later, og.hold, og.delay.* */
#define OG_X_DEAD     "og.dead"     /* direct:  broker, workers, scheduler → og.dead.intake; scheduler → og.dead */

/* queues */
#define OG_Q_INTAKE      "og.jobs.intake"
#define OG_Q_STATE       "og.state"
#define OG_Q_STATE_LATER "og.state.later"
#define OG_Q_RETRY       "og.retry"       /* what workers hand back, and what was delayed */
#define OG_Q_HOLD        "og.hold"        /* submits whose id cannot be checked yet */
#define OG_Q_DEAD_INTAKE "og.dead.intake" /* what has died; its submitter is told, then it is kept */
#define OG_Q_DEAD        "og.dead"        /* what is kept of it, for people */
#define OG_Q_RPC         "og.rpc"
#define OG_Q_LEADER      "og.leader" /* exclusive: who holds it leads */

/* routing keys */
#define OG_K_INTAKE "job"
#define OG_K_RPC    "rpc"
#define OG_K_LATER  "later"
#define OG_K_RETRY  "retry"
#define OG_K_HOLD   "hold"
#define OG_K_DEAD   "dead" /* to og.dead.intake */
#define OG_K_KEPT   "kept" /* to og.dead */

/* message types (AMQP `type`) */
#define OG_T_REQUEST    "inference_request"  /* og.jobs, og.wait, og.work */
#define OG_T_CHUNK      "inference_chunk"    /* <reply>.chunk */
#define OG_T_RESPONSE   "inference_response" /* <reply>.done */
#define OG_T_PLACED     "placed"             /* <reply>.placed, to those who ask for progress */
#define OG_T_STARTED    "started"            /* <reply>.started, likewise */
#define OG_T_PING       "ping"               /* <reply>.ping: is somebody there? To be ignored */
#define OG_T_PRESENCE   "presence"
#define OG_T_CANCEL     "cancel"  /* control: message_id is the job */
#define OG_T_ATTACH     "attach"  /* control: message_id is the job, reply_to where its chunks from og-seq on go too */
#define OG_T_PAUSE      "pause"   /* control: take nothing from the tier's queue until og-not-before (0: resume) */
#define OG_T_RESUME     "resume"  /* control */
#define OG_T_DRAIN      "drain"   /* control, key node.<id>: take nothing at all, end what runs */
#define OG_T_UNDRAIN    "undrain" /* control, likewise */
#define OG_T_NODE_QUEUE "node_queue" /* control: the worker's own queue is there, and may be read */
#define OG_T_ALONE      "alone"      /* og.retry: a suspect begins to run, with nothing beside it */
#define OG_T_MEMBERSHIP "membership" /* control, key "all": who is in the cluster */
#define OG_T_BUNDLE     "bundle"     /* several messages for one place: io/amqp_bundle.h */
#define OG_T_UNREADABLE "unreadable" /* what was a bundle, or in one, and cannot be opened; nobody sends it */
#define OG_T_RPC        "rpc_request"
#define OG_T_RPC_REPLY  "rpc_reply" /* <reply>.rpc */

/* The delays of what is tried again: a queue each, og.delay.<name>, key delay.<name> on og.later. */
struct og_delay {
	const char *name;
	int64_t ms;
};
extern const struct og_delay og_delays[]; /* shortest first */
#define OG_DELAYS 3

#define OG_WEIGHT_MAX 1000 /* a tenant's greatest, against those who wait beside it */

#define OG_LANES 8 /* K: lanes a tier and class */

#define OG_NAME_MAX     128 /* bytes of a tier, worker, node or user name, NUL included */
#define OG_KEY_MAX      256 /* bytes of a routing key or queue name, NUL included */
#define OG_ID_LEN       36  /* a UUID in text */
#define OG_REPLY_RANDOM 32  /* hex digits: 128 bits */

/* "Llama-3.2-3B" → "llama-3_2-3b": lower case, anything outside [a-z0-9-] becomes '_'. Fails (INVALID) when empty or
 * too long. */
int og_name_key(const char *name, char *ret, size_t size, struct og_error *err);
bool og_name_is_user(const char *name); /* [a-z0-9-]+, at most 64 */

/* Keys are key-formed with OG_NAME_MAX and users are at most 64 bytes long: so all of these fit. */
void og_queue_tier(const char *tier_key, char ret[static OG_KEY_MAX]); /* og.tier.<tier> */
/* og.wait.<tier>.<class>.<k>, and its key <tier>.<class>.<k> */
void og_queue_lane(const char *tier_key, enum og_class c, unsigned k, char ret[static OG_KEY_MAX]);
void og_key_lane(const char *tier_key, enum og_class c, unsigned k, char ret[static OG_KEY_MAX]);
void og_queue_reply(const char *reply, char ret[static OG_KEY_MAX]); /* og.reply.<reply> */
/* og.node.<user>~<worker key>, and its key node.<user>~<worker key> on og.work: a worker's own queue */
void og_queue_node(const char *user, const char *worker_key, char ret[static OG_KEY_MAX]);
void og_key_node(const char *user, const char *worker_key, char ret[static OG_KEY_MAX]);
/* og.control.<user>~<id>, og.presence.<user>~<id>; the id is any key-formed name */
void og_queue_control(const char *user, const char *id, char ret[static OG_KEY_MAX]);
void og_queue_presence(const char *user, const char *id, char ret[static OG_KEY_MAX]);

/* A new reply key: "<user>~<32 random hex digits>". */
void og_reply_new(const char *user, char ret[static OG_KEY_MAX]);
bool og_reply_valid(const char *reply);                        /* shape only */
bool og_reply_belongs_to(const char *reply, const char *user); /* the part before ~ is exactly user */
void og_key_reply(const char *reply, const char *what, char ret[static OG_KEY_MAX]); /* "<reply>.<what>" */

void og_uuid_new(char ret[static OG_ID_LEN + 1]);

/* The request id of an idempotency key: the same for the same tenant and key, everywhere (docs/PROTOCOL.md). */
#define OG_IDEMPOTENCY_KEY_MAX 255 /* bytes, at least 1 */
void og_uuid_of_key(const char *tenant, const char *key, char ret[static OG_ID_LEN + 1]);

#endif
