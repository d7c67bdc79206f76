/* An archiver killed at each edge of an event's way into PostgreSQL: the next one goes on, nothing is lost, and nothing
 * is there twice. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/archive_world.h"
#include "support/wait.h"
#include "support/wire.h"

#define MAILS "postrider_mails"
#define ATTEMPTS "postrider_attempts"
#define N 20

static const struct edge {
	const char *name;
	bool after_write; /* it is held from when its write waits in PostgreSQL; else from its start */
	enum wire_side side;
	const char *
		command; /* NULL: it stands still while PostgreSQL commits, and never hears of it */
} edges[] = {
	{"asking", false, WIRE_REQUEST, "gather"},
	{"taken, not heard", false, WIRE_REPLY, "gather"},
	{"taken", false, WIRE_REQUEST, "HGETALL"},
	{"looking up", false, WIRE_REPLY, "HGETALL"},
	{"committed, not heard", true, WIRE_REQUEST, NULL},
	{"committed", true, WIRE_REQUEST, "gather"},
	{"acknowledged, not heard", true, WIRE_REPLY, "gather"},
};

#define EDGES (sizeof(edges) / sizeof(edges[0]))

static bool is_waiting(void *arg)
{
	return postgres_server_int(arg, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0;
}

struct wanted {
	struct archive_world *world;
	long long rows;
};

static bool is_committed(void *arg)
{
	struct wanted *a = arg;

	return postgres_server_int(a->world->postgres, "SELECT count(*) FROM " MAILS) == a->rows;
}

/* Until it is at the edge. rows: how many there are when its write is committed. */
static void bring_to(struct archive_world *w, const struct edge *e, struct wire *wire,
                     struct process *archiver, long long rows)
{
	struct wanted wanted = {w, rows};

	if (!e->after_write) {
		wire_wait_held(wire);
		return;
	}
	wait_until(is_waiting, w->postgres, 0);
	if (e->command == NULL)
		process_signal(archiver, SIGSTOP);
	else
		wire_hold(wire, e->side, e->command);
	postgres_server_do(w->postgres, "COMMIT");
	wait_until(is_committed, &wanted, 0);
	if (e->command != NULL)
		wire_wait_held(wire);
}

static void kill_at(struct archive_world *w, const struct edge *e, size_t i)
{
	struct wire *wire = wire_start(redis_server_socket(fleet_redis(w->fleet)));
	long long all = (long long)(N * (i + 1));
	struct process *archiver;
	char stem[16], url[256];

	print_message("killed: %s\n", e->name);
	snprintf(stem, sizeof(stem), "e%zu", i);
	snprintf(url, sizeof(url), "REDIS_URL=%s", wire_url(wire));
	archive_world_add(w, NULL, stem, N);
	if (e->after_write)
		postgres_server_do(w->postgres, "BEGIN; LOCK TABLE " MAILS " IN EXCLUSIVE MODE");
	else
		wire_hold(wire, e->side, e->command);
	archiver = archive_world_archiver(w, (const char *const[]){url, NULL});
	bring_to(w, e, wire, archiver, all);
	process_kill(archiver);
	fleet_end(w->fleet, archiver);
	wire_free(wire);
	archiver = archive_world_archiver(w, NULL);
	process_wait_line(archiver, "\"archive_ready\"", 0);
	archive_world_wait(w, MAILS, all);
	archive_world_exact(w, stem, N);
	assert_int_equal(archive_world_count(w, "archived"), all);
	archive_world_stop(w, archiver);
}

static void test_killed_at_each_edge(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	struct process *archiver;

	if (w == NULL)
		return;
	archiver = archive_world_archiver(w, NULL);
	process_wait_line(archiver, "\"archive_ready\"", 0);
	archive_world_stop(w, archiver);
	for (size_t i = 0; i < EDGES; i++)
		kill_at(w, &edges[i], i);
	assert_int_equal(archive_world_count(w, "lost"), 0);
	assert_int_equal(postgres_server_int(w->postgres, "SELECT count(*) FROM " ATTEMPTS),
	                 N * EDGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_each_edge),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("archive/edges", tests, archive_world_setup,
	                                   archive_world_teardown);
}
