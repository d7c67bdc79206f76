#include "support/smtp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct smtp_rig rig;

int smtp_rig_setup(void **state)
{
	(void)state;
	rig.loop = ev_loop_new(0);
	delivery_options(&rig.options);
	return rig.loop == NULL;
}

static void stop(void)
{
	if (rig.provider != NULL)
		provider_close(rig.provider);
	if (rig.server != NULL)
		script_server_free(rig.server);
	rig.provider = NULL;
	rig.server = NULL;
}

int smtp_rig_teardown(void **state)
{
	(void)state;
	stop();
	ev_loop_destroy(rig.loop);
	options_free(&rig.options);
	return 0;
}

void smtp_rig_start(script_fn *fn, void *arg, const char *params)
{
	stop();
	rig.server = script_server_start(fn, arg);
	rig.provider = delivery_open(rig.loop, &rig.options, "smtp://127.0.0.1:%d?tls=none%s",
	                             script_server_port(rig.server), params);
}

void smtp_rig_start_dsn(script_fn *fn, void *arg, const char *dsn)
{
	const char *port = strstr(dsn, "%d");

	stop();
	assert_non_null(port);
	rig.server = script_server_start(fn, arg);
	rig.provider = delivery_open(rig.loop, &rig.options, "%.*s%d%s", (int)(port - dsn), dsn,
	                             script_server_port(rig.server), port + 2);
}

struct outcome smtp_rig_deliver(const char *payload)
{
	struct mail *m = mail_new(rig.provider, 1, payload);
	struct outcome o = *mail_deliver(m);

	assert_int_equal(m->done, 1);
	assert_int_equal(rig.provider->in_use, 0);
	mail_free(m);
	return o;
}

void smtp_rig_is(struct outcome o, enum outcome_kind kind, const char *code)
{
	if (o.kind != kind || strncmp(o.code, code, strlen(code)) != 0)
		fail_msg("%s \"%s\" \"%s\", not %s \"%s\"; the server saw:\n%s",
		         outcome_name(o.kind), o.code, o.text, outcome_name(kind), code,
		         script_server_record(rig.server));
}

void smtp_rig_expect(enum outcome_kind kind, const char *code)
{
	smtp_rig_is(smtp_rig_deliver(NULL), kind, code);
}

size_t smtp_rig_saw(const char *text)
{
	return script_server_count(rig.server, text);
}

void smtp_rig_in_order(void)
{
	if (smtp_rig_saw("<spoke early>") + smtp_rig_saw("<expected ") > 0)
		fail_msg("out of order:\n%s", script_server_record(rig.server));
}
