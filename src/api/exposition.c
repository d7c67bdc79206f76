#include "api/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"

#define MAX_NUMBER 40

static const char *const kinds[] = {
	[EXPOSITION_COUNTER] = "counter",
	[EXPOSITION_GAUGE] = "gauge",
	[EXPOSITION_HISTOGRAM] = "histogram",
};

static void close_family(struct exposition *x)
{
	if (x->opened && x->json) {
		jsonw_close(x->out, ']');
		jsonw_close(x->out, '}');
	}
	x->opened = false;
}

void exposition_begin(struct exposition *x, struct buf *out, bool json)
{
	*x = (struct exposition){.out = out, .json = json};
	if (json)
		jsonw_open(out, '{');
}

void exposition_end(struct exposition *x)
{
	close_family(x);
	if (x->json)
		jsonw_close(x->out, '}');
}

void exposition_family(struct exposition *x, const char *name, enum exposition_kind kind,
                       const char *help)
{
	close_family(x);
	x->name = name;
	x->kind = kind;
	x->help = help;
}

static void open_family(struct exposition *x)
{
	struct buf *out = x->out;

	if (x->opened)
		return;
	x->opened = true;
	if (!x->json) {
		buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", x->name, x->help, x->name,
		         kinds[x->kind]);
		return;
	}
	jsonw_key(out, x->name);
	jsonw_open(out, '{');
	jsonw_pair(out, "type", kinds[x->kind]);
	jsonw_pair(out, "help", x->help);
	jsonw_key(out, "samples");
	jsonw_open(out, '[');
}

/* ---- one sample ------------------------------------------------------------------------------ */

static void add_label(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buf_add_str(out, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *value);
	}
	buf_add_char(out, '"');
}

/* A line of text: name_suffix{labels,le="…"} value */
static void add_line(struct exposition *x, const char *suffix, const char *const *labels,
                     const char *le, const char *value)
{
	struct buf *out = x->out;
	char between = '{';

	buf_add_str(out, x->name);
	buf_add_str(out, suffix);
	for (; labels[0]; labels += 2, between = ',') {
		buf_add_char(out, between);
		add_label(out, labels[0], labels[1]);
	}
	if (le) {
		buf_add_char(out, between);
		add_label(out, "le", le);
		between = ',';
	}
	buf_add_str(out, between == ',' ? "} " : " ");
	buf_add_str(out, value);
	buf_add_char(out, '\n');
}

static void open_sample(struct exposition *x, const char *const *labels)
{
	jsonw_open(x->out, '{');
	jsonw_key(x->out, "labels");
	jsonw_open(x->out, '{');
	for (; labels[0]; labels += 2)
		jsonw_pair(x->out, labels[0], labels[1]);
	jsonw_close(x->out, '}');
}

static void add_number(struct buf *out, const char *name, const char *number)
{
	jsonw_key(out, name);
	buf_add_str(out, number);
}

static void add_sample(struct exposition *x, const char *const *labels, const char *value)
{
	open_family(x);
	if (!x->json) {
		add_line(x, "", labels, NULL, value);
		return;
	}
	open_sample(x, labels);
	add_number(x->out, "value", value);
	jsonw_close(x->out, '}');
}

static void seconds(char out[MAX_NUMBER], int64_t us)
{
	snprintf(out, MAX_NUMBER, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

void exposition_int(struct exposition *x, const char *const *labels, int64_t value)
{
	char text[MAX_NUMBER];

	snprintf(text, sizeof(text), "%" PRId64, value);
	add_sample(x, labels, text);
}

void exposition_real(struct exposition *x, const char *const *labels, double value)
{
	char text[MAX_NUMBER];

	if (!isfinite(value))
		return;
	snprintf(text, sizeof(text), "%.14g", value);
	add_sample(x, labels, text);
}

void exposition_seconds(struct exposition *x, const char *const *labels, int64_t us)
{
	char text[MAX_NUMBER];

	seconds(text, us > 0 ? us : 0);
	add_sample(x, labels, text);
}

/* ---- a histogram ----------------------------------------------------------------------------- */

static void bound(char out[MAX_NUMBER], size_t i)
{
	if (i == HISTOGRAM_BOUNDS)
		snprintf(out, MAX_NUMBER, "+Inf");
	else
		snprintf(out, MAX_NUMBER, "%g", (double)histogram_bounds_ms[i] / 1000);
}

static void histogram_text(struct exposition *x, const char *const *labels, const int64_t *slots,
                           const char *sum)
{
	char le[MAX_NUMBER], text[MAX_NUMBER] = "0";
	int64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		n += slots[i];
		bound(le, i);
		snprintf(text, sizeof(text), "%" PRId64, n);
		add_line(x, "_bucket", labels, le, text);
	}
	add_line(x, "_sum", labels, NULL, sum);
	add_line(x, "_count", labels, NULL, text);
}

void exposition_histogram(struct exposition *x, const char *const *labels,
                          const int64_t slots[HISTOGRAM_SLOTS])
{
	char le[MAX_NUMBER], sum[MAX_NUMBER];
	int64_t n = 0;

	seconds(sum, slots[HISTOGRAM_SUM]);
	open_family(x);
	if (!x->json) {
		histogram_text(x, labels, slots, sum);
		return;
	}
	open_sample(x, labels);
	jsonw_key(x->out, "buckets");
	jsonw_open(x->out, '{');
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		n += slots[i];
		bound(le, i);
		jsonw_key(x->out, le);
		buf_add_int(x->out, n);
	}
	jsonw_close(x->out, '}');
	add_number(x->out, "sum", sum);
	jsonw_key(x->out, "count");
	buf_add_int(x->out, n);
	jsonw_close(x->out, '}');
}
