/* Sets one key in the text of an INI file and leaves everything else, comments and order included, as it is. */
#ifndef OG_BASE_INI_EDIT_H
#define OG_BASE_INI_EDIT_H

#include "base/error.h"

/* The new text, the caller's. A key that is there is given the value where it stands (the last one, if it is there twice:
 * that is the one that counts); else it goes to the end of its section, which is added where it is missing. */
char *og_ini_set(const char *text, const char *section, const char *key, const char *value);

/* The same in a file, atomically, mode 0600; one that is missing is made. */
int og_ini_set_file(const char *path, const char *section, const char *key, const char *value, struct og_error *err);

#endif
