#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "support/tmpdir.h"

#define MAX_ARGS 16

static struct options o;
static struct error err;
static char program[] = "postrider", *argv[MAX_ARGS];
static int argc, n_rest;
static const char *const own[] = {"watch", "workers=", NULL};

/* Each test begins with no configuration at all, in an empty directory. */
static int setup(void **state)
{
	char *dir = tmpdir_make("options");
	int rc = chdir(dir);

	(void)state;
	free(dir);
	clearenv();
	options_forget();
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	options_free(&o);
	options_forget();
	return chdir("/");
}

static bool load(const char *line)
{
	static char words[500];
	char *rest = words, *word;

	options_free(&o);
	memcpy(words, line, strlen(line) + 1);
	argc = 0;
	argv[argc++] = program;
	while (argc < MAX_ARGS && (word = strsep(&rest, " ")) != NULL)
		if (*word != '\0')
			argv[argc++] = word;
	return options_load(&o, argc, argv, own, &n_rest, &err);
}

static void assert_loads(const char *line)
{
	if (!load(line))
		fail_msg("%s: %s", line, err.text);
}

static void assert_refuses(const char *line, const char *text)
{
	if (load(line))
		fail_msg("%s was accepted", line);
	assert_string_equal(err.text, text);
}

/* The defaults that users know (and the original service had). */
static void test_defaults(void **state)
{
	(void)state;
	assert_loads("");
	assert_string_equal(o.redis_url, "redis://127.0.0.1:6379");
	assert_string_equal(o.key_prefix, "mail");
	assert_int_equal(o.command_timeout, 5000);
	assert_false(o.strict);
	assert_string_equal(o.queues, "");
	assert_int_equal(o.concurrency, 100);
	assert_int_equal(o.lease_ms, 30000);
	assert_int_equal(o.drain_timeout, 25);
	assert_string_equal(o.worker_name, "");
	assert_int_equal(o.max_job_bytes, 32 * 1024 * 1024);
	assert_int_equal(o.max_retry_attempts, 3);
	assert_int_equal(o.retry_base_delay, 1000);
	assert_int_equal(o.retry_max_delay, 300000);
	assert_int_equal(o.on_unknown, ON_UNKNOWN_RETRY);
	assert_int_equal(o.status_ttl, 7 * 86400);
	assert_int_equal(o.dead_ttl, 14 * 86400);
	assert_int_equal(o.max_queue_time, 5 * 86400);
	assert_int_equal(o.events_max, 100000);
	assert_int_equal(o.breaker_threshold, 5);
	assert_int_equal(o.breaker_timeout, 30000);
	assert_int_equal(o.breaker_reset_timeout, 60000);
	assert_int_equal(o.breaker_probes, 1);
	assert_int_equal(o.throttle_max, 3600000);
	assert_string_equal(o.providers, "");
	assert_true(o.primary_success == 0.7);
	assert_true(o.secondary_success == 0.9);
	assert_string_equal(o.mail_from, "");
	assert_string_equal(o.ehlo_name, "");
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_false(o.log_full_addresses);
}

static void test_first_match_wins(void **state)
{
	(void)state;
	tmpdir_write(".env", "CONCURRENCY=2\nLEASE_MS=2000\nSTRICT=1\n");
	setenv("CONCURRENCY", "3", 1);
	setenv("LEASE_MS", "3000", 1);
	assert_loads("--concurrency 4");
	assert_int_equal(o.concurrency, 4);
	assert_int_equal(o.lease_ms, 3000);
	assert_true(o.strict);
	assert_loads("--no-strict --concurrency=");
	assert_int_equal(o.concurrency, 3); /* an empty flag is not set */
	assert_false(o.strict);
}

static void test_values_of_each_type(void **state)
{
	(void)state;
	assert_loads("--on-unknown HOLD --log-level debug --log-format text --log-addresses full "
	             "--primary-provider-success-rate 0.25 --strict=Yes --key-prefix shop "
	             "--queues a*2,b");
	assert_int_equal(o.on_unknown, ON_UNKNOWN_HOLD);
	assert_int_equal(o.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(o.log_format, LOG_FORMAT_TEXT);
	assert_true(o.log_full_addresses);
	assert_true(o.primary_success == 0.25);
	assert_true(o.strict);
	assert_string_equal(o.key_prefix, "shop");
	assert_string_equal(o.queues, "a*2,b");
	assert_loads(
		"--on-unknown fail --log-level error --log-format json --log-addresses masked");
	assert_int_equal(o.on_unknown, ON_UNKNOWN_FAIL);
	assert_int_equal(o.log_level, LOG_LEVEL_ERROR);
	assert_int_equal(o.log_format, LOG_FORMAT_JSON);
	assert_false(o.log_full_addresses);
}

static void test_bad_values_stop_with_one_sentence(void **state)
{
	(void)state;
	assert_refuses("--concurrency abc",
	               "CONCURRENCY must be a number from 1 to 100000, not \"abc\"");
	assert_refuses("--concurrency 0",
	               "CONCURRENCY must be a number from 1 to 100000, not \"0\"");
	assert_refuses("--concurrency 100001",
	               "CONCURRENCY must be a number from 1 to 100000, not \"100001\"");
	assert_refuses(
		"--concurrency 99999999999999999999",
		"CONCURRENCY must be a number from 1 to 100000, not \"99999999999999999999\"");
	assert_refuses("--primary-provider-success-rate 1.01",
	               "PRIMARY_PROVIDER_SUCCESS_RATE must be a number from 0 to 1, not \"1.01\"");
	assert_refuses("--primary-provider-success-rate nan",
	               "PRIMARY_PROVIDER_SUCCESS_RATE must be a number from 0 to 1, not \"nan\"");
	assert_refuses("--on-unknown drop", "ON_UNKNOWN must be retry, hold or fail, not \"drop\"");
	assert_refuses("--on-unknown ret", "ON_UNKNOWN must be retry, hold or fail, not \"ret\"");
	assert_refuses("--on-unknown retryx",
	               "ON_UNKNOWN must be retry, hold or fail, not \"retryx\"");
	assert_refuses("--strict=maybe", "STRICT must be 1 or 0, not \"maybe\"");
	assert_refuses("--key-prefix a{b}",
	               "KEY_PREFIX must be 1 to 64 printable characters without "
	               "blanks and braces, not \"a{b}\"");
	setenv("WORKER_NAME", "two words", 1);
	assert_refuses("", "WORKER_NAME must be printable characters without blanks, not "
	                   "\"two words\"");
	unsetenv("WORKER_NAME");
	setenv("PROVIDERS", "a\nb", 1);
	assert_refuses("", "PROVIDERS has a control character");
}

static void test_lengths_are_bounded(void **state)
{
	char line[200] = "--key-prefix ";
	size_t n = strlen(line);

	(void)state;
	memset(line + n, 'x', 64);
	assert_loads(line);
	line[n + 64] = 'x';
	assert_refuses(line, "KEY_PREFIX must be at most 64 bytes long");
}

static void test_files_and_credentials(void **state)
{
	(void)state;
	tmpdir_write("url", "redis://u:secret@h\n");
	setenv("REDIS_URL_FILE", "url", 1);
	assert_loads("");
	assert_string_equal(o.redis_url, "redis://u:secret@h");
	setenv("REDIS_URL", "redis://h", 1);
	assert_refuses("", "REDIS_URL and REDIS_URL_FILE are both set; only one can count");
	unsetenv("REDIS_URL");
	setenv("REDIS_URL_FILE", "nowhere", 1);
	assert_refuses("", "REDIS_URL_FILE: cannot read nowhere: No such file or directory");
	unsetenv("REDIS_URL_FILE");
	tmpdir_write("REDIS_URL", "redis://of-systemd");
	tmpdir_write("CONCURRENCY", "7");
	setenv("CREDENTIALS_DIRECTORY", ".", 1);
	assert_loads("");
	assert_string_equal(o.redis_url, "redis://of-systemd");
	assert_int_equal(o.concurrency, 100); /* no secret */
}

static void test_a_misspelled_name_in_dotenv(void **state)
{
	(void)state;
	tmpdir_write(".env", "PATH_OF_SOMETHING=1\nPORT=4000\nCOMPOSE_PROJECT_NAME=x\n"
	                     "PROVIDER_ANY=mock://\nREDIS_URL_FILE=\n"
	                     "OTEL_EXPORTER_OTLP_PROTOCOL=http/json\n");
	assert_loads("");
	options_forget();
	tmpdir_write(".env", "CONCURENCY=5\n");
	assert_refuses("", ".env: unknown option CONCURENCY (did you mean CONCURRENCY?)");
	options_forget();
	tmpdir_write(".env", "REDIS_ULR_FILE=x\n");
	assert_refuses("", ".env: unknown option REDIS_ULR (did you mean REDIS_URL?)");
	options_forget();
	tmpdir_write(".env", "REDIS_HOSTNAME=x\n");
	assert_refuses("", ".env: unknown option REDIS_HOSTNAME");
	options_forget();
	tmpdir_write(".env", "CONCURRENCY=five\n");
	assert_refuses("", "CONCURRENCY must be a number from 1 to 100000, not \"five\"");
}

static void test_forget_reads_dotenv_again(void **state)
{
	(void)state;
	tmpdir_write(".env", "CONCURRENCY=5\n");
	assert_loads("");
	tmpdir_write(".env", "CONCURRENCY=6\n");
	assert_loads("");
	assert_int_equal(o.concurrency, 5);
	options_forget();
	assert_loads("");
	assert_int_equal(o.concurrency, 6);
}

static void test_the_rest_of_the_arguments(void **state)
{
	(void)state;
	assert_loads("status --concurrency 5 order-42 --watch --workers 3");
	assert_int_equal(n_rest, 4);
	assert_string_equal(argv[1], "status");
	assert_string_equal(argv[2], "order-42");
	assert_string_equal(argv[3], "--watch");
	assert_string_equal(argv[4], "--workers=3");
	assert_refuses("--concurency 5", "unknown flag --concurency (did you mean --concurrency?)");
}

static void assert_dsn(const char *name, const char *expected)
{
	char *dsn;

	if (!options_provider_dsn(name, &dsn, &err))
		fail_msg("%s", err.text);
	if (expected == NULL)
		assert_null(dsn);
	else
		assert_string_equal(dsn, expected);
	mem_free(dsn);
}

static void test_provider_dsns(void **state)
{
	char *dsn;

	(void)state;
	tmpdir_write(".env", "PROVIDER_PRIMARY=mock://dotenv\n");
	assert_loads("");
	assert_dsn("primary", "mock://dotenv");
	assert_dsn("secondary", NULL);
	tmpdir_write("dsn", "mock://file\n");
	setenv("PROVIDER_PRIMARY_FILE", "dsn", 1);
	assert_dsn("primary", "mock://file");
	setenv("PROVIDER_PRIMARY", "mock://env", 1);
	assert_false(options_provider_dsn("primary", &dsn, &err));
	assert_string_equal(
		err.text,
		"PROVIDER_PRIMARY and PROVIDER_PRIMARY_FILE are both set; only one can count");
	unsetenv("PROVIDER_PRIMARY_FILE");
	assert_dsn("primary", "mock://env");
	assert_loads("--provider-primary mock://flag");
	assert_dsn("primary", "mock://flag");
	setenv("PROVIDER_EU_WEST_2", "mock://eu", 1);
	assert_dsn("eu-west.2", "mock://eu"); /* what is no letter or digit is a _ */
}

static void test_a_dsn_for_nobody(void **state)
{
	(void)state;
	setenv("PROVIDERS", "primary, eu-west", 1);
	assert_loads("--provider-primary mock:// --provider-eu-west mock://");
	assert_refuses("--provider-primry mock://",
	               "--provider-primry is none of the PROVIDERS (primary, eu-west)");
	unsetenv("PROVIDERS");
	assert_loads("--provider-any mock://"); /* `up` has names of its own */
}

static char *printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	print(f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_help_and_markdown_show_every_option(void **state)
{
	char *help = printed(options_help), *markdown = printed(options_markdown);

	(void)state;
	assert_non_null(strstr(help, "\n  --concurrency N\n      mails in flight per worker "
	                             "[1 to 100000; default 100]\n"));
	assert_non_null(strstr(help, "\n  --strict\n"));
	assert_non_null(strstr(help, "[retry, hold or fail; default retry]"));
	assert_non_null(strstr(help, "--log-addresses WORD\n"));
	assert_non_null(strstr(markdown,
	                       "\n| `CONCURRENCY` | `100` | 1 to 100000 | mails in flight "
	                       "per worker |\n"));
	assert_non_null(strstr(markdown, "\n| `QUEUES` |  |  | "));
	assert_non_null(strstr(markdown, "\n| `LEASE_MS` | `30000` | 1000 to 3600000 ms | "));
	free(help);
	free(markdown);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

static char told[500];

static void tell(const char *name, const char *meant)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "%s=%s ", name, meant);
}

static void test_misspelt_variables_are_told(void **state)
{
	(void)state;
	setenv("CONCURENCY", "5", 1);            /* a letter is missing */
	setenv("PROIVDERS", "a", 1);             /* two are swapped */
	setenv("JWT_SECRRET_FILE", "/s", 1);     /* what _FILE reads */
	setenv("REDIS_URI", "redis://other", 1); /* another program's, for REDIS_URL is given */
	setenv("REDIS_URL", "redis://ours", 1);
	setenv("POST", "1", 1);              /* too short to tell */
	setenv("REDIS_HOST", "h", 1);        /* more than a slip */
	setenv("API_KEYS_FILE", "/none", 1); /* one of ours */
	setenv("PROVIDER_A", "mock://", 1);
	assert_true(load(""));
	told[0] = '\0';
	options_misspelt(tell);
	assert_string_equal(
		told, "CONCURENCY=CONCURRENCY PROIVDERS=PROVIDERS JWT_SECRRET_FILE=JWT_SECRET ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_first_match_wins),
		TEST(test_values_of_each_type),
		TEST(test_bad_values_stop_with_one_sentence),
		TEST(test_lengths_are_bounded),
		TEST(test_files_and_credentials),
		TEST(test_a_misspelled_name_in_dotenv),
		TEST(test_misspelt_variables_are_told),
		TEST(test_forget_reads_dotenv_again),
		TEST(test_the_rest_of_the_arguments),
		TEST(test_provider_dsns),
		TEST(test_a_dsn_for_nobody),
		TEST(test_help_and_markdown_show_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
