/* A write to a connection that has just gone must not end the process: libuv, and OpenSSL below libcurl, write without
 * MSG_NOSIGNAL. A program that has set a handler of its own keeps it. */
#ifndef OG_IO_SIGPIPE_H
#define OG_IO_SIGPIPE_H

#include <signal.h>

static inline void og_ignore_sigpipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

#endif
