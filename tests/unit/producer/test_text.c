#include "text.h"

#include "leaks.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <string.h>

TestSuite(text, .timeout = 60);

typedef void change(const char *s, size_t len, struct og_buf *out);

static void check(change *fn, const char *in, const char *want)
{
	struct og_buf out;

	og_buf_init(&out, 4096);
	fn(in, strlen(in), &out);
	cr_assert_str_eq(og_buf_str(&out), want, "'%s' became '%s'", in, og_buf_str(&out));
	og_buf_done(&out);
}

Test(text, a_model_does_not_drive_the_terminal)
{
	check(og_text_clean, "plain\ttext\nGrüße 你好 🎉", "plain\ttext\nGrüße 你好 🎉");
	check(og_text_clean, "\x1b[31mred\x1b[0m", "[31mred[0m");
	check(og_text_clean, "\x1b]0;title\x07", "]0;title");
	check(og_text_clean,
		"a\rb\x08"
		"c\x7f"
		"d",
		"abcd");
	check(og_text_clean,
		"\xc2\x9b"
		"31m",
		"31m");                               /* CSI as one C1 control */
	check(og_text_clean, "\xc2\xa0", "\xc2\xa0"); /* a no-break space is none */
	check(og_text_clean, "", "");
	check(og_text_clean, "\x1b\x1b\x1b", "");
}

Test(text, a_nul_goes)
{
	struct og_buf out;

	og_buf_init(&out, 64);
	og_text_clean("a\0b", 3, &out);
	cr_assert_eq(out.len, 2);
	cr_assert_str_eq(og_buf_str(&out), "ab");
	og_buf_done(&out);
}

Test(text, one_line)
{
	check(og_text_line, "two\nlines\tand \x1b[2Jmore", "two lines and [2Jmore");
}

Test(text, width)
{
	cr_assert(setlocale(LC_CTYPE, "C.UTF-8"));
	cr_assert_eq(og_text_width(""), 0);
	cr_assert_eq(og_text_width("abc"), 3);
	cr_assert_eq(og_text_width("Grüße"), 5);
	cr_assert_eq(og_text_width("你好"), 4);
	cr_assert_eq(og_text_width("e\xcc\x81"), 1, "a combining accent takes no column");
}

static void encode(const char *in, const char *charset, const char *want)
{
	struct og_buf out;

	og_buf_init(&out, 4096);
	og_text_encode(in, strlen(in), charset, &out);
	cr_assert_str_eq(og_buf_str(&out), want, "'%s' in %s became '%s'", in, charset, og_buf_str(&out));
	og_buf_done(&out);
}

Test(text, other_character_sets)
{
	encode("plain", "ANSI_X3.4-1968", "plain");
	encode("Gr\xc3\xbc\xc3\x9f", "ISO-8859-1", "Gr\xfc\xdf");
	encode("你a好", "ISO-8859-1", "?a?");
	encode("你a好", "ANSI_X3.4-1968", "?a?");
	encode("“x”", "ANSI_X3.4-1968", "\"x\"");
	encode("plain", "NO-SUCH-CHARSET", "plain");
	encode("a\xff"
	       "b",
		"ANSI_X3.4-1968", "a?b"); /* not UTF-8 */
	encode("cut \xe4\xbd", "ANSI_X3.4-1968", "cut ?");
}

Test(text, long_text_is_encoded_whole)
{
	struct og_buf in, out;

	og_buf_init(&in, 1 << 20);
	og_buf_init(&out, 1 << 20);
	for (int i = 0; i < 10000; i++)
		og_buf_adds(&in, "ü你-");
	og_text_encode(og_buf_str(&in), in.len, "ISO-8859-1", &out);
	cr_assert_eq(out.len, 30000);
	cr_assert_eq(memcmp(out.data + 29997, "\xfc?-", 3), 0);
	og_buf_done(&in);
	og_buf_done(&out);
}
