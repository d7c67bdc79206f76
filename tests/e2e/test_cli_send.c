/* `send`: mail from flags and JSON, checked and pushed; and delivered by a real worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cli_world.h"
#include "support/fleet.h"
#include "support/tmpdir.h"

#define VALID(KEY)                                                                                 \
	"{\"to\":\"ada@x.org\",\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":\"" KEY "\"}"
#define NO_KEY "{\"to\":\"ada@x.org\",\"subject\":\"s\",\"body\":\"b\"}"

static long long depth(const char *queue)
{
	return redis_server_int(redis, "LLEN %s", queue);
}

/* The job that a worker would take next. */
static cJSON *next_job(const char *queue)
{
	char *text = redis_server_text(redis, "RPOP %s", queue);
	cJSON *job;

	assert_non_null(text);
	job = cJSON_Parse(text);
	if (!job)
		fail_msg("no JSON: %s", text);
	free(text);
	return job;
}

static void expect_member(const cJSON *job, const char *name, const char *json)
{
	char *is = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(job, name));

	if (!is || strcmp(is, json) != 0)
		fail_msg("%s is %s, not %s", name, is ? is : "not there", json);
	cJSON_free(is);
}

static void test_flags(void **state)
{
	char *text = tmpdir_file("body", "from a file\n", 12);
	char *logo = tmpdir_file("logo", "\x89PNG\0", 5), inlined[300];
	cJSON *job;

	(void)state;
	snprintf(inlined, sizeof(inlined), "--inline=logo=%s", logo);
	cli_expect(cli, 0, NULL, "send", "--to", "Ada <ada@x.org>", "--to", "bob@x.org",
	           "--cc=c@x.org", "--bcc", "d@x.org", "--from", "me@x.org", "--reply-to",
	           "re@x.org", "--subject",
	           "Gr\xc3\xbc\xc3\x9f"
	           "e",
	           "--text-file", text, "--html", "<img src=\"cid:logo\">", "--attach", text,
	           inlined, "--header", "X-One: 1", "--header", "X-Two:2", "--key", "order-42",
	           "--send-at", "2030-01-01T00:00:00Z", "--expires-at", "2000000000000",
	           "--provider", "primary", "--max-attempts", "5", "--on-unknown", "hold",
	           "--tenant", "t", "--tag", "a", "--tag", "b", "--meta", "n=v=w", "--priority",
	           "5", NULL);
	assert_string_equal(cli->out, "order-42\n");
	assert_string_equal(cli->err, "");
	job = next_job("mail:queue");
	expect_member(job, "to", "[\"Ada <ada@x.org>\",\"bob@x.org\"]");
	expect_member(job, "cc", "\"c@x.org\"");
	expect_member(job, "bcc", "\"d@x.org\"");
	expect_member(job, "from", "\"me@x.org\"");
	expect_member(job, "replyTo", "\"re@x.org\"");
	expect_member(job, "subject",
	              "\"Gr\xc3\xbc\xc3\x9f"
	              "e\"");
	expect_member(job, "text", "\"from a file\\n\"");
	expect_member(job, "html", "\"<img src=\\\"cid:logo\\\">\"");
	expect_member(job, "headers", "{\"X-One\":\"1\",\"X-Two\":\"2\"}");
	expect_member(job, "idempotencyKey", "\"order-42\"");
	expect_member(job, "sendAt", "\"2030-01-01T00:00:00Z\"");
	expect_member(job, "expiresAt", "2000000000000");
	expect_member(job, "provider", "\"primary\"");
	expect_member(job, "maxAttempts", "5");
	expect_member(job, "onUnknown", "\"hold\"");
	expect_member(job, "tenant", "\"t\"");
	expect_member(job, "tags", "[\"a\",\"b\"]");
	expect_member(job, "metadata", "{\"n\":\"v=w\"}");
	const cJSON *attachments = cJSON_GetObjectItem(job, "attachments");
	assert_int_equal(cJSON_GetArraySize(attachments), 2);
	expect_member(cJSON_GetArrayItem(attachments, 0), "content", "\"ZnJvbSBhIGZpbGUK\"");
	expect_member(cJSON_GetArrayItem(attachments, 1), "content", "\"iVBORwA=\"");
	expect_member(cJSON_GetArrayItem(attachments, 1), "contentId", "\"logo\"");
	cJSON_Delete(job);
	free(text);
	free(logo);
}

/* Without a key it is given one, which is printed; --no-key leaves it as it is. */
static void test_keys(void **state)
{
	cJSON *job;
	char key[64];

	(void)state;
	cli_expect(cli, 0, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t", NULL);
	assert_int_equal(strlen(cli->out), 37);
	snprintf(key, sizeof(key), "\"%.36s\"", cli->out);
	assert_int_equal(key[15], '4'); /* a UUID of version 4 */
	job = next_job("mail:queue");
	expect_member(job, "idempotencyKey", key);
	cJSON_Delete(job);
	cli_expect(cli, 0, NO_KEY, "send", NULL);
	snprintf(key, sizeof(key), "\"%.36s\"", cli->out);
	job = next_job("mail:queue");
	expect_member(job, "idempotencyKey", key);
	cJSON_Delete(job);
	cli_expect(cli, 0, NO_KEY, "send", "--no-key", NULL);
	assert_string_equal(cli->out, "");
	char *as_it_is = redis_server_text(redis, "RPOP mail:queue");
	assert_string_equal(as_it_is, NO_KEY);
	free(as_it_is);
}

/* In order; the bytes of what has a key are not touched. */
static void test_stdin(void **state)
{
	static const char first[] =
		"{ \"to\": \"ada@x.org\", \"subject\":\"\\u00e4\",\n  \"body\":\"b\", "
		"\"idempotencyKey\":\"k1\", \"unknown\": 1.50 }";
	char input[1024], *job;

	(void)state;
	snprintf(input, sizeof(input), "%s\n[%s,%s]", first, VALID("k2"), VALID("k3"));
	cli_expect(cli, 0, input, "send", NULL);
	assert_string_equal(cli->out, "k1\nk2\nk3\n");
	job = redis_server_text(redis, "RPOP mail:queue");
	assert_string_equal(job, first);
	free(job);
	job = redis_server_text(redis, "RPOP mail:queue");
	assert_string_equal(job, VALID("k2"));
	free(job);
	assert_int_equal(depth("mail:queue"), 1);
}

static void test_file(void **state)
{
	char *path = tmpdir_file("mails", VALID("k1"), strlen(VALID("k1")));

	(void)state;
	cli_expect(cli, 0, NULL, "send", path, "--json", NULL);
	assert_string_equal(cli_text(cli, "accepted"), "1");
	assert_string_equal(cli_text(cli, "mails.0.idempotencyKey"), "k1");
	assert_string_equal(cli_text(cli, "mails.0.queue"), "mail:queue");
	assert_string_equal(cli_text(cli, "mails.0.result"), "queued");
	assert_int_equal(depth("mail:queue"), 1);
	cli_expect(cli, 2, NULL, "send", "/no/such/file", NULL);
	cli_expect(cli, 2, NULL, "send", path, "--subject", "s", NULL);
	cli_expect(cli, 2, NULL, "send", path, path, NULL);
	free(path);
}

/* All faults of all mails at once; and nothing is sent. */
static void test_invalid(void **state)
{
	(void)state;
	cli_expect(cli, 1, NULL, "send", "--to", "nobody", "--text", "t", "--priority", "urgent",
	           NULL);
	assert_string_equal(cli->out, "");
	cli_assert_has(cli->err, "Field \"to\" must be a valid email address\n");
	cli_assert_has(cli->err, "Field \"subject\" is required\n");
	cli_assert_has(cli->err, "Field \"priority\" must be a number between 0 and 10\n");
	cli_expect(cli, 1, VALID("k1") "\n{}\nnonsense\n" VALID("k2"), "send", NULL);
	cli_assert_has(cli->err, "mail 2, line 2: Field \"to\" is required\n");
	cli_assert_has(cli->err, "mail 3, line 3: a JSON object was expected");
	cli_assert_has(cli->err, "2 of 4 mails not valid: nothing was sent");
	cli_expect(cli, 1, VALID("k1") "{}", "send", "--json", NULL);
	assert_string_equal(cli_text(cli, "refused"), "1");
	assert_string_equal(cli_text(cli, "accepted"), "0");
	assert_string_equal(cli_text(cli, "mails.0.result"), "not queued");
	assert_string_equal(cli_text(cli, "mails.1.result"), "refused");
	assert_string_equal(cli_text(cli, "mails.1.errors.0"), "Field \"to\" is required");
	assert_int_equal(depth("mail:queue"), 0);
	cli_expect(cli, 1, "{\"a\":", "send", NULL);
	cli_expect(cli, 2, "", "send", NULL);
	cli_expect(cli, 2, " [] ", "send", NULL);
	cli_expect(cli, 1,
	           "{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\",\"idempotencyKey\":null}",
	           "send", NULL);
	cli_assert_has(cli->err, "\"idempotencyKey\" is null");
	cli_set(cli, "MAX_JOB_BYTES", "1024");
	char large[2000] = "";
	memset(large, 'x', sizeof(large) - 1);
	cli_expect(cli, 1, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", large,
	           NULL);
	cli_expect(cli, 2, NULL, "send", "--to", "a@x.org", "--subject", "s", "--attach",
	           "/no/such", NULL);
	cli_set(cli, "MAX_JOB_BYTES", NULL);
	assert_int_equal(depth("mail:queue"), 0);
}

static void test_skip_invalid(void **state)
{
	(void)state;
	cli_expect(cli, 1, VALID("k1") "\n{}\n" VALID("k2"), "send", "--skip-invalid", NULL);
	assert_string_equal(cli->out, "k1\nk2\n");
	assert_int_equal(depth("mail:queue"), 2);
	cli_expect(cli, 0, VALID("k3"), "send", "--dry-run", NULL);
	assert_string_equal(cli->out, "1 valid, nothing was sent\n");
	assert_int_equal(depth("mail:queue"), 2);
}

static void test_priority(void **state)
{
	static const struct {
		const char *priority, *queue;
	} cases[] = {{"9", "mail:queue:high"}, {"5", "mail:queue"}, {"0", "mail:queue:low"}};

	(void)state;
	cli_set(cli, "QUEUES", "mail:queue:high*6,mail:queue*3,mail:queue:low");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cli_expect(cli, 0, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t",
		           "--priority", cases[i].priority, NULL);
		assert_int_equal(depth(cases[i].queue), 1);
	}
	cli_expect(cli, 0, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t",
	           "--priority", "9", "--queue", "elsewhere", NULL);
	assert_int_equal(depth("elsewhere"), 1);
	cli_set(cli, "QUEUES", NULL);
}

/* More than go into one LPUSH. */
static void test_many(void **state)
{
	const size_t n = 1234;
	char *input = calloc(n, 128), *at = input;
	cJSON *job;

	(void)state;
	assert_non_null(input);
	for (size_t i = 0; i < n; i++)
		at += snprintf(at, 128,
		               "{\"to\":\"a@x.org\",\"subject\":\"s\",\"body\":\"b\","
		               "\"idempotencyKey\":\"k%zu\"}\n",
		               i);
	cli_expect(cli, 0, input, "send", "--json", NULL);
	assert_string_equal(cli_text(cli, "accepted"), "1234");
	assert_string_equal(cli_text(cli, "mails.1233.idempotencyKey"), "k1233");
	assert_int_equal(depth("mail:queue"), n);
	job = next_job("mail:queue");
	expect_member(job, "idempotencyKey", "\"k0\"");
	cJSON_Delete(job);
	free(input);
}

/* A repeat of what was sent is not pushed; nor is other content under a key that is taken. */
static void test_repeats(void **state)
{
	struct fleet *f = fleet_around(redis);

	(void)state;
	(void)fleet_worker(f, NULL);
	cli_expect(cli, 0, VALID("k1"), "send", "--wait", NULL);
	assert_string_equal(cli->out, "k1  sent\n");
	cli_expect(cli, 0, VALID("k1"), "send", NULL);
	cli_assert_has(cli->err, "k1 is sent already: not sent again");
	cli_expect(cli, 0, VALID("k1"), "send", "--json", "--wait", NULL);
	assert_string_equal(cli_text(cli, "mails.0.result"), "known");
	assert_string_equal(cli_text(cli, "mails.0.status"), "sent");
	cli_expect(cli, 1, NULL, "send", "--to", "eve@x.org", "--subject", "other", "--text", "t",
	           "--key", "k1", NULL);
	cli_assert_has(cli->err, "the key k1 belongs to another mail");
	fleet_wait_empty(f, NULL);
	fleet_expect(f, "k1", "duplicates", "");
	fleet_free(f);
}

static void test_wait(void **state)
{
	struct fleet *f = fleet_around(redis);

	(void)state;
	fleet_set(f, "PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1");
	(void)fleet_worker(f, NULL);
	cli_expect(cli, 1, VALID("k1") VALID("k2"), "send", "--wait", NULL);
	cli_assert_has(cli->out, "k1  failed  ");
	cli_assert_has(cli->out, "k2  failed  ");
	cli_expect(cli, 1, VALID("k3"), "send", "--wait", "--json", NULL);
	assert_string_equal(cli_text(cli, "mails.0.result"), "settled");
	assert_string_equal(cli_text(cli, "mails.0.status"), "failed");
	fleet_free(f);
	/* nobody is there to deliver it */
	cli_expect(cli, 1, VALID("k4"), "send", "--wait", "--timeout", "50ms", NULL);
	cli_assert_has(cli->err, "1 of 1 not settled yet");
	cli_expect(cli, 2, NO_KEY, "send", "--wait", "--no-key", NULL);
	cli_expect(cli, 2, NO_KEY, "send", "--timeout", "1s", NULL);
}

/* Redis refuses in the middle: what is queued for certain is told. */
static void test_redis_full(void **state)
{
	(void)state;
	redis_server_do(redis, "CONFIG SET maxmemory 1");
	cli_expect(cli, 3, VALID("k1"), "send", NULL);
	cli_assert_has(cli->err, "OOM");
	cli_assert_has(cli->err, "0 of 1 are queued");
	assert_string_equal(cli->out, "");
	redis_server_do(redis, "CONFIG SET maxmemory 0");
}

/* Where the providers are known, a mail is refused that its own one cannot carry. */
static void test_provider_that_cannot_carry_it(void **state)
{
	(void)state;
	cli_set(cli, "PROVIDERS", "mark");
	cli_set(cli, "PROVIDER_MARK", "postmark://TOKEN@default");
	cli_expect(cli, 1, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t",
	           "--tag", "a", "--tag", "b", "--provider", "mark", NULL);
	cli_assert_has(cli->err, "mark, which cannot carry this mail: Postmark takes one tag");
	assert_int_equal(redis_server_int(redis, "LLEN mail:queue"), 0);
	cli_expect(cli, 0, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t",
	           "--tag", "a", "--provider", "mark", NULL);
	cli_set(cli, "PROVIDERS", NULL);
	cli_expect(cli, 0, NULL, "send", "--to", "a@x.org", "--subject", "s", "--text", "t",
	           "--tag", "a", "--tag", "b", "--provider", "mark", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_flags, cli_world_empty),
		cmocka_unit_test_setup(test_keys, cli_world_empty),
		cmocka_unit_test_setup(test_stdin, cli_world_empty),
		cmocka_unit_test_setup(test_file, cli_world_empty),
		cmocka_unit_test_setup(test_invalid, cli_world_empty),
		cmocka_unit_test_setup(test_skip_invalid, cli_world_empty),
		cmocka_unit_test_setup(test_priority, cli_world_empty),
		cmocka_unit_test_setup(test_many, cli_world_empty),
		cmocka_unit_test_setup(test_repeats, cli_world_empty),
		cmocka_unit_test_setup(test_wait, cli_world_empty),
		cmocka_unit_test_setup(test_redis_full, cli_world_empty),
		cmocka_unit_test_setup(test_provider_that_cannot_carry_it, cli_world_empty),
	};

	return cmocka_run_group_tests(tests, cli_world_setup, cli_world_teardown);
}
