#include "base/port.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* What is asked of a socket. */
struct wish {
	bool reuse_address; /* connections that linger do not count */
	bool shared, listens;
};

static int open_at(const struct addrinfo *a, const struct wish *w)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, off = 0, why;

	if (fd < 0)
		return -1;
	if (w->reuse_address)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (w->shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && (!w->listens || listen(fd, BACKLOG) == 0))
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

static int number_of(int fd)
{
	union address a = {.v6 = {0}};
	socklen_t n = sizeof(a);

	if (getsockname(fd, &a.any, &n) != 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* errno is 0 when the host is what is wrong. */
static int open_socket(const char *host, int *port, const struct wish *w, struct error *err)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list;
	char service[8];
	int fd = -1, why;

	snprintf(service, sizeof(service), "%d", *port);
	why = getaddrinfo(*host != '\0' ? host : NULL, service, &hints, &list);
	if (why != 0) {
		errno = 0;
		error_set(err, "cannot listen on %s: %s", host, gai_strerror(why));
		return -1;
	}
	/* `::` takes both kinds, where there is IPv6. */
	for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
		if (*host != '\0' || a->ai_family == AF_INET6)
			fd = open_at(a, w);
	for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
		fd = open_at(a, w);
	why = errno;
	freeaddrinfo(list);
	errno = why;
	if (fd < 0)
		error_set(err, "cannot listen on %s:%d: %s", *host != '\0' ? host : "*", *port,
		          strerror(why));
	else
		*port = number_of(fd);
	return fd;
}

int port_listen(const char *host, int *port, bool shared, struct error *err)
{
	return open_socket(host, port, &(struct wish){true, shared, true}, err);
}

/* Only who does not share finds out whether anybody else does; and what is held must be shared. */
int port_hold(const char *host, int *port, bool *taken, struct error *err)
{
	int fd = port_listen(host, port, false, err);

	if (fd >= 0) {
		close(fd);
		fd = open_socket(host, port, &(struct wish){false, true, false}, err);
	}
	*taken = fd < 0 && errno == EADDRINUSE;
	return fd;
}

bool port_answers(int held)
{
	union address a = {.v6 = {0}};
	socklen_t n = sizeof(a);
	int fd = -1;
	bool ok;

	if (getsockname(held, &a.any, &n) == 0)
		fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ok = fd >= 0 && connect(fd, &a.any, n) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}
