#include "shell/control.h"

#include <stdio.h>

#include "shell/letter.h"

static void send_to(struct og_scheduler *s, const char *scope, const char *name, const struct og_envelope *about)
{
	char key[OG_KEY_MAX];
	struct og_message m = {.exchange = OG_X_CONTROL, .routing_key = key, .body = "{}", .body_len = 2};

	snprintf(key, sizeof(key), "%s.%.*s", scope, (int)sizeof(key) - 8, name);
	og_envelope_encode(about, &m);
	og_letter_send(s, &m, 0, NULL, NULL);
}

void og_control_node(struct og_scheduler *s, const char *type, const char *node_id)
{
	send_to(s, "node", node_id, &(struct og_envelope){.type = type});
}

void og_control_worker(struct og_scheduler *s, const struct og_worker *worker, const struct og_envelope *about)
{
	if (*worker->key)
		send_to(s, "worker", worker->key, about);
}
