/* What is there for Prometheus and Grafana: that it is understood, and speaks of metrics that we have. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "fleet/lag.h"
#include "support/api_world.h"
#include "support/port.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define ALERTS "src/prometheus/alerts.yml"
#define ALERT_TESTS "tests/prometheus/alerts.yml"
#define DASHBOARD "src/grafana/postrider.json"
#define COLUMNS 24

static char *read_whole(const char *path)
{
	char *text = tmpdir_read(path, NULL);

	if (*text == '\0')
		fail_msg("%s is not there (tests are run from the top of the tree)", path);
	return text;
}

static void need_promtool(void)
{
	if (process_run((const char *const[]){"sh", "-c", "command -v promtool", NULL}, NULL, NULL,
	                NULL, NULL) == 0)
		return;
	print_message("skipped: there is no promtool (Debian's package prometheus)\n");
	skip();
}

static void promtool(const char *what, const char *file)
{
	char *out = NULL, *err = NULL;
	int code = process_run((const char *const[]){"promtool", what, "rules", file, NULL}, NULL,
	                       NULL, &out, &err);

	if (code != 0)
		fail_msg("promtool %s rules %s: %s%s", what, file, out, err);
	free(out);
	free(err);
}

static void test_rules(void **state)
{
	(void)state;
	need_promtool();
	promtool("check", ALERTS);
	promtool("test", ALERT_TESTS);
}

/* Calls `each` with every match of the pattern's first group. */
static size_t for_each_match(const char *text, const char *pattern,
                             void (*each)(const char *match, void *data), void *data)
{
	regmatch_t m[2];
	regex_t regex;
	size_t n = 0;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE), 0);
	for (; regexec(&regex, text, 2, m, 0) == 0; text += m[1].rm_eo, n++) {
		char *match = strndup(text + m[1].rm_so, (size_t)(m[1].rm_eo - m[1].rm_so));

		each(match, data);
		free(match);
	}
	regfree(&regex);
	return n;
}

static void expect_tested(const char *alert, void *tests)
{
	if (!strstr(tests, alert))
		fail_msg("nothing in " ALERT_TESTS " makes %s fire", alert);
}

static void test_every_alert_is_tested(void **state)
{
	char *alerts = read_whole(ALERTS), *tests = read_whole(ALERT_TESTS);

	(void)state;
	assert_true(for_each_match(alerts, "- alert: ([A-Za-z]+)$", expect_tested, tests) > 10);
	free(alerts);
	free(tests);
}

/* --- the metrics that they name ------------------------------------------------------------------------ */

static bool is_family(const char *page, const char *name, size_t n)
{
	char line[160];

	snprintf(line, sizeof(line), "# TYPE %.*s ", (int)n, name);
	return strstr(page, line) != NULL;
}

static void expect_shown(const char *name, void *page)
{
	static const char *const parts[] = {"_bucket", "_sum", "_count"};
	size_t n = strlen(name);

	if (is_family(page, name, n))
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t part = strlen(parts[i]);

		if (n > part && strcmp(name + n - part, parts[i]) == 0 &&
		    is_family(page, name, n - part))
			return;
	}
	fail_msg("no page of ours has %s", name);
}

static bool shows_everything(void *api)
{
	struct answer *r = api_get(api, "/metrics");
	bool so = strstr(r->body, "postrider_queue_oldest_age_seconds{") &&
	          strstr(r->body, "postrider_archive_lag_seconds{") &&
	          strstr(r->body, "postrider_provider_bucket_tokens{");

	answer_free(r);
	return so;
}

static void add_page(char **pages, const struct api_process *a)
{
	struct answer *r = api_get(a, "/metrics");
	char *both;

	answer_status(r, 200);
	assert_true(asprintf(&both, "%s%s", *pages, r->body) >= 0);
	answer_free(r);
	free(*pages);
	*pages = both;
}

static bool answers(void *api)
{
	struct answer *r = api_get(api, "/livez");
	bool so = r->status == 200;

	answer_free(r);
	return so;
}

/* What an API shows while a mail waits for workers, and what a worker does. */
static char *pages_of_a_fleet(void)
{
	struct fleet *f = fleet_start(NULL);
	struct api_process api, worker = {.port = port_free()};
	char *pages = strdup("");
	struct process *first;

	fleet_set(f, "PROVIDER_PRIMARY=mock://?rate=1000/s");
	first = fleet_worker_ready(f, NULL);
	api = api_start(f, NULL);
	fleet_push(f, "first", "");
	fleet_wait_status(f, "first", "sent");
	fleet_stop(f, first);
	api_expect(&api, 202, "POST", API_SEND, API_MAIL("waits"));
	/* as an archiver does first */
	redis_server_do(fleet_redis(f), "XGROUP CREATE {" FLEET_QUEUE "}:events " LAG_GROUP " 0");
	wait_until(shows_everything, &api, 0);
	add_page(&pages, &api);
	fleet_set(f, "METRICS_PORT=%d", worker.port);
	(void)fleet_worker_ready(f, NULL);
	wait_until(answers, &worker, 0);
	add_page(&pages, &worker);
	fleet_free(f);
	return pages;
}

static void test_metrics_are_ours(void **state)
{
	static const char pattern[] = "[^a-z_]((postrider|process)_[a-z_]+)";
	char *alerts = read_whole(ALERTS), *dashboard = read_whole(DASHBOARD);
	char *pages = pages_of_a_fleet();

	(void)state;
	assert_true(for_each_match(alerts, pattern, expect_shown, pages) > 20);
	assert_true(for_each_match(dashboard, pattern, expect_shown, pages) > 40);
	free(alerts);
	free(dashboard);
	free(pages);
}

/* --- the dashboard ----------------------------------------------------------------------------------- */

static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!found)
		fail_msg(DASHBOARD ": there is no %s in %.200s", name,
		         cJSON_PrintUnformatted(object));
	return found;
}

static void expect_our_datasource(const cJSON *object)
{
	assert_string_equal(member(member(object, "datasource"), "uid")->valuestring,
	                    "${datasource}");
}

/* As Grafana asks it, with its interval filled in; as a rule, for promtool to read. */
static void add_rule(FILE *rules, const char *expr, int n)
{
	static const char interval[] = "$__rate_interval";
	char *text = strdup(""), *next;
	cJSON *quoted;

	for (const char *at; (at = strstr(expr, interval)); expr = at + strlen(interval)) {
		assert_true(asprintf(&next, "%s%.*s5m", text, (int)(at - expr), expr) > 0);
		free(text);
		text = next;
	}
	assert_true(asprintf(&next, "%s%s", text, expr) > 0);
	quoted = cJSON_CreateString(next);
	free(text);
	free(next);
	text = cJSON_PrintUnformatted(quoted);
	fprintf(rules, "      - {record: \"panel:%d\", expr: %s}\n", n, text);
	free(text);
	cJSON_Delete(quoted);
}

static void look_at_panel(const cJSON *panel, FILE *rules, int *n)
{
	const cJSON *place = member(panel, "gridPos"), *target;

	assert_true(member(place, "x")->valueint + member(place, "w")->valueint <= COLUMNS);
	if (strcmp(member(panel, "type")->valuestring, "row") == 0)
		return;
	expect_our_datasource(panel);
	assert_true(cJSON_GetArraySize(member(panel, "targets")) > 0);
	cJSON_ArrayForEach(target, member(panel, "targets"))
	{
		expect_our_datasource(target);
		add_rule(rules, member(target, "expr")->valuestring, (*n)++);
	}
}

static void test_dashboard(void **state)
{
	char *text = read_whole(DASHBOARD), *path = tmpdir_name("panels");
	cJSON *dashboard = cJSON_Parse(text);
	FILE *rules = fopen(path, "w");
	const cJSON *panel;
	int n = 0;

	(void)state;
	need_promtool();
	assert_non_null(dashboard);
	assert_non_null(rules);
	assert_string_equal(
		member(cJSON_GetArrayItem(member(member(dashboard, "templating"), "list"), 0),
	               "type")
			->valuestring,
		"datasource");
	fputs("groups:\n  - name: panels\n    rules:\n", rules);
	cJSON_ArrayForEach(panel, member(dashboard, "panels"))
	{
		look_at_panel(panel, rules, &n);
	}
	fclose(rules);
	assert_true(n > 20);
	promtool("check", path);
	cJSON_Delete(dashboard);
	free(path);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_every_alert_is_tested),
		cmocka_unit_test(test_metrics_are_ours),
		cmocka_unit_test(test_dashboard),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
