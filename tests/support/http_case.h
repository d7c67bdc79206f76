/* http_case.h - tables of replies and what they come to; jobs and bodies of the HTTP providers. */
#ifndef SUPPORT_HTTP_CASE_H
#define SUPPORT_HTTP_CASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/options.h"
#include "mail/job.h"
#include "mail/outcome.h"
#include "provider/http_reply.h"

/* One reply as documented, and its outcome. */
struct http_case {
	int status;
	const char *headers; /* "Name: value\n…"; NULL none */
	const char *body;    /* NULL empty */
	enum outcome_kind kind;
	const char *code;
	const char *text; /* a part of it; NULL: not looked at */
	int64_t retry_after_ms;
	const char *id; /* NULL: "" */
};

/* The reply of a case; http_reply_free. */
void http_case_reply(struct http_reply *r, int status, const char *headers, const char *body);

typedef void http_case_judge(struct outcome *o, const struct http_reply *r);
/* Fails the test with the first case that comes to something else. */
void http_case_run(const struct http_case *cases, size_t n, http_case_judge *judge);

/* A job with the sender "Sender <sender@example.org>"; job_free. What is no job fails the test. */
struct job *http_case_job(const char *payload) MUST_CHECK;
/* "to", "subject" and "text", and these members besides: "\"tags\":[]". */
struct job *http_case_job_with(const char *members) MUST_CHECK;

/* Such a job is refused with these words among others; NULL: it is not. */
void http_case_refuses(const char *(*refuses)(const struct job *job), const char *members,
                       const char *why);

#endif
