#include "transcript.h"

#include "leaks.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(transcript, .timeout = 60);

#define CAP 4096

/* What a terminal shows of the current attempt: a restart begins a new page. */
struct page {
	char text[CAP];
	int restarts;
};

static void take(struct page *p, struct og_piece out)
{
	if (out.restarted) {
		p->text[0] = '\0';
		p->restarts++;
	}
	strncat(p->text, out.text ? out.text : "", out.len);
}

static struct og_piece chunk(struct og_transcript *s, int64_t attempt, int64_t run, int64_t seq, const char *text)
{
	return og_transcript_chunk(s, attempt, run, seq, text, strlen(text));
}

static struct og_piece end(struct og_transcript *s, int64_t attempt, int64_t run, int64_t chunks, const char *text)
{
	return og_transcript_end(s, attempt, run, chunks, text, text ? strlen(text) : 0);
}

Test(transcript, chunks_in_order_and_nothing_left_for_done)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 0, "Two "));
	take(&page, chunk(&s, 1, 0, 1, ""));
	take(&page, chunk(&s, 1, 0, 2, "plus two"));
	cr_assert_str_eq(page.text, "Two plus two");
	struct og_piece out = end(&s, 1, 0, 3, "Two plus two");
	cr_assert(!out.dropped);
	cr_assert_eq(out.len, 0);
	cr_assert(chunk(&s, 1, 0, 3, "late").dropped);
	cr_assert(end(&s, 1, 0, 3, "Two plus two").dropped, "the first end wins");
	cr_assert_eq(page.restarts, 0);
	og_transcript_done(&s);
}

Test(transcript, done_alone_is_the_whole_answer)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, end(&s, 1, 0, 0, "four"));
	cr_assert_str_eq(page.text, "four");
	cr_assert_eq(page.restarts, 0);
	og_transcript_done(&s);
}

Test(transcript, repeated_chunks_are_shown_once)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 0, "a"));
	take(&page, chunk(&s, 1, 0, 1, "b"));
	cr_assert(chunk(&s, 1, 0, 0, "a").dropped);
	cr_assert(chunk(&s, 1, 0, 1, "b").dropped);
	take(&page, chunk(&s, 1, 0, 2, "c"));
	cr_assert_str_eq(page.text, "abc");
	og_transcript_done(&s);
}

Test(transcript, after_a_gap_the_rest_comes_from_done)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 0, "one "));
	take(&page, chunk(&s, 1, 0, 2, "three "));
	take(&page, chunk(&s, 1, 0, 3, "four"));
	cr_assert_str_eq(page.text, "one ", "nothing out of place is shown");
	take(&page, end(&s, 1, 0, 4, "one two three four"));
	cr_assert_str_eq(page.text, "one two three four");
	cr_assert_eq(page.restarts, 0);
	og_transcript_done(&s);
}

Test(transcript, the_head_was_dropped)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 7, "eight"));
	cr_assert_str_eq(page.text, "");
	take(&page, end(&s, 1, 0, 8, "all eight"));
	cr_assert_str_eq(page.text, "all eight");
	og_transcript_done(&s);
}

Test(transcript, a_higher_run_begins_afresh)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 0, "fou"));
	take(&page, chunk(&s, 1, 1, 0, "4"));
	cr_assert_eq(page.restarts, 1);
	cr_assert_str_eq(page.text, "4");
	cr_assert(chunk(&s, 1, 0, 1, "r").dropped, "the lower run does not count any more");
	cr_assert(end(&s, 1, 0, 2, "four").dropped);
	take(&page, chunk(&s, 2, 0, 0, "vier"));
	cr_assert_eq(page.restarts, 2);
	take(&page, end(&s, 2, 0, 1, "vier"));
	cr_assert_str_eq(page.text, "vier");
	og_transcript_done(&s);
}

Test(transcript, a_higher_run_before_any_text_is_no_restart)
{
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	cr_assert(!og_transcript_begin(&s, 1, 0).dropped);
	cr_assert(!og_transcript_begin(&s, 1, 1).restarted);
	cr_assert(og_transcript_begin(&s, 1, 0).dropped);
	cr_assert(!chunk(&s, 1, 1, 0, "x").restarted);
	cr_assert(og_transcript_begin(&s, 2, 0).restarted, "a start is enough to say so");
	cr_assert(!chunk(&s, 2, 0, 0, "y").restarted, "and once");
	og_transcript_done(&s);
}

Test(transcript, the_attempt_counts_before_the_run)
{
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	cr_assert(!chunk(&s, 2, 0, 0, "x").dropped);
	cr_assert(chunk(&s, 1, 9, 0, "y").dropped);
	og_transcript_done(&s);
}

Test(transcript, an_end_without_a_run_always_counts)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 3, 1, 0, "par"));
	struct og_piece out = end(&s, 0, 0, -1, "partial");
	cr_assert(!out.dropped);
	take(&page, out);
	cr_assert_str_eq(page.text, "partial");
	og_transcript_done(&s);
}

Test(transcript, another_runs_end_replaces_what_was_shown)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 0, "half an ans"));
	take(&page, end(&s, 0, 0, -1, "another answer"));
	cr_assert_eq(page.restarts, 1);
	cr_assert_str_eq(page.text, "another answer");
	og_transcript_done(&s);
}

Test(transcript, a_tidied_final_text_is_not_shown_again)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	take(&page, chunk(&s, 1, 0, 0, " four "));
	take(&page, end(&s, 1, 0, 1, "four"));
	cr_assert_str_eq(page.text, " four ");
	cr_assert_eq(page.restarts, 0);
	og_transcript_done(&s);
}

Test(transcript, no_answer_shows_nothing)
{
	struct og_transcript s;

	og_transcript_init(&s, CAP);
	chunk(&s, 1, 0, 0, "fo");
	struct og_piece out = end(&s, 0, 0, -1, NULL);
	cr_assert(!out.dropped && !out.restarted && !out.len);
	og_transcript_done(&s);
}

Test(transcript, an_answer_above_the_cap_is_left_to_done)
{
	struct page page = {0};
	struct og_transcript s;

	og_transcript_init(&s, 8);
	take(&page, chunk(&s, 1, 0, 0, "12345"));
	take(&page, chunk(&s, 1, 0, 1, "6789"));
	cr_assert_str_eq(page.text, "12345");
	take(&page, end(&s, 1, 0, 2, "123456789"));
	cr_assert_str_eq(page.text, "123456789");
	og_transcript_done(&s);
}

static char *text_of(const char *body, size_t *ret_len)
{
	return og_transcript_chunk_text(body, strlen(body), ret_len);
}

Test(transcript, text_of_chunks)
{
	size_t len = 99;
	char *text = text_of("{\"choices\":[{\"delta\":{\"content\":\"d\\u00e9j\\u00e0\"}}]}", &len);

	cr_assert_str_eq(text, "déjà");
	cr_assert_eq(len, strlen("déjà"));
	free(text);
	text = text_of("{\"choices\":[{\"text\":\"plain\",\"index\":0}]}", &len);
	cr_assert_str_eq(text, "plain");
	free(text);
}

Test(transcript, chunks_without_text)
{
	static const char *const bodies[] = {"", "nonsense", "[]", "{}", "{\"choices\":[]}", "{\"choices\":{}}",
		"{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}",
		"{\"choices\":[{\"delta\":{\"content\":null}}]}", "{\"choices\":[{\"delta\":{\"content\":7}}]}",
		"{\"choices\":[{\"delta\":\"x\"}]}", "{\"choices\":[7]}"};
	size_t len;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		cr_assert_null(text_of(bodies[i], &len), "%s", bodies[i]);
}

/* Many histories of two runs, of which messages are lost and repeated: whatever happens before, the page ends as the
 * answer of the run that ended, and never holds text of two runs. */
Test(transcript, any_history_ends_with_the_answer)
{
	static const char *const answers[] = {"abcdefgh", "ABCDEFGH"};

	srand(7);
	for (int history = 0; history < 20000; history++) {
		struct page page = {0};
		struct og_transcript s;
		int first = rand() % 9; /* how far the first run came */

		og_transcript_init(&s, CAP);
		for (int run = 0; run < 2; run++)
			for (int seq = 0; seq < (run ? 8 : first); seq++) {
				char text[2] = {answers[run][seq], '\0'};

				for (int times = rand() % 4 ? 1 : rand() % 3; times > 0; times--) {
					take(&page, chunk(&s, 1, run, seq, text));
					if (run && rand() % 4 == 0)
						take(&page, chunk(&s, 1, 0, rand() % 8, "?"));
				}
				cr_assert(strncmp(page.text, answers[s.run], strlen(page.text)) == 0, "%s", page.text);
			}
		take(&page, end(&s, 1, 1, 8, answers[1]));
		cr_assert_str_eq(page.text, answers[1]);
		og_transcript_done(&s);
	}
}
