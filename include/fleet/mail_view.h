/* mail_view.h - the status of one mail, read from its hash (lua/README.md: the status). */
#ifndef FLEET_MAIL_VIEW_H
#define FLEET_MAIL_VIEW_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/sync.h"

/* One line of the timeline: "primary retry 451 4.3.0 12ms try again later". */
struct mail_view_attempt {
	int64_t n;     /* of the attempt; of a late report the token */
	bool late;     /* a worker reported it after the job had passed to another */
	char *provider, *outcome, *code, *text; /* never NULL */
	int64_t ms;    /* -1: the line does not say */
};

struct mail_view {
	char *key;
	bool found;
	bool archived; /* by the archive (archive/finder.h): Redis knows it no more. Never set here */
	/* as stored; NULL when the hash has no such field */
	char *owner, *fingerprint, *status, *to, *subject, *provider, *error, *message_id, *recipients, *pinned;
	int64_t attempts, duplicates;
	int64_t created_at, updated_at, next_attempt_at; /* epoch ms, 0 none */
	struct mail_view_attempt *timeline; /* by number; late reports by their token, most of them behind the attempts */
	size_t n_timeline;
};

/* Reads HGETALL's reply. For mail_view_load, and for tests without a Redis. */
void mail_view_read(struct mail_view *v, const char *key, const redisReply *pairs);
bool mail_view_load(struct mail_view *v, struct sync *s, const char *prefix, const char *key,
                    struct error *err) MUST_CHECK;
void mail_view_free(struct mail_view *v);

/* sent, failed, held or cancelled: nothing more happens to it by itself. */
bool mail_view_settled(const struct mail_view *v);
bool mail_view_is(const struct mail_view *v, const char *status);

#endif
