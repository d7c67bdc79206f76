#include "api/workers.h"

#include "api/api.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "fleet/roster.h"
#include "fleet/survey.h"

struct listing {
	struct request *request;
	struct roster roster;
};

static void write_worker(struct buf *out, const struct roster *roster,
                         const struct roster_worker *w)
{
	int64_t silent_ms = roster->now > w->beat_at ? roster->now - w->beat_at : 0;
	bool said = w->note.version[0] != '\0';

	jsonw_open(out, '{');
	jsonw_pair(out, "name", w->name);
	jsonw_pair_bool(out, "alive", silent_ms < SURVEY_WORKER_GONE_MS);
	jsonw_pair_int(out, "heartbeatMs", silent_ms);
	jsonw_pair_or_null(out, "version", w->note.version);
	jsonw_pair_int_or_null(out, "concurrency", said ? w->note.concurrency : -1);
	jsonw_pair_int_or_null(out, "inFlight", said ? w->note.in_flight : -1);
	jsonw_pair_time(out, "startedAt", w->note.started_at);
	jsonw_close(out, '}');
}

static void on_done(void *data, enum link_result result)
{
	struct listing *l = data;
	struct request *r = l->request;

	if (result == LINK_OK) {
		jsonw_open(&r->out, '{');
		jsonw_key(&r->out, "workers");
		jsonw_open(&r->out, '[');
		for (size_t i = 0; i < l->roster.n; i++)
			write_worker(&r->out, &l->roster, &l->roster.workers[i]);
		jsonw_close(&r->out, ']');
		jsonw_pair_int(&r->out, "total", (int64_t)l->roster.total);
		jsonw_pair(&r->out, "version", POSTRIDER_VERSION);
		jsonw_pair_time(&r->out, "timestamp", l->roster.now);
		jsonw_close(&r->out, '}');
		request_answer(r, 200);
	} else {
		request_again(r, result, workers_run);
	}
	roster_free(&l->roster);
	mem_free(l);
}

void workers_run(struct request *r)
{
	struct listing *l = mem_zalloc(sizeof(*l));

	l->request = r;
	roster_init(&l->roster, r->api->options->key_prefix);
	inquiry_run(&l->roster.inquiry, r->api->redis, on_done, l);
}
