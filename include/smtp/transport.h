/* transport.h - one connection's bytes: a non-blocking socket on the loop, in clear text or TLS.
 *
 * What cannot be written at once is kept and follows by itself. One callback tells that something
 * may have changed: bytes to read, the output drained, connected, the handshake further on. It is
 * only called from the loop. The session then asks. */
#ifndef SMTP_TRANSPORT_H
#define SMTP_TRANSPORT_H

#include <ev.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "smtp/resolver.h"
#include "smtp/tls.h"

struct smtp_transport {
	struct ev_loop *loop;
	int fd; /* -1: none */
	ev_io readable, writable;
	SSL *ssl;       /* NULL: clear text */
	struct buf out; /* what the socket has not taken yet */
	bool connecting, handshaking;
	bool broken;  /* a write failed: nothing more gets out, but what has come in can be read */
	bool closed;  /* the peer has closed, or reading failed */
	bool touched; /* some byte since smtp_transport_mark may have left */
	int error;    /* errno of what broke it; 0: the peer closed, or TLS failed */
	void (*on_event)(struct smtp_transport *t);
};

enum smtp_progress { SMTP_PROGRESS_WAIT, SMTP_PROGRESS_DONE, SMTP_PROGRESS_FAILED };

void smtp_transport_init(struct smtp_transport *t, struct ev_loop *loop,
                         void (*on_event)(struct smtp_transport *t));

/* Begins to connect. False: failed at once, `error` says why. */
bool smtp_transport_connect(struct smtp_transport *t, const union smtp_address *to) MUST_CHECK;
/* Has it connected? After FAILED `error` says why, and another address can be tried. */
enum smtp_progress smtp_transport_connected(struct smtp_transport *t) MUST_CHECK;

/* Begins a TLS handshake (false: OpenSSL refuses the host's name); then ask on each event. After
 * FAILED: `closed` when the connection was lost in it, else smtp_tls_why says what is wrong. */
bool smtp_transport_start_tls(struct smtp_transport *t, struct smtp_tls *tls,
                              const char *host) MUST_CHECK;
enum smtp_progress smtp_transport_handshake(struct smtp_transport *t) MUST_CHECK;

/* Writes, or keeps for later; false when the connection is broken. */
bool smtp_transport_write(struct smtp_transport *t, const void *bytes, size_t n) MUST_CHECK;
bool smtp_transport_drained(const struct smtp_transport *t) MUST_CHECK;

/* From here on `touched` tells whether anything may have left. Only when drained. */
void smtp_transport_mark(struct smtp_transport *t);

/* Reads what is there, up to n bytes: 0 when there is nothing now, or when it is `closed`. `more`:
 * there may be more at once (the loop will not tell again). */
size_t smtp_transport_read(struct smtp_transport *t, char *to, size_t n, bool *more) MUST_CHECK;

/* Makes the callback come from the loop, though nothing has happened on the socket. */
void smtp_transport_wake(struct smtp_transport *t);

/* Closes at once; what was not written is lost. May be connected again. */
void smtp_transport_close(struct smtp_transport *t);
void smtp_transport_free(struct smtp_transport *t);

#endif
