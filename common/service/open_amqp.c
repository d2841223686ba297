#include "io/amqp.h"
#include "model/settings.h"
#include "service/service.h"

int og_service_amqp(uv_loop_t *loop, const struct og_settings *settings, const char *role, const char *name,
	bool republish, const struct og_amqp_events *events, struct og_amqp **ret, struct og_error *err)
{
	struct og_credentials credentials;
	struct og_amqp *c;

	if (og_credentials_load(settings, role, &credentials, err) != 0)
		return -1;
	const struct og_amqp_config config = {
		.endpoints = settings->broker_endpoints,
		.vhost = settings->cluster,
		.user = credentials.user,
		.password = credentials.password,
		.name = name,
		.tls = settings->broker_tls,
		.tls_verify_host = settings->broker_verify_host,
		.tls_ca = settings->broker_ca,
		.tls_cert = settings->broker_cert,
		.tls_key = settings->broker_key,
		.heartbeat_ms = settings->broker_heartbeat_ms,
		.connect_timeout_ms = settings->broker_connect_timeout_ms,
		.window = (unsigned)settings->broker_window,
		.republish = republish,
	};
	c = og_amqp_open(loop, &config, events, err);
	if (!c)
		return -1;
	*ret = c;
	return 0;
}
