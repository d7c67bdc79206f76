#include "smtp/transport.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* The command lines of a thousand recipients, or a piece of a message, whichever is more. */
#define MAX_OUT ((size_t)1 << 20)

static void flush(struct smtp_transport *t);
static void set_broken(struct smtp_transport *t);

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct smtp_transport *t = io->data;

	(void)loop;
	if (events & EV_ERROR) { /* the kernel cannot watch it: nothing more would be heard of it */
		t->error = ENOMEM;
		set_broken(t);
	}
	if (!t->connecting && !t->handshaking)
		flush(t);
	t->on_event(t);
}

void smtp_transport_init(struct smtp_transport *t, struct ev_loop *loop,
                         void (*on_event)(struct smtp_transport *t))
{
	memset(t, 0, sizeof(*t));
	t->loop = loop;
	t->fd = -1;
	t->on_event = on_event;
	buf_init(&t->out, MAX_OUT);
	ev_init(&t->readable, on_io);
	t->readable.data = t;
	ev_init(&t->writable, on_io);
	t->writable.data = t;
}

static void watch_writable(struct smtp_transport *t, bool on)
{
	if (on)
		ev_io_start(t->loop, &t->writable);
	else
		ev_io_stop(t->loop, &t->writable);
}

bool smtp_transport_connect(struct smtp_transport *t, const union smtp_address *to)
{
	int on = 1;

	t->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0) {
		t->error = errno;
		return false;
	}
	/* Without it the lone final dot waits for the receiver's delayed ACK: 40 ms a mail. */
	setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(t->fd, &to->any, smtp_address_len(to)) < 0 && errno != EINPROGRESS) {
		t->error = errno;
		close(t->fd);
		t->fd = -1;
		return false;
	}
	t->connecting = true;
	ev_io_set(&t->readable, t->fd, EV_READ);
	ev_io_set(&t->writable, t->fd, EV_WRITE);
	watch_writable(t, true);
	return true;
}

enum smtp_progress smtp_transport_connected(struct smtp_transport *t)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(t->error), peer_len = sizeof(peer);

	if (!t->connecting)
		return SMTP_PROGRESS_DONE;
	if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &t->error, &len) < 0)
		t->error = errno;
	if (t->broken)
		t->error = ENOMEM;
	if (t->error == 0 && getpeername(t->fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return SMTP_PROGRESS_WAIT;
	if (t->error != 0)
		return SMTP_PROGRESS_FAILED;
	t->connecting = false;
	watch_writable(t, false);
	ev_io_start(t->loop, &t->readable);
	return SMTP_PROGRESS_DONE;
}

bool smtp_transport_start_tls(struct smtp_transport *t, struct smtp_tls *tls, const char *host)
{
	t->ssl = smtp_tls_attach(tls, t->fd, host);
	t->handshaking = t->ssl != NULL;
	return t->handshaking;
}

enum smtp_progress smtp_transport_handshake(struct smtp_transport *t)
{
	int rc;

	if (t->broken) {
		t->closed = true;
		return SMTP_PROGRESS_FAILED;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1) {
		t->handshaking = false;
		watch_writable(t, false);
		return SMTP_PROGRESS_DONE;
	}
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		watch_writable(t, false);
		return SMTP_PROGRESS_WAIT;
	case SSL_ERROR_WANT_WRITE:
		watch_writable(t, true);
		return SMTP_PROGRESS_WAIT;
	case SSL_ERROR_SYSCALL:
		t->error = errno;
		t->closed = true;
		return SMTP_PROGRESS_FAILED;
	default:
		t->closed = BIO_eof(SSL_get_rbio(t->ssl)) != 0;
		return SMTP_PROGRESS_FAILED;
	}
}

/* One attempt: how many bytes were taken; 0: not now; -1: the connection is broken. */
static ssize_t write_some(struct smtp_transport *t, const char *bytes, size_t n)
{
	ssize_t sent;

	if (t->ssl == NULL) {
		do
			sent = send(t->fd, bytes, n, MSG_NOSIGNAL);
		while (sent < 0 && errno == EINTR);
		if (sent > 0)
			t->touched = true;
		if (sent >= 0 || errno == EAGAIN)
			return sent > 0 ? sent : 0;
		t->error = errno;
		return -1;
	}
	/* Once OpenSSL has seen the bytes they may be on their way, whatever it answers. */
	t->touched = true;
	ERR_clear_error();
	errno = 0;
	sent = SSL_write(t->ssl, bytes, n < INT_MAX ? (int)n : INT_MAX);
	if (sent > 0)
		return sent;
	switch (SSL_get_error(t->ssl, (int)sent)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	default:
		t->error = errno;
		ERR_clear_error();
		return -1;
	}
}

static void set_broken(struct smtp_transport *t)
{
	t->broken = true;
	watch_writable(t, false);
	buf_clear(&t->out);
}

static void flush(struct smtp_transport *t)
{
	size_t at = 0;
	ssize_t sent = 0;

	if (t->out.len == 0 || t->broken)
		return;
	while (at < t->out.len) {
		sent = write_some(t, t->out.data + at, t->out.len - at);
		if (sent <= 0)
			break;
		at += (size_t)sent;
	}
	if (sent < 0) {
		set_broken(t);
		return;
	}
	buf_consume(&t->out, at);
	watch_writable(t, t->out.len > 0);
}

bool smtp_transport_write(struct smtp_transport *t, const void *bytes, size_t n)
{
	const char *at = bytes;
	ssize_t sent = 1;

	if (t->broken)
		return false;
	while (n > 0 && t->out.len == 0 && sent > 0) {
		sent = write_some(t, at, n);
		if (sent > 0) {
			at += sent;
			n -= (size_t)sent;
		}
	}
	if (sent < 0) {
		set_broken(t);
		return false;
	}
	if (n > 0) {
		buf_add(&t->out, at, n);
		if (!buf_ok(&t->out)) {
			t->error = ENOBUFS;
			set_broken(t);
			return false;
		}
		watch_writable(t, true);
	}
	return true;
}

bool smtp_transport_drained(const struct smtp_transport *t)
{
	return t->out.len == 0;
}

void smtp_transport_mark(struct smtp_transport *t)
{
	t->touched = false;
}

static size_t read_plain(struct smtp_transport *t, char *to, size_t n, bool *more)
{
	ssize_t got;

	do
		got = recv(t->fd, to, n, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		/* Less than asked for: the socket is empty, and the loop tells when it is not. */
		*more = (size_t)got == n;
		return (size_t)got;
	}
	if (got < 0 && errno == EAGAIN)
		return 0;
	t->closed = true;
	t->error = got < 0 ? errno : 0;
	return 0;
}

static size_t read_tls(struct smtp_transport *t, char *to, size_t n, bool *more)
{
	int got;

	ERR_clear_error();
	errno = 0;
	got = SSL_read(t->ssl, to, n < INT_MAX ? (int)n : INT_MAX);
	if (got > 0) {
		*more = (size_t)got == n || SSL_has_pending(t->ssl) != 0;
		return (size_t)got;
	}
	switch (SSL_get_error(t->ssl, got)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE: /* a key update; the read goes on when the socket takes it */
		watch_writable(t, true);
		return 0;
	default:
		t->closed = true;
		t->error = errno;
		ERR_clear_error();
		return 0;
	}
}

size_t smtp_transport_read(struct smtp_transport *t, char *to, size_t n, bool *more)
{
	size_t got;

	*more = false;
	if (t->closed || t->fd < 0 || n == 0)
		return 0;
	got = t->ssl != NULL ? read_tls(t, to, n, more) : read_plain(t, to, n, more);
	if (got == 0 && t->broken) /* nothing got out, and nothing more comes in */
		t->closed = true;
	return got;
}

void smtp_transport_wake(struct smtp_transport *t)
{
	ev_feed_event(t->loop, &t->readable, EV_CUSTOM);
}

void smtp_transport_close(struct smtp_transport *t)
{
	ev_io_stop(t->loop, &t->readable);
	ev_io_stop(t->loop, &t->writable);
	if (t->ssl != NULL) {
		/* Said once and not waited for. */
		if (!t->handshaking && !t->broken && !t->closed && t->out.len == 0)
			SSL_shutdown(t->ssl);
		SSL_free(t->ssl);
		ERR_clear_error();
	}
	t->ssl = NULL;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	if (t->out.data != NULL)
		mem_wipe(t->out.data, t->out.cap); /* there may be credentials in it */
	buf_clear(&t->out);
	t->connecting = t->handshaking = t->broken = t->closed = t->touched = false;
}

void smtp_transport_free(struct smtp_transport *t)
{
	smtp_transport_close(t);
	buf_free(&t->out);
}
