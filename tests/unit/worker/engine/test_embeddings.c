#include "engine/embeddings.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "leaks.h"

TestSuite(embeddings, .timeout = 60);

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	cr_assert(json, "%s", text);
	return json;
}

/* `list` finished for `request` is `wanted`. */
static void check(const char *list, const char *request, const char *wanted)
{
	json_t *got = parse(list), *asked = parse(request), *expected = parse(wanted);
	og_autofree char *text = NULL;
	struct og_error err;

	cr_assert_eq(og_embeddings_finish(got, asked, &err), 0, "%s", err.message);
	text = json_dumps(got, 0);
	cr_assert(json_equal(got, expected), "got %s, wanted %s", text, wanted);
	json_decref(got);
	json_decref(asked);
	json_decref(expected);
}

static void refuse(const char *list, const char *request, int kind, const char *words)
{
	json_t *got = parse(list), *asked = parse(request);
	struct og_error err;

	cr_assert_eq(og_embeddings_finish(got, asked, &err), -1);
	cr_assert_eq((int)err.kind, kind, "%s", err.message);
	cr_assert(strstr(err.message, words), "%s", err.message);
	json_decref(got);
	json_decref(asked);
}

Test(embeddings, numbers_stay_numbers)
{
	check("{\"data\":[{\"embedding\":[1,-0.5]}]}", "{}", "{\"data\":[{\"embedding\":[1,-0.5]}]}");
	check("{\"data\":[{\"embedding\":[1]}]}", "{\"encoding_format\":\"float\"}",
		"{\"data\":[{\"embedding\":[1]}]}");
}

/* The bytes are those that Python's struct.pack("<3f", 1, -0.5, 0.1) gives. */
Test(embeddings, numbers_become_base64_where_the_engine_overlooked_it)
{
	check("{\"data\":[{\"embedding\":[1,-0.5,0.1]},{\"embedding\":[2]}]}", "{\"encoding_format\":\"base64\"}",
		"{\"data\":[{\"embedding\":\"AACAPwAAAL/NzMw9\"},{\"embedding\":\"AAAAQA==\"}]}");
}

Test(embeddings, base64_passes)
{
	check("{\"data\":[{\"embedding\":\"AAAAQA==\"}]}", "{\"encoding_format\":\"base64\",\"dimensions\":1}",
		"{\"data\":[{\"embedding\":\"AAAAQA==\"}]}");
	check("{\"data\":[{\"embedding\":\"AACAPwAAAL/NzMw9\"}]}", "{\"dimensions\":3}",
		"{\"data\":[{\"embedding\":\"AACAPwAAAL/NzMw9\"}]}");
}

Test(embeddings, another_length_than_was_asked_for)
{
	refuse("{\"data\":[{\"embedding\":[1,2,3]}]}", "{\"dimensions\":2}", OG_INVALID, "vectors of 3 numbers");
	refuse("{\"data\":[{\"embedding\":\"AACAPwAAAL/NzMw9\"}]}", "{\"dimensions\":4}", OG_INVALID, "of 3 numbers");
}

Test(embeddings, no_list_of_vectors)
{
	static const char *const lists[] = {"{}", "{\"data\":[]}", "{\"data\":{}}", "{\"data\":[7]}",
		"{\"data\":[{\"embedding\":[]}]}", "{\"data\":[{\"embedding\":[\"x\"]}]}",
		"{\"data\":[{\"embedding\":\"\"}]}", "{\"data\":[{\"embedding\":[[1]]}]}"};

	for (size_t i = 0; i < OG_COUNT(lists); i++)
		refuse(lists[i], "{\"encoding_format\":\"base64\"}", OG_RETRY, "the engine's answer");
}

Test(embeddings, a_list_of_bare_vectors)
{
	json_t *vectors = parse("[[1,2],[3,4]]"), *list = og_embeddings_of(vectors, "m", 7);
	json_t *wanted =
		parse("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[1,2]},"
		      "{\"object\":\"embedding\",\"index\":1,\"embedding\":[3,4]}],\"model\":\"m\","
		      "\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}");

	cr_assert(json_equal(list, wanted));
	json_decref(vectors);
	json_decref(list);
	json_decref(wanted);
}
