/* INI files, read by libinih, with what it leaves out: the line of a mistake, the first mistake only, and nothing cut
 * silently (libinih splits long lines and shortens section names without a word). */
#ifndef OG_BASE_INI_H
#define OG_BASE_INI_H

#include <stddef.h>

#include "base/error.h"

#define OG_INI_LINE_MAX    4096 /* bytes of a line */
#define OG_INI_SECTION_MAX 49   /* bytes of a section's name; libinih's own bound */

/* Called for each `key = value` in order, blanks around both taken off; section is "" before the first. The strings
 * live during the call. -1 with `err` filled ends the reading. */
typedef int og_ini_handler(void *ctx, const char *section, const char *key, const char *value, struct og_error *err);

/* Errors begin with "<name>:<line>: ". Comments: `;` or `#` at the start of a line, ` ;` after a value. */
int og_ini_parse(
	const char *text, size_t len, const char *name, og_ini_handler *handler, void *ctx, struct og_error *err);

#endif
