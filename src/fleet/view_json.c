#include "fleet/view_json.h"

#include <string.h>

#include "base/jsonw.h"
#include "base/utf8.h"

/* --- a mail -------------------------------------------------------------------------------------------------- */

static void write_timeline(struct buf *out, const struct mail_view *v)
{
	jsonw_key(out, "timeline");
	jsonw_open(out, '[');
	for (size_t i = 0; i < v->n_timeline; i++) {
		const struct mail_view_attempt *a = &v->timeline[i];

		jsonw_open(out, '{');
		jsonw_pair_int(out, a->late ? "lateToken" : "attempt", a->n);
		jsonw_pair(out, "provider", a->provider);
		jsonw_pair(out, "outcome", a->outcome);
		jsonw_pair(out, "code", a->code);
		if (a->ms >= 0) { /* else the line was cut before it */
			jsonw_pair_int(out, "ms", a->ms);
			jsonw_pair(out, "text", a->text);
		}
		jsonw_close(out, '}');
	}
	jsonw_close(out, ']');
}

void view_json_mail(struct buf *out, const struct mail_view *v)
{
	jsonw_open(out, '{');
	jsonw_pair_bool(out, "found", v->found);
	jsonw_pair(out, "idempotencyKey", v->key);
	if (v->found) {
		jsonw_pair_or_null(out, "status", v->status);
		jsonw_pair_or_null(out, "to", v->to);
		jsonw_pair_or_null(out, "subject", v->subject);
		jsonw_pair_or_null(out, "provider", v->provider);
		jsonw_pair_int(out, "attempts", v->attempts);
		jsonw_pair_or_null(out, "messageId", v->message_id);
		jsonw_pair_time(out, "createdAt", v->created_at);
		jsonw_pair_time(out, "updatedAt", v->updated_at);
		if (v->next_attempt_at > 0)
			jsonw_pair_time(out, "nextAttemptAt", v->next_attempt_at);
		jsonw_pair_if(out, "error", v->error);
		jsonw_pair_if(out, "recipients", v->recipients);
		jsonw_pair_int(out, "duplicates", v->duplicates);
		if (v->archived)
			jsonw_pair_bool(out, "archived", true);
		jsonw_pair_or_null(out, "owner", v->owner);
		write_timeline(out, v);
	}
	jsonw_close(out, '}');
}

/* --- a dead letter ------------------------------------------------------------------------------------------- */

static void write_payload(struct buf *out, const struct dead_letter *l)
{
	jsonw_key(out, "payload");
	if (l->payload != NULL)
		jsonw_strn(out, l->payload, l->payload_len);
	else
		jsonw_null(out);
	jsonw_pair_bool(out, "payloadExact",
	                l->payload != NULL && utf8_valid(l->payload, l->payload_len) &&
	                        memchr(l->payload, '\0', l->payload_len) == NULL);
}

void view_json_letter(struct buf *out, const struct dead_letter *l, bool payload)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "id", l->id);
	jsonw_pair(out, "queue", l->queue->list);
	jsonw_pair_or_null(out, "idempotencyKey", l->key);
	jsonw_pair_time(out, "deadAt", l->dead_at);
	jsonw_pair_or_null(out, "error", l->mail.error);
	jsonw_pair_int(out, "payloadBytes", (int64_t)l->payload_len);
	jsonw_key(out, "mail");
	if (l->mail.found)
		view_json_mail(out, &l->mail);
	else
		jsonw_null(out);
	if (payload)
		write_payload(out, l);
	jsonw_close(out, '}');
}

/* --- the queues ---------------------------------------------------------------------------------------------- */

static void write_queue(struct buf *out, const struct survey_queue *q)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "name", q->keys->list);
	jsonw_pair_bool(out, "paused", q->paused);
	if (q->error != NULL) {
		jsonw_pair(out, "error", q->error);
	} else {
		jsonw_pair_int(out, "depth", q->depth);
		jsonw_pair_int(out, "inFlight", q->in_flight);
		jsonw_pair_int(out, "delayed", q->delayed);
		jsonw_pair_int(out, "dead", q->dead);
		jsonw_pair_int_or_null(out, "oldestMs", q->oldest_ms);
		jsonw_pair_int_or_null(out, "nextDueMs", q->next_due_ms);
		jsonw_pair_int_or_null(out, "oldestDeadMs", q->oldest_dead_ms);
		jsonw_pair_int_or_null(out, "lastClaimMs", q->last_claim_ms);
	}
	jsonw_close(out, '}');
}

void view_json_queues(struct buf *out, const struct survey *s)
{
	jsonw_open(out, '[');
	for (size_t i = 0; i < s->n_queues; i++)
		write_queue(out, &s->queues[i]);
	jsonw_close(out, ']');
}
