#include "io/gauge.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "io/gauge_readers.h"

#define FILE_NAME "resources.json"
#define BYTES_MAX (UINT64_C(1) << 60) /* what the profile can hold */

void og_gauge_warn(struct og_profile *p, const char *fmt, ...)
{
	va_list ap;

	if (p->n_warnings == OG_PROFILE_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(p->warnings[p->n_warnings], sizeof(p->warnings[0]), fmt, ap);
	va_end(ap);
	p->n_warnings++;
}

/* The file system that `path` is on, or will be on once it is made: that of the nearest folder that is there. */
static int statvfs_nearest(const char *path, struct statvfs *ret)
{
	og_autofree char *dir = og_printf("%s%s", *path == '/' ? "" : "./", path);

	while (statvfs(dir, ret) < 0) {
		char *slash = strrchr(dir, '/');

		if (errno != ENOENT || !slash || !strcmp(dir, "/"))
			return -1;
		slash[slash == dir] = '\0'; /* "/x" becomes "/" */
	}
	return 0;
}

static int64_t blocks(fsblkcnt_t n, unsigned long size)
{
	return (int64_t)(size && n > BYTES_MAX / size ? BYTES_MAX : n * size);
}

static void read_disk(const char *root, struct og_profile *p)
{
	struct statvfs st;

	snprintf(p->disk_path, sizeof(p->disk_path), "%s", root);
	if (statvfs_nearest(root, &st) < 0) {
		og_gauge_warn(p, "the disk of %.100s cannot be read: %s; it counts as 0", root, strerror(errno));
		return;
	}
	p->disk_total_bytes = blocks(st.f_blocks, st.f_frsize);
	p->disk_free_bytes = blocks(st.f_bavail < st.f_blocks ? st.f_bavail : st.f_blocks, st.f_frsize);
}

/* The hottest of the sensors that the pattern finds. Broken ones report absurd figures, or fail to be read. */
static void read_sensors(const char *prefix, const char *pattern, struct og_profile *p)
{
	og_autofree char *whole = og_printf("%s%s", prefix, pattern);
	glob_t found;

	if (!glob(whole, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			og_autofree char *text = og_gauge_text("", found.gl_pathv[i], NULL);
			int64_t millidegrees;

			if (text)
				text[strcspn(text, "\n")] = '\0';
			if (!text || og_parse_int(text, -40000, 150000, &millidegrees, NULL) < 0)
				continue;
			if (p->has_temperature && p->temperature_celsius >= (double)millidegrees / 1000)
				continue;
			p->has_temperature = true;
			p->temperature_celsius = (double)millidegrees / 1000;
		}
	}
	globfree(&found);
}

void og_gauge_read(const struct og_gauge_options *options, struct og_profile *ret)
{
	const char *prefix = options->prefix ? options->prefix : "";
	struct og_profile p = {0};

	og_clock_format(og_clock_wall_ms(), p.gauged_at);
	gethostname(p.hostname, sizeof(p.hostname) - 1);
	og_gauge_host(prefix, &p);
	og_gauge_nvidia(options->nvidia_smi, options->nvidia_timeout_ms, &p);
	read_disk(options->root, &p);
	read_sensors(prefix, "/sys/class/thermal/thermal_zone*/temp", &p);
	read_sensors(prefix, "/sys/class/hwmon/hwmon*/temp*_input", &p);
	*ret = p;
}

int og_gauge_load(const char *root, struct og_profile *ret, struct og_error *err)
{
	og_autofree char *path = og_path_join(root, FILE_NAME);
	og_autofree char *text = NULL;
	size_t len;

	if (og_file_read(path, OG_PROFILE_CAP, &text, &len, err) < 0)
		return -1;
	return og_profile_decode(text, len, ret, err) < 0 ? og_fail_in(err, "%s", path) : 0;
}

int og_gauge_save(const char *root, const struct og_profile *p, struct og_error *err)
{
	og_autofree char *path = og_path_join(root, FILE_NAME);
	og_autofree char *text = og_profile_encode(p);

	if (og_mkdir_p(root, 0700, err) < 0)
		return -1;
	if (og_file_write_atomic(path, text, strlen(text), 0644, err) < 0)
		return og_fail_in(err, "the new profile is not saved, what was there stays");
	return 0;
}
