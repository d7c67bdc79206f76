#include "api/provider_stats.h"

#include <math.h>

#include "api/look.h"
#include "api/overview.h"
#include "base/jsonw.h"
#include "fleet/stats.h"

static void write_group(struct buf *out, const char *name, enum stats_group g, const int64_t *cells)
{
	jsonw_key(out, name);
	jsonw_open(out, '{');
	for (size_t i = 0; i < stats_labels(g); i++)
		jsonw_pair_int(out, stats_label(g, i), cells[stats_at(g) + i]);
	jsonw_close(out, '}');
}

/* Of all attempts that say anything of the provider's worth: not those that it has put off. */
static void write_rates(struct buf *out, const int64_t *attempts)
{
	int64_t sent = attempts[OUTCOME_SENT], failed = 0;

	for (int i = 0; i < OUTCOME_N; i++)
		failed += i == OUTCOME_SENT || i == OUTCOME_THROTTLED ? 0 : attempts[i];
	jsonw_pair_int(out, "sent", sent);
	jsonw_pair_int(out, "failed", failed);
	jsonw_pair_int(out, "throttled", attempts[OUTCOME_THROTTLED]);
	jsonw_pair_real(out, "successRate",
	                sent + failed > 0 ? (double)sent / (double)(sent + failed) : NAN);
	jsonw_pair_real(out, "failureRate",
	                sent + failed > 0 ? (double)failed / (double)(sent + failed) : NAN);
}

static void write_latency(struct buf *out, const int64_t *slots)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = {{"p50Ms", 0.5}, {"p90Ms", 0.9}, {"p95Ms", 0.95}, {"p99Ms", 0.99}};
	int64_t n = histogram_count(slots);

	jsonw_key(out, "latency");
	jsonw_open(out, '{');
	jsonw_pair_int(out, "count", n);
	jsonw_pair_real(out, "meanMs",
	                n > 0 ? (double)slots[HISTOGRAM_SUM] / 1000 / (double)n : NAN);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		jsonw_pair_real(out, quantiles[i].name,
		                n > 0 ? histogram_quantile_ms(slots, quantiles[i].q) : NAN);
	jsonw_close(out, '}');
}

static void write_bucket(struct buf *out, const struct survey *s, const struct survey_provider *p)
{
	jsonw_key(out, "bucket");
	if (p->interval_us <= 0) {
		jsonw_null(out);
		return;
	}
	jsonw_open(out, '{');
	jsonw_pair_real(out, "ratePerSecond", 1e6 / (double)p->interval_us);
	jsonw_pair_int(out, "capacity", p->burst);
	jsonw_pair_int(out, "tokens", survey_provider_tokens(s, p));
	jsonw_close(out, '}');
}

void provider_stats_write(struct buf *out, const struct survey *s, const struct survey_provider *p)
{
	jsonw_open(out, '{');
	jsonw_pair(out, "name", p->name);
	write_rates(out, p->counts + stats_at(STATS_ATTEMPTS));
	write_group(out, "attempts", STATS_ATTEMPTS, p->counts);
	write_group(out, "mails", STATS_PROVIDER_MAILS, p->counts);
	write_latency(out, p->counts + stats_at(STATS_CALL));
	jsonw_key(out, "breaker");
	overview_write_breaker(out, p);
	write_bucket(out, s, p);
	jsonw_pair_bool(out, "paused", p->paused);
	jsonw_pair_int_or_null(out, "throttledMs", p->pause_ms);
	jsonw_close(out, '}');
}

static void on_look(struct request *r, enum link_result result, const struct survey *s)
{
	struct buf *out = &r->out;

	if (result != LINK_OK) {
		request_again(r, result, provider_stats_run);
		return;
	}
	jsonw_open(out, '{');
	jsonw_key(out, "providers");
	jsonw_open(out, '[');
	for (size_t i = 0; i < s->n_providers; i++)
		provider_stats_write(out, s, &s->providers[i]);
	jsonw_close(out, ']');
	jsonw_pair_time(out, "timestamp", s->now);
	jsonw_close(out, '}');
	request_answer(r, 200);
}

void provider_stats_run(struct request *r)
{
	look_run(r, LOOK_COUNTS, on_look);
}
