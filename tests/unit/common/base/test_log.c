#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "leaks.h"
#include "scratch.h"

TestSuite(log, .init = scratch_init, .fini = scratch_fini, .timeout = 60);

/* What `og_log` writes to stderr goes to a file of the test from here on. */
static void catch_stderr(void)
{
	int fd = open(scratch_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

	cr_assert_geq(fd, 0);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static const char *caught(void)
{
	static char text[65536];
	char *data = NULL;

	cr_assert_eq(og_file_read(scratch_path("log"), sizeof(text) - 1, &data, NULL, NULL), 0);
	strcpy(text, data);
	free(data);
	return text;
}

Test(log, a_line_has_time_level_program_message_and_fields)
{
	const char *line;

	og_log_init("og-test", OG_LOG_INFO);
	catch_stderr();
	og_info("Joined cluster", "node=%s id=%d", "NodeA", 7);
	line = caught();
	cr_assert(!strncmp(line, "ts=20", 5));
	cr_assert_str_eq(strchr(line, ' '), " level=info prog=og-test msg=\"Joined cluster\" node=NodeA id=7\n");
}

Test(log, what_is_below_the_level_is_not_written)
{
	og_log_init("og-test", OG_LOG_WARN);
	catch_stderr();
	og_debug("no", NULL);
	og_info("no", NULL);
	cr_assert_str_eq(caught(), "");
	og_warn("yes", NULL);
	og_error_log("yes too", NULL);
	cr_assert_not_null(strstr(caught(), "level=warn prog=og-test msg=\"yes\"\n"));
	cr_assert_not_null(strstr(caught(), "level=error prog=og-test msg=\"yes too\"\n"));
}

Test(log, nobody_forges_a_line)
{
	const char *text;

	catch_stderr();
	og_info("first\nts=2020 level=error", "id=%s", "x\nts=2020 level=error\r\t\033[31m");
	text = caught();
	cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
	cr_assert_not_null(strstr(text, "msg=\"first\\nts=2020 level=error\" id=x?ts=2020 level=error???[31m\n"));
}

Test(log, a_long_line_is_cut_and_still_a_line)
{
	static char text[20000];
	const char *line;

	memset(text, 'x', sizeof(text) - 1);
	catch_stderr();
	og_info(text, "a=%s", text);
	line = caught();
	cr_assert_leq(strlen(line), 8192);
	cr_assert_geq(strlen(line), 8000);
	cr_assert_eq(line[strlen(line) - 1], '\n');
	cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
}

Test(log, errno_is_left_alone)
{
	og_log_init("og-test", OG_LOG_INFO);
	close(STDERR_FILENO);
	errno = ENOENT;
	og_info("nobody hears this", NULL);
	cr_assert_eq(errno, ENOENT);
}

Test(log, levels_have_names)
{
	struct og_error err = {0};
	enum og_log_level level;

	cr_assert_eq(og_log_level_parse("debug", &level, NULL), 0);
	cr_assert_eq(level, OG_LOG_DEBUG);
	cr_assert_eq(og_log_level_parse("error", &level, NULL), 0);
	cr_assert_eq(level, OG_LOG_ERROR);
	cr_assert_eq(og_log_level_parse("loud", &level, &err), -1);
	cr_assert_eq(level, OG_LOG_ERROR);
	cr_assert_str_eq(err.message, "'loud' is no log level (debug, info, warn, error)");
}

Test(log, quotes)
{
	char out[64], small[8];

	cr_expect_str_eq(og_log_quote("plain", out, sizeof(out)), "\"plain\"");
	cr_expect_str_eq(og_log_quote("", out, sizeof(out)), "\"\"");
	cr_expect_str_eq(og_log_quote("a \"b\" \\ \n\r\t\001", out, sizeof(out)), "\"a \\\"b\\\" \\\\ \\n\\r\\t?\"");
	cr_expect_str_eq(og_log_quote("12345678", small, sizeof(small)), "\"12345\"");
	/* Neither an escape nor a UTF-8 sequence is cut in two. */
	cr_expect_str_eq(og_log_quote("1234\"", small, sizeof(small)), "\"1234\"");
	cr_expect_str_eq(og_log_quote("1234\xc3\xbc", small, sizeof(small)), "\"1234\"");
	cr_expect_str_eq(og_log_quote("123\xf0\x9f\x98\x80", small, sizeof(small)), "\"123\"");
	cr_expect_str_eq(og_log_quote("123\xc3\xbc", small, sizeof(small)), "\"123\xc3\xbc\"");
	cr_expect_str_eq(og_log_quote("x", small, 2), "");
}
