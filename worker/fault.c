#include "fault.h"

static const char *const names[] = {
	[OG_FAULT_NONE] = "none",
	[OG_FAULT_INVALID_REQUEST] = "invalid_request",
	[OG_FAULT_UNKNOWN_VERSION] = "unknown_version",
	[OG_FAULT_TOO_LARGE] = "too_large",
	[OG_FAULT_EXPIRED] = "expired",
	[OG_FAULT_CANCELLED] = "cancelled",
	[OG_FAULT_WORKER_LOST] = "worker_lost",
	[OG_FAULT_DRAINING] = "draining",
	[OG_FAULT_ENGINE_ERROR] = "engine_error",
	[OG_FAULT_ENGINE_UNAVAILABLE] = "engine_unavailable",
	[OG_FAULT_ENGINE_CUT] = "engine_cut",
	[OG_FAULT_ENGINE_STALLED] = "engine_stalled",
	[OG_FAULT_ENGINE_GARBAGE] = "engine_garbage",
};

const char *og_fault_name(enum og_fault f)
{
	return names[f];
}

enum og_state og_fault_state(enum og_fault f)
{
	switch (f) {
	case OG_FAULT_NONE:
		return OG_STATE_DONE;
	case OG_FAULT_EXPIRED:
		return OG_STATE_EXPIRED;
	case OG_FAULT_CANCELLED:
		return OG_STATE_CANCELLED;
	default:
		return OG_STATE_FAILED;
	}
}

bool og_fault_retryable(enum og_fault f)
{
	return f == OG_FAULT_WORKER_LOST || f == OG_FAULT_DRAINING || og_fault_doubts_engine(f);
}

bool og_fault_doubts_engine(enum og_fault f)
{
	return f >= OG_FAULT_ENGINE_UNAVAILABLE;
}
