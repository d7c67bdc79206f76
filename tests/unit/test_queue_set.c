#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/queue_set.h"

static void load(struct queue_set *q, const char *queues)
{
	struct options o = {.key_prefix = (char[]){"mail"}, .queues = strdup(queues)};
	struct error err;

	assert_non_null(o.queues);
	if (!queue_set_load(q, &o, NULL, &err))
		fail_msg("%s: %s", queues, err.text);
	free(o.queues);
}

/* Names and weights, joined. */
static void expect(const char *queues, const char *want)
{
	struct queue_set q;
	char names[1024] = "";

	load(&q, queues);
	for (size_t i = 0; i < q.n; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s*%ld",
		         i ? " " : "", q.keys[i].list, q.weights[i]);
	assert_string_equal(names, want);
	queue_set_free(&q);
}

static void test_names(void **state)
{
	(void)state;
	expect("", "mail:queue*1");
	expect("mail:queue", "mail:queue*1");
	expect("mail:queue:high*6,mail:queue*3,mail:queue:low",
	       "mail:queue:high*6 mail:queue*3 mail:queue:low*1");
	expect(" a * 2 , b\t,c *1000 ", "a*2 b*1 c*1000");
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *queues, *why;
	} cases[] = {
		{"a,b,a*2", "QUEUES names a twice"},
		{"a,,b", "QUEUES: the queue name \"\" is empty"},
		{"a,", "is empty"},
		{" ", "is empty"},
		{"*3", "is empty"},
		{"a b", "has a space"},
		{"a*0", "QUEUES: the weight of a must be a number from 1 to 1000"},
		{"a*1001", "the weight of a"},
		{"a*-1", "the weight of a"},
		{"a*", "the weight of a"},
		{"a*2*3", "the weight of a"},
		{"a*2x", "the weight of a"},
		{"a*2 3", "the weight of a"},
		{"a,mail:webhooks*2", "QUEUES names mail:webhooks, which is the webhooks' own"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options o = {.key_prefix = (char[]){"mail"},
		                    .queues = strdup(cases[i].queues)};
		struct queue_set q;
		struct error err;

		assert_non_null(o.queues);
		assert_false(queue_set_load(&q, &o, NULL, &err));
		if (strstr(err.text, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].queues, err.text);
		assert_int_equal(q.n, 0);
		free(o.queues);
	}
}

static void test_how_many(void **state)
{
	struct options o = {.key_prefix = (char[]){"mail"}};
	char list[QUEUE_SET_MAX * 8] = "q0";
	struct queue_set q;
	struct error err;

	(void)state;
	o.queues = list;
	for (int i = 1; i <= QUEUE_SET_MAX; i++) {
		assert_int_equal(queue_set_load(&q, &o, NULL, &err), 1);
		assert_int_equal(q.n, i);
		queue_set_free(&q);
		snprintf(list + strlen(list), sizeof(list) - strlen(list), ",q%d", i);
	}
	assert_false(queue_set_load(&q, &o, NULL, &err));
	assert_non_null(strstr(err.text, "more than 64"));
}

static void test_only(void **state)
{
	struct options o = {.key_prefix = (char[]){"mail"}, .queues = (char[]){"a,b"}};
	struct queue_set q;
	struct error err;

	(void)state;
	assert_true(queue_set_load(&q, &o, "c", &err));
	assert_int_equal(q.n, 1);
	assert_non_null(queue_set_find(&q, "c"));
	assert_null(queue_set_find(&q, "a"));
	queue_set_free(&q);
	assert_false(queue_set_load(&q, &o, "with a blank", &err));
	o.queues = (char[]){"a,{b}"};
	assert_false(queue_set_load(&q, &o, NULL, &err));
	assert_non_null(strstr(err.text, "QUEUES"));
}

static void test_choose(void **state)
{
	struct queue_set q;

	(void)state;
	load(&q, "mail:queue:high*6,mail:queue*3,mail:queue:low");
	for (int priority = -1; priority <= 10; priority++) {
		const char *want = priority >= 7                    ? "mail:queue:high"
		                   : priority >= 0 && priority <= 3 ? "mail:queue:low"
		                                                    : "mail:queue";

		assert_string_equal(queue_set_choose(&q, priority)->list, want);
	}
	queue_set_free(&q);
	load(&q, "only:high,other:high");
	assert_string_equal(queue_set_choose(&q, -1)->list, "only:high");
	assert_string_equal(queue_set_choose(&q, 0)->list, "only:high");
	queue_set_free(&q);
	load(&q, "plain");
	assert_string_equal(queue_set_choose(&q, 9)->list, "plain");
	queue_set_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),    cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_how_many), cmocka_unit_test(test_only),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
