#include "archive/postgres.h"

#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#include "archive/conninfo.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "fleet/backoff.h"
#include "redis/resolve.h"

#define CONNECT_S 10.
#define BASE_MS 100
#define MAX_MS 10000
#define OLDEST_SERVER 120000 /* 12 */

/* What is answered as one: a transaction. */
struct round {
	STAILQ_ENTRY(round) next;
	postgres_fn *fn;
	void *data;
	int64_t deadline; /* mono clock, µs */
	enum postgres_result result;
	PGresult *last;
	char state[6];
	struct error error;
};

STAILQ_HEAD(round_list, round);

struct postgres {
	struct ev_loop *loop;
	struct conninfo conninfo;
	char *name;
	void (*on_change)(void *data, bool up);
	void *data;
	PGconn *conn;
	struct resolve *resolve;
	int resolving; /* which host */
	bool up;
	bool broken; /* it is up, but nothing more can be sent */
	bool told;   /* that it is away */
	int64_t tries;
	struct round_list rounds;
	size_t n_rounds;
	struct error error;
	ev_io readable, writable;
	ev_timer
		timer; /* connecting, waiting before the next try; while up: the oldest round's deadline */
};

static void postgres_connect(struct postgres *p);

bool postgres_check(const char *url, struct error *err)
{
	struct conninfo c;

	if (!conninfo_parse(&c, url, err))
		return false;
	conninfo_free(&c);
	return true;
}

/* ---- watchers -------------------------------------------------------------------------------- */

static void postgres_unwatch(struct postgres *p)
{
	ev_io_stop(p->loop, &p->readable);
	ev_io_stop(p->loop, &p->writable);
	ev_timer_stop(p->loop, &p->timer);
}

/* libpq may change its socket while it connects. */
static void postgres_watch(struct postgres *p, bool read, bool write)
{
	int fd = PQsocket(p->conn);

	ev_io_stop(p->loop, &p->readable);
	ev_io_stop(p->loop, &p->writable);
	ev_io_set(&p->readable, fd, EV_READ);
	ev_io_set(&p->writable, fd, EV_WRITE);
	if (read)
		ev_io_start(p->loop, &p->readable);
	if (write)
		ev_io_start(p->loop, &p->writable);
}

static void postgres_set_timer(struct postgres *p, double seconds)
{
	ev_timer_stop(p->loop, &p->timer);
	ev_timer_set(&p->timer, seconds > 0 ? seconds : 0, 0.);
	ev_timer_start(p->loop, &p->timer);
}

/* ---- down ------------------------------------------------------------------------------------ */

static void round_end(struct postgres *p, struct round *r)
{
	STAILQ_REMOVE_HEAD(&p->rounds, next);
	p->n_rounds--;
	r->fn(r->data, r->result, r->result == POSTGRES_OK ? r->last : NULL, r->state,
	      r->error.text);
	PQclear(r->last);
	mem_free(r);
}

/* Those whose answer had come are answered by it; of the others nobody knows. */
static void postgres_lose_rounds(struct postgres *p)
{
	struct round *r;

	while ((r = STAILQ_FIRST(&p->rounds)) != NULL) {
		if (r->result == POSTGRES_OK) {
			r->result = POSTGRES_LOST;
			r->error = p->error;
		}
		round_end(p, r);
	}
}

/* p->error says why. */
static void postgres_down(struct postgres *p)
{
	bool first = !p->told;

	postgres_unwatch(p);
	PQfinish(p->conn);
	p->conn = NULL;
	p->up = p->broken = false;
	conninfo_forget(&p->conninfo);
	postgres_set_timer(p, (double)backoff_delay(++p->tries, BASE_MS, MAX_MS, random_u64()) /
	                              1000.);
	p->told = true;
	if (first)
		log_warn("postgres_away", LOG_STR("name", p->name),
		         LOG_STR("error", p->error.text));
	postgres_lose_rounds(p);
	if (first)
		p->on_change(p->data, false);
}

static void postgres_fail(struct postgres *p, const char *why)
{
	conninfo_clean(&p->conninfo, why, &p->error);
	postgres_down(p);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void ignore_notice(void *data, const PGresult *notice)
{
	(void)data;
	(void)notice;
}

static void postgres_greeted(struct postgres *p)
{
	const char *encoding = PQparameterStatus(p->conn, "server_encoding");

	if (PQserverVersion(p->conn) < OLDEST_SERVER) {
		postgres_fail(p, "this PostgreSQL is too old: 12 or later is needed");
		return;
	}
	/* Others would refuse some of the characters that mail has. */
	if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
		postgres_fail(p, "the database's encoding must be UTF8");
		return;
	}
	if (PQsetnonblocking(p->conn, 1) != 0 || !PQenterPipelineMode(p->conn)) {
		postgres_fail(p, PQerrorMessage(p->conn));
		return;
	}
	ev_timer_stop(p->loop, &p->timer);
	p->up = true;
	p->tries = 0;
	p->told = false;
	p->error.text[0] = '\0';
	postgres_watch(p, true, false);
	log_info("postgres_ready", LOG_STR("name", p->name));
	p->on_change(p->data, true);
}

static void postgres_poll(struct postgres *p)
{
	switch (PQconnectPoll(p->conn)) {
	case PGRES_POLLING_READING:
		postgres_watch(p, true, false);
		break;
	case PGRES_POLLING_WRITING:
		postgres_watch(p, false, true);
		break;
	case PGRES_POLLING_OK:
		postgres_greeted(p);
		break;
	default:
		postgres_fail(p, PQerrorMessage(p->conn));
	}
}

/* The names are known: what stands before the URL are our defaults, what stands behind it is not for it to say. */
static void postgres_begin(struct postgres *p)
{
	struct buf lists[3];
	const char *const keys[] = {
		"application_name", "gssencmode", "dbname", "client_encoding", "host",
		"hostaddr",         "port",       NULL};
	const char *values[] = {p->name, "disable", p->conninfo.url, "UTF8", NULL, NULL,
	                        NULL,    NULL};

	for (int i = 0; i < 3; i++)
		buf_init(&lists[i], CONNINFO_LIST);
	conninfo_lists(&p->conninfo, &lists[0], &lists[1], &lists[2]);
	for (int i = 0; i < 3; i++)
		if (lists[i].len > 0)
			values[4 + i] = buf_str(&lists[i]);
	p->conn = PQconnectStartParams(keys, values, 1);
	for (int i = 0; i < 3; i++)
		buf_free(&lists[i]);
	if (p->conn == NULL || PQstatus(p->conn) == CONNECTION_BAD) {
		postgres_fail(p, p->conn != NULL ? PQerrorMessage(p->conn) : "there is no memory");
		return;
	}
	PQsetNoticeReceiver(p->conn, ignore_notice, NULL);
	postgres_watch(p, false, true);
}

static void postgres_on_resolved(void *data, const struct addrinfo *addresses, const char *error)
{
	struct postgres *p = data;

	p->resolve = NULL;
	if (addresses == NULL) {
		postgres_fail(p, error);
		return;
	}
	if (conninfo_found(&p->conninfo, p->resolving, addresses))
		postgres_connect(p);
	else
		postgres_fail(p, "its name has no address");
}

static void postgres_connect(struct postgres *p)
{
	p->resolving = conninfo_unknown(&p->conninfo);
	if (p->resolving >= 0)
		p->resolve = resolve_start(p->loop, p->conninfo.hosts[p->resolving].host,
		                           postgres_on_resolved, p);
	else
		postgres_begin(p);
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum postgres_result classify(const char *state)
{
	static const struct {
		const char *prefix;
		enum postgres_result result;
	} classes[] = {
		{"57P", POSTGRES_LOST}, {"08", POSTGRES_LOST},     {"22", POSTGRES_DATA},
		{"23", POSTGRES_DATA},  {"54", POSTGRES_DATA},     {"40", POSTGRES_AGAIN},
		{"53", POSTGRES_AGAIN}, {"57", POSTGRES_AGAIN},    {"55P03", POSTGRES_AGAIN},
		{"58", POSTGRES_AGAIN}, {"25006", POSTGRES_AGAIN},
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) == 0)
			return classes[i].result;
	return *state == '\0' ? POSTGRES_LOST : POSTGRES_ERROR;
}

static void round_failed(struct postgres *p, struct round *r, const PGresult *reply)
{
	const char *state = PQresultErrorField(reply, PG_DIAG_SQLSTATE);

	if (r->result != POSTGRES_OK)
		return;
	/* The detail of such an error has values in it: a mail's key, or an address. */
	const char *said = PQresultErrorField(reply, PG_DIAG_MESSAGE_PRIMARY);
	strncpy(r->state, state != NULL ? state : "", sizeof(r->state) - 1);
	r->result = classify(r->state);
	conninfo_clean(&p->conninfo, said != NULL ? said : PQresultErrorMessage(reply), &r->error);
}

static void postgres_take(struct postgres *p, PGresult *reply)
{
	struct round *r = STAILQ_FIRST(&p->rounds);

	switch (PQresultStatus(reply)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(reply);
		round_end(p, r);
		return;
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		PQclear(r->last);
		r->last = reply;
		return;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		round_failed(p, r, reply);
	}
	PQclear(reply);
}

/* While up, it watches over the oldest round. */
static void postgres_watch_rounds(struct postgres *p)
{
	const struct round *r = STAILQ_FIRST(&p->rounds);

	if (p->broken)
		return;
	if (r == NULL)
		ev_timer_stop(p->loop, &p->timer);
	else
		postgres_set_timer(p, (double)(r->deadline - clock_mono_us()) / 1e6);
}

static void postgres_read(struct postgres *p)
{
	if (!PQconsumeInput(p->conn)) {
		postgres_fail(p, PQerrorMessage(p->conn));
		return;
	}
	while (!STAILQ_EMPTY(&p->rounds) && !PQisBusy(p->conn)) {
		PGresult *reply = PQgetResult(p->conn);

		if (reply != NULL)
			postgres_take(p, reply);
		if (PQstatus(p->conn) == CONNECTION_BAD) {
			postgres_fail(p, PQerrorMessage(p->conn));
			return;
		}
	}
	postgres_watch_rounds(p);
}

static void postgres_flush(struct postgres *p)
{
	int left = PQflush(p->conn);

	if (left < 0)
		postgres_fail(p, PQerrorMessage(p->conn));
	else if (left == 0)
		ev_io_stop(p->loop, &p->writable);
}

static void postgres_on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct postgres *p = io->data;

	(void)loop;
	if (!p->up)
		postgres_poll(p);
	else if (events & EV_READ)
		postgres_read(p);
	else
		postgres_flush(p);
}

static void postgres_on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct postgres *p = timer->data;

	(void)loop;
	(void)events;
	if (p->up) {
		postgres_fail(p, p->broken ? "a query could not be sent"
		                           : "the server has not answered in time");
	} else if (p->conn != NULL || p->resolve != NULL) {
		if (p->resolve != NULL)
			resolve_cancel(p->resolve);
		else
			conninfo_turn(&p->conninfo);
		p->resolve = NULL;
		postgres_fail(p, "the server could not be reached in time");
	} else {
		postgres_set_timer(p, CONNECT_S);
		postgres_connect(p);
	}
}

/* ---- for others ------------------------------------------------------------------------------ */

struct postgres *postgres_open(struct ev_loop *loop, const char *url, const char *name,
                               void (*on_change)(void *data, bool up), void *data)
{
	struct postgres *p = mem_zalloc(sizeof(*p));
	struct error err;

	p->loop = loop;
	p->name = mem_strdup(name);
	p->on_change = on_change;
	p->data = data;
	STAILQ_INIT(&p->rounds);
	ev_init(&p->readable, postgres_on_io);
	ev_init(&p->writable, postgres_on_io);
	ev_init(&p->timer, postgres_on_timer);
	p->readable.data = p->writable.data = p->timer.data = p;
	/* The caller has checked it. */
	if (!conninfo_parse(&p->conninfo, url, &err))
		log_error("database_url", LOG_STR("error", err.text));
	postgres_set_timer(p, 0.);
	return p;
}

void postgres_close(struct postgres *p)
{
	if (p == NULL)
		return;
	postgres_unwatch(p);
	if (p->resolve != NULL)
		resolve_cancel(p->resolve);
	p->up = false;
	error_set(&p->error, "it is closed");
	postgres_lose_rounds(p);
	PQfinish(p->conn);
	conninfo_free(&p->conninfo);
	mem_free(p->name);
	mem_free(p);
}

bool postgres_up(const struct postgres *p)
{
	return p->up;
}

size_t postgres_in_flight(const struct postgres *p)
{
	return p->n_rounds;
}

const char *postgres_error(const struct postgres *p)
{
	return p->error.text;
}

/* A round that is there in part can neither be ended nor taken back: the connection is given up, soon. */
static void postgres_break(struct postgres *p)
{
	if (!p->up || p->broken)
		return;
	p->broken = true;
	postgres_set_timer(p, 0.);
}

static void round_begin(struct postgres *p, int deadline_ms, postgres_fn *fn, void *data)
{
	struct round *r = mem_zalloc(sizeof(*r));

	r->fn = fn;
	r->data = data;
	r->deadline = clock_mono_us() + (int64_t)deadline_ms * 1000;
	STAILQ_INSERT_TAIL(&p->rounds, r, next);
	if (p->n_rounds++ == 0)
		postgres_watch_rounds(p);
	ev_io_start(p->loop, &p->writable);
}

/* One more statement of the round that is sent next. */
static bool round_add(struct postgres *p, const char *sql, int n, const char *const *values)
{
	return p->up && !p->broken &&
	       PQsendQueryParams(p->conn, sql, n, NULL, values, NULL, NULL, 0) == 1;
}

bool postgres_send(struct postgres *p, const char *sql, int n, const char *const *values,
                   int deadline_ms, postgres_fn *fn, void *data)
{
	if (!round_add(p, sql, n, values) || !PQpipelineSync(p->conn)) {
		postgres_break(p);
		return false;
	}
	round_begin(p, deadline_ms, fn, data);
	return true;
}

bool postgres_send_all(struct postgres *p, const char *const *statements, int deadline_ms,
                       postgres_fn *fn, void *data)
{
	bool ok = true;

	for (; ok && *statements != NULL; statements++)
		ok = round_add(p, *statements, 0, NULL);
	if (!ok || !PQpipelineSync(p->conn)) {
		postgres_break(p);
		return false;
	}
	round_begin(p, deadline_ms, fn, data);
	return true;
}
