/* The files of clients: their bytes in the shared folder gateway.files, under their ids. */
#ifndef OG_API_FILES_H
#define OG_API_FILES_H

#include "api/api.h"

#define OG_FILE_ID_SIZE      (sizeof("file-") + 32)
#define OG_FILE_BATCH_OUTPUT "batch_output" /* purpose */

void og_file_id_of(const char *uuid, char ret[static OG_FILE_ID_SIZE]);
char *og_file_path(const struct og_api *api, const char *id); /* the caller frees */
/* OpenAI's file object, which is its record too. `keep_s`: it goes by itself after so long; 0: as gateway.files_keep says of its
 * purpose. *ret_due_ms: in how many ms work is due on its record (store/records.h); -1: it stays. */
json_t *og_file_object(const struct og_api *api, const char *id, const char *name, const char *purpose, int64_t size,
	int64_t keep_s, int64_t *ret_due_ms);

#endif
