/* A worker is killed, stopped or cut off at every edge of a mail's way; another one takes over.
 *
 * Each edge has a queue, a wire and a worker of its own, the victim. When all victims stand at their
 * edges, the fault happens, and one rescuer serves all queues. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/sink.h"
#include "support/timelines.h"
#include "support/wait.h"
#include "support/wire.h"

#define MAX_EDGES 16

struct edge {
	const char *name;    /* also the mail's key */
	const char *behaves; /* of the recipient at the sink: sink.h */
	const char *command; /* the wire holds there; NULL: the sink does */
	enum wire_side side;
	/* what is to come of it */
	size_t copies, unknown, retries;
	bool late; /* the victim's word, when it comes back, is a line in the timeline */
};

struct scene {
	struct fleet *fleet;
	struct sink *sink;
	const struct edge *edges;
	size_t n;
	struct wire *wires[MAX_EDGES];
	struct process *victims[MAX_EDGES];
	char addresses[MAX_EDGES][64], queues[MAX_EDGES][64], all_queues[MAX_EDGES * 64];
};

static void name_all(struct scene *s)
{
	size_t len = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct edge *e = &s->edges[i];

		snprintf(s->addresses[i], sizeof(s->addresses[i]), "%s.%s@example.com", e->behaves,
		         e->name);
		snprintf(s->queues[i], sizeof(s->queues[i]), "q:%s", e->name);
		len += (size_t)snprintf(s->all_queues + len, sizeof(s->all_queues) - len, "%s%s",
		                        i > 0 ? "," : "", s->queues[i]);
	}
}

static void push(struct scene *s, size_t i)
{
	char *job = fleet_job_to(s->edges[i].name, s->addresses[i], "");

	fleet_push_raw(s->fleet, s->queues[i], job, strlen(job));
	free(job);
}

/* The victim goes as far as its edge. */
static void go_to_edge(struct scene *s, size_t i)
{
	const struct edge *e = &s->edges[i];
	char redis[160], queues[80];

	s->wires[i] = wire_start(redis_server_socket(fleet_redis(s->fleet)));
	if (e->command)
		wire_hold(s->wires[i], e->side, e->command);
	push(s, i);
	snprintf(redis, sizeof(redis), "REDIS_URL=%s", wire_url(s->wires[i]));
	snprintf(queues, sizeof(queues), "QUEUES=%s", s->queues[i]);
	s->victims[i] = fleet_worker(s->fleet, (const char *const[]){redis, queues, NULL});
	if (e->command)
		wire_wait_held(s->wires[i]);
	else if (strncmp(e->behaves, "hold-rcpt", 9) == 0)
		sink_wait_asked(s->sink, s->addresses[i], 1);
	else
		while (sink_copies(s->sink, e->name) == 0)
			assert_true(process_running(s->victims[i]));
}

static void set_scene(struct scene *s, const struct edge *edges, size_t n)
{
	assert_true(n <= MAX_EDGES);
	*s = (struct scene){.edges = edges, .n = n};
	s->fleet = fleet_start(NULL);
	s->sink = sink_start();
	fleet_set(s->fleet, "PROVIDER_PRIMARY=%s", sink_dsn(s->sink, ""));
	name_all(s);
}

static void clear_scene(struct scene *s)
{
	fleet_free(s->fleet);
	for (size_t i = 0; i < s->n; i++)
		wire_free(s->wires[i]);
	sink_free(s->sink);
}

static struct process *rescue(struct scene *s)
{
	char queues[sizeof(s->all_queues) + 16];
	struct process *rescuer;

	snprintf(queues, sizeof(queues), "QUEUES=%s", s->all_queues);
	rescuer = fleet_worker(s->fleet, (const char *const[]){queues, NULL});
	for (size_t i = 0; i < s->n; i++) {
		fleet_wait_status(s->fleet, s->edges[i].name, "sent");
		fleet_wait_settled(s->fleet, s->queues[i]);
	}
	return rescuer;
}

static bool is(const char *edge, const char *what, size_t got, size_t want)
{
	if (got != want)
		print_error("%s: %zu %s, not %zu\n", edge, got, what, want);
	return got == want;
}

static void check(struct scene *s)
{
	struct tally *taken = sink_tally(s->sink);
	struct fleet *f = s->fleet;
	bool ok = true;

	for (size_t i = 0; i < s->n; i++) {
		const struct edge *e = &s->edges[i];
		size_t lines = timelines_lines(f, e->name, NULL, NULL);
		bool good = is(e->name, "copies", tally_copies(taken, e->name), e->copies) &
		            is(e->name, "Message-IDs", tally_ids(taken, e->name), 1) &
		            is(e->name, "unknown",
		               timelines_lines(f, e->name, "primary", "unknown"), e->unknown) &
		            is(e->name, "retries", timelines_lines(f, e->name, "primary", "retry"),
		               e->retries) &
		            is(e->name, "sent", timelines_lines(f, e->name, "primary", "sent"), 1) &
		            is(e->name, "attempts", (size_t)fleet_number(f, e->name, "attempts"),
		               lines) &
		            is(e->name, "dead letters", fleet_dead_count(f, s->queues[i]), 0);

		if (!good)
			fleet_show_status(f, e->name);
		ok = ok && good;
	}
	tally_free(taken);
	if (!ok)
		fail();
}

/* A repeat of each mail is a duplicate of it, whoever sent it in the end. */
static void repeat_all(struct scene *s)
{
	for (size_t i = 0; i < s->n; i++)
		push(s, i);
	for (size_t i = 0; i < s->n; i++) {
		fleet_wait_field(s->fleet, s->edges[i].name, "duplicates", "1");
		fleet_wait_settled(s->fleet, s->queues[i]);
	}
}

/* ---- SIGKILL ---------------------------------------------------------------------------------- */

static void test_killed(void **state)
{
	static const struct edge edges[] = {
		/* Nothing has happened at the provider: sent once, and nothing is said of the dead. */
		{"claim-asked", "ok", "claim", WIRE_REQUEST, 1, 0, 0, false},
		{"claimed", "ok", "claim", WIRE_REPLY, 1, 0, 0, false},
		{"permitted", "ok", "permit", WIRE_REPLY, 1, 0, 0, false},
		{"sending", "hold-rcpt-1", NULL, WIRE_REQUEST, 1, 0, 0, false},
		{"held", "ok", "begin", WIRE_REQUEST, 1, 0, 0, false},
		/* From here on nobody can know, and the timeline says so. */
		{"begun", "ok", "begin", WIRE_REPLY, 1, 1, 0, false},
		{"released", "hold-dot-1", NULL, WIRE_REQUEST, 2, 1, 0, false},
		{"answered", "ok", "finish", WIRE_REQUEST, 2, 1, 0, false},
		/* It is written: not sent again. */
		{"finished", "ok", "finish", WIRE_REPLY, 1, 0, 0, false},
		{"settling", "ok", "settle", WIRE_REQUEST, 1, 0, 0, false},
		{"settled", "ok", "settle", WIRE_REPLY, 1, 0, 0, false},
		/* The same for a mail that has failed once. */
		{"retry-finished", "busy-1", "finish", WIRE_REPLY, 1, 0, 1, false},
		{"retry-settling", "busy-1", "settle", WIRE_REQUEST, 1, 0, 1, false},
		{"retry-peeking", "busy-1", "peek", WIRE_REQUEST, 1, 0, 1, false},
		{"retry-peeked", "busy-1", "peek", WIRE_REPLY, 1, 0, 1, false},
	};
	struct scene s;

	(void)state;
	set_scene(&s, edges, sizeof(edges) / sizeof(edges[0]));
	for (size_t i = 0; i < s.n; i++) {
		go_to_edge(&s, i);
		process_kill(s.victims[i]);
	}
	rescue(&s);
	check(&s);
	repeat_all(&s);
	check(&s);
	clear_scene(&s);
}

/* ---- SIGSTOP ---------------------------------------------------------------------------------- */

/* Whether what the wire holds reaches Redis while its worker sleeps, or when another has sent it. */
static void test_stopped(void **state, bool heard_early)
{
	static const struct edge early[] = {
		{"claimed", "ok", "claim", WIRE_REPLY, 1, 0, 0, false},
		{"permitted", "ok", "permit", WIRE_REPLY, 1, 0, 0, false},
		{"sending", "hold-rcpt-1", NULL, WIRE_REQUEST, 1, 0, 0, false},
		/* Its begin was heard, so that the rescuer has to call it unknown; but the byte never left. */
		{"begun", "ok", "begin", WIRE_REPLY, 1, 1, 0, true},
		{"released", "hold-dot-1", NULL, WIRE_REQUEST, 2, 1, 0, true},
		{"finished", "ok", "finish", WIRE_REPLY, 1, 0, 0, false},
	};
	static const struct edge late[] = {
		{"held", "ok", "begin", WIRE_REQUEST, 1, 0, 0, false},
		{"answered", "ok", "finish", WIRE_REQUEST, 2, 1, 0, true},
		{"settling", "ok", "settle", WIRE_REQUEST, 1, 0, 0, false},
		{"retry-peeking", "busy-1", "peek", WIRE_REQUEST, 1, 0, 1, false},
	};
	struct process *rescuer;
	struct scene s;

	(void)state;
	if (heard_early)
		set_scene(&s, early, sizeof(early) / sizeof(early[0]));
	else
		set_scene(&s, late, sizeof(late) / sizeof(late[0]));
	for (size_t i = 0; i < s.n; i++) {
		go_to_edge(&s, i);
		process_signal(s.victims[i], SIGSTOP);
		if (heard_early)
			wire_pass(s.wires[i]);
	}
	rescuer = rescue(&s);
	sink_go(s.sink);
	for (size_t i = 0; i < s.n; i++) {
		process_signal(s.victims[i], SIGCONT);
		wire_pass(s.wires[i]);
	}
	/* Each comes to its senses, and ends with nothing in its hands. */
	for (size_t i = 0; i < s.n; i++) {
		if (s.edges[i].late)
			process_wait_line(s.victims[i], "\"attempt_late\"", 0);
		fleet_stop(s.fleet, s.victims[i]);
		process_wait_line(s.victims[i], "\"left\":0", 0);
	}
	fleet_stop(s.fleet, rescuer);
	check(&s);
	for (size_t i = 0; i < s.n; i++) {
		char *line = fleet_field(s.fleet, s.edges[i].name, "late:1");

		if ((line[0] != '\0') != s.edges[i].late)
			fail_msg("%s has the late line \"%s\"", s.edges[i].name, line);
		free(line);
		fleet_expect(s.fleet, s.edges[i].name, "status", "sent");
	}
	clear_scene(&s);
}

static void test_stopped_heard_early(void **state)
{
	test_stopped(state, true);
}

static void test_stopped_heard_late(void **state)
{
	test_stopped(state, false);
}

/* What was completed while another had already adopted it stays completed. */
static void test_completed_while_adopted(void **state)
{
	static const struct edge edges[] = {
		{"answered", "ok", "finish", WIRE_REQUEST, 1, 0, 0, false},
	};
	struct process *rescuer;
	struct wire *second;
	struct scene s;
	char redis[160];

	(void)state;
	set_scene(&s, edges, 1);
	go_to_edge(&s, 0);
	second = wire_start(redis_server_socket(fleet_redis(s.fleet)));
	wire_hold(second, WIRE_REQUEST, "peek");
	snprintf(redis, sizeof(redis), "REDIS_URL=%s", wire_url(second));
	process_signal(s.victims[0], SIGSTOP); /* else it would renew its lease */
	rescuer = fleet_worker(s.fleet, (const char *const[]){redis, "QUEUES=q:answered", NULL});
	wire_wait_held(second); /* adopted, not yet judged */
	process_signal(s.victims[0], SIGCONT);
	wire_pass(s.wires[0]);
	fleet_wait_status(s.fleet, "answered", "sent");
	wire_pass(second);
	fleet_wait_settled(s.fleet, "q:answered");
	check(&s);
	fleet_stop(s.fleet, s.victims[0]);
	fleet_stop(s.fleet, rescuer);
	wire_free(second);
	clear_scene(&s);
}

/* A mail is given back by one that has lost it to another, who is sending it. */
static void test_given_back_too_late(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();
	struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
	struct process *victim, *rescuer;
	char redis[160];

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, "&concurrency=1"));
	snprintf(redis, sizeof(redis), "REDIS_URL=%s", wire_url(w));
	fleet_push_to(f, "first", "hold-rcpt-1.first@example.com", "");
	fleet_push_to(f, "second", "hold-dot.second@example.com", "");
	victim = fleet_worker(f, (const char *const[]){redis, NULL});
	sink_wait_asked(sink, "hold-rcpt-1.first@example.com", 1);
	wire_hold(w, WIRE_REQUEST, "settle");
	process_signal(victim, SIGTERM); /* the second waits for its turn: it is given back */
	wire_wait_held(w);
	process_signal(victim, SIGSTOP);
	rescuer = fleet_worker(f, NULL);
	while (sink_copies(sink, "second") == 0)
		assert_true(process_running(rescuer));
	process_signal(victim, SIGCONT);
	wire_pass(w);
	process_wait_line(victim, "\"claim_stale\"", 0);
	sink_go(sink);
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "second", "status", "sent");
	assert_int_equal(timelines_lines(f, "second", NULL, NULL), 1);
	assert_int_equal(sink_copies(sink, "second"), 1);
	assert_int_equal(sink_copies(sink, "first"), 1);
	assert_int_equal(process_wait(victim, 0), 0);
	fleet_stop(f, rescuer);
	fleet_free(f);
	wire_free(w);
	sink_free(sink);
}

/* ---- a lost connection -------------------------------------------------------------------------- */

/* The reply is lost after the script ran, or the request before: repeating it gives the same result. */
static void test_cut(void **state)
{
	static const char *const commands[] = {"BLMOVE", "claim",  "permit", "begin",
	                                       "finish", "settle", "peek"};
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();
	struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
	struct process *worker;
	struct tally *taken;

	(void)state;
	fleet_set(f, "REDIS_URL=%s", wire_url(w));
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	worker = fleet_worker(f, NULL);
	for (size_t i = 0; i < 14; i++) {
		const char *command = commands[i / 2];
		char key[64], to[96];

		snprintf(key, sizeof(key), "%s-%s", command, i % 2 ? "answer" : "question");
		snprintf(to, sizeof(to), "busy-1.%s@example.com",
		         key); /* so that it is peeked at */
		wire_cut_at(w, i % 2 ? WIRE_REPLY : WIRE_REQUEST, command, 1);
		fleet_push_to(f, key, to, "");
		wire_wait_held(w);
		fleet_wait_status(f, key, "sent");
		fleet_wait_settled(f, NULL);
		taken = sink_tally(sink);
		if (tally_copies(taken, key) != 1 ||
		    timelines_lines(f, key, NULL, "unknown") != 0 ||
		    timelines_lines(f, key, NULL, NULL) != 2 ||
		    fleet_number(f, key, "attempts") != 2) {
			fleet_show_status(f, key);
			fail_msg("%s: %zu copies", key, tally_copies(taken, key));
		}
		tally_free(taken);
	}
	fleet_stop(f, worker);
	fleet_free(f);
	wire_free(w);
	sink_free(sink);
}

/* Killed right after its doorbell moved the job, on an otherwise idle fleet. */
static void test_killed_after_doorbell(void **state)
{
	struct fleet *f = fleet_start(NULL);
	const char *record = fleet_mock(f, "PRIMARY", "");
	struct wire *w = wire_start(redis_server_socket(fleet_redis(f)));
	struct process *victim;
	struct tally *taken;
	char redis[160];

	(void)state;
	/* Of those who block, Redis serves the first; it blocks for so long that it stays the first. */
	wire_hold(w, WIRE_REPLY, "BLMOVE");
	snprintf(redis, sizeof(redis), "REDIS_URL=%s", wire_url(w));
	victim = fleet_worker(f, (const char *const[]){redis, "LEASE_MS=300000", NULL});
	while (wire_count(w, "BLMOVE") == 0)
		assert_true(process_running(victim));
	fleet_worker_ready(f, NULL);
	fleet_push(f, "moved", "");
	wire_wait_held(w);
	assert_int_equal(redis_server_int(fleet_redis(f), "LLEN mail:queue"), 0);
	process_kill(victim);
	fleet_wait_status(f, "moved", "sent");
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "moved", "attempts", "1");
	taken = tally_of_record(record);
	assert_int_equal(tally_copies(taken, "moved"), 1);
	tally_free(taken);
	fleet_free(f);
	wire_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_stopped_heard_early),
		cmocka_unit_test(test_stopped_heard_late),
		cmocka_unit_test(test_completed_while_adopted),
		cmocka_unit_test(test_given_back_too_late),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_killed_after_doorbell),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
