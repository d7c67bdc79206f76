/* What is left in Redis of a hundred thousand mails when their time is over: nothing (lua/README.md, "The keys"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fnmatch.h>

#include "support/api.h"
#include "support/fleet.h"
#include "support/hook_log.h"
#include "support/wait.h"

#define KEYS_README "lua/README.md" /* tests run in the project's directory */
#define FIRST 18000                 /* mails: enough to fill all that is capped, in each queue */
#define MAILS 100000
#define CHUNK 5000
#define BULK 500
#define EVENTS_MAX 1000
#define EVENTS_SLACK 200 /* XADD MAXLEN ~ drops whole nodes of a hundred */
#define MAX_FIELDS 400   /* of a hash that stays for good */
#define MAX_KEYS 64
#define SLACK_BYTES (6 << 20)

static const char *const queues[] = {"mail:queue", "mail:queue:high", "mail:queue:low"};
enum { QUEUES = sizeof(queues) / sizeof(queues[0]) };

struct world {
	struct fleet *fleet;
	struct api_process api;
	struct http_server *hooks;
	size_t pushed;
	long long bytes; /* the least that may be in use again */
};

/* ---- mails ------------------------------------------------------------------------------------ */

/* By HTTP, BULK in one request. */
static void post_mails(struct world *w)
{
	const size_t room = BULK * 160;
	char *body = malloc(room);
	struct answer *r;
	size_t n;

	assert_non_null(body);
	n = (size_t)snprintf(body, room, "{\"emails\":[");
	for (size_t i = 0; i < BULK; i++)
		n += (size_t)snprintf(body + n, room - n,
		                      "%s{\"to\":\"ada@example.com\",\"subject\":\"Hi\","
		                      "\"body\":\"Hello\",\"idempotencyKey\":\"api-%zu\"}",
		                      i ? "," : "", w->pushed + i);
	assert_true(n + 3 < room);
	snprintf(body + n, room - n, "]}");
	r = api_post(&w->api, "/api/email/bulk-send", body, NULL);
	assert_true(r->status == 200 || r->status == 202);
	answer_free(r);
	free(body);
	w->pushed += BULK;
}

/* By LPUSH: of each thousand some are not valid, some come twice, some are another mail under a known key, and some are
 * for later. */
static void push_mails(struct world *w, const char *queue, size_t n)
{
	struct fleet *f = w->fleet;
	char stem[32], twice[64];

	snprintf(stem, sizeof(stem), "m%zu", w->pushed);
	snprintf(twice, sizeof(twice), "%s-0", stem);
	fleet_push_many(f, queue, stem, n, "");
	fleet_push_many(f, queue, stem, 10, "");
	fleet_push_many(f, queue, stem, 10, ",\"cc\":\"bob@example.com\"");
	snprintf(stem, sizeof(stem), "l%zu", w->pushed);
	fleet_push_many(f, queue, stem, 50, ",\"delay\":300");
	fleet_push_many(f, queue, stem, 5, ",\"priority\":\"none\"");
	fleet_push_raw(f, queue, "no job", 6);
	w->pushed += n + 50;
}

static void send_mails(struct world *w, size_t until)
{
	for (int i = 0; w->pushed < until; i++) {
		for (int j = 0; j < 2; j++)
			post_mails(w);
		push_mails(w, queues[i % QUEUES], CHUNK);
		for (int j = 0; j < QUEUES; j++)
			fleet_wait_empty(w->fleet, queues[j]);
	}
}

/* ---- what is left ------------------------------------------------------------------------------- */

/* The names in the table of keys, of which what is in <> is any text. */
struct documented {
	char patterns[MAX_KEYS][64];
	size_t n;
};

static struct documented read_table(void)
{
	struct documented d = {.n = 0};
	FILE *readme = fopen(KEYS_README, "r");
	char line[2048];
	bool inside = false;

	assert_non_null(readme);
	while (fgets(line, sizeof(line), readme)) {
		const char *name = line + 3;
		char *to;

		if (line[0] == '#')
			inside = strcmp(line, "## The keys\n") == 0;
		if (!inside || strncmp(line, "| `", 3) != 0)
			continue;
		assert_true(d.n < MAX_KEYS);
		for (to = d.patterns[d.n++]; *name != '`'; name++) {
			if (*name == '<')
				name = strchr(name, '>');
			*to++ = *name == '>' ? '*' : *name;
		}
	}
	fclose(readme);
	assert_true(d.n > 15);
	return d;
}

/* "{mail:queue:low}:events" is documented as "{mail:queue}:events". */
static bool is_documented(const struct documented *d, const char *key)
{
	char plain[256];
	const char *tag_end = *key == '{' ? strchr(key, '}') : NULL;

	snprintf(plain, sizeof(plain), "%s%s", tag_end ? "{mail:queue}" : key,
	         tag_end ? tag_end + 1 : "");
	for (size_t i = 0; i < d->n; i++)
		if (fnmatch(d->patterns[i], plain, 0) == 0 || fnmatch(d->patterns[i], key, 0) == 0)
			return true;
	return false;
}

/* Is it one that goes with its mail, its client or its worker? */
static bool is_of_a_mail(const char *key)
{
	return strncmp(key, "mail:status:", 12) == 0 || strstr(key, ":sent:") != NULL ||
	       strncmp(key, "mail:limit:", 11) == 0;
}

/* Each key that is left. */
static void each_key(struct fleet *f, void (*fn)(struct fleet *f, const char *key, void *data),
                     void *data)
{
	char cursor[32] = "0";

	do {
		redisReply *r = redis_server_cmd(fleet_redis(f), "SCAN %s COUNT 5000", cursor);

		snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
		for (size_t i = 0; i < r->element[1]->elements; i++)
			fn(f, r->element[1]->element[i]->str, data);
		freeReplyObject(r);
	} while (strcmp(cursor, "0") != 0);
}

static void count_mails(struct fleet *f, const char *key, void *data)
{
	(void)f;
	*(size_t *)data += is_of_a_mail(key);
}

static bool nothing_of_mails_is_left(void *arg)
{
	struct world *w = arg;
	size_t n = 0;

	each_key(w->fleet, count_mails, &n);
	for (int i = 0; n == 0 && i < QUEUES; i++)
		n += (size_t)redis_server_int(fleet_redis(w->fleet),
		                              "EXISTS {%s}:jobs {%s}:dead {%s}:claims", queues[i],
		                              queues[i], queues[i]);
	return n == 0 && redis_server_int(fleet_redis(w->fleet),
	                                  "EXISTS mail:webhooks {mail:webhooks}:jobs") == 0;
}

static void show_key(struct fleet *f, const char *key, void *data)
{
	int *shown = data;

	if ((*shown)++ < 40)
		print_error("%s: lives %lld ms\n", key,
		            redis_server_int(fleet_redis(f), "PTTL %s", key));
}

static bool memory_is_back(void *arg)
{
	struct world *w = arg;

	return redis_server_info(fleet_redis(w->fleet), "memory", "used_memory") < w->bytes;
}

struct sum {
	struct documented documented;
	size_t keys;
	long long bytes;
};

static void check_key(struct fleet *f, const char *key, void *data)
{
	struct redis_server *redis = fleet_redis(f);
	char *type = redis_server_text(redis, "TYPE %s", key);
	struct sum *sum = data;

	if (!is_documented(&sum->documented, key))
		fail_msg("%s is left, and not in the table of %s", key, KEYS_README);
	if (strcmp(type, "stream") == 0)
		assert_in_range(redis_server_int(redis, "XLEN %s", key), 1,
		                EVENTS_MAX + EVENTS_SLACK);
	else if (strcmp(type, "hash") == 0)
		assert_in_range(redis_server_int(redis, "HLEN %s", key), 1, MAX_FIELDS);
	else if (strcmp(type, "zset") == 0)
		assert_in_range(redis_server_int(redis, "ZCARD %s", key), 1, 10);
	else
		assert_string_equal(type, "string");
	free(type);
	sum->keys++;
	sum->bytes += redis_server_int(redis, "MEMORY USAGE %s", key);
}

static struct sum check_what_is_left(struct world *w, size_t mails)
{
	struct sum sum = {.documented = read_table()};

	if (!wait_for(NULL, nothing_of_mails_is_left, w, WAIT_DEFAULT_MS)) {
		int shown = 0;

		each_key(w->fleet, show_key, &shown);
		fail_msg("these are still there");
	}
	each_key(w->fleet, check_key, &sum);
	print_message("after %zu mails: %zu keys, %lld bytes\n", mails, sum.keys, sum.bytes);
	return sum;
}

static long long counted(struct world *w, const char *field)
{
	long long n = 0;

	for (int i = 0; i < QUEUES; i++) {
		char *value = redis_server_text(fleet_redis(w->fleet), "HGET {%s}:stats %s",
		                                queues[i], field);

		n += value ? strtoll(value, NULL, 10) : 0;
		free(value);
	}
	return n;
}

static void test_nothing_is_left(void **state)
{
	struct world w = {.fleet = fleet_start(NULL), .hooks = http_server_start()};
	struct fleet *f = w.fleet;
	struct sum first, last;

	(void)state;
	fleet_set(f, "QUEUES=%s,%s,%s", queues[0], queues[1], queues[2]);
	fleet_set(
		f,
		"PROVIDER_PRIMARY=mock://?latency=0&success=0.99&fail=rejected:1,unknown:1&seed=7");
	fleet_set(f, "ON_UNKNOWN=hold");
	fleet_set(f, "CIRCUIT_BREAKER_THRESHOLD=1000");
	fleet_set(f, "STATUS_TTL=1");
	fleet_set(f, "DEAD_TTL=1");
	fleet_set(f, "KEEP_SENT=1");
	fleet_set(f, "EVENTS_MAX=%d", EVENTS_MAX);
	fleet_set(f, "WEBHOOK_URL=%s", http_server_url(w.hooks, NULL, "hook"));
	fleet_set(f, "WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	fleet_set(f, "WEBHOOK_EVENTS=held");
	fleet_set(f, "WEBHOOK_ALLOW_PRIVATE=1");
	fleet_set(f, "BULK_MAX=%d", BULK);
	fleet_set(f, "RATE_LIMIT_MAX_REQUESTS=1000000");
	fleet_set(f, "RATE_LIMIT_WINDOW=1000");
	w.api = api_start(f, NULL);
	for (int i = 0; i < 2; i++)
		fleet_worker(f, NULL);

	send_mails(&w, FIRST);
	first = check_what_is_left(&w, w.pushed);
	w.bytes = redis_server_info(fleet_redis(f), "memory", "used_memory") + SLACK_BYTES;
	send_mails(&w, FIRST + MAILS);
	print_message("in between: %lld keys\n", redis_server_int(fleet_redis(f), "DBSIZE"));
	last = check_what_is_left(&w, w.pushed);
	wait_until(memory_is_back, &w, 0);
	print_message(
		"%lld sent, %lld failed, %lld held, %lld invalid, %lld conflicts, %lld duplicates, %zu webhooks\n",
		counted(&w, "mails:sent"), counted(&w, "mails:failed"), counted(&w, "mails:held"),
		counted(&w, "dead:invalid"), counted(&w, "dead:conflict"),
		counted(&w, "duplicates:n"), hook_log_count(w.hooks));
	/* all that was to happen has */
	assert_in_range(counted(&w, "mails:sent"), MAILS, 2 * MAILS);
	assert_true(counted(&w, "mails:failed") > 100 && counted(&w, "mails:held") > 100);
	assert_true(counted(&w, "dead:invalid") > 0 && hook_log_count(w.hooks) > 100);
	assert_in_range(last.keys, 1, first.keys + 5);
	assert_in_range(last.bytes, 1, first.bytes + first.bytes / 2);
	fleet_free(f);
	http_server_free(w.hooks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
