#include "loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

static bool left;

uv_loop_t *og_loop_new(void)
{
	uv_loop_t *loop = og_new(uv_loop_t);

	uv_loop_init(loop);
	return loop;
}

static void on_late(uv_timer_t *bound)
{
	*(bool *)bound->data = true;
}

static void on_bound_closed(uv_handle_t *bound)
{
	bound->data = NULL;
}

static void run_closing(uv_loop_t *loop, const unsigned *open)
{
	bool late = false;
	uv_timer_t bound = {.data = &late};

	uv_timer_init(loop, &bound);
	uv_timer_start(&bound, on_late, OG_LOOP_CLOSE_MS, 0);
	while (*open && !late)
		uv_run(loop, UV_RUN_ONCE);
	left = left || *open;
	uv_close((uv_handle_t *)&bound, on_bound_closed);
	while (bound.data)
		uv_run(loop, UV_RUN_NOWAIT);
}

void og_loop_run(uv_loop_t *loop, const bool *over, const unsigned *open)
{
	while (*open && !*over)
		uv_run(loop, UV_RUN_ONCE);
	run_closing(loop, open);
}

void og_loop_free(uv_loop_t *loop)
{
	if (uv_loop_close(loop) == 0)
		free(loop);
}

void og_loop_exit_if_left(int status)
{
	if (!left)
		return;
	fflush(NULL);
	_exit(status);
}
