/* Ollama's embeddings, in OpenAI's form and back. */
#include "api/ollama/embed.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

static void turns(bool legacy, const char *from, const char *to)
{
	json_t *q = json_loads(from, 0, NULL);
	struct og_ollama_embed e;
	struct og_refusal why = {0};
	og_autofree char *got = NULL;

	cr_assert_eq(og_ollama_embed_request(q, legacy, &e, &why), 0, "%s", why.message);
	got = e.body ? json_dumps(e.body, JSON_COMPACT) : og_strdup("");
	cr_assert_str_eq(got, to);
	og_ollama_embed_done(&e);
	json_decref(q);
}

static void refuses(bool legacy, const char *from, const char *words)
{
	json_t *q = json_loads(from, 0, NULL);
	struct og_ollama_embed e;
	struct og_refusal why = {0};

	cr_assert_lt(og_ollama_embed_request(q, legacy, &e, &why), 0);
	cr_assert(strstr(why.message, words), "%s", why.message);
	json_decref(q);
}

Test(ollama_embed, a_text_or_texts)
{
	turns(false, "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":2,\"truncate\":true}",
		"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"float\",\"dimensions\":2}");
	turns(false, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}",
		"{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"float\"}");
	turns(true, "{\"model\":\"m\",\"prompt\":\"a\"}",
		"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"float\"}");
	turns(false, "{\"model\":\"m\",\"input\":[]}", "");
	turns(true, "{\"model\":\"m\"}", "");
	refuses(false, "{\"model\":\"m\",\"input\":[7]}", "input:");
	refuses(true, "{\"model\":\"m\",\"prompt\":[\"a\"]}", "prompt:");
	refuses(false, "{\"input\":\"a\"}", "model:");
}

static void gives(bool legacy, const char *done, const char *want)
{
	json_t *answer = og_ollama_embeddings("m", legacy, done, strlen(done));
	og_autofree char *got = answer ? json_dumps(answer, JSON_COMPACT) : og_strdup("none");

	cr_assert_str_eq(got, want);
	json_decref(answer);
}

Test(ollama_embed, vectors)
{
	static const char done[] = "{\"response\":{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,4]}],"
				   "\"usage\":{\"prompt_tokens\":5}},\"timings\":{\"queue_ms\":1,\"run_ms\":2}}";

	gives(false, done,
		"{\"model\":\"m\",\"embeddings\":[[1,2],[3,4]],\"total_duration\":3000000,\"load_duration\":1000000,"
		"\"prompt_eval_count\":5}");
	gives(true, done, "{\"embedding\":[1,2]}");
	gives(false, "{\"response\":{\"data\":[{\"embedding\":\"AAAA\"}]}}", "none");
	gives(false, "{\"response\":{\"data\":[]}}", "none");
	gives(false, "7", "none");
}
