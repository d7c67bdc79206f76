#include "api/visitor.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

void visitors_init(struct visitors *all, int64_t arrival_us, bool tls)
{
	*all = (struct visitors){.arrival_us = arrival_us, .tls = tls};
	TAILQ_INIT(&all->timed);
	TAILQ_INIT(&all->kept);
}

struct visitor *visitor_new(struct visitors *all, int fd)
{
	struct visitor *v = mem_zalloc(sizeof(*v));

	v->all = all;
	v->fd = fd;
	all->n++;
	visitor_wait(v);
	return v;
}

void visitor_free(struct visitor *v)
{
	visitor_rest(v);
	v->all->n--;
	mem_free(v);
}

void visitor_rest(struct visitor *v)
{
	if (v->timed)
		TAILQ_REMOVE(&v->all->timed, v, entry);
	v->timed = false;
	if (!v->kept)
		return;
	v->kept = false;
	TAILQ_REMOVE(&v->all->kept, v, kept_entry);
	v->all->n_kept--;
}

void visitor_wait(struct visitor *v)
{
	visitor_rest(v);
	v->timed = true;
	v->since = clock_mono_us();
	TAILQ_INSERT_TAIL(&v->all->timed, v, entry);
}

/* libmicrohttpd sees it, and closes the connection. */
static void hang_up(struct visitor *v)
{
	shutdown(v->fd, SHUT_RDWR);
	visitor_rest(v);
}

void visitor_keep(struct visitor *v)
{
	struct visitors *all = v->all;

	visitor_wait(v);
	v->kept = true;
	TAILQ_INSERT_TAIL(&all->kept, v, kept_entry);
	if (++all->n_kept > VISITOR_MAX_KEPT)
		hang_up(TAILQ_FIRST(&all->kept));
}

void visitor_refuse(struct visitor *v, const char *line, const char *title, int status)
{
	char text[1024];
	int n;

	n = snprintf(
		text, sizeof(text),
		"HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
		"Cache-Control: no-store\r\nContent-Security-Policy: " VISITOR_POLICY "\r\n"
		"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n%s\r\n"
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\","
		"\"error\":\"%s\",\"message\":\"%s\"}",
		line, status == 503 ? "Retry-After: 2\r\n" : "", title, status, title, title,
		title);
	v->refused = status;
	if (n > 0 && !v->all->tls)
		(void)!send(v->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	hang_up(v);
}

void visitors_hang_up(struct visitors *all)
{
	int64_t before = clock_mono_us() - all->arrival_us;
	struct visitor *v;

	while ((v = TAILQ_FIRST(&all->timed)) != NULL && v->since < before) {
		if (v->receiving)
			visitor_refuse(v, "408 Request Timeout", "Request Timeout", 408);
		else
			hang_up(v);
	}
}
