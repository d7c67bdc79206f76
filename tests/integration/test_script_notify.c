/* notify.lua: webhooks into their queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define LIST "mail:webhooks"
#define DISABLED "{mail:webhooks}:disabled"
#define KEYS LIST " {mail:webhooks}:jobs " DISABLED

static void test_pushed_but_not_where_disabled(void **state)
{
	struct rig *r = rig_begin(state);

	rig_store(r, "mail:other", "a=b");
	redis_server_do(rig_server(r), "ZADD " DISABLED " 1 https://b/");
	rig_expect(r, "ok disabled ok", SCRIPT_NOTIFY, KEYS,
	           "https://a/ one https://b/ two https://c/ three");
	rig_sees(r, "three one", "LRANGE " LIST " 0 -1");
	/* called again, it tells again: receivers know it by its id */
	rig_expect(r, "ok disabled ok", SCRIPT_NOTIFY, KEYS,
	           "https://a/ one https://b/ two https://c/ three");
	rig_sees(r, "4", "LLEN " LIST);
}

static void test_full_memory_still_tells(void **state)
{
	struct rig *r = rig_begin(state);

	rig_fill_memory(r, true);
	rig_expect(r, "ok", SCRIPT_NOTIFY, KEYS, "https://a/ one");
	rig_sees(r, "1", "LLEN " LIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pushed_but_not_where_disabled),
		cmocka_unit_test(test_full_memory_still_tells),
	};
	int failed = cmocka_run_group_tests_name("standalone", tests, rig_setup_standalone,
	                                         rig_teardown);

	return failed +
	       cmocka_run_group_tests_name("cluster", tests, rig_setup_cluster, rig_teardown);
}
