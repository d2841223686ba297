/* A leak fails the test program. Include this once in each test file; nothing else is needed.
 *
 * Criterion runs each test in a process of its own and does not look at how that process exits, so LeakSanitizer prints its
 * report at the exit and the test passes all the same. With abort_on_error the report ends in SIGABRT: Criterion says
 * "crashed during its setup or teardown" and the program exits with 1. Without AddressSanitizer this header is empty.
 *
 * What libraries keep for ever belongs in a suppression here, not in a test without this header. */
#ifndef OG_TESTS_LEAKS_H
#define OG_TESTS_LEAKS_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OG_TESTS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define OG_TESTS_ASAN
#endif

#ifndef OG_TESTS_ASAN_OPTIONS /* a test may have more of them */
#define OG_TESTS_ASAN_OPTIONS "abort_on_error=1"
#endif

#ifdef OG_TESTS_ASAN
const char *__asan_default_options(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return OG_TESTS_ASAN_OPTIONS;
}
#endif

#endif
