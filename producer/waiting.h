/* To wait for a job of before: what `og wait` and `og attach` are. */
#ifndef OG_WAITING_H
#define OG_WAITING_H

#include "cli.h"

/* For the job that the first argument names. `stream`: its answer is shown as it comes, from the first word on. */
enum og_exit og_wait_run(struct og_cli *c, bool stream, int64_t timeout_ms);

#endif
