#include "api/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A page of one family of each kind; the second has no sample. */
static void write_page(struct buf *out, bool json)
{
	int64_t slots[HISTOGRAM_SLOTS] = {[0] = 2, [3] = 1, [HISTOGRAM_BOUNDS] = 4};
	struct exposition x;

	slots[HISTOGRAM_SUM] = 7000000123;
	buf_init(out, 65536);
	exposition_begin(&x, out, json);
	exposition_family(&x, "mails_total", EXPOSITION_COUNTER, "Mails.");
	exposition_int(&x, LABELS("queue", "a\"b\\c\nd", "status", "sent"), 7);
	exposition_int(&x, LABELS("queue", "q", "status", "held"), 0);
	exposition_family(&x, "nothing", EXPOSITION_GAUGE, "Never seen.");
	exposition_family(&x, "level", EXPOSITION_GAUGE, "A level.");
	exposition_real(&x, NO_LABELS, 0.25);
	exposition_real(&x, NO_LABELS, 1.0 / 0.0); /* JSON has no word for it */
	exposition_seconds(&x, LABELS("of", "what"), 1500);
	exposition_family(&x, "took_seconds", EXPOSITION_HISTOGRAM, "How long.");
	exposition_histogram(&x, LABELS("queue", "q"), slots);
	exposition_end(&x);
	assert_true(buf_ok(out));
}

static void has(const struct buf *out, const char *text)
{
	if (!strstr(buf_str(out), text))
		fail_msg("there is no\n%s\nin\n%s", text, buf_str(out));
}

static void test_text(void **state)
{
	struct buf out;

	(void)state;
	write_page(&out, false);
	has(&out, "# HELP mails_total Mails.\n# TYPE mails_total counter\n"
	          "mails_total{queue=\"a\\\"b\\\\c\\nd\",status=\"sent\"} 7\n"
	          "mails_total{queue=\"q\",status=\"held\"} 0\n"
	          "# HELP level A level.\n# TYPE level gauge\nlevel 0.25\n"
	          "level{of=\"what\"} 0.001500\n"
	          "# HELP took_seconds How long.\n# TYPE took_seconds histogram\n"
	          "took_seconds_bucket{queue=\"q\",le=\"0.005\"} 2\n"
	          "took_seconds_bucket{queue=\"q\",le=\"0.01\"} 2\n");
	has(&out, "took_seconds_bucket{queue=\"q\",le=\"0.05\"} 3\n");
	has(&out, "took_seconds_bucket{queue=\"q\",le=\"3600\"} 3\n"
	          "took_seconds_bucket{queue=\"q\",le=\"+Inf\"} 7\n"
	          "took_seconds_sum{queue=\"q\"} 7000.000123\n"
	          "took_seconds_count{queue=\"q\"} 7\n");
	assert_null(strstr(buf_str(&out), "nothing"));
	buf_free(&out);
}

static void test_json(void **state)
{
	struct buf out;

	(void)state;
	write_page(&out, true);
	has(&out, "{\"mails_total\":{\"type\":\"counter\",\"help\":\"Mails.\",\"samples\":["
	          "{\"labels\":{\"queue\":\"a\\\"b\\\\c\\nd\",\"status\":\"sent\"},\"value\":7},"
	          "{\"labels\":{\"queue\":\"q\",\"status\":\"held\"},\"value\":0}]},"
	          "\"level\":{\"type\":\"gauge\",\"help\":\"A level.\",\"samples\":["
	          "{\"labels\":{},\"value\":0.25},"
	          "{\"labels\":{\"of\":\"what\"},\"value\":0.001500}]},"
	          "\"took_seconds\":{\"type\":\"histogram\",\"help\":\"How long.\",\"samples\":["
	          "{\"labels\":{\"queue\":\"q\"},\"buckets\":{\"0.005\":2,");
	has(&out, "\"+Inf\":7},\"sum\":7000.000123,\"count\":7}]}}");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
