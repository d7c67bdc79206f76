/* packing.h - the arguments of a script, from a line of words, packed as the worker packs them.
 *
 * The words are the same for all scripts: what a test says of each mail or job, one after the other.
 *
 *     begin   <ttl>  then for each mail: owner token fingerprint to subject provider attempt
 *     finish  [<usual ttl> <spare>]  then for each mail: owner token fingerprint to subject status ttl late n, and n
 *             times: name value. A value '' deletes. The fingerprint "-": the mail's identity is not told.
 *     settle  <events>  then for each job: id token action at event (0 or 1), with an event: key status provider
 *             attempt code ms tenant tags
 *
 * All others take theirs as they are. */
#ifndef SUPPORT_PACKING_H
#define SUPPORT_PACKING_H

#include "redis/command.h"
#include "redis/script.h"
#include "support/words.h"

#define PACKING_USUAL "604800000" /* of finish, where the line does not begin with a number; and no spare */

void packing_add(struct command *c, enum script s, const struct words *a);

#endif
