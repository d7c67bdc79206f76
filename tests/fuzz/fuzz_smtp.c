/* The SMTP provider and client against a server that says anything at any time.
 *
 * The first byte chooses the configuration and how the bytes come; the rest is what the server says. A NUL
 * ends what it says at once: what follows comes when the client waits for more. Three mails go, one after
 * the other, or all at once over one connection, so that the commands of one go with the dot of another. The
 * transport is a fake one (smtp/transport.h, smtp/tls.h), so nothing waits. */
#include "fuzz/fuzz.h"

#include "base/mem.h"
#include "mail/message.h"
#include "provider/provider.h"
#include "smtp/tls.h"
#include "smtp/transport.h"

#define PASSWORD_BASE64 "AHVzZXIAaHVudGVyMg==" /* of AUTH PLAIN: \0user\0hunter2 */
#define MAX_TURNS 3000
#define LATE_TURNS 20
#define MAILS 3

enum { BYTEWISE = 1, REFUSED = 2, HANDSHAKE_FAILS = 4, ABANDONS = 8, LATE = 64 };
#define TOGETHER (REFUSED | HANDSHAKE_FAILS) /* neither, but all mails at once */

static const char *const dsns[8] = {
	"smtp://127.0.0.1?tls=none",
	"smtp://user:hunter2@127.0.0.1:587",
	"smtps://user:hunter2@127.0.0.1?auth=plain&tls_verify=0",
	"smtp://user:hunter2@127.0.0.1?tls=none&auth=plain&auth_insecure=1&per_connection=2",
	"smtp://user:hunter2@127.0.0.1?tls=prefer&auth=plain",
	"smtp://user:hunter2@127.0.0.1?tls=prefer&auth=login",
	"smtp://user:hunter2@127.0.0.1?auth=xoauth2&per_connection=1",
	"smtp://127.0.0.1?tls=prefer",
};

/* ---- the wire ---------------------------------------------------------------------------------- */

static struct {
	struct fuzz_bytes says; /* of the server */
	unsigned flags;
	bool insecure;
	bool waits;                    /* for the client */
	int turns;                     /* until a release that is LATE */
	struct smtp_transport *one[4]; /* those that are open */
	bool woken[4];
	struct buf line; /* that the client is writing */
	bool after_data, in_body;
	size_t released, dots; /* of texts: never more dots than were released */
} wire;

static size_t place(const struct smtp_transport *t)
{
	for (size_t i = 0; i < 4; i++) {
		if (wire.one[i] == t)
			return i;
	}
	FUZZ_REQUIRE(!"a transport that is not open");
	return 0;
}

void smtp_transport_init(struct smtp_transport *t, struct ev_loop *loop,
                         void (*on_event)(struct smtp_transport *))
{
	size_t i = 0;

	*t = (struct smtp_transport){.loop = loop, .fd = -1, .on_event = on_event};
	buf_init(&t->out, 1);
	while (wire.one[i] != NULL)
		FUZZ_REQUIRE(++i < 4);
	wire.one[i] = t;
	wire.woken[i] = false;
}

bool smtp_transport_connect(struct smtp_transport *t, const union smtp_address *to)
{
	(void)to;
	t->fd = 3;
	t->connecting = true;
	wire.woken[place(t)] = true;
	return true;
}

enum smtp_progress smtp_transport_connected(struct smtp_transport *t)
{
	if (!t->connecting)
		return SMTP_PROGRESS_DONE;
	t->connecting = false;
	wire.after_data = wire.in_body = false;
	buf_clear(&wire.line);
	return (wire.flags & REFUSED) != 0 ? SMTP_PROGRESS_FAILED : SMTP_PROGRESS_DONE;
}

bool smtp_transport_start_tls(struct smtp_transport *t, struct smtp_tls *tls, const char *host)
{
	(void)tls;
	(void)host;
	t->handshaking = true;
	wire.woken[place(t)] = true;
	return true;
}

enum smtp_progress smtp_transport_handshake(struct smtp_transport *t)
{
	t->handshaking = false;
	if ((wire.flags & HANDSHAKE_FAILS) != 0)
		return SMTP_PROGRESS_FAILED;
	t->ssl = (SSL *)&wire;
	return SMTP_PROGRESS_DONE;
}

/* What the client says, line by line: nothing that a server would take for the end of a message which
 * nobody has released, and no secret in clear text. */
static void heard_line(const struct smtp_transport *t, const char *line, size_t n)
{
	FUZZ_REQUIRE(memchr(line, '\r', n) == NULL && memchr(line, '\0', n) == NULL);
	if (n == 1 && line[0] == '.') {
		FUZZ_REQUIRE(wire.after_data || wire.in_body);
		/* A lone dot right after DATA ends one that no recipient has. */
		FUZZ_REQUIRE(!wire.in_body || wire.dots < wire.released);
		wire.dots += wire.in_body;
		wire.in_body = wire.after_data = false;
	} else if (wire.after_data || wire.in_body) {
		/* With PIPELINING the server may have refused DATA: then a command follows. */
		wire.in_body = strncmp(line, "QUIT", 4) != 0 && strncmp(line, "RSET", 4) != 0 &&
		               (wire.in_body || strncmp(line, "MAIL", 4) != 0);
		wire.after_data = false;
	} else {
		FUZZ_REQUIRE(n < 1000);
		wire.after_data = n == 4 && memcmp(line, "DATA", 4) == 0;
	}
	if (t->ssl == NULL && !wire.insecure) {
		FUZZ_REQUIRE(memmem(line, n, PASSWORD_BASE64, strlen(PASSWORD_BASE64)) == NULL);
		FUZZ_REQUIRE(memmem(line, n, "AUTH ", 5) != line);
	}
}

bool smtp_transport_write(struct smtp_transport *t, const void *bytes, size_t n)
{
	char *eol;

	FUZZ_REQUIRE(t->fd >= 0 && !t->connecting && !t->handshaking);
	if (t->closed)
		return false;
	t->touched = true;
	buf_add(&wire.line, bytes, n);
	while (wire.line.len > 0 && (eol = memchr(wire.line.data, '\n', wire.line.len)) != NULL) {
		size_t len = (size_t)(eol - wire.line.data);

		FUZZ_REQUIRE(len > 0 && eol[-1] == '\r');
		heard_line(t, wire.line.data, len - 1);
		buf_consume(&wire.line, len + 1);
	}
	return true;
}

bool smtp_transport_drained(const struct smtp_transport *t)
{
	return !t->closed;
}

void smtp_transport_mark(struct smtp_transport *t)
{
	t->touched = false;
}

size_t smtp_transport_read(struct smtp_transport *t, char *to, size_t n, bool *more)
{
	size_t got = 0, most = (wire.flags & BYTEWISE) != 0 ? 1 : n;

	while (!t->closed && !wire.waits && got < most && wire.says.left > 0) {
		uint8_t c = fuzz_byte(&wire.says);

		if (c == '\0')
			wire.waits = true;
		else
			to[got++] = (char)c;
	}
	*more = got > 0;
	return got;
}

void smtp_transport_wake(struct smtp_transport *t)
{
	wire.woken[place(t)] = true;
}

void smtp_transport_close(struct smtp_transport *t)
{
	t->fd = -1;
	t->ssl = NULL;
	t->connecting = t->handshaking = t->broken = t->closed = false;
}

void smtp_transport_free(struct smtp_transport *t)
{
	wire.one[place(t)] = NULL;
}

struct smtp_tls *smtp_tls_open(bool verify, const char *ca_file, struct error *err)
{
	(void)verify;
	(void)ca_file;
	(void)err;
	return (struct smtp_tls *)&wire;
}

void smtp_tls_close(struct smtp_tls *t)
{
	(void)t;
}

void smtp_tls_why(const SSL *ssl, char *out, size_t size)
{
	(void)ssl;
	snprintf(out, size, "no");
}

/* ---- the worker -------------------------------------------------------------------------------- */

static struct {
	struct ev_loop *loop;
	struct options options;
	struct job *job;
	struct provider *provider;
} worker;

struct mail {
	struct delivery delivery;
	struct rcpt_result rcpts[3];
	char id[MESSAGE_MAX_ID];
	unsigned ready, done;
	bool released;
	struct outcome outcome;
};

static void on_ready(struct delivery *d)
{
	struct mail *m = d->data;

	FUZZ_REQUIRE(m->done == 0 && m->ready++ == 0);
	if ((wire.flags & ABANDONS) != 0) {
		provider_abandon(worker.provider, d);
		m->done++;
		outcome_set(&m->outcome, OUTCOME_RETRY, "", "");
		return;
	}
	/* From the loop, as the worker does it. */
}

static void on_done(struct delivery *d, const struct outcome *o)
{
	struct mail *m = d->data;

	FUZZ_REQUIRE(m->done++ == 0);
	m->outcome = *o;
}

static void check_outcome(const struct mail *m)
{
	const struct outcome *o = &m->outcome;
	size_t accepted = 0, refused = 0, n = m->delivery.job->n_rcpts;

	FUZZ_REQUIRE(fuzz_printable(o->code) && fuzz_printable(o->text) &&
	             fuzz_printable(o->message_id));
	for (size_t i = 0; i < n; i++) {
		accepted += m->rcpts[i].state == RCPT_ACCEPTED;
		refused += m->rcpts[i].state == RCPT_REFUSED;
	}
	if (o->kind == OUTCOME_SENT)
		FUZZ_REQUIRE(m->released && accepted > 0);
	else
		FUZZ_REQUIRE(accepted == 0);
	if (o->kind == OUTCOME_REJECTED && strcmp(o->code, CODE_TOO_LARGE) != 0)
		FUZZ_REQUIRE(refused == n);
	if (o->kind == OUTCOME_UNKNOWN)
		FUZZ_REQUIRE(m->released);
}

/* One that is held. */
static bool release(struct mail *mails, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mail *m = &mails[i];

		if (m->ready == 0 || m->released || m->done > 0)
			continue;
		m->released = true;
		wire.released++;
		wire.turns = LATE_TURNS;
		provider_release(worker.provider, &m->delivery);
		return true;
	}
	return false;
}

static bool act(struct mail *mails, size_t n)
{
	bool late = (wire.flags & LATE) != 0;

	if (!late && release(mails, n))
		return true;
	for (size_t i = 0; i < 4; i++) {
		if (wire.one[i] != NULL && wire.woken[i]) {
			wire.woken[i] = false;
			wire.one[i]->on_event(wire.one[i]);
			return true;
		}
	}
	return late && wire.turns-- <= 0 && release(mails, n);
}

/* The client waits: the server goes on, or hangs up when it has no more to say. */
static void turn(void)
{
	bool over = wire.says.left == 0;

	wire.waits = false;
	for (size_t i = 0; i < 4; i++) {
		struct smtp_transport *t = wire.one[i];

		if (t == NULL || t->fd < 0)
			continue;
		t->closed = t->closed || over;
		wire.woken[i] = true;
	}
}

static bool all_done(const struct mail *mails, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mails[i].done == 0)
			return false;
	return true;
}

/* n mails at once. */
static void deliver(size_t n)
{
	static struct mail mails[MAILS];

	wire.released = wire.dots = 0;
	wire.turns = LATE_TURNS;
	for (size_t i = 0; i < n; i++) {
		struct mail *m = &mails[i];

		*m = (struct mail){.delivery = {.job = worker.job,
		                                .message_id = m->id,
		                                .key = "k",
		                                .rcpts = m->rcpts,
		                                .on_ready = on_ready,
		                                .on_done = on_done,
		                                .data = m}};
		message_id(m->id, "k", worker.job);
		provider_send(worker.provider, &m->delivery);
	}
	for (int i = 0; i < MAX_TURNS && !all_done(mails, n); i++) {
		if (!act(mails, n))
			turn();
	}
	for (size_t i = 0; i < n; i++) {
		FUZZ_REQUIRE(mails[i].done == 1);
		check_outcome(&mails[i]);
	}
}

static void start_once(void)
{
	static const char payload[] =
		"{\"to\":[\"a@x.org\",\"b@x.org\"],\"bcc\":\"c@x.org\",\"subject\":\"s\",\"text\":\"l\\n.\\n.l\\n\"}";
	struct buf faults;

	if (worker.job != NULL)
		return;
	worker.loop = ev_default_loop(EVFLAG_AUTO);
	worker.options = (struct options){.mail_from = (char *)"f@x.org",
	                                  .ehlo_name = (char *)"me.x.org"};
	buf_init(&faults, 1000);
	worker.job = job_parse(payload, strlen(payload), &worker.options, &faults);
	FUZZ_REQUIRE(worker.job != NULL);
	buf_free(&faults);
	buf_init(&wire.line, 1 << 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	const char *dsn;
	bool together;

	start_once();
	wire.says = (struct fuzz_bytes){data, size};
	wire.flags = fuzz_byte(&wire.says);
	dsn = dsns[(wire.flags >> 4 & 3) | (wire.flags >> 7) << 2];
	together = (wire.flags & TOGETHER) == TOGETHER;
	if (together) {
		wire.flags &= ~(unsigned)TOGETHER;
		dsn = "smtp://127.0.0.1?tls=none&concurrency=1";
	}
	wire.insecure = strstr(dsn, "auth_insecure") != NULL;
	wire.waits = false;
	worker.provider = provider_open(worker.loop, &worker.options, "p", dsn, &err);
	FUZZ_REQUIRE(worker.provider != NULL);
	for (int i = 0; i < MAILS; i++)
		deliver(together ? MAILS : 1);
	provider_close(worker.provider);
	for (size_t i = 0; i < 4; i++)
		FUZZ_REQUIRE(wire.one[i] == NULL);
	return 0;
}
