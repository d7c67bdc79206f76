#include "provider/http_multi.h"

#include <string.h>

#include "base/mem.h"

struct watch {
	ev_io io;
	struct http_multi *multi;
};

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct http_multi *m = ((struct watch *)io->data)->multi;
	int mask = ((events & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
	           ((events & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	(void)loop;
	(void)curl_multi_socket_action(m->multi, io->fd, mask, &running); /* may free the watch */
	m->on_progress(m);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http_multi *m = timer->data;
	int running;

	(void)loop;
	(void)events;
	(void)curl_multi_socket_action(m->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	m->on_progress(m);
}

static void unwatch(struct http_multi *m, struct watch *w)
{
	if (w != NULL)
		ev_io_stop(m->loop, &w->io);
	mem_free(w);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *multi, void *watch)
{
	struct http_multi *m = multi;
	struct watch *w = watch;

	if (m->on_socket != NULL)
		m->on_socket(easy, fd, what == CURL_POLL_REMOVE);
	if (what == CURL_POLL_REMOVE) {
		unwatch(m, w);
		return 0;
	}
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->multi = m;
		ev_init(&w->io, on_event);
		w->io.data = w;
		(void)curl_multi_assign(m->multi, fd, w);
	}
	ev_io_stop(m->loop, &w->io);
	ev_io_set(&w->io, fd,
	          ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
	                  ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));
	ev_io_start(m->loop, &w->io);
	return 0;
}

static int on_timer_change(CURLM *curl, long ms, void *multi)
{
	struct http_multi *m = multi;

	(void)curl;
	ev_timer_stop(m->loop, &m->timer);
	if (ms >= 0) {
		ev_timer_set(&m->timer, (double)ms / 1e3, 0.);
		ev_timer_start(m->loop, &m->timer);
	}
	return 0;
}

bool http_multi_open(struct http_multi *m, struct ev_loop *loop, long max_idle)
{
	memset(m, 0, sizeof(*m));
	m->loop = loop;
	ev_init(&m->timer, on_timer);
	m->timer.data = m;
	m->multi = curl_multi_init();
	if (m->multi == NULL)
		return false;
	(void)curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
	(void)curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
	(void)curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
	(void)curl_multi_setopt(m->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	(void)curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, max_idle);
	return true;
}

void http_multi_close(struct http_multi *m)
{
	m->on_socket = NULL;
	(void)curl_multi_cleanup(m->multi); /* calls back for its sockets */
	ev_timer_stop(m->loop, &m->timer);
}
