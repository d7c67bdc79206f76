/* finish.lua: what became of a mail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define K "mail:status:{t}k"
#define K2 "mail:status:{t}k2"
#define K3 "mail:status:{t}k3"
#define TTL 604800000

/* What is stored; who finishes: owner token fingerprint; which status; how many fields and the
 * fields; the answer; what is stored then (NULL: unchanged). */
struct finish_case {
	const char *stored, *who, *status, *fields, *answer, *then;
};

static void check_one(void **state, const struct finish_case *c, const char *who,
                      const char *answer, const char *then)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, "%s", c->stored);
	char *before = rig_state(r);
	rig_expect_twice(r, answer, answer, SCRIPT_FINISH, K,
	                 "%s ada@x.org 'Hello you' %s %d 'primary sent 250 2.0.0 12ms' %s", who,
	                 c->status, TTL, c->fields);
	if (then) {
		rig_hash(r, K, "%s", then);
	} else {
		char *after = rig_state(r);
		rig_same(__FILE__, __LINE__, c->stored, after, before);
		free(after);
	}
	free(before);
}

/* Each case also without the mail's identity, as it is asked first of what was begun: the same comes of it where
 * the job owns its key, and nothing where it does not. (Of a job that was not read it is always told.) */
static void check_all(void **state, const struct finish_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct finish_case *c = &cases[i];
		size_t len = strlen(c->who);
		bool read = c->who[len - 1] == 'F', owns = strncmp(c->stored, "owner=q#a", 9) == 0;
		char *who = strdup(c->who);

		check_one(state, c, c->who, c->answer, c->then);
		assert_non_null(who);
		who[len - 1] = '-';
		if (read)
			check_one(state, c, who, owns ? c->answer : "whole", owns ? c->then : NULL);
		free(who);
	}
}
#define CHECK_ALL(STATE, CASES) check_all((STATE), (CASES), sizeof(CASES) / sizeof((CASES)[0]))

#define SENDING "owner=q#a fingerprint=F status=sending provider=primary attempts=1 created_at=5"

static void test_every_end_of_an_attempt(void **state)
{
	static const struct finish_case cases[] = {
		{SENDING, "q#a 1 F", "sent", "2 attempt:1 'primary sent 250' message_id <m@x>",
	         "ok",
	         "status=sent 'attempt:1=primary sent 250' message_id=<m@x> provider=primary attempts=1 "
	         "created_at=5 owner=q#a !token"},
		{SENDING, "q#a 1 F", "retrying",
	         "3 attempt:1 'primary retry 451' next_attempt_at 99 tries primary:1", "ok",
	         "status=retrying next_attempt_at=99 tries=primary:1"},
		{SENDING, "q#a 1 F", "failed", "1 error '550: no such user'", "ok",
	         "status=failed 'error=550: no such user'"},
		{SENDING, "q#a 1 F", "held", "0", "ok", "status=held"},
		/* an attempt that does not count: the number that begin wrote is taken back */
		{SENDING, "q#a 1 F", "retrying", "1 attempts 0", "ok", "attempts=0"},
		/* refused before the last byte: nothing was begun */
		{"owner=q#a fingerprint=F status=queued", "q#a 1 F", "failed", "1 error no", "ok",
	         "status=failed error=no"},
	};
	CHECK_ALL(state, cases);
}

static void test_the_time_of_the_change_is_noted(void **state)
{
	struct rig *r = rig_begin(state);
	long long from = rig_now(r);

	rig_store(r, K, SENDING " updated_at=7");
	rig_expect(r, "ok", SCRIPT_FINISH, K,
	           "q#a 1 F a@x.org Hi sent %d line 2 attempt:1 l provider p", TTL);
	char *at = redis_server_text(rig_server(r), "HGET " K " updated_at");
	assert_non_null(at);
	assert_in_range(strtoll(at, NULL, 10), from, rig_now(r));
	free(at);
}

static void test_an_empty_value_deletes_its_field(void **state)
{
	static const struct finish_case cases[] = {
		{SENDING " error=old", "q#a 1 F", "sent", "1 error ''", "ok", "status=sent !error"},
		{SENDING " error=old next_attempt_at=9 pinned=p", "q#a 1 F", "sent",
	         "3 error '' attempt:1 line next_attempt_at ''", "ok",
	         "!error !next_attempt_at attempt:1=line pinned=p"},
	};
	CHECK_ALL(state, cases);
}

/* The first write of a mail that was never begun: scheduled, expired, given back. */
/* Packed values have heads of three lengths. */
static void test_values_of_any_length(void **state)
{
	static const size_t lengths[] = {1, 31, 32, 255, 256, 70000};
	struct rig *r = rig_begin(state);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *value = calloc(1, lengths[i] + 1);
		assert_non_null(value);
		memset(value, 'v', lengths[i]);
		rig_store(r, K, "%s", SENDING);
		rig_expect(r, "ok ok", SCRIPT_FINISH, K " " K2,
		           "q#a 1 F ada@x.org Hi sent %d line 2 recipients %s error e "
		           "q#b 1 F bob@x.org Hi sent %d line 1 message_id m",
		           TTL, value, TTL);
		rig_hash(r, K, "recipients=%s error=e", value);
		rig_hash(r, K2, "owner=q#b to=bob@x.org message_id=m");
		free(value);
	}
}

static void test_the_first_write_takes_the_key(void **state)
{
	static const struct finish_case cases[] = {
		{"", "q#a 1 F", "scheduled", "1 next_attempt_at 99", "ok",
	         "owner=q#a fingerprint=F to=ada@x.org 'subject=Hello you' status=scheduled "
	         "next_attempt_at=99 !token"},
		{"", "q#a 4 F", "failed", "1 error expired", "ok",
	         "owner=q#a status=failed token=4"},
		/* accepted by the API */
		{"status=queued fingerprint=F created_at=5", "q#a 1 F", "scheduled", "0", "ok",
	         "owner=q#a status=scheduled created_at=5"},
		{"status=cancelled fingerprint=F created_at=5", "q#a 1 F", "scheduled", "0",
	         "'final cancelled'", "owner=q#a status=cancelled"},
		{"status=queued fingerprint=G created_at=5", "q#a 1 F", "failed", "0",
	         "'conflict '", NULL},
		/* a note about an invalid job */
		{"status=failed error=invalid created_at=5", "q#a 1 F", "scheduled", "0", "ok",
	         "owner=q#a status=scheduled !error"},
	};
	CHECK_ALL(state, cases);
	struct rig *r = rig_begin(state);
	long long before = rig_now(r);
	rig_expect(r, "ok", SCRIPT_FINISH, K, "q#a 1 F a@x.org Hi scheduled %d line 0", TTL);
	char *created = redis_server_text(rig_server(r), "HGET " K " created_at");
	assert_in_range(strtoll(created, NULL, 10), before, rig_now(r));
	free(created);
}

/* A claim that was adopted writes under its own token; FAULTS 4 and 5 for the one before. */
static void test_tokens_fence(void **state)
{
	static const struct finish_case cases[] = {
		{"owner=q#a fingerprint=F status=sending token=2", "q#a 2 F", "sent", "0", "ok",
	         "status=sent token=2"},
		{SENDING, "q#a 2 F", "retrying", "0", "ok", "status=retrying token=2"},
		/* late: a line in the timeline and nothing else */
		{"owner=q#a fingerprint=F status=sending token=2 updated_at=7", "q#a 1 F", "sent",
	         "2 attempt:1 x message_id m", "late",
	         "status=sending token=2 'late:1=primary sent 250 2.0.0 12ms' !attempt:1 !message_id "
	         "updated_at=7"},
		{"owner=q#a fingerprint=F status=retrying token=12", "q#a 9 F", "failed", "0",
	         "late", "status=retrying token=12 'late:9=primary sent 250 2.0.0 12ms'"},
		{"owner=q#a fingerprint=F status=sent token=3", "q#a 1 F", "failed", "0", "late",
	         "status=sent token=3 'late:1=primary sent 250 2.0.0 12ms'"},
	};
	CHECK_ALL(state, cases);
}

static void test_what_is_settled_stays(void **state)
{
	static const struct finish_case cases[] = {
		{"owner=q#a fingerprint=F status=cancelled", "q#a 1 F", "sent", "1 error x",
	         "'final cancelled'", NULL},
		{"owner=q#a fingerprint=F status=sent", "q#a 1 F", "retrying", "1 error x",
	         "'final sent'", NULL},
		{"owner=q#a fingerprint=F status=failed token=2", "q#a 2 F", "sent", "1 error x",
	         "'final failed'", NULL},
		{"owner=q#a fingerprint=F status=held", "q#a 1 F", "retrying", "0", "'final held'",
	         NULL},
	};
	CHECK_ALL(state, cases);
}

static void test_another_job_has_the_key(void **state)
{
	static const struct finish_case cases[] = {
		{"owner=q#b fingerprint=G status=sending", "q#a 1 F", "failed", "1 error x",
	         "'conflict q#b'", NULL},
	};
	CHECK_ALL(state, cases);
	/* nothing has left: there is nothing to report late */
	struct rig *r = rig_begin(state);
	rig_store(r, K, "owner=q#b fingerprint=F status=sending");
	rig_expect_twice(r, "'rival q#b'", "'rival q#b'", SCRIPT_FINISH, K,
	                 "q#a 1 F a@x.org Hi scheduled %d '' 0", TTL);
	rig_hash(r, K, "status=sending !late:1 !duplicates");
	r = rig_begin(state);
	rig_store(r, K, "owner=q#b fingerprint=F status=sent");
	rig_expect(r, "duplicate", SCRIPT_FINISH, K, "q#a 1 F a@x.org Hi scheduled %d '' 0", TTL);
	rig_hash(r, K, "owner=q#b status=sent duplicates=1");
}

/* Jobs that are not read own nothing; their reason shows while nobody owns the key. */
static void test_a_note_about_a_job_that_was_not_read(void **state)
{
	static const struct finish_case cases[] = {
		{"", "q#a 1 ''", "failed", "1 error 'invalid: no recipient'", "foreign",
	         "status=failed 'error=invalid: no recipient' !owner !fingerprint !to !token"},
		{"status=failed error=older", "q#a 1 ''", "failed", "1 error newer", "foreign",
	         "status=failed error=newer !owner"},
		/* accepted by the API: it may be this very job */
		{"status=queued fingerprint=F", "q#a 1 ''", "failed", "1 error x", "foreign",
	         "status=failed error=x !owner"},
		{"owner=q#b fingerprint=F status=sent", "q#a 1 ''", "failed", "1 error x",
	         "foreign", NULL},
		{"owner=q#b fingerprint=F status=queued", "q#a 1 ''", "failed", "1 error x",
	         "foreign", NULL},
		{"owner=q#b fingerprint=F status=failed", "q#a 1 ''", "failed", "1 error x",
	         "foreign", NULL},
		{"status=scheduled", "q#a 1 ''", "failed", "1 error x", "foreign", NULL},
		{"status=cancelled", "q#a 1 ''", "failed", "1 error x", "foreign", NULL},
	};
	CHECK_ALL(state, cases);
}

/* FAULTS 6. An earlier claim of it had the key: the mail does not stay as that left it. */
static void test_a_job_that_is_not_read_ends_its_mail(void **state)
{
	static const struct finish_case cases[] = {
		{SENDING, "q#a 5 ''", "failed", "1 error poison", "'ended held'",
	         "status=held error=poison token=5 pinned=primary "
	         "'attempt:1=primary unknown worker_lost 0ms' owner=q#a fingerprint=F"},
		{"owner=q#a fingerprint=F status=retrying pinned=p next_attempt_at=9", "q#a 5 ''",
	         "failed", "1 error poison", "'ended held'",
	         "status=held error=poison !next_attempt_at !attempt:1"},
		{"owner=q#a fingerprint=F status=retrying token=4 next_attempt_at=9", "q#a 5 ''",
	         "failed", "1 error poison", "'ended failed'",
	         "status=failed error=poison !next_attempt_at !pinned token=5"},
		{"owner=q#a fingerprint=F status=queued", "q#a 1 ''", "failed", "1 error poison",
	         "'ended failed'", "status=failed error=poison"},
		/* settled by an earlier claim */
		{"owner=q#a fingerprint=F status=sent", "q#a 5 ''", "failed", "1 error poison",
	         "'final sent'", NULL},
		{"owner=q#a fingerprint=F status=held token=4", "q#a 5 ''", "failed", "1 error x",
	         "'final held'", NULL},
		{"owner=q#a fingerprint=F status=cancelled token=5", "q#a 5 ''", "failed",
	         "1 error x", "'final cancelled'", NULL},
		/* a newer claim has been here */
		{"owner=q#a fingerprint=F status=sending token=6", "q#a 5 ''", "failed",
	         "1 error x", "late", NULL},
	};
	CHECK_ALL(state, cases);
}

/* FAULTS 5b. Its job was lost and a rival took the mail over: what it had begun leaves a trace. */
static void test_it_was_taken_over(void **state)
{
	static const struct finish_case cases[] = {
		{"owner=q#b fingerprint=F status=sending token=1", "q#a 1 F", "sent",
	         "1 message_id m", "late",
	         "owner=q#b status=sending 'late:1=primary sent 250 2.0.0 12ms' !message_id"},
		{"owner=q#b fingerprint=F status=sent", "q#a 2 F", "sent", "0", "late",
	         "owner=q#b status=sent 'late:2=primary sent 250 2.0.0 12ms'"},
		/* it does not take the place of another line */
		{"owner=q#b fingerprint=F status=sent late:1=line", "q#a 1 F", "sent", "0", "late",
	         "late:1=line"},
	};
	CHECK_ALL(state, cases);
}

static void test_it_lives_as_long_as_it_is_told(void **state)
{
	static const long long ttls[] = {604800000, 86400000, 3000000000};
	struct rig *r = rig_begin(state);

	rig_store(r, K, SENDING);
	for (size_t i = 0; i < sizeof(ttls) / sizeof(ttls[0]); i++) {
		rig_expect(r, "ok", SCRIPT_FINISH, K, "q#a 1 F a@x.org Hi retrying %lld line 0",
		           ttls[i]);
		char *at = redis_server_text(rig_server(r), "HGET " K " updated_at");
		assert_int_equal(redis_server_int(rig_server(r), "PEXPIRETIME " K),
		                 strtoll(at, NULL, 10) + ttls[i]);
		free(at);
	}
	/* a late line does not make it live longer or shorter */
	rig_store(r, K, "token=5");
	long long until = redis_server_int(rig_server(r), "PEXPIRETIME " K);
	rig_expect(r, "late", SCRIPT_FINISH, K, "q#a 1 F a@x.org Hi sent 1000 line 0");
	assert_int_equal(redis_server_int(rig_server(r), "PEXPIRETIME " K), until);
}

/* Begin has let it live that much longer: it is left at that. */
static void test_what_begin_gave_is_left(void **state)
{
	static const struct {
		const char *stored, *ttl;
		long long spare;
		bool left;
	} cases[] = {
		{SENDING, "604800000", 60000, false}, /* it says how long: that counts */
		{SENDING, "''", 60000, true},
		{SENDING, "''", -1, false},
		{SENDING " token=7", "''", 60000, false}, /* of another claim */
		{"owner=q#a fingerprint=F status=retrying attempts=1", "''", 60000, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);
		long long now = rig_now(r);

		rig_store(r, K, "%s updated_at=%lld", cases[i].stored, now - 50000);
		redis_server_do(rig_server(r), "PEXPIREAT " K " %lld", now + 10000000);
		rig_expect(r, strstr(cases[i].stored, "token=7") ? "late" : "ok", SCRIPT_FINISH, K,
		           "5000000 %lld  q#a 1 - '' '' sent %s line 1 error x", cases[i].spare,
		           cases[i].ttl);
		long long until = redis_server_int(rig_server(r), "PEXPIRETIME " K);
		bool left = until == now + 10000000;
		assert_int_equal(left, cases[i].left || strstr(cases[i].stored, "token=7") != NULL);
		if (!left)
			assert_in_range(until, now + 5000000, now + 604800000 + 60000);
	}
	/* too long ago: the rest would be less than it is to live */
	struct rig *r = rig_begin(state);
	rig_store(r, K, SENDING " updated_at=%lld", (long long)rig_now(r) - 50000);
	rig_expect(r, "ok", SCRIPT_FINISH, K,
	           "5000000 49999  q#a 1 - '' '' sent '' line 1 error x");
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K), 4000000, 5000000);
}

/* Arguments of different length, a key of another type in the middle. */
static void test_a_batch_is_answered_one_by_one(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, K, SENDING);
	rig_store(r, K3, "owner=q#c fingerprint=F status=cancelled");
	redis_server_do(rig_server(r), "SET " K2 " oops");
	char *note = rig_call(r, SCRIPT_FINISH, K2, "q#b 1 '' '' '' failed %d '' 1 error invalid",
	                      TTL);
	assert_memory_equal(note, "'error WRONGTYPE", 16);
	free(note);
	char *answer = rig_call(
		r, SCRIPT_FINISH, K " " K2 " " K3 " " K "n " K "e " K,
		"q#a 1 F a@x.org Hi sent %d line 3 attempt:1 l error '' provider secondary"
		"  q#b 1 F a@x.org Hi sent %d line 1 error x"
		"  q#c 1 F a@x.org Hi sent %d line 2 error x attempt:1 y"
		"  q#d 1 '' '' '' failed %d '' 1 error invalid"
		"  q#e 1 - '' '' sent %d line 2 error x next_attempt_at ''"
		"  q#a 1 - '' '' sent %d line 1 message_id m",
		TTL, TTL, TTL, TTL, TTL, TTL);
	assert_memory_equal(answer, "ok 'error WRONGTYPE", 19);
	assert_non_null(strstr(answer, "' 'final cancelled' foreign whole ok"));
	free(answer);
	rig_hash(r, K, "status=sent attempt:1=l provider=secondary message_id=m !error");
	rig_sees(r, "9",
	         "HLEN " K); /* those of before, attempt:1, message_id, updated_at; nothing of its
	                              * neighbours */
	rig_hash(r, K3, "status=cancelled !error !attempt:1");
	rig_hash(r, K "n", "status=failed error=invalid !owner");
	rig_sees(r, "oops", "GET " K2);
}

/* FAULTS 12: what was sent is written down even when memory is full. */
static void test_full_memory_does_not_stop_it(void **state)
{
	static const struct {
		const char *keys, *more;
	} cases[] = {
		{K, ""},
		/* also when the first key of the batch is not a hash */
		{K2 " " K, "q#b 1 F a@x.org Hi sent 1000 line 0 "},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_begin(state);
		rig_store(r, K, SENDING);
		redis_server_do(rig_server(r), "SET " K2 " oops");
		rig_fill_memory(r, true);
		char *answer = rig_call(r, SCRIPT_FINISH, cases[i].keys,
		                        "%s q#a 1 F a@x.org Hi sent %d line 1 attempt:1 l",
		                        cases[i].more, TTL);
		rig_fill_memory(r, false);
		assert_string_equal(answer + strlen(answer) - 2, "ok");
		free(answer);
		rig_hash(r, K, "status=sent attempt:1=l");
	}
	/* a first write too: the job is about to be buried, and its reason with it */
	struct rig *r = rig_begin(state);
	rig_fill_memory(r, true);
	rig_expect(r, "ok", SCRIPT_FINISH, K, "q#a 1 F a@x.org Hi failed %d line 1 error poison",
	           TTL);
	rig_fill_memory(r, false);
	rig_hash(r, K, "status=failed error=poison owner=q#a");
}

static void test_nothing_to_finish(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "", SCRIPT_FINISH, "", " ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_end_of_an_attempt),
		cmocka_unit_test(test_the_time_of_the_change_is_noted),
		cmocka_unit_test(test_an_empty_value_deletes_its_field),
		cmocka_unit_test(test_values_of_any_length),
		cmocka_unit_test(test_the_first_write_takes_the_key),
		cmocka_unit_test(test_tokens_fence),
		cmocka_unit_test(test_what_is_settled_stays),
		cmocka_unit_test(test_another_job_has_the_key),
		cmocka_unit_test(test_a_note_about_a_job_that_was_not_read),
		cmocka_unit_test(test_a_job_that_is_not_read_ends_its_mail),
		cmocka_unit_test(test_it_was_taken_over),
		cmocka_unit_test(test_it_lives_as_long_as_it_is_told),
		cmocka_unit_test(test_what_begin_gave_is_left),
		cmocka_unit_test(test_a_batch_is_answered_one_by_one),
		cmocka_unit_test(test_full_memory_does_not_stop_it),
		cmocka_unit_test(test_nothing_to_finish),
	};
	return cmocka_run_group_tests_name("finish.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("finish.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}
