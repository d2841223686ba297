/* A job that this worker cannot finish, and another try may: the message that gives it back. docs/PROTOCOL.md,
 * "Hand-back". Pure. */
#ifndef OG_WORKER_HAND_BACK_H
#define OG_WORKER_HAND_BACK_H

#include "identity.h"
#include "runs.h"

#define OG_REASON_MAX 1000 /* bytes of og-reason that a worker writes */

/* r->placed as it came, with r->fault and these words, and who gives it back. The lease is the one that counts now: a
 * later leader may have placed the same attempt again. The caller frees. */
struct og_message *og_hand_back(const struct og_run *r, const struct og_identity *who, const char *words);

/* At most OG_REASON_MAX bytes of `words`, whole characters; what is no UTF-8 becomes a question mark. */
void og_hand_back_reason(const char *words, char ret[static OG_REASON_MAX + 1]);

#endif
