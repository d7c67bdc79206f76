#include "mail/recipients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX 5

/* A job of which only the recipients matter here. */
static struct job job_of(struct job_rcpt *rcpts, const char *const *emails, size_t n)
{
	memset(rcpts, 0, n * sizeof(*rcpts));
	for (size_t i = 0; i < n; i++)
		rcpts[i].address.email = (char *)emails[i];
	return (struct job){.rcpts = rcpts, .n_rcpts = n};
}

static void test_is_read_by_people(void **state)
{
	static const char *const emails[] = {"ada@x.org", "bob@x.org", "eve@x.org", "joe@x.org"};
	const struct rcpt_result results[] = {{RCPT_ACCEPTED, "250"},
	                                      {RCPT_REFUSED, "550 5.1.1"},
	                                      {RCPT_DEFERRED, ""},
	                                      {RCPT_PENDING, ""}};
	struct job_rcpt rcpts[4];
	struct job job = job_of(rcpts, emails, 4);
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	recipients_write(&b, &job, results);
	assert_string_equal(buf_str(&b), "ada@x.org accepted 250; bob@x.org refused 550 5.1.1; "
	                                 "eve@x.org deferred; joe@x.org pending");
	buf_free(&b);
}

/* Addresses that look like the text around them. */
static void test_round_trip(void **state)
{
	static const char *const emails[MAX] = {"\"a; b@x.org refused\"@x.org", "b@x.org",
	                                        "b@x.org", "\"x accepted 250\"@x.org",
	                                        "j\xc3\xb6rg@x.org"};
	const struct rcpt_result results[MAX] = {{RCPT_ACCEPTED, "250 2.1.5"},
	                                         {RCPT_REFUSED, "550; accepted, 250"},
	                                         {RCPT_DEFERRED, "451 4.7.1"},
	                                         {RCPT_PENDING, ""},
	                                         {RCPT_ACCEPTED, ""}};
	struct rcpt_result again[MAX];
	struct job_rcpt rcpts[MAX];
	struct job job = job_of(rcpts, emails, MAX);
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	recipients_write(&b, &job, results);
	memset(again, 0x55, sizeof(again));
	recipients_read(buf_str(&b), b.len, &job, again);
	for (size_t i = 0; i < MAX; i++) {
		assert_int_equal(again[i].state, results[i].state);
		if (i != 1)
			assert_string_equal(again[i].code, results[i].code);
	}
	assert_string_equal(again[1].code, "550, accepted, 250");
	buf_free(&b);
}

/* Cut at every byte: entries that are whole are read, nothing is read as what it was not. */
static void test_what_was_cut_is_pending(void **state)
{
	static const char *const emails[] = {"ada@x.org", "bob@x.org"};
	static const char text[] = "ada@x.org accepted 250; bob@x.org refused 550";
	struct rcpt_result results[2];
	struct job_rcpt rcpts[2];
	struct job job = job_of(rcpts, emails, 2);

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		recipients_read(text, n, &job, results);
		assert_int_equal(results[0].state, n < 18 ? RCPT_PENDING : RCPT_ACCEPTED);
		assert_int_equal(results[1].state, n < 41 ? RCPT_PENDING : RCPT_REFUSED);
	}
}

static void test_what_cannot_be_read_is_pending(void **state)
{
	static const char *const emails[] = {"ada@x.org", "bob@x.org"};
	static const char *const texts[] = {
		"nonsense",
		"bob@x.org accepted 250; ada@x.org accepted 250", /* another order */
		"ada@x.org acceptedly; bob@x.org accepted",
		"ada@x.org.example accepted; bob@x.org accepted",
		"; bob@x.org accepted",
	};
	struct rcpt_result results[2];
	struct job_rcpt rcpts[2];
	struct job job = job_of(rcpts, emails, 2);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		memset(results, 0x55, sizeof(results));
		recipients_read(texts[i], strlen(texts[i]), &job, results);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(results[k].state, RCPT_PENDING);
			assert_string_equal(results[k].code, "");
		}
	}
}

static void test_hostile_codes(void **state)
{
	static const char *const emails[] = {"ada@x.org"};
	const struct rcpt_result control = {RCPT_REFUSED, "550\r\nx"},
				 broken = {RCPT_REFUSED, "550 \xff"};
	struct rcpt_result unterminated = {.state = RCPT_REFUSED}, again;
	struct job_rcpt rcpts[1];
	struct job job = job_of(rcpts, emails, 1);
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	recipients_write(&b, &job, &control);
	assert_string_equal(buf_str(&b), "ada@x.org refused");
	buf_clear(&b);
	recipients_write(&b, &job, &broken);
	assert_string_equal(buf_str(&b), "ada@x.org refused");
	buf_clear(&b);
	memset(unterminated.code, '5', sizeof(unterminated.code));
	recipients_write(&b, &job, &unterminated);
	recipients_read(buf_str(&b), b.len, &job, &again);
	assert_int_equal(strlen(again.code), RCPT_MAX_CODE - 1);
	/* A longer code than fits, by another writer. */
	buf_clear(&b);
	buf_add_str(&b, "ada@x.org refused 0123456789012345678901234567890123456789");
	recipients_read(buf_str(&b), b.len, &job, &again);
	assert_string_equal(again.code, "0123456789012345678901234567890");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_read_by_people),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_what_was_cut_is_pending),
		cmocka_unit_test(test_what_cannot_be_read_is_pending),
		cmocka_unit_test(test_hostile_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
