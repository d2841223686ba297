/* POST /api/embed, and /api/embeddings as it was before. */
#include <stdlib.h>
#include <string.h>

#include "api/ollama.h"
#include "api/ollama/embed.h"
#include "api/prompt.h"
#include "base/alloc.h"
#include "model/json.h"
#include "model/operation.h"

struct embedding {
	char name[OG_NAME_MAX];
	bool legacy;
};

static int whole(struct og_prompt *p, const struct og_job_end *end, char **ret, size_t *ret_len)
{
	const struct embedding *e = og_prompt_of_form(p);
	json_t *answer = og_ollama_embeddings(e->name, e->legacy, end->body, end->len);

	if (!answer)
		return -1;
	*ret = og_json_dump(answer, 0);
	*ret_len = strlen(*ret);
	return 0;
}

static const struct og_form form = {.whole = whole};

static void start(struct og_api *api, struct og_web_call *c, const struct og_ollama_embed *q)
{
	struct og_prompt_request request = {.form = &form, .form_done = free};
	og_autofree char *text = json_dumps(q->body, JSON_COMPACT);
	struct embedding *e;
	char id[OG_ID_LEN + 1];
	struct og_refusal why;

	if (og_prompt_envelope(c, id, &request.e, &why) < 0) {
		og_refuse(c, &why);
		return;
	}
	e = og_new(struct embedding);
	e->legacy = q->legacy;
	strcpy(e->name, q->model);
	request.e.model = q->model;
	request.e.operation = og_operation_name(OG_OPERATION_EMBED);
	request.body = text;
	request.len = strlen(text);
	request.of_form = e;
	og_prompt_start(api, c, &request);
}

static void take(struct og_api *api, struct og_web_call *c, bool legacy)
{
	json_t *body = og_api_json_body(c);
	struct og_ollama_embed q;
	struct og_refusal why;

	if (!body)
		return;
	if (og_ollama_embed_request(body, legacy, &q, &why) < 0)
		og_refuse(c, &why);
	else if (!q.body)
		og_api_reply_json(c, 200, og_ollama_no_embeddings(q.model, legacy));
	else
		start(api, c, &q);
	og_ollama_embed_done(&q);
	json_decref(body);
}

void og_ollama_embed(struct og_api *api, struct og_web_call *c)
{
	take(api, c, false);
}

void og_ollama_embeddings_legacy(struct og_api *api, struct og_web_call *c)
{
	take(api, c, true);
}
