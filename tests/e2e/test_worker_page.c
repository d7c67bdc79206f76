/* A worker's own page: /metrics, /livez, /readyz at METRICS_PORT; and what promtool says of all pages. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/api.h"
#include "support/port.h"
#include "support/scrape.h"
#include "support/sink.h"
#include "support/wait.h"

static bool answers(void *arg)
{
	struct answer *r = api_get(arg, "/readyz");
	bool ok = r->status == 200;

	answer_free(r);
	return ok;
}

static void test_page_of_a_worker(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api, page_of = {.port = port_free()};
	struct process *one, *two;
	char *page, *other;

	(void)state;
	fleet_set(f, "METRICS_PORT=%d", page_of.port);
	api = api_start(f, NULL);
	one = fleet_worker_ready(f, NULL);
	wait_until(answers, &page_of, 0);
	api_expect(&page_of, 200, "GET", "/livez", NULL);
	api_expect(&page_of, 404, "GET", "/api/email/status/a", NULL);
	api_expect(&page_of, 404, "POST", "/api/email/send", "{}");
	api_expect(&page_of, 405, "DELETE", "/metrics", NULL);
	fleet_push_many(f, NULL, "w", 5, "");
	fleet_wait_settled(f, NULL);
	scrape_wait(&page_of, SCRAPE_MAILS("sent"), 5);
	page = scrape(&page_of);
	other = scrape(&api);
	scrape_expect(other, SCRAPE_MAILS("sent"), 5);
	scrape_expect(page, "postrider_worker_mails", 0);
	scrape_expect(page, "postrider_queue_depth{" SCRAPE_QUEUE "}", 0);
	assert_true(scrape_sample(page, "process_open_fds") > 3);
	assert_null(strstr(other, "postrider_worker_mails"));
	free(page);
	free(other);
	/* A second one on the port works on, and takes it over when the first is gone. */
	two = fleet_worker_ready(f, NULL);
	process_wait_line(two, "metrics_not_served", 0);
	process_kill(one);
	process_wait_line(two, "metrics_served", 0);
	wait_until(answers, &page_of, 0);
	scrape_wait(&page_of, SCRAPE_MAILS("sent"), 5);
	fleet_stop(f, two);
	fleet_free(f);
}

/* It says that it is not ready while Redis is away, and when it drains; and ends in time. */
static void test_worker_not_ready(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process page_of = {.port = port_free()};
	struct sink *sink = sink_start();
	struct process *w;
	char *page;

	(void)state;
	fleet_set(f, "METRICS_PORT=%d", page_of.port);
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	fleet_set(f, "DRAIN_TIMEOUT=3600");
	w = fleet_worker_ready(f, NULL);
	wait_until(answers, &page_of, 0);
	redis_server_kill(fleet_redis(f));
	process_wait_line(w, "\"redis_down\"", 0);
	api_expect(&page_of, 503, "GET", "/readyz", NULL);
	api_expect(&page_of, 200, "GET", "/livez", NULL);
	page = scrape(&page_of);
	scrape_expect(page, "postrider_redis_up", 0);
	free(page);
	redis_server_run(fleet_redis(f));
	wait_until(answers, &page_of, 0);
	fleet_push_to(f, "slow", "hold-dot.slow@example.com", "");
	fleet_wait_status(f, "slow", "sending");
	page = scrape(&page_of);
	scrape_expect(page, "postrider_worker_mails", 1);
	free(page);
	process_signal(w, SIGTERM);
	process_wait_line(w, "\"draining\"", 0);
	api_expect(&page_of, 503, "GET", "/readyz", NULL);
	sink_go(sink);
	assert_int_equal(process_wait(w, 0), 0);
	fleet_expect(f, "slow", "status", "sent");
	fleet_free(f);
	sink_free(sink);
}

/* ---- promtool ---------------------------------------------------------------------------------- */

static void check_page(const struct api_process *a)
{
	char *page = scrape(a), *out = NULL, *err = NULL;
	int code = process_run((const char *const[]){"promtool", "check", "metrics", NULL}, NULL,
	                       page, &out, &err);

	if (code != 0)
		fail_msg("promtool: %s%s", out, err);
	free(out);
	free(err);
	free(page);
}

static void test_promtool(void **state)
{
	struct fleet *f;
	struct api_process api, page_of = {.port = port_free()};

	(void)state;
	if (process_run((const char *const[]){"sh", "-c", "command -v promtool", NULL}, NULL, NULL,
	                NULL, NULL) != 0) {
		print_message("skipped: there is no promtool (Debian's package prometheus)\n");
		skip();
	}
	f = fleet_start(NULL);
	fleet_set(f, "METRICS_PORT=%d", page_of.port);
	fleet_set(f, "PROVIDER_PRIMARY=mock://?rate=1000/s");
	api = api_start(f, NULL);
	(void)fleet_worker_ready(f, NULL);
	wait_until(answers, &page_of, 0);
	fleet_push_many(f, NULL, "p", 5, "");
	fleet_wait_settled(f, NULL);
	scrape_wait(&api, SCRAPE_MAILS("sent"), 5);
	check_page(&api);
	check_page(&page_of);
	redis_server_kill(fleet_redis(f));
	process_wait_line(api.process, "\"redis_away\"", 0);
	check_page(&api);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_of_a_worker),
		cmocka_unit_test(test_worker_not_ready),
		cmocka_unit_test(test_promtool),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
