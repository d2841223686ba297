#include "batch/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "batch/lines.h"
#include "batch/request.h"
#include "io/amqp.h"

/* Of an answer: as large as one can come, with its escapes written anew. */
#define LINE_CAP (2u * OG_AMQP_BODY_CAP)

static const char ours[] = "{\"id\":"; /* how each of our lines begins */

/* A doubled custom id, and a line without one, are known by their number. */
static void mark(
	struct og_batch_files *f, struct og_marks *marks, const char *custom_id, const char *error, int64_t number)
{
	if (error)
		f->failed++;
	else
		f->answered++;
	if (custom_id && (!error || strcmp(error, OG_BATCH_DOUBLED) != 0))
		og_marks_add(marks, og_mark_of_id(custom_id), OG_MARK_ANSWERED);
	else
		og_marks_add(marks, og_mark_of_line(number), OG_MARK_ANSWERED);
}

static int read_line(
	struct og_batch_files *f, struct og_marks *marks, const char *line, size_t len, struct og_error *err)
{
	const char *custom_id, *error;
	int64_t number;
	json_t *root;

	if (og_batch_read_back(line, len, &root, &custom_id, &error, &number, err) < 0)
		return -1;
	mark(f, marks, custom_id, error, number);
	json_decref(root);
	return 0;
}

/* What was being written when the machine, or we, went. `from` is where it begins. */
static int cut_torn(int fd, const char *line, size_t len, int64_t from, struct og_error *err)
{
	size_t n = len < sizeof(ours) - 1 ? len : sizeof(ours) - 1;

	/* After a power cut a file may end in zeros, where its data had not reached the disk. */
	if (*line && memcmp(line, ours, n) != 0)
		return og_fail(err, OG_INVALID, "its last line is of no batch");
	if (ftruncate(fd, from) < 0)
		return og_fail(err, OG_FATAL, "its torn last line cannot be cut off: %s", strerror(errno));
	return 0;
}

static int load_lines(struct og_batch_files *f, struct og_lines *l, struct og_marks *marks, struct og_error *err)
{
	const char *line = NULL;
	size_t len = 0;

	for (;;) {
		int64_t from = l->offset;

		switch (og_lines_next(l, &line, &len)) {
		case OG_LINE_END:
			return 0;
		case OG_LINE_WANTED:
			if (og_lines_fill(l, err) < 0)
				return -1;
			break;
		case OG_LINE:
			if (read_line(f, marks, line, len, err) < 0)
				return og_fail_in(err, "line %" PRId64, l->number);
			break;
		case OG_LINE_LONG:
			return og_fail(err, OG_INVALID, "line %" PRId64 " is too long to be an answer", l->number);
		case OG_LINE_TORN:
			return cut_torn(l->fd, line, len, from, err);
		}
	}
}

static int open_file(const char *path, const struct stat *input, int *ret, struct og_error *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = og_fail(err, OG_INVALID, "cannot be opened: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = og_fail(err, OG_INVALID, "is no file: answers are kept in one, to go on from; - is stdout");
	else if (input && st.st_dev == input->st_dev && st.st_ino == input->st_ino)
		rc = og_fail(err, OG_INVALID, "is the batch itself: name another file");
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = og_fail(err, OG_INVALID, "is being written by another og batch");
	if (rc < 0 && fd >= 0)
		close(fd);
	if (!rc)
		*ret = fd;
	return rc;
}

/* `ret`: its descriptor, stdout where it has no path. */
static int open_and_load(struct og_batch_files *f, const char *path, const struct stat *input, struct og_marks *marks,
	int *ret, struct og_error *err)
{
	struct og_lines lines;
	int fd, rc;

	if (!path) {
		*ret = STDOUT_FILENO;
		return 0;
	}
	if (open_file(path, input, &fd, err) < 0)
		return og_fail_in(err, "%s", path);
	og_lines_init(&lines, fd, LINE_CAP);
	rc = load_lines(f, &lines, marks, err);
	og_lines_done(&lines);
	if (rc < 0) {
		close(fd);
		return og_fail_in(err, "%s", path);
	}
	*ret = fd;
	return 0;
}

static void close_file(int fd)
{
	if (fd <= STDERR_FILENO)
		return;
	fsync(fd);
	close(fd);
}

int og_batch_files_open(struct og_batch_files *f, const char *output, const char *errors, const struct stat *input,
	struct og_marks *marks, struct og_error *err)
{
	*f = (struct og_batch_files){.output = -1, .errors = -1};
	if (open_and_load(f, output, input, marks, &f->output, err) < 0)
		return -1;
	if (open_and_load(f, errors, input, marks, &f->errors, err) < 0) {
		close_file(f->output);
		return -1;
	}
	return 0;
}

void og_batch_files_close(struct og_batch_files *f)
{
	close_file(f->output);
	close_file(f->errors);
}

static int append(int fd, const char *line, struct og_error *err)
{
	if (og_write_all(fd, line, strlen(line)) < 0)
		return og_fail(err, OG_FATAL, "the answers cannot be written: %s", strerror(errno));
	return 0;
}

int og_batch_files_answer(struct og_batch_files *f, const char *line, struct og_error *err)
{
	if (append(f->output, line, err) < 0)
		return -1;
	f->answered++;
	return 0;
}

int og_batch_files_error(struct og_batch_files *f, const char *line, struct og_error *err)
{
	if (append(f->errors, line, err) < 0)
		return -1;
	f->failed++;
	return 0;
}
