/* exposition.h - writes a page of metrics: Prometheus' text format 0.0.4, or the same as JSON.
 *
 *     exposition_begin(&x, &out, false);
 *     exposition_family(&x, "postrider_mails_total", EXPOSITION_COUNTER, "Mails settled, in the fleet.");
 *     exposition_int(&x, LABELS("queue", name, "status", "sent"), n);
 *     exposition_end(&x);
 *
 * All samples of a family follow it at once; a family without any is left out. The JSON is
 * {"postrider_mails_total":{"type":…,"help":…,"samples":[{"labels":{…},"value":…}]}}; a sample of a histogram has
 * "count", "sum" and "buckets" (by their upper bounds, cumulative) in place of "value". */
#ifndef API_EXPOSITION_H
#define API_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "fleet/histogram.h"

#define EXPOSITION_TEXT "text/plain; version=0.0.4; charset=utf-8"

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

struct exposition {
	struct buf *out;
	bool json;
	bool opened; /* the family's head is written */
	const char *name, *help;
	enum exposition_kind kind;
};

/* Names and values of labels, in pairs. */
#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LABELS ((const char *const[]){NULL})

void exposition_begin(struct exposition *x, struct buf *out, bool json);
void exposition_end(struct exposition *x);

/* name and help are kept until the next family. help: one sentence in one line. */
void exposition_family(struct exposition *x, const char *name, enum exposition_kind kind, const char *help);
void exposition_int(struct exposition *x, const char *const *labels, int64_t value);
void exposition_real(struct exposition *x, const char *const *labels, double value);
void exposition_seconds(struct exposition *x, const char *const *labels, int64_t us); /* as seconds, exactly */
/* In seconds, of a histogram's slots. */
void exposition_histogram(struct exposition *x, const char *const *labels, const int64_t slots[HISTOGRAM_SLOTS]);

#endif
