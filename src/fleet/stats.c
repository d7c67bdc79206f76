#include "fleet/stats.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "redis/keys.h"

#define HOLD_US 60000000 /* how long a Redis that does not take counts is left alone with them */
#define MAX_FIELD 128

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const statuses[STATS_STATUSES] = {
	[STATS_SENT] = "sent",
	[STATS_FAILED] = "failed",
	[STATS_HELD] = "held",
	[STATS_CANCELLED] = "cancelled",
};
static const char *const reasons[STATS_REASONS] = {
	[STATS_INVALID] = "invalid", [STATS_TOO_LARGE] = "too_large",
	[STATS_POISON] = "poison",   [STATS_CONFLICT] = "conflict",
	[STATS_EXPIRED] = "expired", [STATS_REJECTED] = "rejected",
	[STATS_SPENT] = "spent",     [STATS_UNKNOWN] = "unknown",
	[STATS_OTHER] = "other",
};
static const char *const one[] = {"n"};
static const char *const slots[HISTOGRAM_SLOTS] = {
	"5",    "10",    "25",    "50",    "100",    "250",     "500", "1000", "2500",
	"5000", "10000", "30000", "60000", "600000", "3600000", "inf", "us",
};

static const struct {
	const char *name;
	bool of_provider;
	size_t at, n;
	const char *const *labels; /* NULL: the outcomes' */
} groups[STATS_GROUPS] = {
	[STATS_ATTEMPTS] = {"attempts", true, 0, OUTCOME_N, NULL},
	[STATS_PROVIDER_MAILS] = {"mails", true, OUTCOME_N, STATS_STATUSES, statuses},
	[STATS_CALL] = {"call", true, OUTCOME_N + STATS_STATUSES, HISTOGRAM_SLOTS, slots},
	[STATS_MAILS] = {"mails", false, 0, STATS_STATUSES, statuses},
	[STATS_ADOPTED] = {"adopted", false, STATS_STATUSES, 1, one},
	[STATS_DUPLICATES] = {"duplicates", false, STATS_STATUSES + 1, 1, one},
	[STATS_DEAD] = {"dead", false, STATS_STATUSES + 2, STATS_REASONS, reasons},
	[STATS_WAIT] = {"wait", false, STATS_STATUSES + 2 + STATS_REASONS, HISTOGRAM_SLOTS, slots},
	[STATS_TOTAL] = {"total", false, STATS_STATUSES + 2 + STATS_REASONS + HISTOGRAM_SLOTS,
                         HISTOGRAM_SLOTS, slots},
};

size_t stats_labels(enum stats_group g)
{
	return groups[g].n;
}

const char *stats_label(enum stats_group g, size_t i)
{
	return groups[g].labels ? groups[g].labels[i] : outcome_name((enum outcome_kind)i);
}

size_t stats_at(enum stats_group g)
{
	return groups[g].at;
}

bool stats_find(bool of_provider, const char *field, size_t *cell)
{
	for (int g = 0; g < STATS_GROUPS; g++) {
		size_t n = strlen(groups[g].name);

		if (groups[g].of_provider != of_provider ||
		    strncmp(field, groups[g].name, n) != 0 || field[n] != ':')
			continue;
		for (size_t i = 0; i < groups[g].n; i++) {
			if (strcmp(field + n + 1, stats_label((enum stats_group)g, i)) == 0) {
				*cell = groups[g].at + i;
				return true;
			}
		}
	}
	return false;
}

enum stats_status stats_status(const char *status)
{
	int i = 0;

	while (i < STATS_STATUSES && strcmp(status, statuses[i]) != 0)
		i++;
	return (enum stats_status)i;
}

enum stats_reason stats_reason(const struct outcome *o)
{
	/* Those of task.c: what fails for a reason that is not a provider's. */
	static const struct {
		const char *code;
		enum stats_reason reason;
	} codes[] = {
		{"invalid_job", STATS_INVALID},  {"job_too_large", STATS_TOO_LARGE},
		{"poison", STATS_POISON},        {"conflict", STATS_CONFLICT},
		{"expired", STATS_EXPIRED},      {"status_unusable", STATS_CONFLICT},
		{"attempts_spent", STATS_SPENT}, {"no_such_provider", STATS_SPENT},
	};

	for (size_t i = 0; o->kind == OUTCOME_REJECTED && i < sizeof(codes) / sizeof(codes[0]);
	     i++) {
		if (strcmp(o->code, codes[i].code) == 0)
			return codes[i].reason;
	}
	switch (o->kind) {
	case OUTCOME_REJECTED:
		return STATS_REJECTED;
	case OUTCOME_UNKNOWN:
	case OUTCOME_N:
		return STATS_UNKNOWN;
	case OUTCOME_SENT:
		return STATS_OTHER;
	case OUTCOME_RETRY:
	case OUTCOME_THROTTLED:
	case OUTCOME_PROVIDER_DOWN:
		break;
	}
	return STATS_SPENT;
}

/* ---- counting -------------------------------------------------------------------------------- */

struct cell {
	struct stats_row *row;
	int64_t pending; /* not told yet */
	int64_t flying;  /* told, and not answered */
};

struct stats_row {
	struct stats_row *next;
	struct stats *stats;
	char *key;
	char *provider; /* NULL: a queue's */
	bool news;      /* a cell may have something pending */
	bool limit_news;
	int64_t interval_us, burst;
	struct cell cells[STATS_MAX_CELLS];
};

void stats_init(struct stats *s, const char *key_prefix)
{
	*s = (struct stats){.key = keys_stats(key_prefix)};
	command_init(&s->command);
}

void stats_free(struct stats *s)
{
	while (s->rows) {
		struct stats_row *r = s->rows;
		s->rows = r->next;
		mem_free(r->key);
		mem_free(r->provider);
		mem_free(r);
	}
	command_free(&s->command);
	mem_free(s->key);
}

static struct stats_row *row_get(struct stats *s, const char *key, const char *provider)
{
	struct stats_row *r;

	for (r = s->rows; r; r = r->next) {
		if (provider ? r->provider && strcmp(r->provider, provider) == 0
		             : !r->provider && strcmp(r->key, key) == 0)
			return r;
	}
	r = mem_zalloc(sizeof(*r));
	r->stats = s;
	r->key = mem_strdup(key);
	r->provider = mem_strdup(provider);
	for (size_t i = 0; i < STATS_MAX_CELLS; i++)
		r->cells[i].row = r;
	r->next = s->rows;
	s->rows = r;
	return r;
}

struct stats_row *stats_provider(struct stats *s, const char *name)
{
	return row_get(s, s->key, name);
}

struct stats_row *stats_queue(struct stats *s, const char *key)
{
	return row_get(s, key, NULL);
}

static void row_add(struct stats_row *r, size_t cell, int64_t n)
{
	r->cells[cell].pending += n;
	r->news = true;
}

void stats_add(struct stats_row *r, enum stats_group g, size_t label)
{
	if (label < groups[g].n)
		row_add(r, groups[g].at + label, 1);
}

void stats_time(struct stats_row *r, enum stats_group g, int64_t us)
{
	if (us < 0)
		us = 0;
	row_add(r, groups[g].at + histogram_bucket(us), 1);
	row_add(r, groups[g].at + HISTOGRAM_SUM, us);
}

void stats_limit(struct stats_row *r, int64_t interval_us, int64_t burst)
{
	r->interval_us = interval_us;
	r->burst = burst;
	r->limit_news = true;
}

int64_t stats_pending(const struct stats_row *r, enum stats_group g, size_t label)
{
	return r->cells[groups[g].at + label].pending;
}

/* ---- telling Redis --------------------------------------------------------------------------- */

/* "primary:attempts:sent", "mails:sent" */
static void add_field(struct command *c, const struct stats_row *r, const char *group,
                      const char *label)
{
	char name[MAX_FIELD];
	struct buf b;

	buf_init(&b, sizeof(name));
	if (r->provider) {
		buf_add_str(&b, r->provider);
		buf_add_char(&b, ':');
	}
	buf_add_str(&b, group);
	if (label) {
		buf_add_char(&b, ':');
		buf_add_str(&b, label);
	}
	command_arg(c, buf_str(&b), b.len);
	buf_free(&b);
}

static void stats_refused(struct stats *s, const char *key, const redisReply *reply)
{
	int64_t now = clock_mono_us();

	if (now < s->hold_until)
		return; /* the answers of one write: said once */
	s->hold_until = now + HOLD_US;
	log_warn("stats_not_written", LOG_STR("key", key),
	         LOG_STR("error", reply && reply->str ? reply->str : NULL));
}

static void stats_on_added(void *data, enum link_result result, const redisReply *reply)
{
	struct cell *c = data;
	struct stats_row *r = c->row;

	if (result != LINK_OK && result != LINK_LOST) {
		c->pending += c->flying;
		r->news = true;
	}
	if (result == LINK_ERROR || result == LINK_CONFIG)
		stats_refused(r->stats, r->key, reply);
	c->flying = 0;
}

/* Is told again when it is lost: it is the same whenever it is told. */
static void stats_on_limit(void *data, enum link_result result, const redisReply *reply)
{
	struct stats_row *r = data;

	if (result != LINK_OK)
		r->limit_news = true;
	if (result == LINK_ERROR || result == LINK_CONFIG)
		stats_refused(r->stats, r->key, reply);
}

static bool row_tell_limit(struct stats_row *r, struct topology *redis)
{
	struct command *c = &r->stats->command;

	command_clear(c);
	command_str(c, "HSET");
	command_str(c, r->key);
	add_field(c, r, "interval", NULL);
	command_int(c, r->interval_us);
	add_field(c, r, "burst", NULL);
	command_int(c, r->burst);
	r->limit_news = false;
	if (topology_send(redis, c, 0, stats_on_limit, r))
		return true;
	r->limit_news = true;
	return false;
}

static bool row_tell(struct stats_row *r, enum stats_group g, size_t i, struct topology *redis)
{
	struct command *c = &r->stats->command;
	struct cell *cell = &r->cells[groups[g].at + i];

	if (cell->pending == 0)
		return true;
	if (cell->flying != 0) {
		r->news = true; /* a second was not enough for the answer */
		return true;
	}
	command_clear(c);
	command_str(c, "HINCRBY");
	command_str(c, r->key);
	add_field(c, r, groups[g].name, stats_label(g, i));
	command_int(c, cell->pending);
	if (!topology_send(redis, c, 0, stats_on_added, cell)) {
		r->news = true;
		return false;
	}
	cell->flying = cell->pending;
	cell->pending = 0;
	return true;
}

/* Stops where its server cannot be asked. */
static void row_flush(struct stats_row *r, struct topology *redis)
{
	if (r->limit_news && !row_tell_limit(r, redis))
		return;
	if (!r->news)
		return;
	r->news = false;
	for (int g = 0; g < STATS_GROUPS; g++) {
		if (groups[g].of_provider != (r->provider != NULL))
			continue;
		for (size_t i = 0; i < groups[g].n; i++) {
			if (!row_tell(r, (enum stats_group)g, i, redis))
				return;
		}
	}
}

void stats_flush(struct stats *s, struct topology *redis)
{
	if (clock_mono_us() < s->hold_until)
		return;
	for (struct stats_row *r = s->rows; r; r = r->next)
		row_flush(r, redis);
}
