#include "provider/mock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "provider/provider.h"

#define MAX_LATENCY_MS 600000
#define MAX_SHARE 1000000
#define THROTTLE_MS 1000 /* what a throttling mock asks for */

enum step { STEP_READY, STEP_HELD, STEP_REPLYING, STEP_REPLY };

/* One mail in the mock's hands. */
struct mail {
	TAILQ_ENTRY(mail)
	place; /* in `due`, in STEP_READY and STEP_REPLY; in `spare` when unused */
	struct mock *mock;
	struct delivery *delivery;
	enum step step;
	enum outcome_kind fate;
	long latency_ms;
	uint64_t turn;  /* in which it became due */
	ev_timer timer; /* in STEP_REPLYING */
};

TAILQ_HEAD(mails, mail);

struct mock {
	struct provider *provider;
	struct mock_plan plan;
	struct prng random;
	int record; /* fd, or -1 */
	uint64_t taken;
	struct mails due, spare;
	uint64_t turn;
	/* What is due is looked at once in each turn of the loop, after it has looked at sockets;
	 * the idle watcher keeps it from waiting there. */
	ev_check check;
	ev_idle idle;
};

static const char *const params[] = {"success", "latency", "fail", "seed", "record", NULL};

/* A whole number from the n characters at text. */
static bool span_int(const char *text, size_t n, int64_t *out)
{
	char number[24];

	if (n == 0 || n >= sizeof(number))
		return false;
	memcpy(number, text, n);
	number[n] = '\0';
	return number_int(number, out) && *out >= 0;
}

bool mock_parse_latency(struct mock_plan *plan, const char *text, struct error *err)
{
	size_t n = strcspn(text, "-");
	int64_t min, max;

	if (!span_int(text, n, &min))
		return error_set(err, "latency must be milliseconds, as in 20 or 5-50");
	max = min;
	if (text[n] == '-' && !span_int(text + n + 1, strlen(text + n + 1), &max))
		return error_set(err, "latency must be milliseconds, as in 20 or 5-50");
	if (min > max || max > MAX_LATENCY_MS)
		return error_set(err, "latency must go from the smaller to the larger, up to %d ms",
		                 MAX_LATENCY_MS);
	plan->latency_min = (long)min;
	plan->latency_max = (long)max;
	return true;
}

static bool parse_share(struct mock_plan *plan, const char *text, size_t n, struct error *err)
{
	size_t name_len = strcspn(text, ":,");
	int64_t share = 1;

	if (name_len < n && !span_int(text + name_len + 1, n - name_len - 1, &share))
		share = -1;
	if (share < 0 || share > MAX_SHARE)
		return error_set(err, "fail: a share must be a number up to %d, as in retry:3",
		                 MAX_SHARE);
	for (int kind = OUTCOME_SENT + 1; kind < OUTCOME_N; kind++) {
		const char *name = outcome_name((enum outcome_kind)kind);

		if (strlen(name) == name_len && memcmp(name, text, name_len) == 0) {
			plan->shares[kind] += (unsigned)share;
			plan->all_shares += (unsigned)share;
			return true;
		}
	}
	return error_set(err, "fail must name retry, throttled, provider_down, rejected or "
	                      "unknown, each with its share, as in retry:3,rejected:1");
}

bool mock_parse_fail(struct mock_plan *plan, const char *text, struct error *err)
{
	memset(plan->shares, 0, sizeof(plan->shares));
	plan->all_shares = 0;
	for (;;) {
		size_t n = strcspn(text, ",");

		if (!parse_share(plan, text, n, err))
			return false;
		if (text[n] == '\0')
			break;
		text += n + 1;
	}
	return plan->all_shares > 0 || error_set(err, "fail: all shares are 0");
}

enum outcome_kind mock_draw(const struct mock_plan *plan, struct prng *random, long *latency_ms)
{
	uint64_t width = (uint64_t)(plan->latency_max - plan->latency_min) + 1;
	bool taken = prng_unit(random) < plan->success;
	uint64_t share;

	*latency_ms = plan->latency_min + (long)(prng_u64(random) % width);
	if (taken || plan->all_shares == 0)
		return OUTCOME_SENT;
	share = prng_u64(random) % plan->all_shares;
	for (int kind = OUTCOME_SENT + 1; kind < OUTCOME_N; kind++) {
		if (share < plan->shares[kind])
			return (enum outcome_kind)kind;
		share -= plan->shares[kind];
	}
	return OUTCOME_RETRY;
}

static void make_due(struct mail *m, enum step step)
{
	struct mock *mock = m->mock;

	m->step = step;
	m->turn = mock->turn;
	TAILQ_INSERT_TAIL(&mock->due, m, place);
	if (!ev_is_active(&mock->check)) {
		ev_check_start(mock->provider->loop, &mock->check);
		ev_idle_start(mock->provider->loop, &mock->idle);
	}
}

/* Out of the mock's hands. */
static void drop(struct mail *m)
{
	TAILQ_INSERT_HEAD(&m->mock->spare, m, place);
}

static void record(const struct mock *mock, const struct delivery *d)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "%s %s %ld %lld\n", d->key, d->message_id,
	                 (long)getpid(), (long long)clock_wall_ms());

	if (n < 0 || (size_t)n >= sizeof(line) || write(mock->record, line, (size_t)n) != n)
		log_error("mock_record_failed", LOG_STR("error", strerror(errno)));
}

static void set_recipients(struct delivery *d, enum rcpt_state state, const char *code)
{
	for (size_t i = 0; i < d->job->n_rcpts; i++) {
		struct rcpt_result *r = &d->rcpts[i];

		if (r->state != RCPT_PENDING && r->state != RCPT_DEFERRED)
			continue;
		r->state = state;
		line_copy(r->code, sizeof(r->code), code);
	}
}

static void reply(struct mail *m)
{
	static const struct {
		const char *code, *text;
	} words[OUTCOME_N] = {
		[OUTCOME_SENT] = {"250 2.0.0", "taken by the mock"},
		[OUTCOME_RETRY] = {"451 4.3.0", "the mock fails for now"},
		[OUTCOME_THROTTLED] = {"450 4.7.28", "the mock wants fewer mails"},
		[OUTCOME_PROVIDER_DOWN] = {"535 5.7.8", "the mock takes nobody's mail"},
		[OUTCOME_REJECTED] = {"550 5.1.1", "the mock will never take this mail"},
		[OUTCOME_UNKNOWN] = {"timeout", "the mock did not reply"},
	};
	struct mock *mock = m->mock;
	struct delivery *d = m->delivery;
	struct outcome o;
	struct line l;

	outcome_set(&o, m->fate, words[m->fate].code, words[m->fate].text);
	if (m->fate == OUTCOME_SENT) {
		mock->taken++;
		l = line_begin(o.message_id, sizeof(o.message_id));
		line_add(&l, "mock-");
		line_add_int(&l, (int64_t)mock->taken);
		set_recipients(d, RCPT_ACCEPTED, o.code);
		if (mock->record >= 0)
			record(mock, d);
	} else if (m->fate == OUTCOME_REJECTED) {
		set_recipients(d, RCPT_REFUSED, o.code);
	} else if (m->fate == OUTCOME_THROTTLED) {
		o.retry_after_ms = THROTTLE_MS;
	}
	drop(m);
	provider_done(mock->provider, d, &o);
}

static void on_check(struct ev_loop *loop, ev_check *check, int events)
{
	struct mock *mock = check->data;
	struct mail *m;

	(void)events;
	mock->turn++; /* what becomes due from here on is for the next turn */
	while ((m = TAILQ_FIRST(&mock->due)) != NULL && m->turn < mock->turn) {
		TAILQ_REMOVE(&mock->due, m, place);
		if (m->step == STEP_READY && m->fate != OUTCOME_PROVIDER_DOWN) {
			m->step = STEP_HELD;
			m->delivery->on_ready(m->delivery);
		} else {
			reply(m);
		}
	}
	if (TAILQ_EMPTY(&mock->due)) {
		ev_check_stop(loop, &mock->check);
		ev_idle_stop(loop, &mock->idle);
	}
}

static void on_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
	(void)loop;
	(void)idle;
	(void)events;
}

static void on_latency(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	reply(timer->data);
}

static bool read_params(struct mock *mock, struct uri *dsn, struct error *err)
{
	const char *success = uri_param(dsn, "success");
	const char *latency = uri_param(dsn, "latency");
	const char *fail = uri_param(dsn, "fail");
	const char *seed = uri_param(dsn, "seed");
	const char *path = uri_param(dsn, "record");
	int64_t n;

	mock->plan.success = 1;
	if (success != NULL && (!number_double(success, &mock->plan.success) ||
	                        mock->plan.success < 0 || mock->plan.success > 1))
		return error_set(err, "success must be a number from 0 to 1");
	if (latency != NULL && !mock_parse_latency(&mock->plan, latency, err))
		return false;
	if (!mock_parse_fail(&mock->plan, fail != NULL ? fail : "retry", err))
		return false;
	prng_seed(&mock->random, random_u64());
	if (seed != NULL) {
		if (!number_int(seed, &n))
			return error_set(err, "seed must be a whole number");
		prng_seed(&mock->random, (uint64_t)n);
	}
	if (path == NULL)
		return true;
	mock->record = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return mock->record >= 0 ||
	       error_set(err, "record: %s cannot be opened: %s", path, strerror(errno));
}

static void mock_close(struct provider *p)
{
	struct mock *mock = p->state;
	struct mail *m;

	while ((m = TAILQ_FIRST(&mock->spare)) != NULL) {
		TAILQ_REMOVE(&mock->spare, m, place);
		mem_free(m);
	}
	ev_check_stop(p->loop, &mock->check);
	ev_idle_stop(p->loop, &mock->idle);
	if (mock->record >= 0)
		close(mock->record);
	mem_free(mock);
}

static void *mock_open(struct provider *p, struct uri *dsn, struct error *err)
{
	struct mock *mock = mem_zalloc(sizeof(*mock));

	mock->provider = p;
	mock->record = -1;
	mock->turn = 1;
	TAILQ_INIT(&mock->due);
	TAILQ_INIT(&mock->spare);
	ev_init(&mock->check, on_check);
	mock->check.data = mock;
	ev_init(&mock->idle, on_idle);
	if (!read_params(mock, dsn, err)) {
		if (mock->record >= 0)
			close(mock->record);
		mem_free(mock);
		return NULL;
	}
	p->setup_ms = 0;
	return mock;
}

static struct mail *take_mail(struct mock *mock)
{
	struct mail *m = TAILQ_FIRST(&mock->spare);

	if (m != NULL) {
		TAILQ_REMOVE(&mock->spare, m, place);
		return m;
	}
	m = mem_zalloc(sizeof(*m));
	m->mock = mock;
	ev_init(&m->timer, on_latency);
	m->timer.data = m;
	return m;
}

static void mock_send(struct provider *p, struct delivery *d)
{
	struct mock *mock = p->state;
	struct mail *m = take_mail(mock);

	m->delivery = d;
	m->fate = mock_draw(&mock->plan, &mock->random, &m->latency_ms);
	d->impl = m;
	make_due(m, STEP_READY);
}

static void mock_release(struct provider *p, struct delivery *d)
{
	struct mail *m = d->impl;

	if (m->latency_ms == 0) {
		make_due(m, STEP_REPLY);
		return;
	}
	m->step = STEP_REPLYING;
	ev_timer_set(&m->timer, (double)m->latency_ms / 1e3, 0.);
	ev_timer_start(p->loop, &m->timer);
}

static void mock_abandon(struct provider *p, struct delivery *d)
{
	struct mail *m = d->impl;

	if (m->step == STEP_READY || m->step == STEP_REPLY)
		TAILQ_REMOVE(&m->mock->due, m, place);
	ev_timer_stop(p->loop, &m->timer);
	drop(m);
}

const struct provider_type provider_mock = {
	.scheme = "mock",
	.params = params,
	.concurrency = 10000,
	.timeout_ms = 60000,
	.open = mock_open,
	.send = mock_send,
	.release = mock_release,
	.abandon = mock_abandon,
	.close = mock_close,
};
