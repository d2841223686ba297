/* What the drivers here share: a loop, commands as lines on stdin, events as JSON objects, one a line on stdout. */
#ifndef OG_TESTS_DRIVER_H
#define OG_TESTS_DRIVER_H

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"

static struct driver {
	uv_loop_t loop;
	uv_pipe_t input;
	uv_timer_t tick;
	struct og_buf line;
	void (*on_command)(char *line, size_t len); /* it may write into the line, which ends with a NUL */
	void (*on_end)(void);                       /* of the input; NULL: it matters not */
	int64_t last_tick, widest;
} driver;

/* Takes it over. */
static inline void event(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	puts("");
	fflush(stdout);
	json_decref(object);
}

static void driver_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[65536];

	(void)handle, (void)suggested;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void driver_on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	char *end;

	if (n < 0) {
		uv_read_stop(stream);
		if (driver.on_end)
			driver.on_end();
		return;
	}
	og_buf_add(&driver.line, buf->base, (size_t)n);
	while (driver.line.len && (end = memchr(driver.line.data, '\n', driver.line.len))) {
		size_t len = (size_t)(end - driver.line.data);

		*end = '\0';
		driver.on_command(driver.line.data, len);
		og_buf_drop_head(&driver.line, len + 1);
	}
}

static inline void driver_begin(void (*on_command)(char *line, size_t len), void (*on_end)(void))
{
	driver.on_command = on_command;
	driver.on_end = on_end;
	uv_loop_init(&driver.loop);
	og_buf_init(&driver.line, 1 << 20);
	uv_pipe_init(&driver.loop, &driver.input, 0);
	uv_pipe_open(&driver.input, 0);
	uv_read_start((uv_stream_t *)&driver.input, driver_on_alloc, driver_on_input);
}

/* Runs until nothing is left on the loop; what main returns. */
static inline int driver_run(void)
{
	uv_run(&driver.loop, UV_RUN_DEFAULT);
	og_buf_done(&driver.line);
	return uv_loop_close(&driver.loop) == 0 ? 0 : 1;
}

/* No more commands; the program ends with what else is on the loop. */
static inline void driver_end(void)
{
	if (uv_is_active((uv_handle_t *)&driver.tick))
		uv_close((uv_handle_t *)&driver.tick, NULL);
	uv_close((uv_handle_t *)&driver.input, NULL);
}

static void driver_on_tick(uv_timer_t *timer)
{
	int64_t now = og_clock_mono_ms();

	(void)timer;
	if (driver.last_tick && now - driver.last_tick > driver.widest)
		driver.widest = now - driver.last_tick;
	driver.last_tick = now;
}

/* Measures how long the loop was held up. */
static inline void driver_watch_gaps(void)
{
	uv_timer_init(&driver.loop, &driver.tick);
	uv_timer_start(&driver.tick, driver_on_tick, 10, 10);
}

/* {"event":"gap","ms":…}: the widest gap of a 10 ms tick since the last one. */
static inline void driver_tell_gap(void)
{
	event(json_pack("{sssI}", "event", "gap", "ms", (json_int_t)driver.widest));
	driver.widest = 0;
}

#endif
