/* A producer's payload, from job_parse to what each provider would be handed. */
#include "fuzz/fuzz.h"

#include <ctype.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/faults.h"
#include "mail/job.h"
#include "mail/json.h"
#include "mail/message.h"
#include "mail/trace_context.h"
#include "provider/addressees.h"
#include "provider/mailgun.h"
#include "provider/postmark.h"
#include "provider/resend.h"
#include "provider/sendgrid.h"
#include "provider/ses.h"
#include "smtp/stuffing.h"

#define DATE_MS INT64_C(1795514400000)
#define MAX_MESSAGE ((size_t)64 << 20)

static const struct options options = {.mail_from = (char *)"Shop <shop@x.org>"};

static const char *const own_headers[] = {
	"Date",    "From",       "To",           "Cc",           "Reply-To",
	"Subject", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
#define N_OWN (sizeof(own_headers) / sizeof(own_headers[0]))

static bool named(const char *line, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(line, name, n) == 0;
}

/* One field's first line: one of ours, once, or one that the job asked for, as often as it did. */
static void check_field(const char *line, size_t len, const struct job *job, unsigned seen[N_OWN],
                        size_t *extra)
{
	const char *colon = memchr(line, ':', len);

	FUZZ_REQUIRE(colon != NULL && colon > line);
	for (size_t i = 0; i < N_OWN; i++) {
		if (named(line, (size_t)(colon - line), own_headers[i])) {
			FUZZ_REQUIRE(seen[i]++ == 0);
			return;
		}
	}
	/* The job's stand in its order. */
	FUZZ_REQUIRE(*extra < job->n_headers);
	FUZZ_REQUIRE(named(line, (size_t)(colon - line), job->headers[*extra].name));
	(*extra)++;
}

/* RFC 5322: lines, their ends, their length; and no header that nobody asked for. */
static void check_message(const struct buf *m, const struct job *job)
{
	const char *at = m->data, *end = m->data + m->len, *eol;
	unsigned seen[N_OWN] = {0};
	bool in_header = true;
	size_t extra = 0;

	FUZZ_REQUIRE(m->len >= 2 && memcmp(end - 2, "\r\n", 2) == 0);
	for (; at < end; at = eol + 2) {
		eol = memchr(at, '\r', (size_t)(end - at));
		FUZZ_REQUIRE(eol != NULL && eol + 1 < end && eol[1] == '\n');
		FUZZ_REQUIRE(memchr(at, '\n', (size_t)(eol - at)) == NULL);
		FUZZ_REQUIRE(eol - at <= 998);
		for (const char *c = at; c < eol; c++)
			FUZZ_REQUIRE(*c != '\0' &&
			             (job->utf8_addresses || (unsigned char)*c < 128));
		if (!in_header)
			continue;
		if (eol == at) {
			in_header = false;
		} else if (*at == ' ' || *at == '\t') {
			FUZZ_REQUIRE(at != m->data && strspn(at, " \t\r\n") < (size_t)(eol - at));
		} else {
			check_field(at, (size_t)(eol - at), job, seen, &extra);
		}
	}
	FUZZ_REQUIRE(!in_header && extra == job->n_headers);
	for (size_t i = 0; i < 2; i++)
		FUZZ_REQUIRE(seen[i] == 1); /* Date, From */
	for (size_t i = 5; i < 8; i++)
		FUZZ_REQUIRE(seen[i] == 1); /* Subject, Message-ID, MIME-Version */
}

/* Nothing after DATA looks like its end. */
static void check_stuffed(const struct buf *m)
{
	struct smtp_stuffing s;
	char last[5] = "\r\n", piece[512];
	size_t n;

	smtp_stuffing_start(&s, m->data, m->len);
	while ((n = smtp_stuffing_next(&s, piece, sizeof(piece))) > 0) {
		for (size_t i = 0; i < n; i++) {
			memmove(last, last + 1, 4);
			last[4] = piece[i];
			FUZZ_REQUIRE(memcmp(last, "\r\n.\r\n", 5) != 0);
			FUZZ_REQUIRE(last[4] != '\n' || last[3] == '\r');
			FUZZ_REQUIRE(last[3] != '\r' || last[4] == '\n');
		}
	}
	FUZZ_REQUIRE(memcmp(last + 3, "\r\n", 2) == 0);
}

static void check_json(const struct buf *b)
{
	struct error err;
	cJSON *tree;

	FUZZ_REQUIRE(buf_ok(b) && b->len > 0);
	tree = json_parse(b->data, b->len, &err);
	if (tree == NULL)
		fprintf(stderr, "%s\n%.*s\n", err.text, (int)b->len, b->data);
	FUZZ_REQUIRE(cJSON_IsObject(tree));
	cJSON_Delete(tree);
}

/* What stands in a multipart body is not checked, but that it can be put together. */
static void check_mailgun(const struct delivery *d, const struct addressees *to)
{
	struct http_call call;
	struct error err;

	http_call_init(&call, 2 * MAX_MESSAGE);
	FUZZ_REQUIRE(mailgun_body(&call, d, to, false, &err) && http_call_ok(&call));
	http_call_free(&call);
}

static void check_ses(const struct delivery *d, const struct addressees *to, bool simple)
{
	const struct ses_options o = {.simple = simple, .configuration_set = ""};
	struct error err;
	struct buf b;

	if (ses_refuses(d->job, simple) != NULL)
		return;
	buf_init(&b, 2 * MAX_MESSAGE);
	FUZZ_REQUIRE(ses_body(&b, d, to, &o, &err));
	check_json(&b);
	buf_free(&b);
}

static void check_providers(const struct job *job, const char *id)
{
	struct delivery d = {.job = job, .message_id = id, .key = "key", .date_ms = DATE_MS};
	struct addressees to = {0};
	struct buf b;

	buf_init(&b, 2 * MAX_MESSAGE);
	addressees_fill(&to, job, NULL);
	d.rcpts = mem_array(job->n_rcpts, sizeof(d.rcpts[0]));
	if (sendgrid_refuses(job) == NULL) {
		sendgrid_body(&b, job, id, &to, false);
		check_json(&b);
	}
	buf_clear(&b);
	if (postmark_refuses(job) == NULL) {
		postmark_body(&b, job, id, &to, "");
		check_json(&b);
	}
	buf_clear(&b);
	if (resend_refuses(job) == NULL) {
		resend_body(&b, job, &to);
		check_json(&b);
	}
	if (mailgun_refuses(job) == NULL)
		check_mailgun(&d, &to);
	check_ses(&d, &to, false);
	check_ses(&d, &to, true);
	mem_free(d.rcpts);
	addressees_free(&to);
	buf_free(&b);
}

/* What became of each recipient is read back as it was written. */
static void check_recipients(const struct job *job)
{
	struct rcpt_result *in = mem_array(job->n_rcpts, sizeof(*in));
	struct rcpt_result *out = mem_array(job->n_rcpts, sizeof(*out));
	struct buf text;

	for (size_t i = 0; i < job->n_rcpts; i++) {
		in[i].state = (enum rcpt_state)(i % 4);
		if (in[i].state != RCPT_PENDING)
			snprintf(in[i].code, sizeof(in[i].code), "55%d 5.1.%d", (int)(i % 10),
			         (int)(i % 7));
	}
	buf_init(&text, MAX_MESSAGE);
	recipients_write(&text, job, in);
	recipients_read(buf_str(&text), text.len, job, out);
	for (size_t i = 0; i < job->n_rcpts; i++)
		FUZZ_REQUIRE(in[i].state == out[i].state && strcmp(in[i].code, out[i].code) == 0);
	buf_free(&text);
	mem_free(in);
	mem_free(out);
}

/* What is read of a traceparent is one that others can read, and the same. */
static void check_trace(const struct job *job)
{
	struct trace_context c, again;
	char text[TRACE_PARENT_LEN + 1];

	FUZZ_REQUIRE(job->tracestate[0] == '\0' || trace_state_valid(job->tracestate));
	if (job->traceparent[0] == '\0') {
		FUZZ_REQUIRE(job->tracestate[0] == '\0');
		return;
	}
	FUZZ_REQUIRE(job->names_traceparent && strlen(job->traceparent) <= TRACE_PARENT_MAX);
	FUZZ_REQUIRE(trace_context_read(&c, job->traceparent));
	trace_context_write(&c, text);
	FUZZ_REQUIRE(strlen(text) == TRACE_PARENT_LEN && trace_context_read(&again, text));
	FUZZ_REQUIRE(strcmp(c.trace_id, again.trace_id) == 0 &&
	             strcmp(c.span_id, again.span_id) == 0 && c.sampled == again.sampled);
}

static void check_job(const struct job *job)
{
	char id[MESSAGE_MAX_ID];
	struct error err;
	struct buf m;

	FUZZ_REQUIRE(job->n_rcpts >= 1 && job->n_rcpts <= JOB_MAX_RECIPIENTS);
	FUZZ_REQUIRE(job->key[0] == '\0' || job_key_valid(job->key, strlen(job->key)));
	FUZZ_REQUIRE(job->text != NULL || job->html != NULL);
	check_trace(job);
	message_id(id, job->key, job);
	FUZZ_REQUIRE(strlen(id) > 30 && fuzz_printable(id) && strpbrk(id, " ,") == NULL);
	buf_init(&m, MAX_MESSAGE);
	FUZZ_REQUIRE(message_compose(&m, job, id, DATE_MS, &err));
	check_message(&m, job);
	check_stuffed(&m);
	buf_free(&m);
	check_providers(job, id);
	check_recipients(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf faults;
	struct job *job;
	char *key;

	buf_init(&faults, 100000);
	job = job_parse((const char *)data, size, &options, &faults);
	if (job != NULL) {
		FUZZ_REQUIRE(faults.len == 0);
		check_job(job);
	} else {
		FUZZ_REQUIRE(faults.len > 0 && fuzz_printable(buf_str(&faults)));
		FUZZ_REQUIRE(utf8_valid(faults.data, faults.len));
		key = job_key_of_invalid((const char *)data, size);
		FUZZ_REQUIRE(key == NULL || job_key_valid(key, strlen(key)));
		mem_free(key);
	}
	job_free(job);
	buf_free(&faults);
	return 0;
}
