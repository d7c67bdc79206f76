/* Look-ups of mails that Redis has forgotten: by the API and the command line, in the archive. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/archive_world.h"
#include "support/cli.h"
#include "support/wait.h"

#define STATUS "/api/email/status/"
#define MAILS "postrider_mails"

struct lookup_world {
	struct archive_world *w;
	struct process *archiver;
	struct api_process api;
};

/* An archive in which k-0 … k-9 are, and an API. False: it skips. */
static bool begin(void **state, struct lookup_world *l)
{
	l->w = archive_world_begin(state);
	if (l->w == NULL)
		return false;
	archive_world_add(l->w, NULL, "k", 10);
	l->archiver = archive_world_archiver(l->w, NULL);
	archive_world_wait(l->w, MAILS, 10);
	l->api = api_start(l->w->fleet, NULL);
	process_wait_line(l->api.process, "\"postgres_ready\"", 0);
	return true;
}

static void end(struct lookup_world *l)
{
	archive_world_stop(l->w, l->archiver);
	assert_int_equal(process_count_lines(l->api.process, POSTGRES_SERVER_PASSWORD), 0);
	fleet_end(l->w->fleet, l->api.process);
}

static void forget(struct lookup_world *l, const char *key)
{
	redis_server_do(fleet_redis(l->w->fleet), "DEL mail:status:%s", key);
}

/* The answer is what it was while Redis knew the mail, and says that it is archived. */
static void test_the_same_json(void **state)
{
	struct lookup_world l;
	struct answer *before, *after;
	cJSON *mark;

	if (!begin(state, &l))
		return;
	before = api_get(&l.api, STATUS "k-3");
	answer_status(before, 200);
	assert_false(answer_has(before, "archived"));
	forget(&l, "k-3");
	after = api_get(&l.api, STATUS "k-3");
	answer_status(after, 200);
	answer_is(after, "archived", "true");
	answer_is(after, "timeline.0.text", "queued as m3");
	mark = cJSON_DetachItemFromObject(after->json, "archived");
	cJSON_Delete(mark);
	assert_true(cJSON_Compare(before->json, after->json, true));
	answer_free(before);
	answer_free(after);
	api_expect(&l.api, 404, "GET", STATUS "never-seen", NULL);
	end(&l);
}

/* A key that was used again: the newest mail of it. One whose status Redis had forgotten before the archiver came: what
 * its events say. */
static void test_what_is_known(void **state)
{
	struct lookup_world l;
	struct redis_server *redis;
	struct answer *r;

	if (!begin(state, &l))
		return;
	redis = fleet_redis(l.w->fleet);
	redis_server_do(redis,
	                "XADD " ARCHIVE_EVENTS " * id n1 key bare status retrying provider a "
	                "attempt 1 code timeout ms 30");
	redis_server_do(redis,
	                "XADD " ARCHIVE_EVENTS " * id n1 key bare status failed provider b "
	                "attempt 2 code %s ms 7",
	                "550 5.1.1");
	redis_server_do(redis,
	                "HSET mail:status:k-4 owner mail:queue#again status failed updated_at "
	                "9999999999999 subject newer");
	redis_server_do(redis, "XADD " ARCHIVE_EVENTS " * id again key k-4 status failed");
	archive_world_wait(l.w, MAILS, 12);
	r = api_get(&l.api, STATUS "bare");
	answer_status(r, 200);
	answer_is(r, "status", "failed");
	answer_is(r, "provider", "b");
	answer_is(r, "attempts", "2");
	answer_is(r, "subject", "null");
	answer_is(r, "timeline.0.outcome", "retry");
	answer_is(r, "timeline.0.code", "timeout");
	answer_is(r, "timeline.1.code", "550 5.1.1");
	answer_is(r, "timeline.1.ms", "7");
	answer_free(r);
	forget(&l, "k-4");
	r = api_get(&l.api, STATUS "k-4");
	answer_is(r, "subject", "newer");
	answer_free(r);
	/* Redis is asked first */
	redis_server_do(redis, "HSET mail:status:k-5 status retrying");
	r = api_get(&l.api, STATUS "k-5");
	answer_is(r, "status", "retrying");
	assert_false(answer_has(r, "archived"));
	answer_free(r);
	end(&l);
}

/* Without PostgreSQL: what Redis knows is answered as ever, of the rest nobody knows, and that is no 404. */
static void test_postgres_away(void **state)
{
	struct lookup_world l;
	struct answer *r;
	char *after;

	if (!begin(state, &l))
		return;
	forget(&l, "k-1");
	postgres_server_kill(l.w->postgres);
	process_wait_line(l.api.process, "\"postgres_away\"", 0);
	for (int i = 0; i < 50; i++) {
		r = api_get(&l.api, STATUS "k-1");
		answer_status(r, 503);
		after = answer_header(r, "Retry-After");
		assert_non_null(after);
		free(after);
		answer_free(r);
		api_expect(&l.api, 200, "GET", STATUS "k-2", NULL);
	}
	assert_int_equal(process_count_lines(l.api.process, "\"postgres_away\""), 1);
	postgres_server_run(l.w->postgres);
	process_wait_lines(l.api.process, "\"postgres_ready\"", 2, 0);
	api_expect(&l.api, 200, "GET", STATUS "k-1", NULL);
	end(&l);
}

/* A PostgreSQL that says nothing: the look-up ends by its deadline, and others do not wait for it. */
static void test_postgres_silent(void **state)
{
	struct lookup_world l;
	struct answer *r;
	int slow;
	char *said;

	if (!begin(state, &l))
		return;
	/* whoever looks up waits for this lock */
	postgres_server_do(l.w->postgres, "BEGIN; LOCK TABLE " MAILS);
	slow = api_connect(&l.api);
	api_write(slow, "GET " STATUS
	                "never-seen HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		r = api_get(&l.api, STATUS "k-2");
		answer_status(r, 200);
		answer_free(r);
	}
	said = api_read_all(slow);
	assert_non_null(strstr(said, " 503 "));
	free(said);
	postgres_server_do(l.w->postgres, "ROLLBACK");
	process_wait_lines(l.api.process, "\"postgres_ready\"", 2, 0);
	api_expect(&l.api, 404, "GET", STATUS "never-seen", NULL);
	end(&l);
}

/* A database without the tables is no archive: nothing can be said of what Redis does not know. */
static void test_no_archive(void **state)
{
	struct lookup_world l;

	if (!begin(state, &l))
		return;
	fleet_stop(l.w->fleet, l.archiver);
	postgres_server_empty(l.w->postgres);
	api_expect(&l.api, 503, "GET", STATUS "never-seen", NULL);
	api_expect(&l.api, 503, "GET", STATUS "never-seen", NULL);
	api_expect(&l.api, 200, "GET", STATUS "k-2", NULL);
	assert_int_equal(process_count_lines(l.api.process, "\"archive_unreadable\""), 1);
	end(&l);
}

static void test_command_line(void **state)
{
	struct lookup_world l;
	struct cli *cli;

	if (!begin(state, &l))
		return;
	cli = cli_new(redis_server_url(fleet_redis(l.w->fleet)));
	forget(&l, "k-7");
	cli_expect(cli, 1, NULL, "status", "k-7", "--json", NULL);
	cli_set(cli, "DATABASE_URL", postgres_server_url(l.w->postgres));
	cli_expect(cli, 0, NULL, "status", "k-7", "--json", NULL);
	assert_string_equal(cli_text(cli, "status"), "sent");
	assert_string_equal(cli_text(cli, "subject"), "Mail 7");
	assert_string_equal(cli_text(cli, "archived"), "true");
	assert_string_equal(cli_text(cli, "timeline.0.code"), "250 2.0.0");
	cli_expect(cli, 0, NULL, "status", "k-7", NULL);
	cli_assert_has(cli->out, "Redis does not know it any more");
	cli_expect(cli, 0, NULL, "status", "k-8", NULL);
	cli_assert_lacks(cli->out, "any more");
	cli_expect(cli, 1, NULL, "status", "never-seen", "--json", NULL);
	postgres_server_kill(l.w->postgres);
	cli_expect(cli, 3, NULL, "status", "k-7", NULL);
	cli_assert_has(cli->err, "the archive does not answer: ");
	cli_assert_lacks(cli->err, POSTGRES_SERVER_PASSWORD);
	cli_expect(cli, 0, NULL, "status", "k-8", NULL);
	postgres_server_run(l.w->postgres);
	cli_free(cli);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_json), cmocka_unit_test(test_what_is_known),
		cmocka_unit_test(test_postgres_away), cmocka_unit_test(test_postgres_silent),
		cmocka_unit_test(test_no_archive),    cmocka_unit_test(test_command_line),
	};
	return cmocka_run_group_tests_name("archive look-ups", tests, archive_world_setup,
	                                   archive_world_teardown);
}
