/* timeline.h - what a finish writes into a mail's status: its fields, and the timeline's lines.
 *
 * Values stay at or under 64 bytes wherever the content allows: a longer one turns the whole hash
 * from a listpack into a hashtable, at three times the memory (hash-max-listpack-value). */
#ifndef FLEET_TIMELINE_H
#define FLEET_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/options.h"
#include "fleet/task.h"
#include "redis/command.h"

#define TIMELINE_MAX_LINE 64   /* bytes of "attempt:<n>" */
#define TIMELINE_MAX_LINES 40  /* older lines are dropped */
#define TIMELINE_MAX_SPARE_MS 600000

/* The arguments of finish.lua that follow a mail's owner and token: status, how long it lives, the line for
 * a late report, the fields. From t->decision, outcome and history. now: Redis's clock, ms. identity: how many values
 * the caller adds after them. */
void timeline_add_finish(struct command *c, const struct task *t, const struct options *o, int64_t now,
                         size_t identity);

/* The event of settle.lua: its key ("": there is none), and the rest of its values. */
void timeline_add_event(struct command *c, const struct task *t);

/* Whose attempt this change comes of; "" when it comes of none. */
const char *timeline_provider(const struct task *t);

/* "primary retry 451 4.3.0 12ms try again later" */
void timeline_line(char out[TIMELINE_MAX_LINE + 1], const struct task *t);

/* How many bytes of text to keep so that at most `most` are left, whole UTF-8 characters. */
size_t timeline_cut(const char *text, size_t most);

/* How long a status lives from now on, ms: when its mail is settled as sent; by this decision; while it is sent. The
 * last is by a hundredth more than the first (at most TIMELINE_MAX_SPARE_MS), or MAX_QUEUE_TIME if that is more: so that
 * most mails need not be given another when they are settled. */
int64_t timeline_settled_ttl(const struct options *o);
int64_t timeline_ttl(const struct decision *d, const struct options *o, int64_t now);
int64_t timeline_begun_ttl(const struct options *o);
/* For finish.lua: by how much what begin gave may be left; -1: not at all. */
int64_t timeline_spare(const struct options *o);

#endif
