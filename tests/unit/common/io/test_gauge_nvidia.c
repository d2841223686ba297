#include "common/io/gauge_tree.h"

#include <sched.h>
#include <signal.h>

#include "base/clock.h"

TestSuite(nvidia, .timeout = 60, .init = tree_new, .fini = tree_done);

#define GIB (INT64_C(1) << 30)

/* Gauges with a shell script for nvidia-smi. */
static struct og_profile gauge_with(const char *script, int64_t timeout_ms)
{
	og_autofree char *program = og_printf("%s/nvidia-smi", tree);
	og_autofree char *text = og_printf("#!/bin/sh\n%s\n", script);
	const struct og_gauge_options options = {
		.root = tree, .prefix = tree, .nvidia_smi = program, .nvidia_timeout_ms = timeout_ms};
	struct og_profile p;

	put("/nvidia-smi", text, 0700);
	og_gauge_read(&options, &p);
	return p;
}

static void warns(const char *script, const char *message)
{
	struct og_profile p = gauge_with(script, 0);

	cr_expect_eq(p.n_gpus, 0);
	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(p.warnings[0], message);
}

Test(nvidia, not_installed_means_no_gpu_and_no_warning)
{
	struct og_profile p = gauge_tree();

	cr_expect_eq(p.n_gpus, 0);
	cr_expect_eq(p.n_warnings, 0);
}

Test(nvidia, one_gpu)
{
	struct og_profile p = gauge_with("echo 'NVIDIA GeForce RTX 4090, 24564, 24110, 550.54.15'", 0);

	cr_assert_eq(p.n_gpus, 1);
	cr_expect_str_eq(p.gpus[0].name, "NVIDIA GeForce RTX 4090");
	cr_expect_str_eq(p.gpus[0].driver, "550.54.15");
	cr_expect_eq(p.gpus[0].vram_total_bytes, INT64_C(24564) << 20);
	cr_expect_eq(p.gpus[0].vram_free_bytes, INT64_C(24110) << 20);
	cr_expect_eq(p.n_warnings, 0);
}

Test(nvidia, is_asked_for_what_is_read)
{
	struct og_profile p = gauge_with("[ \"$*\" = '--query-gpu=name,memory.total,memory.free,driver_version "
					 "--format=csv,noheader,nounits' ] && echo 'A, 1024, 1000, 1'",
		0);

	cr_expect_eq(p.n_gpus, 1);
}

Test(nvidia, two_gpus_and_the_largest_counts)
{
	struct og_profile p = gauge_with("printf 'A, 8192, 8000, 550\\r\\nOdd, name, 16384, 16000, 550\\n'", 0);

	cr_assert_eq(p.n_gpus, 2);
	cr_expect_str_eq(p.gpus[1].name, "Odd, name");
	cr_expect_eq(og_profile_vram_bytes(&p), 16 * GIB);
}

Test(nvidia, memory_that_is_not_told_counts_as_zero_with_a_warning)
{
	struct og_profile p = gauge_with("echo 'NVIDIA GB10, [N/A], [N/A], 580.1'; echo 'B, 8192, 9000, 580.1'", 0);

	cr_assert_eq(p.n_gpus, 2);
	cr_expect_str_eq(p.gpus[0].name, "NVIDIA GB10");
	cr_expect_eq(p.gpus[0].vram_total_bytes, 0);
	cr_expect_eq(p.gpus[1].vram_free_bytes, 8 * GIB, "more free than there is");
	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(
		p.warnings[0], "GPU 0, NVIDIA GB10, tells no VRAM ('[N/A]' total, '[N/A]' free): counted as 0");
}

Test(nvidia, a_failure_is_told_in_its_words)
{
	warns("echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"; echo more; exit "
	      "9",
		"nvidia-smi failed with status 9: NVIDIA-SMI has failed because it couldn't communicate with the "
		"NVIDIA "
		"driver.; GPUs count as 0");
	warns("echo 'on stderr' >&2; exit 1", "nvidia-smi failed with status 1: on stderr; GPUs count as 0");
	warns("exit 3", "nvidia-smi failed with status 3; GPUs count as 0");
	warns("kill -SEGV $$", "nvidia-smi died of signal 11; GPUs count as 0");
	warns("true", "nvidia-smi printed nothing; GPUs count as 0");
	warns("echo No devices were found", "nvidia-smi printed something else than a GPU: 'No devices were found'");
}

Test(nvidia, garbage_beside_a_gpu_loses_only_itself)
{
	struct og_profile p = gauge_with("echo 'some warning'; echo 'A, 8192, 8000, 550'; echo ',,,'; echo 1,2,3", 0);

	cr_expect_eq(p.n_gpus, 1);
	cr_expect_eq(p.gpus[0].vram_total_bytes, 8 * GIB);
	cr_expect_eq(p.n_warnings, 3);
}

Test(nvidia, binary_garbage_makes_a_profile_that_can_be_read)
{
	struct og_profile p = gauge_with("printf '\\377\\376\\001, 1, 1, \\377\\n\\200\\n'", 0), back;
	og_autofree char *text = og_profile_encode(&p);
	struct og_error err = {0};

	cr_expect_eq(og_profile_decode(text, strlen(text), &back, &err), 0, "%s", err.message);
}

Test(nvidia, more_gpus_than_fit_are_left_out_with_a_warning)
{
	struct og_profile p = gauge_with("i=0; while [ $i -lt 18 ]; do echo \"G$i, 1, 1, 1\"; i=$((i+1)); done", 0);

	cr_expect_eq(p.n_gpus, OG_GPUS_MAX);
	cr_assert_eq(p.n_warnings, 2);
	cr_expect_str_eq(p.warnings[0], "there are more than 16 GPUs: 'G16' is left out");
}

/* The script tells its process id, and that of its child, before it hangs. */
static void expect_killed(void)
{
	og_autofree char *path = og_printf("%s/pids", tree);
	og_autofree char *text = NULL;
	struct og_error err = {0};
	int script, child;

	cr_assert_eq(og_file_read(path, 100, &text, NULL, &err), 0, "%s", err.message);
	cr_assert_eq(sscanf(text, "%d %d", &script, &child), 2);
	cr_expect_eq(kill(script, 0), -1, "the script still runs");
	/* The child is nobody's to wait for here: it may be a zombie until init reaps it, but it does not run. */
	for (int64_t until = og_clock_mono_ms() + 5000; kill(child, 0) == 0 && og_clock_mono_ms() < until;) {
		og_autofree char *stat_path = og_printf("/proc/%d/stat", child);
		og_autofree char *stat = NULL;

		if (og_file_read(stat_path, 4096, &stat, NULL, NULL) < 0 || strstr(stat, ") Z "))
			return;
		sched_yield();
	}
	cr_expect_eq(kill(child, 0), -1, "the script's child still runs");
}

Test(nvidia, one_that_hangs_is_killed_with_its_children)
{
	og_autofree char *script = og_printf("sleep 600 & echo $$ $! >%s/pids; wait", tree);
	int64_t began = og_clock_mono_ms();
	struct og_profile p = gauge_with(script, 300);

	cr_expect_geq(og_clock_mono_ms() - began, 300);
	cr_expect_lt(og_clock_mono_ms() - began, 5000);
	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(p.warnings[0], "nvidia-smi hangs: killed, 0.3 s allowed; GPUs count as 0");
	expect_killed();
}

Test(nvidia, one_that_closes_its_output_and_hangs_is_killed)
{
	struct og_profile p = gauge_with("echo 'A, 8192, 8000, 550'; exec >&- 2>&-; sleep 600", 300);

	cr_expect_eq(p.n_gpus, 0);
	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(p.warnings[0], "nvidia-smi hangs: killed, 0.3 s allowed; GPUs count as 0");
}

Test(nvidia, one_that_prints_without_end_is_killed)
{
	struct og_profile p = gauge_with("yes", 10000);

	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(p.warnings[0], "nvidia-smi prints without end: killed, 10.0 s allowed; GPUs count as 0");
}

Test(nvidia, one_that_cannot_be_started_warns)
{
	const struct og_gauge_options options = {.root = tree, .prefix = tree, .nvidia_smi = tree};
	struct og_profile p;

	og_gauge_read(&options, &p);
	cr_assert_eq(p.n_warnings, 1);
	cr_expect_str_eq(p.warnings[0], "nvidia-smi cannot be started: Permission denied; GPUs count as 0");
}
