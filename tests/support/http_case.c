#include "support/http_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

void http_case_reply(struct http_reply *r, int status, const char *headers, const char *body)
{
	const char *line = headers != NULL ? headers : "";
	char first[32];

	http_reply_init(r);
	snprintf(first, sizeof(first), "HTTP/1.1 %d X\r\n", status);
	assert_false(http_reply_line(r, first, strlen(first)));
	while (*line != '\0') {
		size_t n = strcspn(line, "\n") + 1;

		assert_false(http_reply_line(r, line, n));
		line += n;
	}
	assert_true(http_reply_line(r, "\r\n", 2));
	if (body != NULL)
		assert_true(http_reply_body(r, body, strlen(body)));
	r->complete = true;
}

void http_case_run(const struct http_case *cases, size_t n, http_case_judge *judge)
{
	for (size_t i = 0; i < n; i++) {
		const struct http_case *c = &cases[i];
		struct http_reply r;
		struct outcome o;

		http_case_reply(&r, c->status, c->headers, c->body);
		memset(&o, 0xa5, sizeof(o)); /* it fills everything */
		judge(&o, &r);
		http_reply_free(&r);
		if (o.kind != c->kind || strcmp(o.code, c->code) != 0 ||
		    (c->text != NULL && strstr(o.text, c->text) == NULL) ||
		    o.retry_after_ms != c->retry_after_ms ||
		    strcmp(o.message_id, c->id != NULL ? c->id : "") != 0)
			fail_msg("case %zu, %d %s: %s, \"%s\", \"%s\", wait %lld, id \"%s\"", i,
			         c->status, c->body != NULL ? c->body : "", outcome_name(o.kind),
			         o.code, o.text, (long long)o.retry_after_ms, o.message_id);
	}
}

struct job *http_case_job(const char *payload)
{
	char from[] = "Sender <sender@example.org>";
	struct options options = {.mail_from = from};
	struct buf faults;
	struct job *job;

	buf_init(&faults, 4096);
	job = job_parse(payload, strlen(payload), &options, &faults);
	if (job == NULL)
		fail_msg("%s", buf_str(&faults));
	buf_free(&faults);
	return job;
}

struct job *http_case_job_with(const char *members)
{
	char *payload;
	struct job *job;

	assert_true(asprintf(&payload,
	                     "{\"to\":\"a@example.com\",\"subject\":\"s\",\"text\":\"t\",%s}",
	                     members) > 0);
	job = http_case_job(payload);
	free(payload);
	return job;
}

void http_case_refuses(const char *(*refuses)(const struct job *job), const char *members,
                       const char *why)
{
	struct job *job = http_case_job_with(members);
	const char *got = refuses(job);

	if (why == NULL && got != NULL)
		fail_msg("%s: %s", members, got);
	if (why != NULL && (got == NULL || strstr(got, why) == NULL))
		fail_msg("%s: %s, not %s", members, got != NULL ? got : "taken", why);
	job_free(job);
}
