#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "redis/keys.h"

static void test_queue_family(void **state)
{
	struct queue_keys k;
	struct error err;
	(void)state;
	assert_true(queue_keys_make(&k, "mail:queue:high", &err));
	assert_string_equal(k.list, "mail:queue:high");
	assert_string_equal(k.arrivals, "{mail:queue:high}:arrivals");
	assert_string_equal(k.jobs, "{mail:queue:high}:jobs");
	assert_string_equal(k.leases, "{mail:queue:high}:leases");
	assert_string_equal(k.delayed, "{mail:queue:high}:delayed");
	assert_string_equal(k.claims, "{mail:queue:high}:claims");
	assert_string_equal(k.dead, "{mail:queue:high}:dead");
	assert_string_equal(k.events, "{mail:queue:high}:events");
	assert_string_equal(k.clock, "{mail:queue:high}:clock");
	assert_string_equal(k.stats, "{mail:queue:high}:stats");
	char *sent = queue_keys_sent(&k, "0f");
	assert_string_equal(sent, "{mail:queue:high}:sent:0f");
	mem_free(sent);
	queue_keys_free(&k);
	assert_null(k.list);
}

static void test_whole_family_is_in_the_slot_of_the_list(void **state)
{
	static const char *const names[] = {"mail:queue", "q", "mail:queue:high", "a/b.c-d_e"};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct queue_keys k;
		struct error err;
		assert_true(queue_keys_make(&k, names[i], &err));
		const char *const all[] = {k.arrivals, k.jobs,   k.leases, k.delayed, k.claims,
		                           k.dead,     k.events, k.clock,  k.stats};
		unsigned slot = keys_slot(k.list, strlen(k.list));
		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
			assert_int_equal(keys_slot(all[j], strlen(all[j])), slot);
		queue_keys_free(&k);
	}
}

static void test_bad_queue_names_are_refused_with_the_reason(void **state)
{
	static const struct {
		const char *name, *reason;
	} bad[] = {
		{"", "empty"},         {"a{b", "brace"},       {"a}b", "brace"},
		{"a b", "space"},      {"a,b", "comma"},       {"a*2", "asterisk"},
		{"a\nb", "printable"}, {"a\x7f", "printable"}, {"caf\xc3\xa9", "printable"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct queue_keys k;
		struct error err = {""};
		assert_false(queue_keys_make(&k, bad[i].name, &err));
		assert_non_null(strstr(err.text, bad[i].reason));
		queue_keys_free(&k); /* harmless after a failure */
	}
}

static void test_longest_queue_name(void **state)
{
	char name[KEYS_MAX_QUEUE + 2];
	struct queue_keys k;
	struct error err;
	(void)state;
	memset(name, 'q', sizeof(name));
	name[KEYS_MAX_QUEUE + 1] = '\0';
	assert_false(queue_keys_make(&k, name, &err));
	name[KEYS_MAX_QUEUE] = '\0';
	assert_true(queue_keys_make(&k, name, &err));
	queue_keys_free(&k);
}

static void assert_key(char *key, const char *expected)
{
	assert_string_equal(key, expected);
	mem_free(key);
}

static void test_names_under_the_prefix(void **state)
{
	(void)state;
	assert_key(keys_status("mail", "order-42"), "mail:status:order-42");
	assert_key(keys_provider("mail", "primary"), "mail:provider:primary");
	assert_key(keys_workers("mail"), "mail:workers");
	assert_key(keys_control("post"), "post:control");
}

/* Slots as `redis-cli CLUSTER KEYSLOT` gives them; "123456789" is the check value of the
 * specification, 0x31C3. */
static void test_slots(void **state)
{
	static const struct {
		const char *key;
		unsigned slot;
	} known[] = {
		{"", 0},
		{"123456789", 0x31C3},
		{"foo", 12182},
		{"bar", 5061},
		{"mail:queue", 16055},
		{"{mail:queue}:jobs", 16055},
		{"mail:status:order-42", 15817},
		{"{user1000}.following", 3443},
		{"user1000", 3443},
		{"foo{}{bar}", 8363},    /* an empty tag: the whole key */
		{"foo{{bar}}zap", 4015}, /* the tag is "{bar" */
		{"foo{bar}{zap}", 5061}, /* the first tag only */
		{"{bar", 4015},          /* no tag without an end */
		{"}bar{", 1498},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(keys_slot(known[i].key, strlen(known[i].key)), known[i].slot);
	/* binary, not NUL-terminated */
	assert_int_equal(keys_slot("foo\0more", 3), 12182);
	assert_int_not_equal(keys_slot("foo\0more", 8), 12182);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue_family),
		cmocka_unit_test(test_whole_family_is_in_the_slot_of_the_list),
		cmocka_unit_test(test_bad_queue_names_are_refused_with_the_reason),
		cmocka_unit_test(test_longest_queue_name),
		cmocka_unit_test(test_names_under_the_prefix),
		cmocka_unit_test(test_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
