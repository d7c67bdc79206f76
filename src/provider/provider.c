#include "provider/provider.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/suggest.h"

#define MAX_CONCURRENCY 100000
#define MAX_BURST 1000000
#define MAX_TIMEOUT_MS 3600000
#define BURST_US 100000 /* default: as many mails as fall into this */

static const struct provider_type *const types[] = {
	&provider_smtp, &provider_smtps,    &provider_sendgrid, &provider_mailgun,
	&provider_ses,  &provider_postmark, &provider_resend,   &provider_mock};
static const char *const common_params[] = {"rate", "burst",  "concurrency", "timeout",
                                            "tier", "weight", "overflow",    NULL};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

bool provider_parse_rate(const char *text, int64_t *interval_us, struct error *err)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {{"/s", 1000000},
	             {"/m", INT64_C(60000000)},
	             {"/h", INT64_C(3600000000)},
	             {"/d", INT64_C(86400000000)}};
	size_t digits = strspn(text, "0123456789");
	char number[24];
	int64_t n;

	if (digits == 0 || digits >= sizeof(number))
		return error_set(err, "rate must be a number of mails per s, m, h or d, as in "
		                      "50/s");
	memcpy(number, text, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		if (!number_int(number, &n) || n < 1 || n > units[i].us)
			return error_set(err, "rate must be between 1/d and 1000000/s");
		*interval_us = units[i].us / n;
		return true;
	}
	return error_set(err, "rate must be a number of mails per s, m, h or d, as in 50/s");
}

static const struct provider_type *find_type(const char *scheme, struct error *err)
{
	struct suggest near = suggest_for(scheme);
	char known[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < N_TYPES; i++) {
		const char *name = types[i]->scheme;

		if (strcmp(name, scheme) == 0)
			return types[i];
		suggest_try(&near, name);
		if (len + strlen(name) + 6 < sizeof(known)) {
			if (i > 0) {
				memcpy(known + len, ", ", 2);
				len += 2;
			}
			memcpy(known + len, name, strlen(name) + 1);
			len += strlen(name);
		}
	}
	if (suggest_best(&near) != NULL)
		error_set(err, "there is no kind of provider \"%s\"; did you mean %s://?", scheme,
		          suggest_best(&near));
	else
		error_set(err, "there is no kind of provider \"%s\"; there are %s", scheme, known);
	return NULL;
}

static bool read_overflow(struct provider *p, struct uri *dsn, struct error *err)
{
	const char *what = uri_param(dsn, "overflow");

	if (what != NULL && strcmp(what, "wait") != 0 && strcmp(what, "spill") != 0)
		return error_set(err, "overflow must be wait or spill");
	p->spills = what != NULL && strcmp(what, "spill") == 0;
	return true;
}

static bool read_common(struct provider *p, struct uri *dsn, struct error *err)
{
	const char *rate = uri_param(dsn, "rate");
	long burst = 0;

	if (rate != NULL && !provider_parse_rate(rate, &p->interval_us, err))
		return false;
	if (!uri_param_int(dsn, "burst", 1, MAX_BURST, &burst, err) ||
	    !uri_param_int(dsn, "concurrency", 1, MAX_CONCURRENCY, &p->concurrency, err) ||
	    !uri_param_int(dsn, "tier", 0, PROVIDER_MAX_TIER, &p->tier, err) ||
	    !uri_param_int(dsn, "weight", 0, PROVIDER_MAX_WEIGHT, &p->weight, err) ||
	    !read_overflow(p, dsn, err) ||
	    !uri_param_ms(dsn, "timeout", 1, MAX_TIMEOUT_MS, &p->timeout_ms, err))
		return false;
	if (burst > 0 && rate == NULL)
		return error_set(err, "burst says how many mails may go at once under a rate; "
		                      "there is no rate");
	p->burst = burst;
	if (burst == 0)
		p->burst = p->interval_us > 0 && p->interval_us < BURST_US
		                   ? BURST_US / p->interval_us
		                   : 1;
	return true;
}

/* A name that is safe to show: a password with a '?' in it ends up among the parameters. */
static bool showable(const char *name)
{
	return strlen(name) <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name);
}

static bool refuse_unused(const struct provider *p, const struct uri *dsn, struct error *err)
{
	const char *unused = uri_unused(dsn);
	struct suggest near;

	if (unused == NULL)
		return true;
	if (!showable(unused))
		return error_set(err,
		                 "it has a parameter that %s:// does not have (a ? or & in a "
		                 "password is written %%3F or %%26)",
		                 p->type->scheme);
	near = suggest_for(unused);
	for (const char *const *name = common_params; *name != NULL; name++)
		suggest_try(&near, *name);
	for (const char *const *name = p->type->params; *name != NULL; name++)
		suggest_try(&near, *name);
	if (suggest_best(&near) != NULL)
		return error_set(err, "%s:// has no parameter \"%s\"; did you mean %s?",
		                 p->type->scheme, unused, suggest_best(&near));
	return error_set(err, "%s:// has no parameter \"%s\"", p->type->scheme, unused);
}

static bool open_from(struct provider *p, struct uri *dsn, struct error *err)
{
	p->type = find_type(dsn->scheme, err);
	if (p->type == NULL)
		return false;
	p->concurrency = p->type->concurrency;
	p->timeout_ms = p->type->timeout_ms;
	p->tier = PROVIDER_NO_TIER;
	p->weight = 1;
	if (!read_common(p, dsn, err))
		return false;
	p->state = p->type->open(p, dsn, err);
	return p->state != NULL && refuse_unused(p, dsn, err);
}

struct provider *provider_open(struct ev_loop *loop, const struct options *o, const char *name,
                               const char *dsn, struct error *err)
{
	struct provider *p = mem_zalloc(sizeof(*p));
	struct uri uri = {0};
	bool ok;

	p->name = mem_strdup(name);
	p->server = mem_strdup("");
	p->loop = loop;
	p->options = o;
	ok = uri_parse(&uri, dsn, err) && open_from(p, &uri, err);
	uri_free(&uri);
	if (!ok) {
		error_prefix(err, "provider \"%s\"", name);
		provider_close(p);
		return NULL;
	}
	return p;
}

void provider_close(struct provider *p)
{
	if (p->state != NULL)
		p->type->close(p);
	mem_free(p->name);
	mem_free(p->server);
	mem_free(p);
}

void provider_talks_to(struct provider *p, const char *host, int port)
{
	mem_free(p->server);
	p->server = mem_strdup(host);
	p->port = port;
}

/* Bytes that the message has at the least: attachments in base64, and the texts. */
static size_t least_size(const struct job *job)
{
	size_t n = job->text_len + job->html_len;

	for (size_t i = 0; i < job->n_attachments; i++)
		n += job->attachments[i].len / 3 * 4;
	return n;
}

const char *provider_refuses(const struct provider *p, const struct job *job)
{
	if (p->type->max_bytes > 0 && least_size(job) > p->type->max_bytes)
		return "the mail is larger than this provider takes";
	return p->type->refuses != NULL ? p->type->refuses(p, job) : NULL;
}

void provider_send(struct provider *p, struct delivery *d)
{
	p->in_use++;
	d->since_us = clock_mono_us();
	p->type->send(p, d);
}

void provider_release(struct provider *p, struct delivery *d)
{
	p->type->release(p, d);
}

void provider_abandon(struct provider *p, struct delivery *d)
{
	p->type->abandon(p, d);
	p->in_use--;
	d->impl = NULL;
}

bool provider_waits(const struct provider *p, const struct delivery *d)
{
	return p->type->waits != NULL && p->type->waits(d);
}

size_t provider_room(const struct provider *p)
{
	size_t all = (size_t)p->concurrency + (p->type->ahead != NULL ? p->type->ahead(p) : 0);

	return p->in_use < all ? all - p->in_use : 0;
}

long provider_longest_ms(const struct provider *p)
{
	return p->setup_ms + p->timeout_ms;
}

void provider_done(struct provider *p, struct delivery *d, const struct outcome *o)
{
	p->in_use--;
	d->impl = NULL;
	d->on_done(d, o);
}
