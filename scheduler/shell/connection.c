#include "shell/connection.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "shell/intake.h"

void og_connection_complain(bool *complained, const char *name, const struct og_error *why)
{
	bool missing = strstr(why->message, "NOT_FOUND");

	if (*complained)
		return;
	*complained = true;
	if (missing || why->kind == OG_FATAL)
		og_error_log(why->message, "connection=\"%s\" hint=\"%s\"", name,
			missing ? "run og-broker-config apply"
				: "check the credentials file and the vhost, or run og-broker-config apply");
	else
		og_warn(why->message, "connection=\"%s\"", name);
}

static void on_up(void *ctx, uint64_t epoch)
{
	struct og_connection *c = ctx;

	(void)epoch;
	if (c->complained)
		og_info("connected again", NULL);
	c->up = true;
	c->complained = false;
	og_scheduler_tell(c->s);
}

static void on_down(void *ctx, const struct og_error *why)
{
	struct og_connection *c = ctx;

	og_connection_complain(&c->complained, "reading", why);
	if (c->up) {
		c->up = false;
		c->on_lost(c->s, c);
	}
	og_scheduler_tell(c->s);
}

static void on_oversized(void *ctx, const struct og_message *m, uint64_t epoch)
{
	struct og_connection *c = ctx;

	if (!strcmp(m->exchange, OG_X_JOBS))
		og_intake_oversized(c->s, m, epoch);
	else
		og_amqp_reject(c->amqp, epoch, m->delivery_tag, false);
}

int og_connection_open(
	struct og_scheduler *s, struct og_connection *c, const char *name, og_lost_cb *on_lost, struct og_error *err)
{
	const struct og_amqp_events events = {
		.on_up = on_up, .on_down = on_down, .on_oversized = on_oversized, .ctx = c};

	*c = (struct og_connection){.s = s, .on_lost = on_lost};
	return s->dialer.amqp(s->dialer.ctx, name, &events, &c->amqp, err);
}

void og_connection_close(struct og_connection *c)
{
	og_amqp_close(OG_TAKE(c->amqp), NULL, NULL);
}
