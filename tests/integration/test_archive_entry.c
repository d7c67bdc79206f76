/* archive/entry.c: what PostgreSQL is told of events may come in any order, and any number of times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "archive/entry.h"
#include "archive/postgres.h"
#include "archive/schema.h"
#include "base/mem.h"
#include "base/random.h"
#include "support/postgres_server.h"
#include "support/wait.h"

#define STATE                                                                                      \
	"SELECT key, job, status, provider, attempts, code, tags, entry_ms, entry_seq, details,"   \
	" details_at FROM postrider_mails ORDER BY key, job"
#define ROWS "SELECT * FROM postrider_attempts ORDER BY key, job, entry_ms, entry_seq"

static int setup(void **state)
{
	if (postgres_server_possible())
		*state = postgres_server_start();
	return 0;
}

static int teardown(void **state)
{
	postgres_server_free(*state);
	return 0;
}

/* ---- the schema, through our own connection ---------------------------------------------------- */

struct made {
	struct ev_loop *loop;
	struct postgres *postgres;
	struct schema schema;
	bool done;
	enum schema_result result;
};

static void on_schema(void *data, enum schema_result result, const struct error *err)
{
	struct made *m = data;

	(void)err;
	m->done = true;
	m->result = result;
}

static void on_change(void *data, bool up)
{
	struct made *m = data;

	if (up)
		schema_check(&m->schema, m->postgres, on_schema, m);
}

static bool is_made(void *arg)
{
	return ((struct made *)arg)->done;
}

static struct postgres_server *begin(void **state)
{
	struct postgres_server *p = *state;
	struct made m = {.loop = ev_loop_new(0)};

	if (p == NULL) {
		printf("skipped: PostgreSQL is not installed\n");
		return NULL;
	}
	postgres_server_empty(p);
	m.postgres = postgres_open(m.loop, postgres_server_url(p), "test", on_change, &m);
	wait_loop_until(m.loop, is_made, &m, 0);
	assert_int_equal(m.result, SCHEMA_READY);
	postgres_close(m.postgres);
	ev_loop_destroy(m.loop);
	return p;
}

/* ---- the entries ------------------------------------------------------------------------------- */

struct history {
	int64_t ms, attempt;
	const char *status, *provider, *details;
	int64_t details_at;
};

/* One mail's life; some looks at its status came late, one never. */
static const struct history life[] = {
	{1000, 1, "retrying", "a", "{\"status\":\"retrying\",\"n\":\"1\"}", 1000},
	{2000, 2, "retrying", "a", "{\"status\":\"sending\",\"n\":\"2\"}", 2500},
	{3000, 2, "scheduled", "", NULL, 0},
	{4000, 3, "sent", "b", "{\"status\":\"sent\",\"n\":\"3\"}", 4000},
};

#define N (sizeof(life) / sizeof(life[0]))

static void write_one(struct buf *out, const char *key, const struct history *h)
{
	struct entry e = {.valid = true, .ms = h->ms, .attempt = h->attempt, .took_ms = 7};

	e.key = mem_strdup(key);
	e.job = mem_strdup("j");
	e.status = mem_strdup(h->status);
	e.provider = mem_strdup(h->provider);
	e.code = mem_strdup("");
	e.tenant = mem_strdup("");
	e.tags = mem_strdup(h->status);
	e.details = mem_strdup(h->details);
	e.details_at = h->details_at;
	entry_write(&e, "mail:queue", out);
	entry_free(&e);
}

/* The entries `order` names, `batch` of them with each statement, of three mails at once. */
static void keep(struct postgres_server *p, const size_t *order, size_t n, size_t batch)
{
	static const char *const keys[] = {"zoe", "ada", "bob"};

	for (size_t at = 0; at < n;) {
		struct buf json;

		buf_init(&json, 1 << 20);
		buf_add_char(&json, '[');
		for (size_t i = 0; i < batch && at < n; i++, at++)
			for (size_t k = 0; k < 3; k++) {
				if (json.len > 1)
					buf_add_char(&json, ',');
				struct buf one;
				buf_init(&one, 1 << 16);
				write_one(&one, keys[k], &life[order[at]]);
				buf_add(&json, one.data, one.len);
				buf_free(&one);
			}
		buf_add_char(&json, ']');
		postgres_server_exec(p, entry_sql, (const char *const[]){buf_str(&json), NULL});
		buf_free(&json);
	}
}

static void clear(struct postgres_server *p)
{
	postgres_server_do(p, "TRUNCATE postrider_mails, postrider_attempts");
}

static void test_any_order_any_number_of_times(void **state)
{
	struct postgres_server *p = begin(state);
	size_t order[3 * N] = {0, 1, 2, 3};
	char *mails, *rows, *got;
	struct prng prng;

	if (p == NULL)
		return;
	keep(p, order, N, 1);
	mails = postgres_server_text(p, STATE);
	rows = postgres_server_text(p, ROWS);
	assert_non_null(strstr(
		mails, "ada|j|sent|b|3||{sent}|4000|0|{\"n\": \"3\", \"status\": \"sent\"}|4000"));
	postgres_server_sees(p, "9", "SELECT count(*) FROM postrider_attempts");
	prng_seed(&prng, 42);
	for (int round = 0; round < 60; round++) {
		size_t n = 0;

		/* each at least once, some twice or three times, shuffled */
		for (size_t i = 0; i < N; i++)
			for (uint64_t times = 1 + prng_u64(&prng) % 3; times > 0; times--)
				order[n++] = i;
		for (size_t i = n; i > 1; i--) {
			size_t j = prng_u64(&prng) % i, swap = order[i - 1];

			order[i - 1] = order[j];
			order[j] = swap;
		}
		clear(p);
		keep(p, order, n, 1 + prng_u64(&prng) % 5);
		got = postgres_server_text(p, STATE);
		assert_string_equal(got, mails);
		free(got);
		got = postgres_server_text(p, ROWS);
		assert_string_equal(got, rows);
		free(got);
	}
	free(mails);
	free(rows);
}

/* A look that was early never undoes a later one, whichever event it came with. */
static void test_an_older_look_changes_nothing(void **state)
{
	struct postgres_server *p = begin(state);

	if (p == NULL)
		return;
	keep(p, (const size_t[]){3}, 1, 1);
	keep(p, (const size_t[]){0, 1}, 2, 1);
	postgres_server_sees(p, "sent|3|3",
	                     "SELECT status, attempts, details->>'n' FROM postrider_mails "
	                     "WHERE key = 'ada'");
	clear(p);
	keep(p, (const size_t[]){1, 0}, 2, 1); /* the newer event's look is the later one */
	postgres_server_sees(p, "retrying|2|2",
	                     "SELECT status, attempts, details->>'n' FROM "
	                     "postrider_mails WHERE key = 'ada'");
	keep(p, (const size_t[]){2}, 1, 1); /* an event without a look keeps what is known */
	postgres_server_sees(p, "scheduled|2|2",
	                     "SELECT status, attempts, details->>'n' FROM "
	                     "postrider_mails WHERE key = 'ada'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order_any_number_of_times),
		cmocka_unit_test(test_an_older_look_changes_nothing),
	};
	return cmocka_run_group_tests_name("archive/entry", tests, setup, teardown);
}
