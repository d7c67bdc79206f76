#include "smtp/probe.h"

#include "base/mem.h"
#include "smtp/resolver.h"
#include "smtp/session.h"
#include "smtp/tls.h"

#define SCRATCH_MAX ((size_t)1 << 16) /* AUTH with a long token */

struct probe {
	struct smtp_client client;
	struct smtp_resolver *resolver; /* NULL: the host is a numeric address */
	struct smtp_session *session;
	struct smtp_result result;
	bool tls;
	ev_timer tell; /* when the session is done with this struct */
	smtp_probe_fn *fn;
	void *data;
};

static void probe_free(struct probe *p)
{
	ev_timer_stop(p->client.loop, &p->tell);
	smtp_resolver_close(p->resolver);
	smtp_tls_close(p->client.tls);
	buf_free(&p->client.scratch);
	mem_free(p);
}

static void on_tell(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct probe *p = timer->data;
	struct smtp_result result = p->result;
	smtp_probe_fn *fn = p->fn;
	void *data = p->data;
	bool tls = p->tls;

	(void)loop;
	(void)events;
	probe_free(p);
	fn(data, &result, tls);
}

static void on_end(struct smtp_session *s, struct smtp_envelope *e, struct smtp_result *r)
{
	struct probe *p = s->client->data;

	(void)e;
	if (p->session == NULL)
		return;
	p->session = NULL;
	p->result = *r;
	p->tls = s->transport.ssl != NULL;
	if (s->phase == SMTP_IDLE)
		smtp_session_quit(s);
	ev_feed_event(p->client.loop, &p->tell, EV_CUSTOM);
}

static void on_resolved(void *data, const struct smtp_addresses *found, const char *why)
{
	struct probe *p = data;

	if (found != NULL)
		smtp_session_connect(p->session, found);
	else
		smtp_session_unresolved(p->session, why);
}

bool smtp_probe_start(struct ev_loop *loop, const struct smtp_config *config, smtp_probe_fn *fn,
                      void *data, struct error *err)
{
	struct probe *p = mem_zalloc(sizeof(*p));
	struct smtp_addresses numeric;
	bool is_numeric = smtp_resolver_numeric(&numeric, config->host, config->port);

	p->client.loop = loop;
	p->client.config = config;
	p->client.on_end = on_end;
	p->client.data = p;
	p->fn = fn;
	p->data = data;
	buf_init(&p->client.scratch, SCRATCH_MAX);
	ev_init(&p->tell, on_tell);
	p->tell.data = p;
	if (config->mode != SMTP_TLS_NONE)
		p->client.tls = smtp_tls_open(config->verify, config->ca_file, err);
	if (!is_numeric)
		p->resolver = smtp_resolver_open(loop, NULL, err);
	if ((config->mode != SMTP_TLS_NONE && p->client.tls == NULL) ||
	    (!is_numeric && p->resolver == NULL)) {
		probe_free(p);
		return false;
	}
	p->session = smtp_session_open(&p->client, NULL);
	if (is_numeric)
		smtp_session_connect(p->session, &numeric);
	else
		smtp_resolver_lookup(p->resolver, config->host, config->port, config->connect_ms,
		                     on_resolved, p);
	return true;
}
