/* fleet_view.h - the fleet at one moment (fleet/survey.h), as the command line reads and shows it. */
#ifndef CLI_FLEET_VIEW_H
#define CLI_FLEET_VIEW_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"
#include "cli/term.h"
#include "fleet/queue_set.h"
#include "fleet/survey.h"
#include "redis/sync.h"

/* survey_free(v) when it is true. */
bool fleet_view_load(struct survey *v, struct sync *s, const struct options *o, const struct queue_set *queues,
                     struct error *err) MUST_CHECK;

/* {queues, providers, workers, at}, for programs. */
void fleet_view_json(const struct survey *v, struct buf *out);
void fleet_view_write(const struct survey *v, const struct term *term, struct buf *out);

#endif
