#include "batch/count.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static int64_t count(const char *text, size_t piece)
{
	struct og_batch_count c = {0};
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += piece)
		cr_assert_eq(og_batch_count_piece(&c, text + at, len - at < piece ? len - at : piece), 0);
	return og_batch_count_end(&c);
}

Test(batch_count, lines_that_say_something)
{
	static const struct {
		const char *text;
		int64_t lines;
	} files[] = {{"", 0}, {"\n", 0}, {" \t\r\n\r\n", 0}, {"{}", 1}, {"{}\n", 1}, {"{}\n\n{}", 2}, {"a\r\nb\r\n", 2},
		{" x", 1}, {"a\n ", 1}};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		for (size_t piece = 1; piece < 8; piece++)
			cr_expect_eq(
				count(files[i].text, piece), files[i].lines, "file %zu in pieces of %zu", i, piece);
}

Test(batch_count, the_longest_line_and_one_that_is_longer)
{
	char *text = malloc(OG_BATCH_LINE_MAX);
	struct og_batch_count c = {0};

	memset(text, 'x', OG_BATCH_LINE_MAX);
	cr_expect_eq(og_batch_count_piece(&c, text, OG_BATCH_LINE_MAX), 0);
	cr_expect_eq(og_batch_count_piece(&c, "\n", 1), 0);
	cr_expect_eq(og_batch_count_piece(&c, text, OG_BATCH_LINE_MAX), 0);
	cr_expect_eq(og_batch_count_end(&c), 2);
	cr_expect_eq(og_batch_count_piece(&c, "x", 1), -1);
	free(text);
}
