#include "storm/mailhost.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "storm/manner.h"
#include "storm/peer.h"
#include "storm/plan.h"

#define MAX_HOSTS 4
#define TICK_MS 5
#define MAX_IN ((size_t)1 << 20)
#define HELD_US 3000
#define SILENT_US ((int64_t)3600 * 1000000)
#define DRIP_US 10000
#define HOST_SALT 0x686f7374
#define SLOW_SALT 0x736c6f77

static const char ok[] = "250 2.0.0 ok\r\n";
static const char hello[] = "250-storm.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
			    "250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n";

/* ---- what a host has ------------------------------------------------------------------------------- */

struct times {
	int64_t *us;
	size_t n, cap;
};

struct mailhost {
	struct mailhost_options o;
	pthread_t thread;
	bool running;
	int ports[MAX_HOSTS];
	struct peers peers;
	atomic_bool stop;
	_Atomic int64_t out_until[MAX_HOSTS];
	atomic_size_t taken;
	size_t strays, met[MANNERS];
	struct times times[MAX_HOSTS];
};

/* ---- envelopes ---------------------------------------------------------------------------------------- */

static struct letter_record *record_of(const struct peer *p)
{
	return p->mail < p->m->o.n ? &p->m->o.records[p->mail] : NULL;
}

static void end_envelope(struct peer *p)
{
	p->envelope = p->in_body = false;
	p->mail = SIZE_MAX;
	p->rcpts = 0;
	p->manner = NULL;
	p->cut_at = 0;
}

static void harm(struct peer *p, bool unknown)
{
	struct letter_record *r = record_of(p);

	if (r)
		letter_harmed(r, unknown);
	else
		p->m->strays++;
}

static void stamp(struct mailhost *m, unsigned host)
{
	struct times *t = &m->times[host];

	if (t->n == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 4096;
		t->us = realloc(t->us, t->cap * sizeof(t->us[0]));
		if (!t->us)
			abort();
	}
	t->us[t->n++] = clock_mono_us();
}

/* Whose envelope it is is known: how will it fare? */
static void choose_manner(struct peer *p)
{
	struct letter_record *r = record_of(p);
	uint64_t h = plan_hash(p->m->o.seed, p->mail, HOST_SALT + (r ? r->met : 0));
	unsigned at = (unsigned)(h % MANNER_SHARES);

	if (!r)
		return;
	if (r->met < UINT8_MAX)
		r->met++;
	stamp(p->m, p->host);
	for (size_t i = 0; i < MANNERS && !p->manner && !p->m->o.behaves; i++) {
		if (at < manners[i].share) {
			p->manner = &manners[i];
			p->m->met[i]++;
		} else {
			at -= manners[i].share;
		}
	}
	p->victim = (unsigned)(h >> 32) % LETTER_MAX_RCPTS;
	p->cut_at = 1 + (size_t)(h >> 40) % 400;
}

static bool fares(const struct peer *p, enum stage stage)
{
	return p->manner && p->manner->stage == stage;
}

static void answer_badly(struct peer *p)
{
	const struct manner *a = p->manner;

	switch (a->answer) {
	case SAY:
		peer_say(p, a->text);
		break;
	case SAY_AND_CLOSE:
		peer_say(p, a->text);
		peer_hang_up(p, false);
		break;
	case RESET:
		peer_hang_up(p, true);
		break;
	case CLOSE:
		peer_hang_up(p, false);
		break;
	case SILENT:
		p->due = clock_mono_us() + SILENT_US;
		p->later = SILENT;
		break;
	case DRIP:
		p->due = clock_mono_us() + DRIP_US;
		p->later = DRIP;
		p->out_len = strlen(a->text);
		memcpy(p->out, a->text, p->out_len);
		p->out_sent = 0;
		break;
	case ENDLESS:
		peer_flood(p);
		break;
	}
}

/* "k12.0@example.com>" */
static void on_rcpt(struct peer *p, const char *address)
{
	const char *rest;
	size_t n;
	unsigned rcpt;

	if (!letter_number(address, &n, &rest) || rest[0] != '.' || n >= p->m->o.n) {
		peer_say(p, "550 5.1.1 nobody\r\n");
		p->m->strays++;
		return;
	}
	rcpt = (unsigned)strtoul(rest + 1, NULL, 10) % LETTER_MAX_RCPTS;
	if (p->mail == SIZE_MAX) {
		p->mail = n;
		choose_manner(p);
		if (fares(p, AT_RCPT) && p->manner->answer == SAY)
			p->victim = rcpt; /* there may be no other any more */
	}
	/* MAIL cannot fail for a mail that is not known yet: its first recipient does in its place. */
	if (fares(p, AT_MAIL) || (fares(p, AT_RCPT) && p->victim == rcpt) ||
	    (fares(p, AT_RCPT) && p->manner->answer != SAY)) {
		harm(p, false);
		answer_badly(p);
		return;
	}
	p->rcpts |= (uint8_t)(1U << rcpt);
	peer_say(p, ok);
}

static void on_command(struct peer *p, const char *line)
{
	if (strncasecmp(line, "EHLO", 4) == 0) {
		peer_say(p, hello);
	} else if (strncasecmp(line, "RSET", 4) == 0) {
		end_envelope(p);
		peer_say(p, ok);
	} else if (strncasecmp(line, "MAIL FROM:<", 11) == 0) {
		end_envelope(p);
		p->envelope = true;
		peer_say(p, ok);
	} else if (strncasecmp(line, "RCPT TO:<", 9) == 0 && p->envelope) {
		on_rcpt(p, line + 9);
	} else if (strncasecmp(line, "DATA", 4) == 0 && p->envelope && p->rcpts == 0) {
		peer_say(p, "554 5.5.1 no valid recipients\r\n");
	} else if (strncasecmp(line, "DATA", 4) == 0 && p->envelope) {
		if (fares(p, AT_DATA)) {
			harm(p, false);
			answer_badly(p);
			return;
		}
		p->in_body = true;
		peer_say(p, "354 go on\r\n");
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		peer_say(p, "221 2.0.0 bye\r\n");
		peer_hang_up(p, false);
	} else if (strncasecmp(line, "NOOP", 4) == 0) {
		peer_say(p, ok);
	} else {
		peer_say(p, "500 5.5.2 what?\r\n");
		p->m->strays++;
	}
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static void keep(struct peer *p, const char *message, size_t len)
{
	static const char header[] = "\r\nMessage-ID: ";
	const char *id = memmem(message, len, header, sizeof(header) - 1), *end = NULL;
	struct letter_record *r = record_of(p);

	if (id) {
		id += sizeof(header) - 1;
		end = memchr(id, '\r', len - (size_t)(id - message));
	}
	for (unsigned i = 0; r && i < LETTER_MAX_RCPTS; i++)
		if (p->rcpts & 1U << i)
			letter_taken(r, i, id ? id : "", end ? (size_t)(end - id) : 0);
	atomic_fetch_add(&p->m->taken, 1);
}

static bool is_slow(const struct peer *p)
{
	return p->m->o.slow_percent > 0 &&
	       plan_hash(p->m->o.seed, p->mail, SLOW_SALT) % 100 < p->m->o.slow_percent;
}

static void on_message(struct peer *p, const char *message, size_t len)
{
	const struct manner *a = p->manner;

	if (!a || a->taken || a->stage < AT_DATA)
		keep(p, message, len);
	if (!a || a->stage < AT_DATA) {
		if (is_slow(p)) {
			p->due = clock_mono_us() + (int64_t)p->m->o.slow_ms * 1000;
			p->later = SAY;
		} else {
			peer_say(p, ok);
		}
	} else if (a->stage != AT_DOT) { /* it was quicker than the hand that cuts */
		harm(p, true);
		peer_hang_up(p, true);
	} else {
		if (a->harms)
			harm(p, a->unknown);
		answer_badly(p);
	}
	if (p->due == 0)
		end_envelope(p);
}

/* Takes what is whole from the input; true: there may be more. */
static bool consume(struct peer *p)
{
	char *end;
	size_t n;

	if (p->gone || p->due != 0)
		return false;
	if (!p->in_body) {
		end = memmem(p->in, p->len, "\r\n", 2);
		if (!end)
			return false;
		*end = '\0';
		n = (size_t)(end - p->in) + 2;
		on_command(p, p->in);
	} else {
		if (fares(p, IN_BODY) && p->len >= p->cut_at) {
			harm(p, true); /* the dot may be on its way: this thread may be late */
			peer_hang_up(p, true);
			return false;
		}
		end = memmem(p->in, p->len, "\r\n.\r\n", 5);
		if (!end)
			return false;
		n = (size_t)(end - p->in) + 5;
		on_message(p, p->in, n);
	}
	p->len -= n;
	memmove(p->in, p->in + n, p->len);
	return !p->gone;
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

static bool is_out(const struct mailhost *m, unsigned host)
{
	return clock_mono_us() < atomic_load(&m->out_until[host]);
}

static void on_readable(struct peer *p)
{
	ssize_t got;

	if (p->cap - p->len < 4096) {
		p->cap = p->cap > 0 ? p->cap * 2 : 8192;
		p->in = realloc(p->in, p->cap);
		if (!p->in || p->cap > 4 * MAX_IN)
			abort();
	}
	got = recv(p->fd, p->in + p->len, p->cap - p->len, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		peer_hang_up(p, false);
		return;
	}
	p->len += (size_t)got;
	p->read_at = clock_mono_us();
	while (consume(p))
		;
}

static void on_connected(struct mailhost *m, const struct peer *listener)
{
	int one = 1;

	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct peer *p;

		if (fd < 0)
			return;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		p = peer_new(&m->peers, m, fd, listener->host, false);
		if (is_out(m, listener->host)) {
			m->strays++;
			peer_hang_up(p, true);
		} else {
			peer_say(p, "220 storm.example ESMTP\r\n");
		}
	}
}

static void say_later(struct peer *p, int64_t now)
{
	char byte[2] = "";

	if (now < p->due)
		return;
	if (p->later == DRIP && p->out_sent < p->out_len) {
		byte[0] = p->out[p->out_sent++];
		p->due = now + DRIP_US;
		peer_say(p, byte);
		if (p->out_sent < p->out_len)
			return;
	} else if (p->later == SAY) {
		peer_say(p, ok);
	}
	p->due = 0;
	end_envelope(p);
	while (consume(p))
		;
}

static void on_tick(struct mailhost *m)
{
	int64_t now = clock_mono_us();
	struct peer *p;

	TAILQ_FOREACH(p, &m->peers.list, entry)
	{
		if (p->gone || p->listener)
			continue;
		if (is_out(m, p->host)) {
			/* An answer that is still to come is not given any more, either. */
			harm(p, p->in_body || p->due != 0);
			peer_hang_up(p, true);
		} else if (p->due != 0) {
			say_later(p, now);
		} else if (p->in_body && fares(p, WHILE_HELD) && p->len > 0 &&
		           now - p->read_at > HELD_US) {
			harm(p, true);
			peer_hang_up(p, p->manner->answer == RESET);
		}
	}
}

static void *serve(void *data)
{
	struct mailhost *m = data;
	struct epoll_event events[128];
	int64_t ticked = 0;

	while (!atomic_load(&m->stop)) {
		int n = epoll_wait(m->peers.epoll, events, 128, TICK_MS);

		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;

			if (p->listener)
				on_connected(m, p);
			else if (!p->gone)
				on_readable(p);
		}
		if (clock_mono_us() - ticked >= TICK_MS * 1000) {
			ticked = clock_mono_us();
			on_tick(m);
		}
		peers_free_gone(&m->peers);
	}
	return NULL;
}

/* ---- start and end --------------------------------------------------------------------------------------- */

static void listen_on(struct mailhost *m, unsigned host)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1000), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	m->ports[host] = ntohs(a.sin_port);
	(void)peer_new(&m->peers, m, fd, host, true);
}

struct mailhost *mailhost_start(const struct mailhost_options *o)
{
	struct mailhost *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_true(o->hosts <= MAX_HOSTS);
	m->o = *o;
	peers_init(&m->peers);
	for (unsigned i = 0; i < o->hosts; i++)
		listen_on(m, i);
	assert_int_equal(pthread_create(&m->thread, NULL, serve, m), 0);
	m->running = true;
	return m;
}

void mailhost_stop(struct mailhost *m)
{
	if (!m->running)
		return;
	atomic_store(&m->stop, true);
	pthread_join(m->thread, NULL);
	m->running = false;
}

void mailhost_free(struct mailhost *m)
{
	if (!m)
		return;
	mailhost_stop(m);
	peers_free(&m->peers);
	for (unsigned i = 0; i < MAX_HOSTS; i++)
		free(m->times[i].us);
	free(m);
}

int mailhost_port(const struct mailhost *m, unsigned host)
{
	return m->ports[host];
}

void mailhost_outage(struct mailhost *m, unsigned host, int64_t ms)
{
	atomic_store(&m->out_until[host], clock_mono_us() + ms * 1000);
}

size_t mailhost_taken(const struct mailhost *m)
{
	return atomic_load(&m->taken);
}

size_t mailhost_strays(const struct mailhost *m)
{
	return m->strays;
}

const int64_t *mailhost_times(const struct mailhost *m, unsigned host, size_t *n)
{
	*n = m->times[host].n;
	return m->times[host].us;
}

char *mailhost_summary(const struct mailhost *m)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < MANNERS; i++)
		fprintf(out, "%s%s %zu", i > 0 ? ", " : "", manners[i].name, m->met[i]);
	assert_int_equal(fclose(out), 0);
	return text;
}
