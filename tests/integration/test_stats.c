/* The stats against a real redis-server: what is told, when, and how often. */
#include "fleet/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/redis_server.h"
#include "support/wait.h"

#define QUEUE "{mail:queue}:stats"

struct world {
	struct ev_loop *loop;
	struct redis_server *server;
	struct topology *redis;
	struct stats stats;
	bool up, answered;
};

static void on_change(void *data, bool up)
{
	((struct world *)data)->up = up;
}

static bool is_up(void *data)
{
	return ((struct world *)data)->up;
}

static bool is_down(void *data)
{
	return !is_up(data);
}

static struct world *begin(int timeout_ms)
{
	struct world *w = calloc(1, sizeof(*w));
	struct topology_config config;
	struct error err;

	assert_non_null(w);
	w->loop = ev_loop_new(EVFLAG_AUTO);
	w->server = redis_server_start(NULL);
	if (!topology_config_parse(&config, redis_server_url(w->server), &err))
		fail_msg("%s", err.text);
	config.link.timeout_ms = timeout_ms;
	w->redis = topology_open(w->loop, &config, on_change, w);
	topology_config_free(&config);
	stats_init(&w->stats, "mail");
	wait_loop_until(w->loop, is_up, w, 0);
	return w;
}

static void end(struct world *w)
{
	topology_close(w->redis);
	stats_free(&w->stats);
	redis_server_free(w->server);
	ev_loop_destroy(w->loop);
	free(w);
}

static void on_barrier(void *data, enum link_result result, const redisReply *reply)
{
	(void)result;
	(void)reply;
	((struct world *)data)->answered = true;
}

static bool is_answered(void *data)
{
	return ((struct world *)data)->answered;
}

/* Returns when all of it is answered. */
static bool told(struct world *w, struct stats *s)
{
	struct command c;

	w->answered = false;
	stats_flush(s, w->redis);
	command_init(&c);
	command_str(&c, "PING");
	topology_send_everywhere(w->redis, &c, on_barrier, w);
	command_free(&c);
	return wait_for(w->loop, is_answered, w, 0);
}

static void flush(struct world *w)
{
	assert_true(told(w, &w->stats));
}

static long long at(struct world *w, const char *key, const char *field)
{
	char *text = redis_server_text(w->server, "HGET %s %s", key, field);
	long long n = text ? strtoll(text, NULL, 10) : 0;

	free(text);
	return n;
}

/* How many HINCRBYs the server has had. */
static long long commands(struct world *w)
{
	char *info = redis_server_text(w->server, "INFO commandstats"), *line;
	long long n = 0;

	line = strstr(info, "cmdstat_hincrby:calls=");
	if (line)
		n = strtoll(strchr(line, '=') + 1, NULL, 10);
	free(info);
	return n;
}

static void test_what_is_new_is_added(void **state)
{
	struct world *w = begin(5000);
	struct stats *s = &w->stats, other; /* two workers */
	long long before;

	(void)state;
	stats_init(&other, "mail");
	for (int i = 0; i < 3; i++)
		stats_add(stats_provider(s, "primary"), STATS_ATTEMPTS, OUTCOME_SENT);
	stats_add(stats_provider(&other, "primary"), STATS_ATTEMPTS, OUTCOME_SENT);
	stats_add(stats_queue(s, QUEUE), STATS_MAILS, STATS_FAILED);
	stats_time(stats_queue(&other, QUEUE), STATS_WAIT, 7500);
	flush(w);
	assert_true(told(w, &other));
	assert_int_equal(at(w, "mail:stats", "primary:attempts:sent"), 4);
	assert_int_equal(at(w, QUEUE, "mails:failed"), 1);
	assert_int_equal(at(w, QUEUE, "wait:10"), 1);
	assert_int_equal(at(w, QUEUE, "wait:us"), 7500);
	/* and nothing is said when nothing is new */
	before = commands(w);
	flush(w);
	assert_true(told(w, &other));
	assert_int_equal(commands(w), before);
	stats_add(stats_provider(s, "primary"), STATS_ATTEMPTS, OUTCOME_SENT);
	flush(w);
	assert_int_equal(commands(w), before + 1);
	assert_int_equal(at(w, "mail:stats", "primary:attempts:sent"), 5);
	stats_limit(stats_provider(s, "primary"), 20000, 5);
	flush(w);
	assert_int_equal(at(w, "mail:stats", "primary:interval"), 20000);
	assert_int_equal(at(w, "mail:stats", "primary:burst"), 5);
	stats_free(&other);
	end(w);
}

static void test_while_it_is_away_counts_are_kept(void **state)
{
	struct world *w = begin(5000);
	struct stats *s = &w->stats;

	(void)state;
	redis_server_kill(w->server);
	wait_loop_until(w->loop, is_down, w, 0);
	stats_add(stats_queue(s, QUEUE), STATS_MAILS, STATS_SENT);
	stats_flush(s, w->redis);
	assert_int_equal(stats_pending(stats_queue(s, QUEUE), STATS_MAILS, STATS_SENT), 1);
	redis_server_run(w->server);
	wait_loop_until(w->loop, is_up, w, 0);
	stats_add(stats_queue(s, QUEUE), STATS_MAILS, STATS_SENT);
	flush(w);
	assert_int_equal(at(w, QUEUE, "mails:sent"), 2);
	end(w);
}

/* Not executed, so not lost: it is added when it can be. */
static void test_what_is_refused_is_kept(void **state)
{
	struct world *w = begin(5000);
	struct stats *s = &w->stats;
	struct stats_row *r;

	(void)state;
	r = stats_queue(s, QUEUE);
	redis_server_do(w->server, "CONFIG SET min-replicas-to-write 1");
	stats_add(r, STATS_DUPLICATES, 0);
	flush(w);
	assert_int_equal(stats_pending(r, STATS_DUPLICATES, 0), 1);
	redis_server_do(w->server, "CONFIG SET min-replicas-to-write 0");
	redis_server_do(w->server, "CONFIG SET maxmemory 1");
	flush(w);
	assert_int_equal(stats_pending(r, STATS_DUPLICATES, 0), 1);
	redis_server_do(w->server, "CONFIG SET maxmemory 0");
	stats_add(r, STATS_DUPLICATES, 0);
	flush(w);
	assert_int_equal(stats_pending(r, STATS_DUPLICATES, 0), 0);
	assert_int_equal(at(w, QUEUE, "duplicates:n"), 2);
	end(w);
}

/* Redis has it, and only the answer is late: it must not count twice. */
static void test_a_lost_answer_counts_once(void **state)
{
	struct world *w = begin(300);
	struct stats *s = &w->stats;
	struct stats_row *r;

	(void)state;
	r = stats_queue(s, QUEUE);
	stats_add(r, STATS_MAILS, STATS_SENT);
	redis_server_pause(w->server);
	stats_flush(s, w->redis);
	wait_loop_until(w->loop, is_down, w, 0);
	redis_server_resume(w->server);
	wait_loop_until(w->loop, is_up, w, 0);
	assert_int_equal(stats_pending(r, STATS_MAILS, STATS_SENT), 0);
	stats_add(r, STATS_MAILS, STATS_HELD);
	flush(w);
	assert_int_equal(at(w, QUEUE, "mails:sent"), 1);
	assert_int_equal(at(w, QUEUE, "mails:held"), 1);
	end(w);
}

/* Somebody else's key: it is left alone for a while. */
static void test_a_key_of_the_wrong_type(void **state)
{
	struct world *w = begin(5000);
	struct stats_row *r = stats_provider(&w->stats, "primary");
	long long before;

	(void)state;
	redis_server_do(w->server, "SET mail:stats oops");
	stats_add(r, STATS_ATTEMPTS, OUTCOME_SENT);
	stats_add(r, STATS_ATTEMPTS, OUTCOME_RETRY);
	flush(w);
	before = commands(w);
	assert_int_equal(before, 2);
	flush(w);
	assert_int_equal(commands(w), before);
	assert_int_equal(stats_pending(r, STATS_ATTEMPTS, OUTCOME_SENT), 1);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_new_is_added),
		cmocka_unit_test(test_while_it_is_away_counts_are_kept),
		cmocka_unit_test(test_what_is_refused_is_kept),
		cmocka_unit_test(test_a_lost_answer_counts_once),
		cmocka_unit_test(test_a_key_of_the_wrong_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
