#include "support/smtp_script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/wait.h"

#define MAX_CONNECTIONS 256
#define MAX_RECORD ((size_t)64 << 20)
#define QUIET_MS 30

struct script_server {
	script_fn *fn;
	void *arg;
	int fd, port;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping;
	unsigned going; /* pauses that may go on */
	struct buf record, body;
	struct {
		pthread_t thread;
		int fd;
	} connections[MAX_CONNECTIONS];
	int n;
};

static void lock(struct script_server *s)
{
	pthread_mutex_lock(&s->lock);
}

static void unlock(struct script_server *s)
{
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void script_note(struct script *c, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	lock(c->server);
	buf_addf(&c->server->record, "%d: %s\n", c->number, line);
	unlock(c->server);
}

/* More of the client's bytes; false at the end. */
static bool fill(struct script *c)
{
	ssize_t n;

	if (c->in_len == sizeof(c->in))
		return false;
	do
		n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	c->in_len += (size_t)n;
	return true;
}

static void take(struct script *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

static bool say_bytes(struct script *c, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		n -= (size_t)sent;
	}
	return true;
}

bool script_say(struct script *c, const char *format, ...)
{
	char text[4096];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text) - 2, format, args);
	va_end(args);
	memcpy(text + n, "\r\n", 2);
	return say_bytes(c, text, (size_t)n + 2);
}

bool script_drip(struct script *c, const char *text, int ms)
{
	for (; *text != '\0'; text++) {
		if (!say_bytes(c, text, 1))
			return false;
		if (ms > 0)
			poll(NULL, 0, ms);
	}
	return true;
}

bool script_flood(struct script *c, size_t n)
{
	char block[65536];

	memset(block, 'x', sizeof(block));
	while (n > 0) {
		size_t some = n < sizeof(block) ? n : sizeof(block);

		if (!say_bytes(c, block, some))
			return false;
		n -= some;
	}
	return true;
}

bool script_line(struct script *c, char *line, size_t size)
{
	char *end;
	size_t n;

	while ((end = memchr(c->in, '\n', c->in_len)) == NULL)
		if (!fill(c)) {
			script_note(c, "<closed>");
			return false;
		}
	n = (size_t)(end - c->in) + 1;
	snprintf(line, size, "%.*s", (int)(n >= 2 && end[-1] == '\r' ? n - 2 : n - 1), c->in);
	take(c, n);
	script_note(c, "%s", line);
	return true;
}

bool script_take(struct script *c, const char *verb, const char *reply)
{
	char line[8192];

	if (!script_line(c, line, sizeof(line)))
		return false;
	if (strncasecmp(line, verb, strlen(verb)) != 0)
		script_note(c, "<expected %s>", verb);
	return reply == NULL || script_say(c, "%s", reply);
}

bool script_hello(struct script *c, const char *caps)
{
	size_t n;

	if (!script_say(c, "220 test.example ESMTP") || !script_take(c, "EHLO", "250-test.example"))
		return false;
	for (; *caps != '\0'; caps += n + (caps[n] == ',')) {
		n = strcspn(caps, ",");
		if (!script_say(c, "250-%.*s", (int)n, caps))
			return false;
		if (caps[n] == '\0')
			break;
	}
	return script_say(c, "250 HELP");
}

/* Where the text ends: after CRLF.CRLF, or .CRLF when it is empty. 0: not yet. */
static size_t text_end(const struct buf *b, size_t from)
{
	const char *found;

	if (b->len >= 3 && memcmp(b->data, ".\r\n", 3) == 0)
		return 3;
	from = from > 4 ? from - 4 : 0;
	if (b->len - from < 5)
		return 0;
	found = memmem(b->data + from, b->len - from, "\r\n.\r\n", 5);
	return found != NULL ? (size_t)(found - b->data) + 5 : 0;
}

bool script_body(struct script *c)
{
	struct buf text;
	size_t end = 0, before = 0, extra;

	buf_init(&text, MAX_RECORD);
	for (;;) {
		buf_add(&text, c->in, c->in_len);
		c->in_len = 0;
		end = text.len > 0 ? text_end(&text, before) : 0;
		before = text.len;
		if (end > 0 || !fill(c))
			break;
	}
	if (end == 0) {
		script_note(c, "<cut %zu>", text.len);
		buf_free(&text);
		return false;
	}
	extra = text.len - end; /* what follows the dot is the next command */
	memcpy(c->in, text.data + end, extra);
	c->in_len = extra;
	script_note(c, "<body %zu>", end);
	lock(c->server);
	buf_clear(&c->server->body);
	buf_add(&c->server->body, text.data, end);
	unlock(c->server);
	buf_free(&text);
	return true;
}

bool script_read(struct script *c, size_t n)
{
	while (n > 0) {
		size_t some = n < c->in_len ? n : c->in_len;

		take(c, some);
		n -= some;
		if (n > 0 && !fill(c))
			return false;
	}
	return true;
}

bool script_quiet(struct script *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	if (c->in_len > 0 || poll(&p, 1, QUIET_MS) > 0)
		script_note(c, "<spoke early>");
	return true;
}

void script_pause(struct script *c)
{
	struct script_server *s = c->server;

	script_note(c, "<paused>");
	lock(s);
	while (s->going == 0 && !s->stopping)
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->going > 0)
		s->going--;
	unlock(s);
}

void script_shut(struct script *c)
{
	shutdown(c->fd, SHUT_WR);
	script_note(c, "<shut>");
}

void script_reset(struct script *c)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	lock(c->server);
	c->server->connections[c->number].fd = -1;
	close(c->fd);
	c->fd = -1;
	unlock(c->server);
	script_note(c, "<reset>");
}

void script_serve(struct script *c)
{
	char line[8192];

	while (script_line(c, line, sizeof(line))) {
		if (strcasecmp(line, "DATA") == 0) {
			if (!script_say(c, "354 go") || !script_body(c) ||
			    !script_say(c, "250 2.0.0 Ok: queued as T%d", c->number))
				return;
		} else if (strcasecmp(line, "QUIT") == 0) {
			script_say(c, "221 bye");
		} else if (!script_say(c, "250 2.1.0 Ok")) {
			return;
		}
	}
}

static void *run_connection(void *arg)
{
	struct script *c = arg;
	char line[8192];

	c->server->fn(c);
	if (c->fd >= 0) {
		shutdown(c->fd, SHUT_WR);
		while (script_line(c, line, sizeof(line)))
			continue;
		lock(c->server);
		c->server->connections[c->number].fd = -1;
		close(c->fd);
		unlock(c->server);
	}
	free(c);
	return NULL;
}

static void *run_acceptor(void *arg)
{
	struct script_server *s = arg;
	int fd, on = 1;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		struct script *c = calloc(1, sizeof(*c));

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		lock(s);
		if (c == NULL || s->n == MAX_CONNECTIONS || s->stopping) {
			unlock(s);
			close(fd);
			free(c);
			continue;
		}
		c->server = s;
		c->fd = fd;
		c->arg = s->arg;
		c->number = s->n++;
		s->connections[c->number].fd = fd;
		pthread_create(&s->connections[c->number].thread, NULL, run_connection, c);
		unlock(s);
	}
	return NULL;
}

struct script_server *script_server_start(script_fn *fn, void *arg)
{
	struct script_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	assert_non_null(s);
	s->fn = fn;
	s->arg = arg;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	buf_init(&s->record, MAX_RECORD);
	buf_init(&s->body, MAX_RECORD);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 128), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&s->acceptor, NULL, run_acceptor, s), 0);
	return s;
}

void script_server_free(struct script_server *s)
{
	lock(s);
	s->stopping = true;
	for (int i = 0; i < s->n; i++)
		if (s->connections[i].fd >= 0)
			shutdown(s->connections[i].fd, SHUT_RDWR);
	unlock(s);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->acceptor, NULL);
	close(s->fd);
	for (int i = 0; i < s->n; i++)
		pthread_join(s->connections[i].thread, NULL);
	buf_free(&s->record);
	buf_free(&s->body);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

int script_server_port(const struct script_server *s)
{
	return s->port;
}

char *script_server_record(struct script_server *s)
{
	char *copy;

	lock(s);
	copy = strdup(buf_str(&s->record));
	unlock(s);
	assert_non_null(copy);
	return copy;
}

size_t script_server_count(struct script_server *s, const char *text)
{
	char *record = script_server_record(s);
	size_t n = 0;

	for (const char *at = record; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	free(record);
	return n;
}

struct wanted {
	struct script_server *server;
	const char *text;
	size_t n;
};

static bool has_it(void *arg)
{
	struct wanted *w = arg;

	return script_server_count(w->server, w->text) >= w->n;
}

void script_server_wait(struct script_server *s, const char *text, size_t n)
{
	struct wanted w = {s, text, n};

	if (!wait_for(NULL, has_it, &w, WAIT_DEFAULT_MS)) {
		char *record = script_server_record(s);

		fail_msg("\"%s\" does not stand %zu times in the record:\n%s", text, n, record);
	}
}

int script_server_connections(struct script_server *s)
{
	int n;

	lock(s);
	n = s->n;
	unlock(s);
	return n;
}

char *script_server_body(struct script_server *s, size_t *len)
{
	char *copy;

	lock(s);
	*len = s->body.len;
	copy = malloc(s->body.len + 1);
	if (copy != NULL && s->body.len > 0)
		memcpy(copy, s->body.data, s->body.len);
	unlock(s);
	assert_non_null(copy);
	copy[*len] = '\0';
	return copy;
}

void script_server_go(struct script_server *s)
{
	lock(s);
	s->going++;
	unlock(s);
}
