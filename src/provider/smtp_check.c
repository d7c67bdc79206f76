#include "provider/smtp_check.h"

#include <stdio.h>

#include "base/mem.h"
#include "provider/smtp_outcome.h"
#include "smtp/probe.h"

struct question {
	struct provider_check *check;
	const struct smtp_config *config;
	struct outcome failed; /* that it could not even be asked */
	ev_timer tell;
};

static void on_probed(void *data, const struct smtp_result *r, bool tls)
{
	struct question *q = data;
	struct provider_check *c = q->check;
	bool credentials = q->config->user[0] != '\0' || q->config->password[0] != '\0';
	char text[OUTCOME_MAX_TEXT];
	struct outcome o;

	if (r->end == SMTP_END_REPLY && r->phase == SMTP_IDLE) {
		snprintf(text, sizeof(text), "it answers, %s%s", tls ? "over TLS" : "without TLS",
		         credentials ? ", and knows the credentials" : "");
		outcome_set(&o, OUTCOME_SENT, "250", text);
	} else {
		smtp_outcome(&o, r);
		smtp_outcome_hide(&o, q->config);
	}
	mem_free(q);
	c->on_done(c, &o);
}

static void on_tell(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct question *q = timer->data;
	struct provider_check *c = q->check;
	struct outcome o = q->failed;

	(void)loop;
	(void)events;
	mem_free(q);
	c->on_done(c, &o);
}

void smtp_check(struct provider *p, const struct smtp_config *config, struct provider_check *c)
{
	struct question *q = mem_zalloc(sizeof(*q));
	struct error err;

	q->check = c;
	q->config = config;
	if (smtp_probe_start(p->loop, config, on_probed, q, &err))
		return;
	outcome_set(&q->failed, OUTCOME_PROVIDER_DOWN, "tls", err.text);
	ev_init(&q->tell, on_tell);
	q->tell.data = q;
	ev_feed_event(p->loop, &q->tell, EV_CUSTOM);
}
