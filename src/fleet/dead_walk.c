#include "fleet/dead_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mail/job.h"
#include "redis/value.h"

#define PAGE 1000
#define BATCH_BYTES ((int64_t)8 << 20)
#define NUMBER_SIZE 24

/* What is asked next. */
enum stage {
	STAGE_TIME,
	STAGE_PAGE,    /* the names of some more letters */
	STAGE_FIND,    /* which letters have these names? */
	STAGE_OWNED,   /* … and those that own the mails of these keys? */
	STAGE_SIZE,    /* of a batch of letters */
	STAGE_PAYLOAD, /* of so many of them as may be in memory together, from here on */
	STAGE_MAIL,
	STAGE_AUTO,
	STAGE_REOPEN,
	STAGE_TAKE_OUT,
	STAGE_OVER,
};

static void walk_ask(struct inquiry *q);
static void walk_take(struct inquiry *q, size_t i, const redisReply *reply);

void dead_walk_init(struct dead_walk *w, const struct options *o, const struct queue_set *queues)
{
	memset(w, 0, sizeof(*w));
	inquiry_init(&w->inquiry, walk_ask, walk_take);
	w->options = o;
	w->queues = queues;
	w->filter = dead_filter_any;
	w->place.at = -1;
}

static void page_clear(struct dead_walk *w)
{
	for (size_t i = 0; i < w->n_page; i++)
		mem_free(w->page[i].id);
	w->n_page = w->next_page = 0;
}

static void batch_clear(struct dead_walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		dead_letter_free(&w->letters[i]);
	for (size_t i = 0; i < w->n_finding; i++)
		mem_free(w->owner[i]);
	w->n = w->from = w->until = w->n_finding = 0;
}

void dead_walk_free(struct dead_walk *w)
{
	page_clear(w);
	batch_clear(w);
	mem_free(w->page);
	mem_free(w->asked);
	inquiry_free(&w->inquiry);
}

/* One more question of this round, which is about the i-th letter or name. */
static struct command *question(struct dead_walk *w, size_t i, int what)
{
	if (w->n_asked == w->room_asked) {
		w->room_asked = w->room_asked > 0 ? 2 * w->room_asked : DEAD_WALK_BATCH;
		w->asked = mem_realloc(w->asked, w->room_asked * sizeof(*w->asked));
	}
	w->asked[w->n_asked++] = (struct dead_asked){i, what};
	return inquiry_add(&w->inquiry);
}

static void add_letter(struct dead_walk *w, const struct queue_keys *queue, const char *id,
                       int64_t at)
{
	w->why[w->n] = NULL;
	w->letters[w->n++] = (struct dead_letter){
		.queue = queue, .id = mem_strdup(id), .dead_at = at};
}

/* --- all of them, page by page ------------------------------------------------------------------------------- */

static void bounds(const struct dead_walk *w, char min[NUMBER_SIZE], char max[NUMBER_SIZE])
{
	const struct dead_filter *f = &w->filter;
	bool moving = !f->newest_first && w->action == DEAD_WALK_RETRY;

	snprintf(min, NUMBER_SIZE, "-inf");
	snprintf(max, NUMBER_SIZE, "+inf");
	if (f->older_ms >= 0 || moving) /* what dies again is not met again */
		snprintf(max, NUMBER_SIZE, "%" PRId64,
		         w->now - (f->older_ms > 0 ? f->older_ms : 0));
	if (f->newer_ms >= 0)
		snprintf(min, NUMBER_SIZE, "%" PRId64, w->now - f->newer_ms);
	if (w->place.at >= 0 && f->newest_first)
		snprintf(max, NUMBER_SIZE, "%" PRId64, w->place.at);
	else if (w->place.at >= 0)
		snprintf(min, NUMBER_SIZE, "%" PRId64, w->place.at);
}

static void ask_page(struct dead_walk *w)
{
	struct command *c = question(w, 0, 0);
	char min[NUMBER_SIZE], max[NUMBER_SIZE];

	page_clear(w);
	bounds(w, min, max);
	command_str(c, "ZRANGE");
	command_str(c, w->queues->keys[w->place.queue].dead);
	command_str(c, w->filter.newest_first ? max : min);
	command_str(c, w->filter.newest_first ? min : max);
	command_str(c, "BYSCORE");
	if (w->filter.newest_first)
		command_str(c, "REV");
	command_str(c, "LIMIT");
	command_int(c, (int64_t)w->place.skip);
	command_int(c, PAGE);
	command_str(c, "WITHSCORES");
}

static void take_page(struct dead_walk *w, const redisReply *r)
{
	if (w->page == NULL)
		w->page = mem_array(PAGE, sizeof(*w->page));
	w->last_page = r->type != REDIS_REPLY_ARRAY || r->elements < 2 * (size_t)PAGE;
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements && w->n_page < PAGE;
	     i += 2)
		if (value_text_at(r, i) != NULL)
			w->page[w->n_page++] = (struct dead_entry){mem_strdup(value_text_at(r, i)),
			                                           value_int_at(r, i + 1)};
}

/* From the page into the batch. */
static void fill_batch(struct dead_walk *w)
{
	const struct queue_keys *queue = &w->queues->keys[w->place.queue];

	while (w->n < DEAD_WALK_BATCH && w->next_page < w->n_page) {
		const struct dead_entry *e = &w->page[w->next_page++];

		add_letter(w, queue, e->id, e->at);
	}
}

/* This letter has been dealt with. */
static void pass_by(struct dead_walk *w, const struct dead_letter *l, bool stays)
{
	if (w->place.at != l->dead_at)
		w->place = (struct dead_place){w->place.queue, l->dead_at, 0};
	w->place.skip += stays;
}

/* Nothing is left of the page: what is asked next? */
static enum stage after_page(struct dead_walk *w)
{
	if (!w->last_page)
		return STAGE_PAGE;
	w->place = (struct dead_place){w->place.queue + 1, -1, 0};
	return w->place.queue < w->queues->n ? STAGE_PAGE : STAGE_OVER;
}

/* --- by their names ------------------------------------------------------------------------------------------- */

static void ask_score(struct dead_walk *w, size_t i, size_t queue, const char *id)
{
	struct command *c = question(w, i, (int)queue);

	command_str(c, "ZSCORE");
	command_str(c, w->queues->keys[queue].dead);
	command_str(c, id);
}

static const char *id_of(const char *name)
{
	return strncmp(name, DEAD_LETTER_AUTO, strlen(DEAD_LETTER_AUTO)) == 0
	               ? name + strlen(DEAD_LETTER_AUTO)
	               : name;
}

#define OWNER (-1) /* who owns the mail of this key? */

static void ask_find(struct dead_walk *w)
{
	for (; w->n_finding < DEAD_WALK_BATCH && w->name < w->n_names; w->name++) {
		size_t i = w->n_finding++;
		const char *name = w->names[w->name];

		w->finding[i] = name;
		w->owner[i] = NULL;
		w->found[i] = false;
		for (size_t queue = 0; queue < w->queues->n; queue++)
			ask_score(w, i, queue, id_of(name));
		if (job_key_valid(name, strlen(name))) {
			char *key = keys_status(w->options->key_prefix, name);
			struct command *c = question(w, i, OWNER);

			command_str(c, "HGET");
			command_str(c, key);
			command_str(c, "owner");
			mem_free(key);
		}
	}
}

/* The id of the job that owns the mail: it is of queue *queue. NULL: there is none, or not in our queues. */
static const char *owner_of(const struct dead_walk *w, size_t i, size_t *queue)
{
	const char *hash = w->owner[i] != NULL ? strrchr(w->owner[i], '#') : NULL;

	for (size_t k = 0; hash != NULL && k < w->queues->n; k++) {
		const char *list = w->queues->keys[k].list;

		*queue = k;
		if (strlen(list) == (size_t)(hash - w->owner[i]) &&
		    memcmp(list, w->owner[i], strlen(list)) == 0)
			return hash + 1;
	}
	return NULL;
}

static void ask_owned(struct dead_walk *w)
{
	for (size_t i = 0; i < w->n_finding; i++) {
		size_t queue;
		const char *id = w->found[i] ? NULL : owner_of(w, i, &queue);

		if (id != NULL)
			ask_score(w, i, queue, id);
	}
}

static void take_find(struct dead_walk *w, const struct dead_asked *a, const redisReply *r)
{
	const char *id = id_of(w->finding[a->i]);
	size_t queue;

	if (r->type != REDIS_REPLY_STRING)
		return;
	if (a->what == OWNER) {
		w->owner[a->i] = mem_strdup(r->str);
		return;
	}
	if (w->stage == STAGE_OWNED)
		id = owner_of(w, a->i, &queue);
	if (!w->found[a->i])
		add_letter(w, &w->queues->keys[a->what], id, value_int(r));
	w->found[a->i] = true;
}

static void tell_missing(struct dead_walk *w)
{
	for (size_t i = 0; i < w->n_finding; i++)
		if (!w->found[i] && w->missing != NULL)
			w->missing(w->finding[i], w->data);
}

/* --- a batch of letters ------------------------------------------------------------------------------------------ */

static void ask_letters(struct dead_walk *w, enum dead_question q, size_t from, size_t until)
{
	for (size_t i = from; i < until; i++) {
		struct command *c = question(w, i, (int)q);

		if (w->why[i] == NULL && (q < DEAD_REOPEN_AUTO || w->wanted[i]) &&
		    dead_letter_ask(&w->letters[i], q, w->options, c))
			continue;
		w->n_asked--;
		w->inquiry.n--;
	}
}

/* As many of them as have BATCH_BYTES of payload, or one. */
static void choose_group(struct dead_walk *w)
{
	int64_t bytes = 0;

	for (w->until = w->from; w->until < w->n; w->until++) {
		bytes += (int64_t)dead_letter_fetches(&w->letters[w->until], w->options);
		if (w->until > w->from && bytes > BATCH_BYTES)
			return;
	}
}

/* They have been read: which are to be told of, and which of these are to be left alone? */
static void judge_group(struct dead_walk *w)
{
	for (size_t i = w->from; i < w->until; i++) {
		w->wanted[i] = (w->filter.limit == 0 || w->passed < w->filter.limit) &&
		               dead_letter_passes(&w->letters[i], &w->filter);
		w->passed += w->wanted[i];
		if (w->action == DEAD_WALK_RETRY)
			w->why[i] = dead_letter_doubt(&w->letters[i]);
	}
}

static bool satisfied(const struct dead_walk *w)
{
	return w->filter.limit > 0 && w->passed >= w->filter.limit;
}

static void tell_group(struct dead_walk *w)
{
	size_t told = w->passed, i;

	for (i = w->from; i < w->until; i++)
		told -= w->wanted[i];
	for (i = w->from; i < w->until; i++) {
		struct dead_letter *l = &w->letters[i];
		bool stays = !w->wanted[i] || w->action == DEAD_WALK_LOOK || w->why[i] != NULL;

		/* Those behind the last one that is told of are met again, if it goes on. */
		if (satisfied(w) && told == w->passed) {
			w->more = true;
			continue;
		}
		if (w->wanted[i])
			w->fn(l, w->why[i], w->data);
		mem_free(l->payload);
		l->payload = NULL;
		told += w->wanted[i];
		w->seen++;
		pass_by(w, l, stays);
	}
	w->from = w->until;
}

/* A batch is over, or none was begun. */
static enum stage next_batch(struct dead_walk *w)
{
	enum stage next = STAGE_SIZE;
	bool enough = satisfied(w) || (w->budget > 0 && w->seen >= w->budget);

	if (w->names != NULL) {
		batch_clear(w);
		return w->name < w->n_names ? STAGE_FIND : STAGE_OVER;
	}
	w->more = w->more || (enough && (w->from < w->n || w->next_page < w->n_page));
	batch_clear(w);
	if (w->more)
		return STAGE_OVER;
	if (w->next_page >= w->n_page)
		next = after_page(w);
	w->more = enough && next != STAGE_OVER;
	return enough ? STAGE_OVER : next;
}

/* --- the rounds --------------------------------------------------------------------------------------------------- */

static enum stage after_read(struct dead_walk *w)
{
	judge_group(w);
	if (w->dry)
		return STAGE_OVER;
	if (w->action == DEAD_WALK_RETRY)
		return STAGE_REOPEN;
	return w->action == DEAD_WALK_DROP ? STAGE_TAKE_OUT : STAGE_OVER;
}

static enum stage after_group(struct dead_walk *w)
{
	tell_group(w);
	return w->from < w->n && !satisfied(w) ? STAGE_PAYLOAD : next_batch(w);
}

/* The answers of this stage are there. */
static enum stage next_stage(struct dead_walk *w)
{
	enum stage next;

	switch ((enum stage)w->stage) {
	case STAGE_TIME:
		if (w->names != NULL)
			return w->n_names > 0 ? STAGE_FIND : STAGE_OVER;
		return w->place.queue < w->queues->n ? STAGE_PAGE : STAGE_OVER;
	case STAGE_PAGE:
		return w->n_page > 0 ? STAGE_SIZE : after_page(w);
	case STAGE_FIND:
		return STAGE_OWNED;
	case STAGE_OWNED:
		tell_missing(w);
		return w->n > 0 ? STAGE_SIZE : next_batch(w);
	case STAGE_AUTO:
		next = after_read(w);
		return next != STAGE_OVER ? next : after_group(w);
	case STAGE_TAKE_OUT:
		return after_group(w);
	case STAGE_SIZE:
	case STAGE_PAYLOAD:
	case STAGE_MAIL:
	case STAGE_REOPEN:
		return (enum stage)(w->stage + 1);
	case STAGE_OVER:
		break;
	}
	return STAGE_OVER;
}

static void ask_stage(struct dead_walk *w)
{
	switch ((enum stage)w->stage) {
	case STAGE_TIME:
		command_str(question(w, 0, 0), "TIME");
		break;
	case STAGE_PAGE:
		ask_page(w);
		break;
	case STAGE_FIND:
		ask_find(w);
		break;
	case STAGE_OWNED:
		ask_owned(w);
		break;
	case STAGE_SIZE:
		fill_batch(w);
		ask_letters(w, DEAD_SIZE, 0, w->n);
		break;
	case STAGE_PAYLOAD:
		choose_group(w);
		ask_letters(w, DEAD_PAYLOAD, w->from, w->until);
		break;
	case STAGE_MAIL:
		ask_letters(w, DEAD_MAIL, w->from, w->until);
		break;
	case STAGE_AUTO:
		ask_letters(w, DEAD_AUTO, w->from, w->until);
		break;
	case STAGE_REOPEN:
		ask_letters(w, DEAD_REOPEN_AUTO, w->from, w->until);
		ask_letters(w, DEAD_REOPEN_KEY, w->from, w->until);
		break;
	case STAGE_TAKE_OUT:
		ask_letters(w, w->action == DEAD_WALK_RETRY ? DEAD_REQUEUE : DEAD_DROP, w->from,
		            w->until);
		break;
	case STAGE_OVER:
		break;
	}
}

/* A stage that has nothing to ask is over at once. */
static void walk_ask(struct inquiry *q)
{
	struct dead_walk *w = (struct dead_walk *)q;

	if (w->n_round++ > 0)
		w->stage = next_stage(w);
	for (;;) {
		w->n_asked = 0;
		ask_stage(w);
		if (q->n > 0 || w->stage == STAGE_OVER)
			return;
		w->stage = next_stage(w);
	}
}

static void walk_take(struct inquiry *q, size_t i, const redisReply *r)
{
	struct dead_walk *w = (struct dead_walk *)q;
	const struct dead_asked *a = &w->asked[i];
	const char *why;

	switch ((enum stage)w->stage) {
	case STAGE_TIME:
		w->now = value_int_at(r, 0) * 1000 + value_int_at(r, 1) / 1000;
		break;
	case STAGE_PAGE:
		take_page(w, r);
		break;
	case STAGE_FIND:
	case STAGE_OWNED:
		take_find(w, a, r);
		break;
	default:
		why = dead_letter_take(&w->letters[a->i], (enum dead_question)a->what, r);
		if (why != NULL)
			w->why[a->i] = why;
		break;
	}
}
