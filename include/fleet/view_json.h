/* view_json.h - what programs are told of mails, dead letters and queues: the JSON of the HTTP API and of
 * the command line's --json. Each writes one value (base/jsonw.h). */
#ifndef FLEET_VIEW_JSON_H
#define FLEET_VIEW_JSON_H

#include <stdbool.h>

#include "base/buf.h"
#include "fleet/dead_letter.h"
#include "fleet/mail_view.h"
#include "fleet/survey.h"

/* {found, idempotencyKey, status, to, subject, provider, attempts, messageId, createdAt, …, timeline: […]};
 * of a mail that is not known only `found` and the key. */
void view_json_mail(struct buf *out, const struct mail_view *v);

/* {id, queue, idempotencyKey, deadAt, error, payloadBytes, mail}; with its payload {…, payload, payloadExact}: what
 * JSON cannot hold is U+FFFD there, and payloadExact false. */
void view_json_letter(struct buf *out, const struct dead_letter *l, bool payload);

/* [{name, paused, depth, inFlight, delayed, dead, oldestMs, …}]: ages in ms, null is not known; of one that cannot be
 * read {name, paused, error}. */
void view_json_queues(struct buf *out, const struct survey *s);

#endif
