#include "service/service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "service/control.h"
#include "service/notify.h"

struct og_service {
	struct og_service_config config;
	uv_signal_t terminate, interrupt;
	uv_timer_t drain, watchdog;
	struct og_control *control;
	int64_t started_ms;
	char *status;
	bool ready, draining, stopped;
};

static void tell(struct og_service *s, const char *state, const char *status)
{
	og_autofree char *line = og_printf("%sSTATUS=%s\n", state, status ? status : "");

	free(s->status);
	s->status = og_strdup(status);
	og_notify(line);
}

void og_service_ready(struct og_service *s, const char *status)
{
	s->ready = true;
	tell(s, "READY=1\n", status);
}

void og_service_not_ready(struct og_service *s, const char *status)
{
	s->ready = false;
	tell(s, "", status);
}

void og_service_stop(struct og_service *s)
{
	if (s->stopped)
		return;
	s->stopped = true;
	og_notify("STOPPING=1\n");
	og_control_close(OG_TAKE(s->control));
	uv_close((uv_handle_t *)&s->terminate, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
	uv_close((uv_handle_t *)&s->drain, NULL);
	uv_close((uv_handle_t *)&s->watchdog, NULL);
	s->config.on_stop(s->config.ctx);
}

static void on_drained_too_long(uv_timer_t *timer)
{
	og_service_stop(timer->data);
}

void og_service_drain(struct og_service *s)
{
	if (s->draining || s->stopped)
		return;
	s->draining = true;
	if (!s->config.on_drain || s->config.drain_ms <= 0) {
		og_service_stop(s);
		return;
	}
	og_notify("STOPPING=1\n");
	uv_timer_start(&s->drain, on_drained_too_long, (uint64_t)s->config.drain_ms, 0);
	s->config.on_drain(s->config.ctx);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct og_service *s = handle->data;

	(void)number;
	if (s->draining)
		og_service_stop(s);
	else
		og_service_drain(s);
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	og_notify("WATCHDOG=1\n");
}

static json_t *make_status(const struct og_service *s)
{
	const struct og_service_config *c = &s->config;
	json_t *status = json_object();

	json_object_set_new(status, "name", json_string(c->name));
	json_object_set_new(status, "pid", json_integer(getpid()));
	json_object_set_new(status, "started_ms", json_integer(s->started_ms));
	json_object_set_new(status, "ready", json_boolean(s->ready));
	json_object_set_new(status, "draining", json_boolean(s->draining));
	json_object_set_new(status, "status", json_string(s->status ? s->status : ""));
	if (c->on_status)
		c->on_status(c->ctx, status);
	return status;
}

static void on_control(void *ctx, const char *verb, const json_t *request, struct og_control_ask *ask)
{
	struct og_service *s = ctx;
	const struct og_service_config *c = &s->config;
	struct og_error err = {0};
	json_t *answer;

	if (strcmp(verb, "status") == 0) {
		og_control_answer(ask, make_status(s));
		return;
	}
	if (c->on_ask && c->on_ask(c->ctx, verb, request, ask))
		return;
	answer = json_object();
	if (!c->on_control)
		og_error_set(&err, OG_INVALID, "unknown verb '%s'", verb);
	else if (c->on_control(c->ctx, verb, request, answer, &err) == 0)
		og_control_answer(ask, OG_TAKE(answer));
	if (answer)
		og_control_refuse(ask, &err);
	json_decref(answer);
}

static void start_handles(uv_loop_t *loop, struct og_service *s)
{
	int64_t beat = og_notify_watchdog_ms();

	uv_signal_init(loop, &s->terminate);
	uv_signal_init(loop, &s->interrupt);
	uv_timer_init(loop, &s->drain);
	uv_timer_init(loop, &s->watchdog);
	s->terminate.data = s->interrupt.data = s->drain.data = s;
	uv_signal_start(&s->terminate, on_signal, SIGTERM);
	uv_signal_start(&s->interrupt, on_signal, SIGINT);
	if (beat > 0)
		uv_timer_start(&s->watchdog, on_watchdog, (uint64_t)beat, (uint64_t)beat);
}

int og_service_start(
	uv_loop_t *loop, const struct og_service_config *config, struct og_service **ret, struct og_error *err)
{
	struct og_service *s = og_new(struct og_service);

	s->config = *config;
	s->config.name = og_strdup(config->name);
	s->config.control_path = NULL; /* the caller's; the socket keeps its own */
	s->started_ms = og_clock_wall_ms();
	if (config->control_path &&
		og_control_listen(loop, config->control_path, on_control, s, &s->control, err) != 0) {
		og_service_free(s);
		return -1;
	}
	signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of the write, not the end of us */
	start_handles(loop, s);
	*ret = s;
	return 0;
}

void og_service_free(struct og_service *s)
{
	if (!s)
		return;
	free((char *)s->config.name);
	free(s->status);
	free(s);
}
