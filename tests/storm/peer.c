#include "storm/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FLOOD ((size_t)256 << 10)

void peers_init(struct peers *all)
{
	TAILQ_INIT(&all->list);
	all->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(all->epoll >= 0);
}

static void watch(struct peer *p, uint32_t events, int how)
{
	struct epoll_event e = {.events = events, .data.ptr = p};

	(void)epoll_ctl(p->all->epoll, how, p->fd, &e);
}

struct peer *peer_new(struct peers *all, struct mailhost *m, int fd, unsigned host, bool listener)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	*p = (struct peer){
		.all = all, .m = m, .fd = fd, .host = host, .listener = listener, .mail = SIZE_MAX};
	TAILQ_INSERT_TAIL(&all->list, p, entry);
	watch(p, EPOLLIN, EPOLL_CTL_ADD);
	return p;
}

void peer_hang_up(struct peer *p, bool reset)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	if (p->gone)
		return;
	if (reset)
		(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	/* A child between fork and exec still has it open: closing it here would not end the watch. */
	(void)epoll_ctl(p->all->epoll, EPOLL_CTL_DEL, p->fd, NULL);
	close(p->fd);
	p->gone = true;
}

void peers_free_gone(struct peers *all)
{
	struct peer *p, *next;

	for (p = TAILQ_FIRST(&all->list); p; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (!p->gone)
			continue;
		TAILQ_REMOVE(&all->list, p, entry);
		free(p->in);
		free(p);
	}
}

void peer_say(struct peer *p, const char *text)
{
	size_t n = strlen(text);

	/* Replies are short, and the client reads: more than the socket takes is a client that is stopped. */
	if (!p->gone && send(p->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		peer_hang_up(p, true);
}

void peer_flood(struct peer *p)
{
	static char xs[16384];

	memset(xs, 'x', sizeof(xs));
	for (size_t n = 0; n < FLOOD; n += sizeof(xs))
		if (send(p->fd, xs, sizeof(xs), MSG_NOSIGNAL) != (ssize_t)sizeof(xs))
			break;
	peer_hang_up(p, false);
}

void peers_free(struct peers *all)
{
	struct peer *p;

	TAILQ_FOREACH(p, &all->list, entry)
	peer_hang_up(p, true);
	peers_free_gone(all);
	close(all->epoll);
}
