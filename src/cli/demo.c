#include "cli/demo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "cli/human.h"
#include "cli/query.h"
#include "cli/table.h"

#define MOCK "mock://"
#define SCHEDULED_MS 6000
#define FRAME_BYTES (1 << 18)
#define MAX_JOB 2048

/* %KEY% and %LATER% are filled in. */
static const struct demo_template {
	const char *name; /* of the key, before its random end */
	const char *job;
	int pushes;
} templates[] = {
	{"welcome",
         "{\"to\":\"Ada Lovelace <ada@example.com>\",\"subject\":\"Welcome aboard\","
         "\"body\":\"Hello Ada!\",\"idempotencyKey\":\"%KEY%\"}",
         1},
	{"receipt",
         "{\"to\":\"grace@example.com\",\"subject\":\"Your receipt\",\"text\":\"It is attached.\","
         "\"html\":\"<p>It is <b>attached</b>.</p>\",\"attachments\":[{\"filename\":\"receipt.txt\","
         "\"contentType\":\"text/plain\",\"content\":\"VG90YWw6IDQyLjAwCg==\"}],"
         "\"idempotencyKey\":\"%KEY%\"}",
         1},
	{"newsletter",
         "{\"to\":[\"alan@example.com\",\"edsger@example.com\"],\"cc\":\"barbara@example.com\","
         "\"subject\":\"November news\",\"html\":\"<h1>News</h1>\",\"priority\":2,"
         "\"idempotencyKey\":\"%KEY%\"}",
         1},
	{"unicode",
         "{\"to\":\"Jos\xc3\xa9 <jose@example.com>\",\"subject\":\"Gr\xc3\xbc\xc3\x9f"
         "e aus K\xc3\xb6ln\",\"body\":\"Sch\xc3\xb6n!\",\"idempotencyKey\":\"%KEY%\"}",
         1},
	{"twice",
         "{\"to\":\"linus@example.com\",\"subject\":\"Only once, please\",\"body\":\"One copy.\","
         "\"idempotencyKey\":\"%KEY%\"}",
         2},
	{"scheduled",
         "{\"to\":\"margaret@example.com\",\"subject\":\"In a few seconds\",\"body\":\"Now.\","
         "\"sendAt\":%LATER%,\"idempotencyKey\":\"%KEY%\"}",
         1},
	{"broken",
         "{\"to\":\"not an address\",\"subject\":\"This one cannot work\",\"body\":\"?\","
         "\"idempotencyKey\":\"%KEY%\"}",
         1},
};

/* --- before it begins ---------------------------------------------------------------------------------- */

bool demo_check(const struct options *o, struct error *err)
{
	const char *providers = o->providers;
	bool ok = true;

	while (*providers != '\0' && ok) {
		size_t n = strcspn(providers, ", ");
		char *name = mem_strndup(providers, n), *dsn = NULL;

		if (n > 0) {
			ok = options_provider_dsn(name, &dsn, err);
			if (ok && dsn != NULL && strncmp(dsn, MOCK, strlen(MOCK)) != 0)
				ok = error_set(
					err,
					"the demo sends only through mocks, and PROVIDERS names "
					"%s, which is real; run postrider up without --demo, or "
					"unset PROVIDERS",
					name);
		}
		mem_free_secret(dsn);
		mem_free(name);
		providers += n + (providers[n] != '\0');
	}
	return ok;
}

/* --- pushing ------------------------------------------------------------------------------------------- */

static void fill_in(struct buf *out, const char *job, const char *key, int64_t later)
{
	const char *mark;

	while ((mark = strchr(job, '%')) != NULL) {
		buf_add(out, job, (size_t)(mark - job));
		if (strncmp(mark, "%KEY%", 5) == 0)
			buf_add_str(out, key);
		else
			buf_add_int(out, later);
		job = strchr(mark + 1, '%') + 1;
	}
	buf_add_str(out, job);
}

static bool push_one(struct demo *d, struct sync *s, const struct demo_template *t,
                     const char *queue, unsigned suffix, struct error *err)
{
	struct demo_mail *m = &d->mails[d->n++];
	struct buf job;
	bool ok = true;
	int64_t length;

	m->key = mem_printf("%s-%04x", t->name, suffix);
	m->seen = -1;
	buf_init(&job, MAX_JOB);
	fill_in(&job, t->job, m->key, d->now + SCHEDULED_MS);
	for (int i = 0; i < t->pushes && ok; i++)
		ok = query_int(s, err, &length, "LPUSH", queue, buf_str(&job), NULL);
	buf_free(&job);
	return ok;
}

bool demo_push(struct demo *d, struct sync *s, const struct options *o, const char *queue,
               struct error *err)
{
	unsigned suffix = (unsigned)(random_u64() & 0xffff);

	memset(d, 0, sizeof(*d));
	d->options = o;
	d->pushed_at = clock_mono_us();
	term_init(&d->term, stdout);
	if (!query_now(s, err, &d->now))
		return false;
	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++)
		if (!push_one(d, s, &templates[i], queue, suffix, err))
			return false;
	return true;
}

void demo_free(struct demo *d)
{
	for (size_t i = 0; i < d->n; i++) {
		mem_free(d->mails[i].key);
		mail_view_free(&d->mails[i].view);
	}
	d->n = 0;
}

/* --- showing ---------------------------------------------------------------------------------------------- */

/* The tries in order, those with the same provider together: "primary ✗✗ secondary ✓". */
static void write_route(const struct term *term, struct buf *out, const struct mail_view *v)
{
	const char *before = "";

	for (size_t i = 0; i < v->n_timeline; i++) {
		const struct mail_view_attempt *a = &v->timeline[i];
		bool sent = strcmp(a->outcome, "sent") == 0;

		if (strcmp(before, a->provider) != 0)
			buf_addf(out, "%s%s ", i > 0 ? "  " : "", a->provider);
		if (term->unicode)
			buf_add_str(out, sent ? "\xe2\x9c\x93" : "\xe2\x9c\x97");
		else
			buf_add_str(out, sent ? "ok" : "x");
		before = a->provider;
	}
}

/* The column that tells the story. */
static void write_story(const struct demo *d, struct buf *out, const struct mail_view *v)
{
	char in[HUMAN_SIZE];

	write_route(&d->term, out, v);
	if (!v->found)
		return;
	if (mail_view_is(v, "retrying") || mail_view_is(v, "scheduled"))
		buf_addf(out, "%s%s%s", out->len > 0 ? "  " : "",
		         v->next_attempt_at > d->now ? "in " : "due",
		         v->next_attempt_at > d->now
		                 ? human_duration(in, v->next_attempt_at - d->now)
		                 : "");
	else if (mail_view_settled(v) && !mail_view_is(v, "sent") && v->error != NULL)
		buf_addf(out, "%s%s", out->len > 0 ? "  " : "", v->error);
	if (v->duplicates > 0)
		buf_addf(out, "  (%" PRId64 " duplicate dropped)", v->duplicates);
}

static void add_row(const struct demo *d, struct table *t, const struct demo_mail *m)
{
	const struct mail_view *v = &m->view;
	const char *status = v->found ? v->status : "queued";
	struct buf story;

	buf_init(&story, 4096);
	write_story(d, &story, v);
	table_add(t, PAINT_BOLD, m->key);
	table_add(t, PAINT_NONE, v->subject);
	table_add(t, term_status_paint(status), status);
	table_add(t, PAINT_NONE, buf_str(&story));
	buf_free(&story);
}

static void paint(struct demo *d, const char *notice)
{
	static const struct table_column columns[] = {
		{"KEY", false, false, 0},
		{"SUBJECT", false, true, 18},
		{"STATUS", false, false, 0},
		{"WHAT HAPPENED", false, true, 0},
	};
	struct table t;
	struct buf frame;

	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
	buf_init(&frame, FRAME_BYTES);
	for (size_t i = 0; i < d->n; i++)
		add_row(d, &t, &d->mails[i]);
	table_write(&t, &d->term, &frame);
	if (*notice != '\0') {
		size_t n = term_cut(notice, term_width(&d->term) - 1);
		char *cut = mem_strndup(notice, n);

		buf_add_char(&frame, '\n');
		term_paint(&d->term, &frame, PAINT_YELLOW, cut);
		buf_add_char(&frame, '\n');
		mem_free(cut);
	}
	term_frame(&d->term, &frame);
	buf_free(&frame);
	table_free(&t);
}

/* Where there is no terminal: what is new of each mail. */
static void print_news(struct demo *d)
{
	double s = (double)(clock_mono_us() - d->pushed_at) / 1e6;

	for (size_t i = 0; i < d->n; i++) {
		struct demo_mail *m = &d->mails[i];
		int64_t state = m->view.updated_at + m->view.attempts + m->view.duplicates;
		struct buf story;

		if (!m->view.found || state == m->seen)
			continue;
		m->seen = state;
		buf_init(&story, 4096);
		write_story(d, &story, &m->view);
		printf("%6.2fs  %-18s %-10s %s\n", s, m->key, m->view.status, buf_str(&story));
		buf_free(&story);
	}
	fflush(stdout);
}

bool demo_look(struct demo *d, struct sync *s, const char *notice, bool *settled, struct error *err)
{
	*settled = true;
	if (!query_now(s, err, &d->now))
		return false;
	for (size_t i = 0; i < d->n; i++) {
		struct demo_mail *m = &d->mails[i];

		mail_view_free(&m->view);
		if (!mail_view_load(&m->view, s, d->options->key_prefix, m->key, err))
			return false;
		*settled = *settled && mail_view_settled(&m->view);
	}
	if (d->term.tty)
		paint(d, notice);
	else
		print_news(d);
	if (*settled)
		term_keep(&d->term);
	return true;
}

static size_t count(const struct demo *d, const char *status)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += mail_view_is(&d->mails[i].view, status);
	return n;
}

const char *demo_failed_key(const struct demo *d)
{
	for (size_t i = d->n; i-- > 0;)
		if (mail_view_is(&d->mails[i].view, "failed"))
			return d->mails[i].key;
	return NULL;
}

void demo_sum_up(const struct demo *d)
{
	double s = (double)(clock_mono_us() - d->pushed_at) / 1e6;
	size_t sent = count(d, "sent"), failed = count(d, "failed");

	printf("\nAll settled after %.1f s: %zu sent, %zu failed%s.\n", s, sent, failed,
	       failed == 1 ? " (as it should)" : "");
	if (sent + failed < d->n)
		printf("%zu held: nobody knows whether the provider took them.\n",
		       d->n - sent - failed);
}
