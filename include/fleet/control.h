/* control.h - the switches that are thrown at run time, for the whole fleet: mail:control.
 *
 * Its fields are pause:queue:<name> and pause:provider:<name> (anything but "" and 0 is on),
 * weight:provider:<name>, and reset:provider:<name>, the time at which a breaker was closed by hand. Workers read
 * them with each heartbeat. Here are the commands that set them; each answers with an integer, 0 when it was so
 * before (a weight: when it had one before). */
#ifndef FLEET_CONTROL_H
#define FLEET_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/command.h"

enum control_kind { CONTROL_QUEUE, CONTROL_PROVIDER };

const char *control_kind_name(enum control_kind kind); /* "queue" */

/* c is overwritten. */
void control_pause(struct command *c, const char *key_prefix, enum control_kind kind, const char *name,
                   bool pause);
/* A provider's share of its tier's mails; negative: that of its DSN again. */
void control_weight(struct command *c, const char *key_prefix, const char *provider, int64_t weight);
/* Makes workers ask again for permits of a provider whose breaker was closed. now: ms since 1970. */
void control_reset(struct command *c, const char *key_prefix, const char *provider, int64_t now);

#endif
