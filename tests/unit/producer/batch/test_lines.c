#include "batch/lines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "leaks.h"

TestSuite(lines, .timeout = 60);

/* All that comes, as one text: each line in brackets, `!` for one that was too long, `~` before a torn one. */
static const char *read_all(const void *input, size_t len, size_t cap, struct og_lines *l)
{
	static char said[4096];
	FILE *file = tmpfile();
	struct og_error err = {0};
	const char *line;
	size_t n;

	said[0] = '\0';
	fwrite(input, 1, len, file);
	rewind(file);
	og_lines_init(l, fileno(file), cap);
	for (;;) {
		enum og_line what = og_lines_next(l, &line, &n);

		if (what == OG_LINE_END)
			break;
		if (what == OG_LINE_WANTED)
			cr_assert_eq(og_lines_fill(l, &err), 0, "%s", err.message);
		else if (what == OG_LINE_LONG)
			strcat(said, "!");
		else
			snprintf(said + strlen(said), 1024, "%s[%.*s]", what == OG_LINE_TORN ? "~" : "", (int)n, line);
	}
	og_lines_done(l);
	fclose(file);
	return said;
}

#define READ(text, cap) read_all(text, sizeof(text) - 1, cap, &l)

Test(lines, whole_blank_and_torn_ones)
{
	struct og_lines l;

	cr_expect_str_eq(READ("", 8), "");
	cr_expect_str_eq(READ("a\n\nb\r\n", 8), "[a][][b\r]");
	cr_expect_eq(l.number, 3);
	cr_expect_eq(l.offset, 6);
	cr_expect_str_eq(READ("a\nbc", 8), "[a]~[bc]");
	cr_expect_eq(l.number, 2);
}

Test(lines, a_line_that_is_too_long_is_skipped_alone)
{
	static char large[300000];
	struct og_lines l;

	cr_expect_str_eq(READ("ok\n123456789\n12345678\n", 8), "[ok]![12345678]");
	memset(large, 'x', sizeof(large)); /* more than one read */
	memcpy(large, "a\n", 2);
	memcpy(large + sizeof(large) - 3, "\nb\n", 3);
	cr_expect_str_eq(read_all(large, sizeof(large), 1000, &l), "[a]![b]");
	cr_expect_eq(l.number, 3);
	cr_expect_eq(l.offset, (int64_t)sizeof(large));
	cr_expect_str_eq(read_all(large, sizeof(large) - 3, 1000, &l), "[a]!");
}

Test(lines, one_that_crosses_the_reads)
{
	static char large[200000];
	struct og_lines l;
	const char *said;

	memset(large, 'y', sizeof(large));
	memcpy(large + 65530, "\n0123456789\n", 12);
	large[sizeof(large) - 1] = '\n';
	said = read_all(large, sizeof(large), 200, &l);
	cr_expect_str_eq(said, "![0123456789]!");
}

Test(lines, a_pipe_that_has_nothing_yet)
{
	struct og_lines l;
	const char *line;
	size_t n;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	og_lines_init(&l, ends[0], 100);
	cr_assert_eq(write(ends[1], "a\nb", 3), 3);
	cr_assert_eq(og_lines_next(&l, &line, &n), OG_LINE_WANTED);
	cr_assert_eq(og_lines_fill(&l, NULL), 0);
	cr_assert_eq(og_lines_next(&l, &line, &n), OG_LINE);
	cr_assert_eq(og_lines_next(&l, &line, &n), OG_LINE_WANTED);
	cr_assert_eq(write(ends[1], "c\n", 2), 2);
	cr_assert_eq(og_lines_fill(&l, NULL), 0);
	cr_assert_eq(og_lines_next(&l, &line, &n), OG_LINE);
	cr_assert(n == 2 && !memcmp(line, "bc", 2));
	og_lines_done(&l);
	close(ends[0]);
	close(ends[1]);
}
