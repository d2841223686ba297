/* A configuration file of anyone's making: it is read, or refused with a message that names the place. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "model/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_settings s = {0};
	struct og_error err = {0};
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	og_config_defaults(og_settings_rows, og_settings_n_rows, &s);
	if (og_config_read_file(og_settings_rows, og_settings_n_rows, &s, path, &err) &&
		(err.kind != OG_INVALID || strncmp(err.message, path, strlen(path)) != 0))
		abort();
	og_config_done(og_settings_rows, og_settings_n_rows, &s);
	close(fd);
	return 0;
}
