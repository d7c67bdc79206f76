#include "api/look.h"

#include "api/api.h"
#include "base/mem.h"

struct look {
	struct api *api;
	struct request *request; /* NULL: it is not for one */
	look_fn *fn;
	look_data_fn *data_fn;
	void *data;
	struct survey survey;
	int round;
	size_t pending;
	enum link_result result; /* the worst so far */
};

/* One question of a look. */
struct question {
	struct look *look;
	size_t i;
};

static void look_ask(struct look *l);

static void look_end(struct look *l)
{
	survey_end(&l->survey);
	if (l->request != NULL)
		l->fn(l->request, l->result, &l->survey);
	else
		l->data_fn(l->data, l->result, &l->survey);
	survey_free(&l->survey);
	mem_free(l);
}

/* One answer less is awaited. */
static void look_step(struct look *l)
{
	if (--l->pending > 0)
		return;
	l->round++;
	if (l->result == LINK_OK && l->round < SURVEY_ROUNDS)
		look_ask(l);
	else
		look_end(l);
}

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct question *q = data;
	struct look *l = q->look;

	if (result == LINK_OK)
		survey_take(&l->survey, l->round, q->i, reply);
	else if (result != LINK_ERROR || !survey_fail(&l->survey, l->round, q->i, reply->str))
		l->result = result;
	mem_free(q);
	look_step(l);
}

static void look_ask(struct look *l)
{
	struct command *c = &l->api->command;

	/* One more than there are, so that it does not end before all are asked. */
	l->pending = 1;
	for (size_t i = 0; i < survey_questions(&l->survey, l->round); i++) {
		struct question *q;

		if (!survey_ask(&l->survey, l->round, i, c))
			continue;
		q = mem_zalloc(sizeof(*q));
		*q = (struct question){l, i};
		l->pending++;
		if (topology_send(l->api->redis, c, 0, on_answer, q))
			continue;
		mem_free(q);
		l->pending--;
		l->result = LINK_LOST;
	}
	look_step(l);
}

static struct look *look_new(struct api *api, unsigned what)
{
	struct look *l = mem_zalloc(sizeof(*l));

	l->api = api;
	l->result = LINK_OK;
	survey_init(&l->survey, api->options, api->queues);
	if (what & LOOK_COUNTS)
		survey_count(&l->survey);
	if (what & LOOK_AGES)
		survey_age(&l->survey);
	if (what & LOOK_LAGS)
		survey_lag(&l->survey);
	return l;
}

void look_run(struct request *r, unsigned what, look_fn *fn)
{
	struct look *l = look_new(r->api, what);

	l->request = r;
	l->fn = fn;
	look_ask(l);
}

void look_start(struct api *api, unsigned what, look_data_fn *fn, void *data)
{
	struct look *l = look_new(api, what);

	l->data_fn = fn;
	l->data = data;
	look_ask(l);
}
