#include "service/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/parse.h"

#define WAIT_MS 50

static bool connects(const struct sockaddr *to, socklen_t len)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = false;

	if (fd < 0)
		return false;
	if (connect(fd, to, len) == 0) {
		yes = true;
	} else if (errno == EINPROGRESS) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		int why = ETIMEDOUT;
		socklen_t size = sizeof(why);

		if (poll(&p, 1, WAIT_MS) == 1)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size);
		yes = why == 0;
	}
	close(fd);
	return yes;
}

static bool probe_unix(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(to.sun_path))
		return false;
	strcpy(to.sun_path, path);
	return connects((struct sockaddr *)&to, sizeof(to));
}

static bool probe_tcp(const char *where)
{
	const char *colon = strrchr(where, ':');
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	char host[INET6_ADDRSTRLEN];
	int64_t port;

	if (!colon || colon - where >= (long)sizeof(host) || og_parse_int(colon + 1, 1, 65535, &port, NULL) != 0)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return connects((struct sockaddr *)&v4, sizeof(v4));
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		return connects((struct sockaddr *)&v6, sizeof(v6));
	return false;
}

bool og_probe(const char *where)
{
	if (strncmp(where, "unix:", 5) == 0)
		return probe_unix(where + 5);
	return strncmp(where, "tcp:", 4) == 0 && probe_tcp(where + 4);
}
