#include "storm/storm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "storm/crew.h"
#include "storm/letter.h"
#include "storm/mailhost.h"
#include "storm/producer.h"
#include "storm/relay.h"
#include "support/http_server.h"
#include "support/wait.h"

#define LEASE_MS 1500
#define CONCURRENCY 40
#define TURN_MS 5
#define LOOK_MS 250
#define PATIENCE_MS 90000
/* A worker that dies with the probe of a half-open breaker keeps that provider shut for as long as a delivery can
 * take: let that be shorter than our patience. */
#define STEPS_HTTP "&connect_timeout=10s&send_timeout=10s"
#define STEPS "&connect_timeout=10s&command_timeout=10s"
#define POINT_PATIENCE_MS 1500 /* for an armed failpoint to be passed */
#define EDGE_PATIENCE_MS 8000  /* where it is all about that one */
#define RATE_SHARE 1.25 /* of the mails that are pushed in a second, provider a may take so many */
#define SLACK_MS 1000   /* a permit lies in a worker no longer than this and the longest fault */

struct storm {
	const struct storm_options *o;
	struct plan plan;
	size_t next; /* in the plan */
	bool *waits; /* faults that could not happen at their time */
	size_t n_waits;
	struct fleet *fleet;
	struct relay *relay;
	struct mailhost *hosts;
	struct http_server *api_host;
	struct crew *crew;
	struct producer *producer;
	struct letter_record *records;
	unsigned rate;
	int64_t started, redis_back; /* 0: Redis is there */
	struct storm_result result;
};

void storm_scale(struct plan_numbers *n, size_t kills)
{
	n->lease_ms = LEASE_MS;
	n->faults[PLAN_KILL] = kills;
	n->faults[PLAN_STOP] = kills / 4;
	n->faults[PLAN_API] = kills / 20;
	n->faults[PLAN_REDIS] = kills / 40;
	n->faults[PLAN_CUT] = kills / 2;
	n->faults[PLAN_FREEZE] = kills / 20;
	n->faults[PLAN_OUTAGE] = kills / 20;
}

/* ---- setting up -------------------------------------------------------------------------------------------- */

static void set_providers(struct storm *s)
{
	int a = mailhost_port(s->hosts, 0), b = mailhost_port(s->hosts, 1);

	fleet_set(s->fleet, "PROVIDERS=%sa,b,c", s->o->behaved ? "" : "t,d,");
	fleet_set(s->fleet, "PROVIDER_T=smtp://127.0.0.1:%d?tls=require", a);
	fleet_set(s->fleet, "PROVIDER_D=smtp://mail.invalid:25?tls=none");
	fleet_set(s->fleet, "PROVIDER_A=smtp://127.0.0.1:%d?tls=none&timeout=5s" STEPS "&rate=%u/s",
	          a, s->rate);
	fleet_set(s->fleet, "PROVIDER_B=smtp://127.0.0.1:%d?tls=none&timeout=5s" STEPS, b);
	fleet_set(
		s->fleet,
		"PROVIDER_C=sendgrid://test-key-123@default?concurrency=20&timeout=10s&endpoint=%s",
		http_server_url(s->api_host, "chaos", "sendgrid"));
}

static void set_fleet(struct storm *s)
{
	fleet_set(s->fleet, "LOG_LEVEL=error");
	fleet_set(s->fleet, "LEASE_MS=%d", LEASE_MS);
	fleet_set(s->fleet, "CONCURRENCY=%d", CONCURRENCY);
	fleet_set(s->fleet, "COMMAND_TIMEOUT=%d", LEASE_MS);
	fleet_set(s->fleet, "RETRY_BASE_DELAY=20");
	fleet_set(s->fleet, "RETRY_MAX_DELAY=500");
	fleet_set(s->fleet, "THROTTLE_MAX=1000");
	fleet_set(s->fleet, "CIRCUIT_BREAKER_TIMEOUT=500");
	fleet_set(s->fleet, "RATE_LIMIT_MAX_REQUESTS=0");
}

static const char *url_of(void *data, unsigned post)
{
	const struct storm *s = data;

	return relay_url(s->relay, post);
}

static void set_up(struct storm *s)
{
	static const char *const redis[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
	const struct plan_numbers *n = &s->o->numbers;
	double pace = (double)n->mails / (n->seconds > 0 ? n->seconds : 1);

	plan_make(&s->plan, n);
	s->waits = calloc(s->plan.n + 1, sizeof(s->waits[0]));
	s->records = calloc(n->mails + 1, sizeof(s->records[0]));
	assert_true(s->waits && s->records);
	s->rate = s->o->rate > 0 ? s->o->rate : 1 + (unsigned)(pace * RATE_SHARE);
	s->fleet = fleet_start(redis);
	s->relay = relay_start(redis_server_socket(fleet_redis(s->fleet)), n->workers + 2);
	s->hosts = mailhost_start(&(struct mailhost_options){.seed = n->seed,
	                                                     .records = s->records,
	                                                     .n = n->mails,
	                                                     .hosts = PLAN_HOSTS,
	                                                     .slow_percent = s->o->slow_percent,
	                                                     .slow_ms = s->o->slow_ms,
	                                                     .behaves = s->o->behaved});
	s->api_host = http_server_start();
	set_providers(s);
	set_fleet(s);
	s->crew = crew_start(s->fleet, n->workers, n->point ? EDGE_PATIENCE_MS : POINT_PATIENCE_MS,
	                     url_of, s);
	s->producer = producer_start(
		&(struct producer_options){.seed = n->seed,
	                                   .records = s->records,
	                                   .mails = n->mails,
	                                   .seconds = n->seconds,
	                                   .redis_socket = relay_socket(s->relay, n->workers + 1),
	                                   .api_port = crew_api_port(s->crew)});
	s->started = wait_now_ms();
}

static void tear_down(struct storm *s)
{
	crew_free(s->crew);
	fleet_free(s->fleet);
	http_server_free(s->api_host);
	mailhost_free(s->hosts);
	relay_free(s->relay);
	plan_free(&s->plan);
	free(s->waits);
	free(s->records);
}

/* ---- what goes wrong ----------------------------------------------------------------------------------------- */

/* False: it cannot happen yet. */
static bool happens(struct storm *s, const struct plan_fault *f)
{
	unsigned workers = s->o->numbers.workers;

	switch (f->kind) {
	case PLAN_KILL:
		return crew_kill(s->crew, f->who, f->point);
	case PLAN_STOP:
		return crew_stop(s->crew, f->who, f->point, f->for_ms);
	case PLAN_API:
		return crew_kill(s->crew, workers, f->point);
	case PLAN_REDIS:
		if (s->redis_back != 0)
			return false;
		redis_server_kill(fleet_redis(s->fleet));
		s->redis_back = wait_now_ms() + f->for_ms;
		s->result.restarts++;
		return true;
	case PLAN_CUT:
		relay_cut(s->relay, f->who, f->side, f->bytes);
		return true;
	case PLAN_FREEZE:
		relay_freeze(s->relay, f->who, f->side, f->for_ms);
		s->result.freezes++;
		return true;
	case PLAN_OUTAGE:
		mailhost_outage(s->hosts, f->who, f->for_ms);
		s->result.outages++;
		return true;
	case PLAN_KINDS:
		break;
	}
	return true;
}

static void try_faults(struct storm *s)
{
	int64_t now = wait_now_ms() - s->started;

	for (size_t i = 0; s->n_waits > 0 && i < s->next; i++) {
		if (s->waits[i] && happens(s, &s->plan.faults[i])) {
			s->waits[i] = false;
			s->n_waits--;
		}
	}
	for (; s->next < s->plan.n && s->plan.faults[s->next].at_ms <= now; s->next++) {
		s->waits[s->next] = !happens(s, &s->plan.faults[s->next]);
		s->n_waits += s->waits[s->next];
	}
}

static bool storm_is_over(void *data)
{
	struct storm *s = data;

	try_faults(s);
	if (s->redis_back != 0 && wait_now_ms() >= s->redis_back) {
		redis_server_run_unready(fleet_redis(s->fleet));
		s->redis_back = 0;
	}
	crew_turn(s->crew);
	return s->next == s->plan.n && s->n_waits == 0 && s->redis_back == 0 &&
	       producer_done(s->producer) && crew_calm(s->crew);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

struct ending {
	struct storm *storm;
	int64_t looked, changed;
	long long left;
	size_t taken;
};

static bool redis_answers(void *data)
{
	struct storm *s = data;
	char *answer = redis_server_ping(fleet_redis(s->fleet));
	bool pong = strcmp(answer, "PONG") == 0;

	free(answer);
	return pong;
}

static long long what_is_left(struct storm *s)
{
	struct redis_server *r = fleet_redis(s->fleet);

	/* In the order in which jobs move, so that none is missed. */
	return redis_server_int(r, "LLEN " FLEET_QUEUE) +
	       redis_server_int(r, "LLEN {" FLEET_QUEUE "}:arrivals") +
	       redis_server_int(r, "ZCARD {" FLEET_QUEUE "}:leases") +
	       redis_server_int(r, "ZCARD {" FLEET_QUEUE "}:delayed") +
	       redis_server_int(r, "ZCARD {" FLEET_QUEUE "}:leases");
}

/* All is settled, or nothing has moved for too long. */
static bool is_at_rest(void *data)
{
	struct ending *e = data;
	int64_t now = wait_now_ms();
	int patience = e->storm->o->patience_ms;
	long long left;
	size_t taken;

	crew_turn(e->storm->crew);
	if (now - e->looked < LOOK_MS)
		return false;
	e->looked = now;
	left = what_is_left(e->storm);
	taken = mailhost_taken(e->storm->hosts);
	if (left != e->left || taken != e->taken)
		e->changed = now;
	e->left = left;
	e->taken = taken;
	return left == 0 || now - e->changed > (patience > 0 ? patience : PATIENCE_MS);
}

static void wait_for_rest(struct storm *s)
{
	struct ending e = {.storm = s, .changed = wait_now_ms(), .left = -1};
	int most = 60000 + (int)s->o->numbers.seconds * 4000;

	relay_calm(s->relay);
	wait_until(redis_answers, s, 0);
	(void)!wait_for(NULL, is_at_rest, &e, most);
	s->result.settled = e.left == 0;
	if (!s->result.settled)
		print_error("%lld jobs are left\n", e.left);
}

/* "k12 <Message-ID> k12.0@example.com,k12.2@example.com sender" */
static void add_api_copy(struct storm *s, const char *line)
{
	const char *to = strstr(line, "> k");
	size_t n, same;
	unsigned rcpt;

	if (!letter_number(line, &n, NULL) || n >= s->o->numbers.mails)
		return;
	for (to += to ? strlen("> ") : 0; to && sscanf(to, "k%zu.%u", &same, &rcpt) == 2; to++) {
		s->records[n].copies[rcpt % LETTER_MAX_RCPTS]++;
		to += strcspn(to, ", ");
		if (*to != ',')
			break;
	}
}

/* What the HTTP API has seen goes to the records, too. */
static void add_api_host(struct storm *s)
{
	struct tally *tally = http_server_tally(s->api_host);
	char *taken = http_server_read(s->api_host, "taken"), *rest = taken, *line;
	char *fates = http_server_read(s->api_host, "fates");

	while ((line = strsep(&rest, "\n")) != NULL)
		add_api_copy(s, line);
	for (size_t n = 0; n < s->o->numbers.mails; n++) {
		char key[32];

		snprintf(key, sizeof(key), "k%zu", n);
		s->records[n].ids_differ = s->records[n].ids_differ || tally_ids(tally, key) > 1;
	}
	for (rest = fates; (line = strsep(&rest, "\n")) != NULL;) {
		const char *fate;
		size_t n;

		if (letter_number(line, &n, &fate) && n < s->o->numbers.mails &&
		    strcmp(fate, " ok") != 0)
			letter_harmed(&s->records[n], true);
	}
	free(taken);
	free(fates);
	tally_free(tally);
}

static void judge(struct storm *s)
{
	struct storm_result *r = &s->result;
	struct verdict_facts facts = {
		.fleet = s->fleet,
		.records = s->records,
		.mails = s->o->numbers.mails,
		.seed = s->o->numbers.seed,
		.strays = mailhost_strays(s->hosts),
		/* A freeze or a stop that is longer than a lease takes a worker's mails from it. */
		.most_deaths = (r->kills + r->stops + r->freezes) * CONCURRENCY,
	};
	int64_t slack = (s->plan.longest_ms + SLACK_MS) * 1000;
	size_t n;
	const int64_t *times = mailhost_times(s->hosts, 0, &n);

	add_api_host(s);
	verdict_make(&r->verdict, &facts);
	r->verdict.limits = verdict_over_rate(times, n, s->rate, s->rate / 10 + 1, slack);
}

static void count(struct storm *s)
{
	struct storm_result *r = &s->result;
	struct crew_count c = crew_count(s->crew);

	r->numbers = s->o->numbers;
	r->digest = plan_digest(&s->plan);
	r->seconds = (double)(wait_now_ms() - s->started) / 1000;
	r->kills = c.kills;
	r->kills_at_points = c.kills_at_points;
	r->stops = c.stops;
	r->stops_at_points = c.stops_at_points;
	r->crashes = c.crashes;
	r->api_kills = crew_api_kills(s->crew);
	r->cuts = relay_cuts(s->relay);
	r->failpoints = crew_has_failpoints(s->crew);
	r->pushes = producer_pushes(s->producer);
	r->posts = producer_posts(s->producer);
}

struct storm_result storm_run(const struct storm_options *o)
{
	struct storm s = {.o = o};
	char *summary;
	int most = 60000 + (int)o->numbers.seconds * 4000;

	set_up(&s);
	if (!wait_for(NULL, storm_is_over, &s, most))
		print_error("the storm has not ended in time\n");
	wait_for_rest(&s);
	count(&s);
	producer_free(s.producer);
	crew_end(s.crew);
	mailhost_stop(s.hosts);
	summary = mailhost_summary(s.hosts);
	printf("What the mail hosts did to envelopes: %s\n\n", summary);
	free(summary);
	judge(&s);
	tear_down(&s);
	return s.result;
}

bool storm_good(const struct storm_result *r)
{
	return r->settled && r->crashes == 0 && verdict_good(&r->verdict) &&
	       r->verdict.pushed == r->numbers.mails &&
	       r->verdict.pushed ==
	               r->verdict.sent + r->verdict.failed + r->verdict.held + r->verdict.cancelled;
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static void row(const char *what, size_t n, const char *format, ...) PRINTF_LIKE(3, 4);
static void row(const char *what, size_t n, const char *format, ...)
{
	va_list args;

	printf("| %s | %zu | ", what, n);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" |\n");
}

void storm_print(const struct storm_result *r)
{
	const struct verdict *v = &r->verdict;

	printf("| what | how many | |\n|---|---|---|\n");
	row("pushed", v->pushed,
	    "mails that Redis or the API had acknowledged, in %zu pushes and %zu posts", r->pushes,
	    r->posts);
	row("sent", v->sent, "%zu copies were taken, one for each recipient", v->copies);
	row("failed", v->failed, "%zu of them as poison", v->poisoned);
	row("held", v->held, "nobody can know whether they went");
	row("cancelled", v->cancelled, " ");
	row("kills", r->kills, "of workers, %zu at failpoints%s", r->kills_at_points,
	    r->failpoints ? "" : " (none are compiled in)");
	row("stops", r->stops, "of workers, %zu at failpoints", r->stops_at_points);
	row("API kills", r->api_kills, " ");
	row("restarts", r->restarts, "of Redis, by SIGKILL");
	row("cuts", r->cuts, "of connections to Redis");
	row("freezes", r->freezes, "of a worker's connections to Redis");
	row("outages", r->outages, "of mail hosts");
	row("unknown", v->unknown, "lines; %zu since a worker was lost; and %zu late ones",
	    v->worker_lost, v->late);
	row("second copies, explained", v->explained, " ");
	row("**second copies, unexplained**", v->unexplained, " ");
	row("**lost**", v->lost, " ");
	row("**contradicted**", v->contradicted, "cancelled and sent, another Message-ID");
	row("**without a reason**", v->reasonless, " ");
	row("**charged to nobody's fault**", v->uncaused, "attempts");
	row("**over the limit**", v->limits, "mails beyond a provider's rate");
	row("**left**", v->left, "jobs in any place");
	row("**crashes**", r->crashes, "of our processes, by themselves");
	printf("\nseed %llu, plan %016llx, %.0f s: make storm MAILS=%zu KILLS=%zu DURATION=%u "
	       "WORKERS=%u SEED=%llu\n",
	       (unsigned long long)r->numbers.seed, (unsigned long long)r->digest, r->seconds,
	       r->numbers.mails, r->numbers.faults[PLAN_KILL], r->numbers.seconds,
	       r->numbers.workers, (unsigned long long)r->numbers.seed);
	printf("%s\n", storm_good(r) ? "GOOD" : "BAD");
	fflush(stdout);
}
