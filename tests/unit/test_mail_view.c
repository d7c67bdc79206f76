#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/mail_view.h"

/* A view of a hash of these fields: name, value … NULL. */
static void view(struct mail_view *v, ...)
{
	redisReply pairs = {.type = REDIS_REPLY_ARRAY};
	redisReply items[64], *list[64];
	va_list args;
	char *text;

	va_start(args, v);
	while ((text = va_arg(args, char *)) != NULL) {
		redisReply *item = &items[pairs.elements];

		memset(item, 0, sizeof(*item));
		item->type = REDIS_REPLY_STRING;
		item->str = text;
		item->len = strlen(text);
		list[pairs.elements++] = item;
		assert_true(pairs.elements < 64);
	}
	va_end(args);
	pairs.element = list;
	mail_view_read(v, "order-42", &pairs);
}

static void test_unknown(void **state)
{
	struct mail_view v;

	(void)state;
	view(&v, NULL);
	assert_false(v.found);
	assert_false(mail_view_settled(&v));
	assert_string_equal(v.key, "order-42");
	mail_view_free(&v);
}

static void test_fields(void **state)
{
	struct mail_view v;

	(void)state;
	view(&v, "status", "sent", "owner", "mail:queue#0123456789abcdef", "attempts", "2",
	     "created_at", "1764000000000", "new_in_a_later_version", "x", "duplicates",
	     "no number", NULL);
	assert_true(v.found);
	assert_true(mail_view_is(&v, "sent"));
	assert_string_equal(v.owner, "mail:queue#0123456789abcdef");
	assert_int_equal(v.attempts, 2);
	assert_int_equal(v.created_at, 1764000000000);
	assert_int_equal(v.duplicates, 0);
	assert_null(v.error);
	mail_view_free(&v);
}

static void test_settled(void **state)
{
	static const struct {
		char *status;
		bool settled;
	} cases[] = {{"queued", false},   {"scheduled", false}, {"sending", false},
	             {"retrying", false}, {"sent", true},       {"failed", true},
	             {"held", true},      {"cancelled", true}};
	struct mail_view v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		view(&v, "status", cases[i].status, NULL);
		assert_int_equal(mail_view_settled(&v), cases[i].settled);
		mail_view_free(&v);
	}
}

static void expect_attempt(const struct mail_view *v, size_t i, int64_t n, const char *provider,
                           const char *outcome, const char *code, int64_t ms, const char *text)
{
	const struct mail_view_attempt *a = &v->timeline[i];

	assert_true(i < v->n_timeline);
	assert_int_equal(a->n, n);
	assert_string_equal(a->provider, provider);
	assert_string_equal(a->outcome, outcome);
	assert_string_equal(a->code, code);
	assert_int_equal(a->ms, ms);
	assert_string_equal(a->text, text);
}

/* By number, not by letters; each part of a line in its place; lines that were cut are shown all the same. */
static void test_timeline(void **state)
{
	struct mail_view v;

	(void)state;
	view(&v, "status", "sent", "attempt:10", "secondary sent 250 2.0.0 3ms ok", "attempt:2",
	     "primary retry 451 4.3.0 12ms try again later", "attempt:1",
	     "primary retry timeout 60000ms", "attempt:3", "primary retry  5ms", "attempt:4",
	     "primary", "attempt:5", "primary unknown 45", "attempt:x", "no number", "late:2",
	     "primary sent 250 8ms taken in 5ms", NULL);
	assert_int_equal(v.n_timeline, 7);
	expect_attempt(&v, 0, 1, "primary", "retry", "timeout", 60000, "");
	expect_attempt(&v, 1, 2, "primary", "retry", "451 4.3.0", 12, "try again later");
	expect_attempt(&v, 2, 2, "primary", "sent", "250", 8, "taken in 5ms");
	assert_true(v.timeline[2].late);
	assert_false(v.timeline[1].late);
	expect_attempt(&v, 3, 3, "primary", "retry", "", 5, "");
	expect_attempt(&v, 4, 4, "primary", "", "", -1, "");
	expect_attempt(&v, 5, 5, "primary", "unknown", "45", -1, "");
	expect_attempt(&v, 6, 10, "secondary", "sent", "250 2.0.0", 3, "ok");
	mail_view_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_settled),
		cmocka_unit_test(test_timeline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
