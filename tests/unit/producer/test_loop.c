/* A loop with work on it that does not return, as a name that no resolver answers for. */
#include "loop.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leaks.h"

TestSuite(loop, .timeout = 60);

static uv_sem_t returns;
static unsigned open_ = 1;
static bool over = true;

static void wait_for_it(uv_work_t *work)
{
	(void)work;
	uv_sem_wait(&returns);
}

static void on_returned(uv_work_t *work, int status)
{
	(void)work, (void)status;
	open_--;
}

static uv_loop_t *start(uv_work_t *work)
{
	uv_loop_t *loop = og_loop_new();

	uv_sem_init(&returns, 0);
	uv_queue_work(loop, work, wait_for_it, on_returned);
	return loop;
}

Test(loop, what_closes_is_waited_for)
{
	uv_work_t work;
	uv_loop_t *loop = start(&work);

	uv_sem_post(&returns);
	og_loop_run(loop, &over, &open_);
	cr_assert_eq(open_, 0);
	og_loop_free(loop);
	og_loop_exit_if_left(3); /* returns */
}

Test(loop, what_does_not_close_is_left_and_the_process_ends_all_the_same)
{
	static uv_work_t work;
	pid_t child = fork();
	int status;

	if (!child) {
		uv_loop_t *loop = start(&work);

		og_loop_run(loop, &over, &open_);
		og_loop_free(loop);
		og_loop_exit_if_left(3);
		_exit(1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%d", status);
}
