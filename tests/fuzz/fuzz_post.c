/* What clients of the HTTP API send: the Idempotency-Key header (the first line; empty: none) and the body. */
#include "fuzz/fuzz.h"

#include "api/post.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fleet/queue_set.h"
#include "mail/job.h"
#include "mail/json.h"
#include "provider/carriers.h"

static const struct options options = {.mail_from = (char *)"Shop <shop@x.org>",
                                       .providers = (char *)""};
static const struct queue_set queues = {.keys = {{.list = (char *)"mail:queue"}}, .n = 1};

static const struct trace_context trace = {.trace_id = "0af7651916cd43dd8448eb211c80319c",
                                           .span_id = "b7ad6b7169203331",
                                           .state = "congo=t61rcWkgMzE,rojo=\"1\""};

/* What is pushed is a job, under the key and with the content that the client was told of. */
static void check_payload(const struct post *p, const char *header_key)
{
	struct buf faults;
	struct job *job;

	buf_init(&faults, 65536);
	job = job_parse(p->payload, p->len, &options, &faults);
	FUZZ_REQUIRE(job != NULL);
	FUZZ_REQUIRE(strcmp(job->key, p->key) == 0 &&
	             strcmp(job->fingerprint, p->fingerprint) == 0);
	FUZZ_REQUIRE(header_key == NULL || strcmp(header_key, p->key) == 0);
	FUZZ_REQUIRE(p->traceparent == NULL || strcmp(job->traceparent, p->traceparent) == 0);
	FUZZ_REQUIRE(job->names_traceparent);
	FUZZ_REQUIRE(p->tracestate == NULL || strcmp(job->tracestate, p->tracestate) == 0);
	job_free(job);
	buf_free(&faults);
}

static void check_answer(const struct post *p)
{
	struct error err;
	struct buf out;
	cJSON *tree;

	buf_init(&out, 1 << 20);
	post_write(p, &out);
	FUZZ_REQUIRE(buf_ok(&out));
	tree = json_parse(out.data, out.len, &err);
	FUZZ_REQUIRE(cJSON_IsObject(tree));
	cJSON_Delete(tree);
	buf_free(&out);
}

static void check(const struct post *p, const char *header_key)
{
	if (p->outcome == POST_INVALID) {
		FUZZ_REQUIRE(p->faults != NULL && p->faults[0] != '\0' &&
		             fuzz_printable(p->faults));
		FUZZ_REQUIRE(utf8_valid(p->faults, strlen(p->faults)));
		return;
	}
	FUZZ_REQUIRE(p->payload != NULL && p->key != NULL && p->queue == &queues.keys[0]);
	FUZZ_REQUIRE(strlen(p->to) <= 60 && strlen(p->subject) <= 60);
	FUZZ_REQUIRE(utf8_valid(p->to, strlen(p->to)) &&
	             utf8_valid(p->subject, strlen(p->subject)));
	check_payload(p, header_key);
	check_answer(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	char *line = fuzz_line(&in);
	const char *header_key = line != NULL && *line != '\0' ? line : NULL;
	static struct carriers *carriers; /* of which none is known */
	struct post *p;

	if (carriers == NULL)
		carriers = carriers_open(&options);
	p = post_new((const char *)in.at, in.left, header_key, &trace, &options, &queues, carriers);
	check(p, header_key);
	post_free(p);
	p = post_new_trusted((const char *)in.at, in.left, NULL, &options, &queues);
	if (p->outcome != POST_INVALID)
		FUZZ_REQUIRE(p->payload != NULL && p->len == in.left &&
		             memcmp(p->payload, in.at, in.left) == 0);
	post_free(p);
	free(line);
	return 0;
}
