#include "mail/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))

/* The fingerprint of a job whose members are these, beside a subject; a new string. */
static char *of_job(const char *subject, const char *members, const char *mail_from)
{
	struct options o = {.mail_from = (char *)mail_from};
	char *json = mem_printf("{\"subject\":\"%s\",%s}", subject, members), *copy;
	struct buf faults;
	struct job *job;

	buf_init(&faults, 10000);
	job = job_parse(json, strlen(json), mail_from == NULL ? NULL : &o, &faults);
	if (job == NULL)
		fail_msg("%s: %s", json, buf_str(&faults));
	copy = mem_strdup(job->fingerprint);
	assert_int_equal(strlen(copy), 24);
	job_free(job);
	buf_free(&faults);
	mem_free(json);
	return copy;
}

static void check(const char *members, const char *other, bool same)
{
	char *a = of_job("S", members, "shop@x.org"), *b = of_job("S", other, "shop@x.org");

	if ((strcmp(a, b) == 0) != same)
		fail_msg("%s and %s: %s and %s", members, other, a, b);
	mem_free(a);
	mem_free(b);
}

/* Statuses keep fingerprints for days: an upgrade must not turn every repeat into a conflict. */
static void test_does_not_change_from_version_to_version(void **state)
{
	char *plain = of_job("S", "\"to\":\"a@x.org\",\"text\":\"T\"", "shop@x.org");
	char *full = of_job(
		"S",
		"\"to\":[\"a@x.org\",\"B <b@x.org>\"],\"cc\":\"c@x.org\",\"bcc\":\"d@x.org\","
		"\"from\":\"F <f@x.org>\",\"replyTo\":\"r@x.org\",\"text\":\"T\",\"html\":\"H\","
		"\"headers\":{\"X-B\":\"2\",\"X-A\":\"1\"},"
		"\"attachments\":[{\"filename\":\"f\",\"content\":\"AAEC\"}]",
		"shop@x.org");

	(void)state;
	assert_string_equal(plain, "eaToOk6k4sMdt8cnx2lUd8Hh");
	assert_string_equal(full, "_ELv_LsOTXFqZ-fqtF5LZ8_F");
	mem_free(plain);
	mem_free(full);
}

#define BASE "\"to\":\"a@x.org\",\"text\":\"T\""

static void test_same_mail(void **state)
{
	static const char *const others[] = {
		"\"text\":\"T\",\"to\":[\"a@x.org\"]",
		"\"to\":{\"email\":\"a@x.org\"},\"body\":\"T\"",
		"\"to\":\" <a@x.org> \",\"text\":\"\\u0054\"",
		BASE ",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
		BASE
		",\"idempotencyKey\":\"k\",\"priority\":3,\"delay\":5,\"sendAt\":1795514400000,"
		"\"expiresAt\":1795514400001,\"provider\":\"p\",\"maxAttempts\":2,\"onUnknown\":\"hold\","
		"\"tenant\":\"t\",\"tags\":[\"x\"],\"metadata\":{\"a\":\"b\"},"
		"\"webhookUrl\":\"https://x.org/\",\"unknown\":[1,2]",
		BASE ",\"html\":null,\"from\":null,\"attachments\":[],\"headers\":{}",
	};

	(void)state;
	for (size_t i = 0; i < N(others); i++)
		check(BASE, others[i], true);
	/* Objects have no order. */
	check(BASE ",\"headers\":{\"X-A\":\"1\",\"X-B\":\"2\"}",
	      BASE ",\"headers\":{\"X-B\":\"2\",\"X-A\":\"1\"}", true);
}

static void test_other_mail(void **state)
{
	static const char *const others[] = {
		"\"to\":\"b@x.org\",\"text\":\"T\"",
		"\"to\":\"A <a@x.org>\",\"text\":\"T\"",
		"\"cc\":\"a@x.org\",\"text\":\"T\"",
		"\"bcc\":\"a@x.org\",\"text\":\"T\"",
		"\"to\":[\"a@x.org\",\"a@x.org\"],\"text\":\"T\"",
		"\"to\":\"a@x.org\",\"text\":\"T \"",
		"\"to\":\"a@x.org\",\"text\":\"\"",
		"\"to\":\"a@x.org\",\"html\":\"T\"",
		BASE ",\"html\":\"\"",
		BASE ",\"from\":\"f@x.org\"",
		BASE
		",\"from\":\"shop@x.org\"", /* named is not the same as left to the configuration */
		BASE ",\"replyTo\":\"r@x.org\"",
		BASE ",\"headers\":{\"X-A\":\"1\"}",
		BASE ",\"attachments\":[{\"filename\":\"f\",\"content\":\"\"}]",
	};

	(void)state;
	for (size_t i = 0; i < N(others); i++) {
		check(BASE, others[i], false);
		for (size_t k = 0; k < i; k++)
			check(others[k], others[i], false);
	}
}

static void test_attachments_count(void **state)
{
#define ATTACHED BASE ",\"attachments\":"
	static const char base[] = ATTACHED "[{\"filename\":\"f\",\"content\":\"AA==\"}]";
	static const char *const others[] = {
		ATTACHED "[{\"filename\":\"g\",\"content\":\"AA==\"}]",
		ATTACHED "[{\"filename\":\"f\",\"content\":\"AQ==\"}]",
		ATTACHED
		"[{\"filename\":\"f\",\"content\":\"AA==\",\"contentType\":\"text/plain\"}]",
		ATTACHED "[{\"filename\":\"f\",\"content\":\"AA==\",\"contentId\":\"c\"}]",
		ATTACHED "[{\"filename\":\"f\",\"content\":\"AA==\",\"disposition\":\"inline\"}]",
		ATTACHED
		"[{\"filename\":\"f\",\"content\":\"AA==\"},{\"filename\":\"f\",\"content\":\"AA==\"}]",
	};

	(void)state;
	for (size_t i = 0; i < N(others); i++)
		check(base, others[i], false);
	check(base,
	      ATTACHED
	      "[{\"content\":\"AA\\n==\",\"filename\":\"f\",\"contentType\":\"application/octet-stream\"}]",
	      true);
	check(ATTACHED
	      "[{\"filename\":\"f\",\"content\":\"AA==\"},{\"filename\":\"g\",\"content\":\"AA==\"}]",
	      ATTACHED
	      "[{\"filename\":\"g\",\"content\":\"AA==\"},{\"filename\":\"f\",\"content\":\"AA==\"}]",
	      false);
}

/* A producer need not know the workers' MAIL_FROM, and another one is no other mail. */
static void test_configured_sender_does_not_count(void **state)
{
	char *one = of_job("S", BASE, "shop@x.org"),
	     *two = of_job("S", BASE, "Other <other@y.org>"), *none = of_job("S", BASE, NULL);

	(void)state;
	assert_string_equal(one, two);
	assert_string_equal(one, none);
	mem_free(one);
	mem_free(two);
	mem_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_does_not_change_from_version_to_version),
		cmocka_unit_test(test_same_mail),
		cmocka_unit_test(test_other_mail),
		cmocka_unit_test(test_attachments_count),
		cmocka_unit_test(test_configured_sender_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
