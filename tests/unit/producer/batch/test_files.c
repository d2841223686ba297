#include "batch/files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "leaks.h"
#include "scratch.h"

TestSuite(files, .init = scratch_init, .fini = scratch_fini, .timeout = 60);

#define ANSWER(id) "{\"id\":\"batch_req_1\",\"custom_id\":\"" id "\",\"response\":{\"body\":{}},\"error\":null}\n"
#define ERROR(id, code, line)                                                                                          \
	"{\"id\":null,\"custom_id\":" id ",\"response\":null,\"error\":{\"code\":\"" code "\"},\"line\":" line "}\n"

static char out[256], errors[256];
static struct og_marks *marks;
static struct og_batch_files files;
static struct og_error err;

static int open_both(const struct stat *input)
{
	snprintf(out, sizeof(out), "%s", scratch_path("out"));
	snprintf(errors, sizeof(errors), "%s", scratch_path("errors"));
	marks = og_marks_new();
	err = (struct og_error){0};
	return og_batch_files_open(&files, out, errors, input, marks, &err);
}

static void done(void)
{
	og_batch_files_close(&files);
	og_marks_free(marks);
}

static void expect_file(const char *path, const char *text)
{
	char *found;

	cr_assert_eq(og_file_read(path, 1 << 20, &found, NULL, &err), 0, "%s", err.message);
	cr_expect_str_eq(found, text);
	free(found);
}

static unsigned of_id(const char *id)
{
	return og_marks_get(marks, og_mark_of_id(id));
}

Test(files, what_they_hold_is_marked_and_what_comes_is_added)
{
	scratch_write("out", ANSWER("a") ANSWER("b"));
	scratch_write("errors", ERROR("\"c\"", "engine_error", "3") ERROR("null", "invalid_request", "4")
					ERROR("\"d\"", OG_BATCH_DOUBLED, "5"));
	cr_assert_eq(open_both(NULL), 0, "%s", err.message);
	cr_expect(files.answered == 2 && files.failed == 3);
	cr_expect(of_id("a") && of_id("b") && of_id("c"));
	cr_expect_not(of_id("d"), "its error is that of another line");
	cr_expect(og_marks_get(marks, og_mark_of_line(4)) && og_marks_get(marks, og_mark_of_line(5)));
	cr_expect_not(og_marks_get(marks, og_mark_of_line(3)));
	cr_assert_eq(og_batch_files_answer(&files, ANSWER("e"), &err), 0);
	cr_assert_eq(og_batch_files_error(&files, ERROR("\"f\"", "x", "9"), &err), 0);
	cr_expect(files.answered == 3 && files.failed == 4);
	done();
	expect_file(out, ANSWER("a") ANSWER("b") ANSWER("e"));
}

Test(files, a_torn_last_line_is_cut_off)
{
	scratch_write("out", ANSWER("a") "{\"id\":\"batch_req_2\",\"custom_id\":\"b\",\"respo");
	scratch_write("errors", "{\"");
	cr_assert_eq(open_both(NULL), 0, "%s", err.message);
	cr_expect(of_id("a") && !of_id("b"));
	cr_assert_eq(og_batch_files_answer(&files, ANSWER("b"), &err), 0);
	done();
	expect_file(out, ANSWER("a") ANSWER("b"));
	expect_file(errors, "");
}

Test(files, zeros_that_a_power_cut_left_are_cut_off)
{
	static const char zeros[4096];
	FILE *f;

	scratch_write("out", ANSWER("a"));
	f = fopen(scratch_path("out"), "ae");
	fwrite(zeros, 1, sizeof(zeros), f);
	fclose(f);
	cr_assert_eq(open_both(NULL), 0, "%s", err.message);
	cr_expect(of_id("a") && files.answered == 1);
	done();
	expect_file(out, ANSWER("a"));
}

static void refuses(const char *held, const char *says)
{
	scratch_write("out", held);
	cr_expect_eq(open_both(NULL), -1);
	cr_expect(strstr(err.message, says), "%s", err.message);
	og_marks_free(marks);
	expect_file(out, held);
}

Test(files, what_no_batch_wrote_is_left_as_it_is)
{
	refuses("my notes\n", "line 1: not JSON");
	refuses("my notes", "of no batch");
	refuses(ANSWER("a") "{\"custom_id\":\"a\",\"body\":{}}\n", "line 2: no line of a batch's answers");
}

Test(files, the_batch_itself_and_another_batchs_file)
{
	struct og_batch_files other;
	struct og_error why;
	struct stat st;

	scratch_write("out", "");
	cr_assert_eq(stat(scratch_path("out"), &st), 0);
	cr_expect_eq(open_both(&st), -1);
	cr_expect(strstr(err.message, "is the batch itself"), "%s", err.message);
	og_marks_free(marks);
	cr_assert_eq(open_both(NULL), 0);
	cr_expect_eq(og_batch_files_open(&other, out, NULL, NULL, marks, &why), -1);
	cr_expect(strstr(why.message, "another og batch"), "%s", why.message);
	cr_expect_eq(og_batch_files_open(&other, "/dev/null", NULL, NULL, marks, &why), -1);
	cr_expect(strstr(why.message, "is no file"), "%s", why.message);
	done();
}
