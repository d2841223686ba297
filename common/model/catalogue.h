/* The tier catalogue: one row a model class, with the least machine that may serve it. Rows are judged one by one:
 * they are not a ladder.
 *
 * The file is INI, one section a tier, in the order in which `auto` prefers them (last is best):
 *
 *   [tier SmolLM2-135M]
 *   cpu_cores = 1            ; whole cores
 *   ram_gib = 1              ; total, GiB
 *   vram_gib = 0             ; largest single GPU, GiB
 *   disk_gib = 1             ; free on the data root, GiB
 *   context_tokens = 2048
 *   engine_model = smollm2-135m   ; what the engine calls it; default: the tier id
 *   aliases = smollm2, smollm2:135m
 *   capabilities = tools          ; beyond completion; what clients are told of the model
 *
 * cpu_cores, ram_gib and disk_gib must be there; docs/GAUGE.md says how each is measured and judged. */
#ifndef OG_MODEL_CATALOGUE_H
#define OG_MODEL_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/names.h"

#define OG_TIERS_MAX     64
#define OG_ALIASES_MAX   16
#define OG_CATALOGUE_CAP (256u * 1024) /* bytes of the file */

struct og_tier {
	char id[OG_NAME_MAX], key[OG_NAME_MAX]; /* key: key-formed, unique */
	char engine_model[OG_NAME_MAX];
	double cpu_cores, ram_gib, vram_gib, disk_gib;
	int64_t context_tokens; /* 0: not stated */
	char aliases[OG_ALIASES_MAX][OG_NAME_MAX];
	size_t n_aliases;
	unsigned capabilities; /* bit i: og_capabilities[i] */
};

/* What a model may do beyond completing text, in Ollama's words: tools, vision, thinking, insert, embedding. */
enum { OG_CAPABILITIES_N = 5 };
extern const char *const og_capabilities[OG_CAPABILITIES_N];

struct og_catalogue {
	struct og_tier tiers[OG_TIERS_MAX];
	size_t n;
};

/* The built-in rows: catalogue_default.c. The caller frees with free(). */
struct og_catalogue *og_catalogue_default(void);
const char *og_catalogue_default_text(void); /* the same as a file: `og-gauge --sample` */

/* Errors name file, line and key: a bad number, an unknown key, two tiers with one key, an alias used twice. Where
 * `path` is NULL, "" or of a file that is not there, the built-in catalogue. */
int og_catalogue_load(const char *path, struct og_catalogue **ret, struct og_error *err);
int og_catalogue_parse(const char *text, size_t len, const char *name, struct og_catalogue **ret, struct og_error *err);

/* Whether two names mean one model: case does not matter, nor does Ollama's default tag, ":latest". */
bool og_model_same(const char *a, const char *b);
/* By tier id or alias, as og_model_same has it; NULL: none. */
const struct og_tier *og_catalogue_find(const struct og_catalogue *c, const char *name);
const struct og_tier *og_catalogue_find_key(const struct og_catalogue *c, const char *key);
/* "unknown model 'llama': nearest are Llama-3.2-3B, …" (up to three ids) as INVALID. `served` says of each row whether it may be
 * named, unless it may be said of none; NULL: all may. */
int og_catalogue_unknown(const struct og_catalogue *c, const char *name, const bool *served, struct og_error *err);

#endif
