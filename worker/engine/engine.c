#include "engine/engine.h"

#include <string.h>

#include "base/alloc.h"

static const struct og_engine_ops *const kinds[] = {
	&og_engine_openai,
	&og_engine_ollama,
	&og_engine_echo,
};

static const struct og_engine_ops *find(const char *kind)
{
	for (size_t i = 0; i < OG_COUNT(kinds); i++) {
		if (strcmp(kinds[i]->kind, kind) == 0)
			return kinds[i];
	}
	return NULL;
}

struct og_engine *og_engine_open(
	uv_loop_t *loop, struct og_http *http, const struct og_engine_config *config, struct og_error *err)
{
	const struct og_engine_ops *ops = find(config->kind);

	if (!ops) {
		og_fail(err, OG_FATAL, "engine.kind '%s' is no kind of engine: it is openai, ollama or echo",
			config->kind);
		return NULL;
	}
	return ops->open(loop, http, config, err);
}
