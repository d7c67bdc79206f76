#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/link.h"
#include "redis/link_error.h"

struct row {
	const char *text;
	enum link_result result;
	enum link_remedy remedy;
};

static void assert_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		const struct link_error *e = link_error_find(r->text, strlen(r->text));
		if (e->result != r->result || e->remedy != r->remedy)
			fail_msg("\"%s\": result %d, remedy %d", r->text, e->result, e->remedy);
		assert_int_equal(link_classify(r->text, strlen(r->text)), r->result);
	}
}

#define ASSERT_ROWS(ROWS) assert_rows((ROWS), sizeof(ROWS) / sizeof((ROWS)[0]))

static void test_each_code(void **state)
{
	static const struct row rows[] = {
		{"LOADING Redis is loading the dataset in memory", LINK_AGAIN, LINK_REMEDY_WAIT},
		{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
	         "NOSAVE.",
	         LINK_AGAIN, LINK_REMEDY_WAIT},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
	         LINK_AGAIN, LINK_REMEDY_WAIT},
		{"CLUSTERDOWN Hash slot not served", LINK_AGAIN, LINK_REMEDY_WAIT},
		{"TRYAGAIN Multiple keys request during rehashing of slot", LINK_AGAIN,
	         LINK_REMEDY_WAIT},
		{"NOSCRIPT No matching script. Please use EVAL.", LINK_AGAIN, LINK_REMEDY_GREET},
		{"READONLY You can't write against a read only replica.", LINK_AGAIN,
	         LINK_REMEDY_RECONNECT},
		{"MOVED 3999 127.0.0.1:6381", LINK_AGAIN, LINK_REMEDY_RECONNECT},
		{"ASK 3999 127.0.0.1:6381", LINK_AGAIN, LINK_REMEDY_RECONNECT},
		{"UNBLOCKED force unblock from blocking operation, instance state changed (master "
	         "-> replica?)",
	         LINK_AGAIN, LINK_REMEDY_RECONNECT},
		{"ERR max number of clients reached", LINK_AGAIN, LINK_REMEDY_RECONNECT},
		{"OOM command not allowed when used memory > 'maxmemory'.", LINK_NOMEM,
	         LINK_REMEDY_NONE},
		{"NOREPLICAS Not enough good replicas to write.", LINK_REFUSED, LINK_REMEDY_NONE},
		{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to "
	         "persist to disk.",
	         LINK_REFUSED, LINK_REMEDY_NONE},
		{"NOAUTH Authentication required.", LINK_CONFIG, LINK_REMEDY_GREET},
		{"WRONGPASS invalid username-password pair or user is disabled.", LINK_CONFIG,
	         LINK_REMEDY_NONE},
		{"NOPERM this user has no permissions to run the 'evalsha' command", LINK_CONFIG,
	         LINK_REMEDY_NONE},
		{"CROSSSLOT Keys in request don't hash to the same slot", LINK_CONFIG,
	         LINK_REMEDY_NONE},
		{"DENIED Redis is running in protected mode because protected mode is enabled",
	         LINK_CONFIG, LINK_REMEDY_NONE},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", LINK_ERROR,
	         LINK_REMEDY_NONE},
		{"ERR syntax error", LINK_ERROR, LINK_REMEDY_NONE},
		{"", LINK_ERROR, LINK_REMEDY_NONE},
		{"OOM", LINK_NOMEM, LINK_REMEDY_NONE},
	};
	(void)state;
	ASSERT_ROWS(rows);
}

/* As Redis 6.2.14 and 7.0.15 said them (tests/integration/test_link has the server say them). */
static void test_errors_within_scripts(void **state)
{
	static const struct row rows[] = {
		{"ERR Error running script (call to f_b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee): "
	         "@user_script:1: @user_script: 1: -OOM command not allowed when used memory > "
	         "'maxmemory'.",
	         LINK_NOMEM, LINK_REMEDY_NONE},
		{"ERR Error running script (call to f_b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee): "
	         "@user_script:1: @user_script: 1: -READONLY You can't write against a read only "
	         "replica.",
	         LINK_AGAIN, LINK_REMEDY_RECONNECT},
		{"ERR Error running script (call to f_b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee): "
	         "@user_script:1: @user_script: 1: -NOREPLICAS Not enough good replicas to write.",
	         LINK_REFUSED, LINK_REMEDY_NONE},
		{"ERR Error running script (call to f_b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee): "
	         "@user_script:1: WRONGTYPE Operation against a key holding the wrong kind of "
	         "value",
	         LINK_ERROR, LINK_REMEDY_NONE},
		{"ERR Error running script (call to f_b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee): "
	         "@user_script:1: @user_script: 1: The user executing the script can't run this "
	         "command or subcommand",
	         LINK_CONFIG, LINK_REMEDY_NONE},
		/* 6.2, caught by redis.pcall and returned as a text */
		{"@user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
	         LINK_NOMEM, LINK_REMEDY_NONE},
		/* 7 */
		{"OOM command not allowed when used memory > 'maxmemory'. script: "
	         "b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee, on @user_script:1.",
	         LINK_NOMEM, LINK_REMEDY_NONE},
		{"WRONGTYPE Operation against a key holding the wrong kind of value script: "
	         "b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee, on @user_script:1.",
	         LINK_ERROR, LINK_REMEDY_NONE},
		{"ERR The user executing the script can't run this command or subcommand script: "
	         "b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee, on @user_script:1.",
	         LINK_CONFIG, LINK_REMEDY_NONE},
		{"ERR ACL failure in script: User w has no permissions to run the 'set' command script: "
	         "b0f46bdf9ec7dc8d7e2a3d5d2ed2a16f5d2ec0ee, on @user_script:1.",
	         LINK_CONFIG, LINK_REMEDY_NONE},
	};
	(void)state;
	ASSERT_ROWS(rows);
}

/* A code is a whole word; and what the server quotes of a client's command proves nothing. */
static void test_what_only_looks_like_a_code(void **state)
{
	static const struct row rows[] = {
		{"BUSYGROUP Consumer Group name already exists", LINK_ERROR, LINK_REMEDY_NONE},
		{"BUSYKEY Target key name already exists.", LINK_ERROR, LINK_REMEDY_NONE},
		{"NOTBUSY No scripts in execution right now.", LINK_ERROR, LINK_REMEDY_NONE},
		{"ERR unknown command 'OOM', with args beginning with: 'READONLY' ", LINK_ERROR,
	         LINK_REMEDY_NONE},
		{"WRONGTYPE about LOADING", LINK_ERROR, LINK_REMEDY_NONE},
		{"ERR Error running script (call to f_00): @user_script:9: user_script:9: LOADINGS",
	         LINK_ERROR, LINK_REMEDY_NONE},
	};
	(void)state;
	ASSERT_ROWS(rows);
}

static void test_length_counts_not_the_nul(void **state)
{
	(void)state;
	assert_int_equal(link_classify("OOM command", 3), LINK_NOMEM);
	assert_int_equal(link_classify("OOMS command", 3), LINK_NOMEM);
	assert_int_equal(link_classify("OOM", 2), LINK_ERROR);
	assert_int_equal(link_classify("LOADING", 0), LINK_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_code),
		cmocka_unit_test(test_errors_within_scripts),
		cmocka_unit_test(test_what_only_looks_like_a_code),
		cmocka_unit_test(test_length_counts_not_the_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
