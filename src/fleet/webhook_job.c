#include "fleet/webhook_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "fleet/queue.h"
#include "fleet/task.h"
#include "fleet/timeline.h"
#include "fleet/trace.h"
#include "mail/digest.h"
#include "mail/json.h"
#include "provider/webhook_call.h"

#define ID_PREFIX "msg_"
#define ID_BYTES 16
#define ID_SIZE (sizeof(ID_PREFIX) + (ID_BYTES * 8 + 4) / 5)
#define MAX_ID 128

/* ---- writing ---------------------------------------------------------------------------------- */

static void make_id(char out[ID_SIZE], const struct task *t)
{
	unsigned char sum[DIGEST_SIZE];

	digest_begin();
	digest_add_field(t->owner, strlen(t->owner));
	digest_add_field(t->id, strlen(t->id));
	digest_add_field(t->decision.status, strlen(t->decision.status));
	digest_add_count((size_t)t->history.attempts);
	/* A throttled attempt is not counted, but when it is due again tells one from the next. */
	if (t->decision.settle == SETTLE_DELAY)
		digest_add_count((size_t)(t->decision.at > 0 ? t->decision.at : t->due_at));
	digest_end(sum);
	memcpy(out, ID_PREFIX, sizeof(ID_PREFIX));
	digest_base32(out + strlen(ID_PREFIX), sum, ID_BYTES);
}

static void add_metadata(struct buf *b, const struct job *j)
{
	jsonw_key(b, "metadata");
	jsonw_open(b, '{');
	for (size_t i = 0; i < j->n_metadata; i++)
		jsonw_pair(b, j->metadata[i].name, j->metadata[i].value);
	jsonw_close(b, '}');
}

static void add_job(struct buf *b, const struct job *j, bool metadata)
{
	jsonw_pair_if(b, "tenant", j->tenant);
	if (j->n_tags > 0) {
		jsonw_key(b, "tags");
		jsonw_open(b, '[');
		for (size_t i = 0; i < j->n_tags; i++)
			jsonw_str(b, j->tags[i]);
		jsonw_close(b, ']');
	}
	if (j->n_metadata > 0 && metadata) {
		add_metadata(b, j);
	} else if (j->n_metadata > 0) {
		jsonw_pair_bool(b, "metadataOmitted", true);
	}
}

static void write_body(struct buf *b, const struct task *t, int64_t now, bool metadata)
{
	const struct decision *d = &t->decision;
	char when[TIMESTAMP_RFC3339_SIZE], type[32];

	timestamp_rfc3339(when, now);
	snprintf(type, sizeof(type), "mail.%s", d->status);
	jsonw_open(b, '{');
	jsonw_pair(b, "type", type);
	jsonw_pair(b, "timestamp", when);
	jsonw_key(b, "data");
	jsonw_open(b, '{');
	jsonw_pair(b, "key", t->key);
	jsonw_pair(b, "id", t->id);
	jsonw_pair(b, "queue", t->queue->keys.list);
	jsonw_pair(b, "status", d->status);
	jsonw_pair_if(b, "provider", timeline_provider(t));
	jsonw_pair_int(b, "attempt", t->history.attempts);
	jsonw_pair_if(b, "code", t->outcome.code);
	jsonw_pair_if(b, "error", d->error);
	if (t->job)
		add_job(b, t->job, metadata);
	jsonw_close(b, '}');
	jsonw_close(b, '}');
}

void webhook_job_write(struct buf *out, const struct task *t, const char *url, int64_t now)
{
	char id[ID_SIZE], trace[TRACE_PARENT_MAX + 1];
	struct buf body;

	make_id(id, t);
	buf_init(&body, WEBHOOK_MAX_BODY);
	write_body(&body, t, now, true);
	if (!buf_ok(&body)) {
		buf_clear(&body);
		write_body(&body, t, now, false);
	}
	jsonw_open(out, '{');
	jsonw_pair(out, "url", url);
	jsonw_pair(out, "id", id);
	jsonw_pair(out, "idempotencyKey", t->key);
	if (trace_below(t, trace)) {
		jsonw_pair(out, "traceparent", trace);
		jsonw_pair_if(out, "tracestate", t->trace->here.state);
	}
	jsonw_key(out, "body");
	jsonw_strn(out, body.data, body.len);
	jsonw_close(out, '}');
	buf_free(&body);
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* It goes into a header. */
static bool is_id(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n <= MAX_ID &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static const char *text_of(const cJSON *o, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));

	return text != NULL ? text : "";
}

bool webhook_job_read(struct webhook_job *j, const char *payload, size_t len, struct error *err)
{
	cJSON *o = json_parse(payload, len, err);
	const char *url = text_of(o, "url"), *id = text_of(o, "id"), *body = text_of(o, "body");
	bool ok = o != NULL;

	memset(j, 0, sizeof(*j));
	if (ok && (!is_id(id) || *url == '\0' || *body == '\0'))
		ok = error_set(err, "url, id or body is missing");
	else if (ok && (strlen(url) > JOB_MAX_URL || strlen(body) > WEBHOOK_MAX_BODY))
		ok = error_set(err, "url or body is too long");
	if (ok) {
		j->url = mem_strdup(url);
		j->id = mem_strdup(id);
		j->key = mem_strdup(text_of(o, "idempotencyKey"));
		j->traceparent = mem_strdup(text_of(o, "traceparent"));
		j->tracestate = mem_strdup(text_of(o, "tracestate"));
		j->body = mem_strdup(body);
		j->body_len = strlen(body);
	}
	cJSON_Delete(o);
	return ok;
}

void webhook_job_free(struct webhook_job *j)
{
	mem_free(j->url);
	mem_free(j->id);
	mem_free(j->key);
	mem_free(j->traceparent);
	mem_free(j->tracestate);
	mem_free(j->body);
	memset(j, 0, sizeof(*j));
}
