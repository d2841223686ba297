/* curl's multi handle on a libuv loop. Private to http_curl.c. */
#ifndef OG_IO_HTTP_MULTI_H
#define OG_IO_HTTP_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

struct og_http_multi_events {
	void (*done)(void *ctx, CURL *easy, CURLcode code); /* a transfer has ended; still in the multi handle */
	void (*settle)(void *ctx); /* curl has run, and all that ended was told: what had to wait can be done now */
	void (*closed)(void *ctx); /* after og_http_multi_close, when all is freed */
	void *ctx;
};

struct og_http_multi {
	CURLM *curl;
	uv_loop_t *loop;
	struct og_http_multi_events events;
	/* curl runs, or ended transfers are being told: handles must not be added or removed, nor this be closed. */
	bool busy;
	uv_timer_t timer;
	unsigned parts; /* the timer and the watched sockets: those that libuv still holds */
};

struct og_http_multi *og_http_multi_new(uv_loop_t *loop, const struct og_http_multi_events *events);
void og_http_multi_close(struct og_http_multi *m); /* with no transfer left in it */

#endif
