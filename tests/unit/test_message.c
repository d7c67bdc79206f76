#include "mail/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <glib.h>

#include "base/mem.h"
#include "support/process.h"
#include "support/tmpdir.h"

#define N(ROWS) (sizeof(ROWS) / sizeof((ROWS)[0]))
#define PYTHON "/usr/bin/python3"
#define CHECKER "tests/unit/message_check.py"
#define DATE_MS INT64_C(1795514400000)

static const struct options options = {.mail_from = (char *)"Default Sender <sender@x.org>"};

static struct job *parse(const char *json, size_t len)
{
	struct buf faults;
	struct job *job;

	buf_init(&faults, 100000);
	job = job_parse(json, len, &options, &faults);
	if (job == NULL)
		fail_msg("%.200s: %s", json, buf_str(&faults));
	buf_free(&faults);
	return job;
}

static void compose(struct buf *b, const struct job *job)
{
	char id[MESSAGE_MAX_ID];
	struct error err;

	message_id(id, job->key, job);
	buf_init(b, 10000000);
	if (!message_compose(b, job, id, DATE_MS, &err))
		fail_msg("%s", err.text);
}

/* The message of a job of these members and a few more. */
static char *message_of(const char *members)
{
	char *json = mem_printf("{\"subject\":\"S\",\"idempotencyKey\":\"k\",%s}", members);
	struct job *job = parse(json, strlen(json));
	struct buf b;

	compose(&b, job);
	job_free(job);
	mem_free(json);
	return buf_take(&b);
}

static void test_a_plain_message(void **state)
{
	char *m = message_of(
		"\"to\":\"Ada <ada@x.org>\",\"cc\":[\"bob@x.org\",\"cy@x.org\"],\"bcc\":\"dee@x.org\","
		"\"replyTo\":\"re@x.org\",\"text\":\"Hello\\nAda\",\"headers\":{\"X-A\":\"1\"},"
		"\"tags\":[\"tagged\"],\"metadata\":{\"meta\":\"data\"}");

	(void)state;
	assert_string_equal(m, "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
	                       "From: Default Sender <sender@x.org>\r\n"
	                       "To: Ada <ada@x.org>\r\n"
	                       "Cc: bob@x.org, cy@x.org\r\n"
	                       "Reply-To: re@x.org\r\n"
	                       "Subject: S\r\n"
	                       "Message-ID: <fnhtkhfhnt2madqqibmtlmwq5su@x.org>\r\n"
	                       "X-A: 1\r\n"
	                       "MIME-Version: 1.0\r\n"
	                       "Content-Type: text/plain; charset=utf-8\r\n"
	                       "Content-Transfer-Encoding: 7bit\r\n"
	                       "\r\n"
	                       "Hello\r\nAda\r\n");
	mem_free(m);
}

static void test_bcc_alone_shows_nobody(void **state)
{
	char *m = message_of("\"bcc\":[\"dee@x.org\",\"eve@x.org\"],\"text\":\"T\"");

	(void)state;
	assert_non_null(strstr(m, "\r\nTo: undisclosed-recipients:;\r\n"));
	assert_null(strcasestr(m, "bcc"));
	assert_null(strstr(m, "dee@"));
	assert_null(strstr(m, "eve@"));
	mem_free(m);
}

/* RFC 2046 5.2.1: no encoding around message/rfc822 but 7bit (8bit, binary). */
static void test_attached_messages(void **state)
{
	char *m = message_of(
		"\"to\":\"a@x.org\",\"text\":\"T\",\"attachments\":[{\"filename\":\"m.eml\","
		"\"contentType\":\"message/rfc822\",\"content\":\"U3ViamVjdDogeAoKeQo=\"}]");

	(void)state;
	assert_non_null(strstr(m, "\r\nContent-Type: message/rfc822\r\n"
	                          "Content-Transfer-Encoding: 7bit\r\n"));
	assert_non_null(strstr(m, "\r\n\r\nSubject: x\r\n\r\ny\r\n\r\n--=_"));
	mem_free(m);
	/* 8 bit: the receiver gets a file. */
	m = message_of("\"to\":\"a@x.org\",\"text\":\"T\",\"attachments\":[{\"filename\":\"m.eml\","
	               "\"contentType\":\"message/rfc822\",\"content\":\"U3ViamVjdDog6Qo=\"}]");
	assert_null(strstr(m, "message/rfc822"));
	assert_non_null(strstr(m, "\r\nContent-Type: application/octet-stream\r\n"
	                          "Content-Transfer-Encoding: base64\r\n"));
	assert_non_null(strstr(m, "\r\n\r\nU3ViamVjdDog6Qo=\r\n\r\n--=_"));
	mem_free(m);
}

/* An address that needs SMTPUTF8 stands in the header as RFC 6532 has it. */
static void test_internationalized_addresses(void **state)
{
	char *m = message_of("\"to\":\"J\\u00f6rg <j\\u00f6rg@b\\u00fccher.de>\",\"text\":\"T\"");

	(void)state;
	assert_non_null(
		strstr(m, "\r\nTo: =?UTF-8?B?SsO2cmc=?= <j\xc3\xb6rg@xn--bcher-kva.de>\r\n"));
	mem_free(m);
}

/* --- FAULTS 37 -------------------------------------------------------------------------------- */

/* Bare CR or LF, NUL, or lines over 998: another server might read another message. */
static void check_bytes(const char *m, size_t n)
{
	size_t line = 0;

	assert_true(n > 2 && memcmp(m + n - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i < n; i++) {
		if (m[i] == '\r') {
			assert_true(i + 1 < n && m[i + 1] == '\n');
			i++;
			line = 0;
			continue;
		}
		assert_true(m[i] != '\n' && m[i] != '\0');
		assert_true(++line <= 998);
	}
}

static void test_no_text_can_break_lines(void **state)
{
	static const char *const texts[] = {
		"",
		".",
		"\\n.\\r\\n",
		"\\r.\\r",
		"a\\n.\\nb",
		"a\\r\\n.\\r\\nMAIL FROM:<x@y.org>",
		"a\\r.\\rb",
		"\\r",
		"\\n",
		"\\r\\r\\n\\n\\r",
		"..\\n...",
		"\\u00e9\\r.\\n",
		"\\ud83d\\ude00\\r\\r",
		"ends in CR\\r",
		"ends in LF\\n",
		"ends in a long line\\n%s",
		"%s",
		"%s%s",
		"\\u00e9%s",
		"%s\\r%s\\n%s",
	};
	char *longest = mem_alloc(5001), *json, *members;
	struct job *job;
	struct buf b;

	(void)state;
	memset(longest, '.', 5000);
	longest[5000] = '\0';
	for (size_t i = 0; i < 3 * N(texts); i++) {
		const char *text = texts[i / 3];
		GString *filled = g_string_new(text);

		g_string_replace(filled, "%s", longest, 0);
		members = mem_printf(i % 3 == 0   ? "\"text\":\"%s\""
		                     : i % 3 == 1 ? "\"html\":\"%s\""
		                                  : "\"text\":\"%s\",\"html\":\"x\"",
		                     filled->str);
		json = mem_printf("{\"to\":\"a@x.org\",\"subject\":\"S\",%s}", members);
		job = parse(json, strlen(json));
		compose(&b, job);
		check_bytes(b.data, b.len);
		job_free(job);
		buf_free(&b);
		mem_free(json);
		mem_free(members);
		g_string_free(filled, TRUE);
	}
	mem_free(longest);
}

/* --- ids and boundaries ----------------------------------------------------------------------- */

static void test_id_is_derived_from_key_and_fingerprint(void **state)
{
	char a[MESSAGE_MAX_ID], b[MESSAGE_MAX_ID];
	struct job job = {.from = {.email = (char *)"shop@x.org"},
	                  .fingerprint = "AAAAAAAAAAAAAAAAAAAAAAAA"};

	(void)state;
	message_id(a, "order-42", &job);
	assert_string_equal(a, "<e7g73gk5dge36s5m4wvkbeibise@x.org>");
	message_id(b, "order-43", &job);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(b), strlen(a));
	job.fingerprint[0] = 'B';
	message_id(b, "order-42", &job);
	assert_string_not_equal(a, b);
}

static void test_id_of_a_long_domain_fits(void **state)
{
	char email[300], id[MESSAGE_MAX_ID];
	struct job job = {.from = {.email = email}};

	(void)state;
	for (size_t n = 1; n <= 255; n++) {
		memcpy(email, "a@", 2);
		for (size_t i = 0; i < n; i++)
			email[2 + i] = i % 20 == 19 && i + 1 < n ? '.' : 'd';
		email[2 + n] = '\0';
		message_id(id, "k", &job);
		assert_true(strlen(id) < MESSAGE_MAX_ID);
		assert_int_equal(id[28], '@');
		assert_int_equal(id[strlen(id) - 1], '>');
		if (n <= 97)
			assert_int_equal(strlen(id), 30 + n);
		else
			assert_true(strlen(id) > 100 && id[29] == 'd');
	}
}

#define MIXED                                                                                      \
	"\"to\":\"a@x.org\",\"text\":\"T\",\"html\":\"H\",\"attachments\":"                        \
	"[{\"filename\":\"f\",\"content\":\"AAEC\"},{\"contentId\":\"c\",\"content\":\"AAEC\"}]"

static void test_the_same_bytes_on_every_attempt(void **state)
{
	char *one = message_of(MIXED), *two = message_of(MIXED);

	(void)state;
	assert_string_equal(one, two);
	mem_free(one);
	mem_free(two);
}

static void test_too_large(void **state)
{
	const char *json = "{\"subject\":\"S\"," MIXED "}";
	struct job *job = parse(json, strlen(json));
	char id[MESSAGE_MAX_ID];
	struct error err;
	struct buf b;
	size_t needed;

	(void)state;
	compose(&b, job);
	needed = b.len;
	buf_free(&b);
	message_id(id, job->key, job);
	for (size_t max = 0; max < needed; max++) {
		buf_init(&b, max);
		assert_false(message_compose(&b, job, id, DATE_MS, &err));
		assert_non_null(strstr(err.text, "larger than"));
		buf_free(&b);
	}
	job_free(job);
}

static void test_reserved_headers(void **state)
{
	static const char *const reserved[] = {
		"From",        "TO",           "cc",         "Bcc",
		"Sender",      "Subject",      "Date",       "message-id",
		"Reply-To",    "MIME-Version", "Content-ID", "content-type",
		"Return-Path", "Received",     "Resent-To",  "DKIM-Signature"};
	static const char *const others[] = {"X-From",           "In-Reply-To", "References",
	                                     "List-Unsubscribe", "Tom",         ""};

	(void)state;
	for (size_t i = 0; i < N(reserved); i++)
		assert_true(message_header_reserved(reserved[i]));
	for (size_t i = 0; i < N(others); i++)
		assert_false(message_header_reserved(others[i]));
}

/* --- read by another -------------------------------------------------------------------------- */

/* Composes each "<bytes>\n<JSON>" of `jobs` and appends "<bytes> <bytes>\n<JSON><message>". */
static size_t compose_all(const char *jobs, struct buf *records)
{
	struct job *job;
	size_t count = 0, len;
	struct buf b;
	char *json;

	for (const char *at = jobs; *at != '\0'; at = json + len, count++) {
		len = strtoul(at, &json, 10);
		json++;
		job = parse(json, len);
		compose(&b, job);
		check_bytes(b.data, b.len);
		buf_addf(records, "%zu %zu\n", len, b.len);
		buf_add(records, json, len);
		buf_add(records, b.data, b.len);
		buf_free(&b);
		job_free(job);
	}
	return count;
}

static void run_python(const char *const *argv)
{
	char *out, *err;
	int status = process_run(argv, NULL, NULL, &out, &err);

	if (status != 0)
		fail_msg("%s%s", out, err);
	free(out);
	free(err);
}

static void test_another_reader_finds_the_same_mail(void **state)
{
	char *jobs_path = tmpdir_name("jobs"), *records_path, *jobs;
	struct buf records;

	(void)state;
	if (access(PYTHON, X_OK) != 0 || access(CHECKER, R_OK) != 0) {
		print_message("skipped: %s or %s is not there\n", PYTHON, CHECKER);
		free(jobs_path);
		skip();
	}
	run_python((const char *const[]){PYTHON, CHECKER, "generate", "400", jobs_path, NULL});
	jobs = tmpdir_read(jobs_path, NULL);
	buf_init(&records, 200 << 20);
	assert_int_equal(compose_all(jobs, &records), 400);
	assert_true(buf_ok(&records));
	records_path = tmpdir_file("records", records.data, records.len);
	run_python((const char *const[]){PYTHON, CHECKER, "check", records_path, NULL});
	buf_free(&records);
	free(jobs);
	free(jobs_path);
	free(records_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_message),
		cmocka_unit_test(test_bcc_alone_shows_nobody),
		cmocka_unit_test(test_attached_messages),
		cmocka_unit_test(test_internationalized_addresses),
		cmocka_unit_test(test_no_text_can_break_lines),
		cmocka_unit_test(test_id_is_derived_from_key_and_fingerprint),
		cmocka_unit_test(test_id_of_a_long_domain_fits),
		cmocka_unit_test(test_the_same_bytes_on_every_attempt),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_reserved_headers),
		cmocka_unit_test(test_another_reader_finds_the_same_mail),
	};

	message_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
