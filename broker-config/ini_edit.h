/* Sets one key in the text of an INI file and leaves everything else, comments and order included, as it is. */
#ifndef OG_BROKER_CONFIG_INI_EDIT_H
#define OG_BROKER_CONFIG_INI_EDIT_H

/* The new text, the caller's. A key that is there is given the value where it stands (the last one, if it is there twice:
 * that is the one that counts); else it goes to the end of its section, which is added where it is missing. */
char *og_ini_set(const char *text, const char *section, const char *key, const char *value);

#endif
