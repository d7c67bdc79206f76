/* letters.h - the dead letters (fleet/dead_walk.h): listed, looked at, tried again, dropped.
 *
 *     GET  /api/dead-letters          ?queue= &error= &provider= &olderThan= &newerThan= (500ms, 30s, 10m, 2h, 7d)
 *                                     &limit= (100 at most) &after= (`next` of the last page): the newest first
 *     GET  /api/dead-letters/{name}   one, with its payload; by its id, auto-<id>, or its mail's key
 *     POST /api/dead-letters/retry    {names: […], dryRun}: at most LETTERS_MAX; dryRun: what it would do
 *     POST /api/dead-letters/drop     the same
 *
 * A request looks at a bounded number of letters, however few of them pass: then `next` says where to go on. */
#ifndef API_LETTERS_H
#define API_LETTERS_H

#include "api/request.h"

#define LETTERS_MAX 100
#define LETTERS_BUDGET 2048 /* letters that one request looks at */

void letters_list(struct request *r);
void letters_show(struct request *r);
void letters_retry(struct request *r);
void letters_drop(struct request *r);

#endif
