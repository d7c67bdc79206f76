#include "support/http_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/wait.h"

static bool calling; /* while a function of the client runs: its callbacks must not come then */

void http_rig_reopen(struct http_rig *r)
{
	struct error err;

	http_client_close(r->client);
	r->client = http_client_open(r->loop, &r->config, &err);
	if (r->client == NULL)
		fail_msg("%s", err.text);
}

int http_rig_begin(void **state)
{
	struct http_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->server = http_server_start();
	*state = r;
	return 0;
}

int http_rig_end(void **state)
{
	struct http_rig *r = *state;

	http_server_free(r->server);
	free(r);
	return 0;
}

int http_rig_set_up(void **state)
{
	struct http_rig *r = *state;

	http_server_clear(r->server);
	r->loop = ev_loop_new(EVFLAG_AUTO);
	r->config = (struct http_config){.ca_file = "",
	                                 .clear_text = true,
	                                 .max_body = 64 << 20,
	                                 .connections = 100,
	                                 .connect_ms = 30000,
	                                 .send_ms = 60000,
	                                 .reply_ms = 60000,
	                                 .idle_ms = 30000};
	r->client = NULL;
	http_rig_reopen(r);
	return 0;
}

int http_rig_tear_down(void **state)
{
	struct http_rig *r = *state;

	http_client_close(r->client);
	ev_loop_destroy(r->loop);
	return 0;
}

static void on_held(struct http_request *request)
{
	struct exchange *x = request->data;

	x->held++;
	x->in_call |= calling;
	if (x->when_held == HELD_RELEASE)
		exchange_release(x);
	else if (x->when_held == HELD_ABANDON)
		exchange_abandon(x);
}

static void on_end(struct http_request *request, const struct http_result *result)
{
	struct exchange *x = request->data;

	x->ended++;
	x->in_call |= calling;
	x->request = NULL;
	x->end = result->end;
	x->passed = result->passed;
	x->refused = result->refused;
	if (result->reply != NULL) {
		x->status = result->reply->status;
		x->complete = result->reply->complete;
		x->body_len = result->reply->body.len;
	}
	snprintf(x->why, sizeof(x->why), "%s", result->why);
	if (x->on_end != NULL)
		x->on_end(x);
}

void exchange_start_at(struct exchange *x, struct http_rig *r, const char *url, size_t n)
{
	struct http_request *request = http_client_request(r->client);

	x->rig = r;
	x->request = request;
	request->data = x;
	request->on_held = on_held;
	request->on_end = on_end;
	request->call.get = n == 0;
	buf_add_str(&request->call.url, url);
	http_call_header(&request->call, "X-Secret", "s3cret");
	for (size_t i = 0; i < n; i++)
		buf_add_char(&request->call.body, (char)('a' + i % 26));
	calling = true;
	http_client_send(request);
	calling = false;
}

void exchange_start(struct exchange *x, struct http_rig *r, const char *behaviour, const char *name,
                    size_t n)
{
	char url[300];

	snprintf(url, sizeof(url), "%s/%s", http_server_url(r->server, behaviour, "plain"), name);
	exchange_start_at(x, r, url, n);
}

void exchange_release(struct exchange *x)
{
	bool before = calling;

	calling = true;
	http_client_release(x->request);
	calling = before;
}

void exchange_abandon(struct exchange *x)
{
	bool before = calling;

	calling = true;
	http_client_abandon(x->request);
	calling = before;
	x->request = NULL;
}

static bool is_held_or_over(void *x)
{
	return ((struct exchange *)x)->held > 0 || ((struct exchange *)x)->ended > 0;
}

static bool is_over(void *x)
{
	return ((struct exchange *)x)->ended > 0;
}

bool exchange_wait_held_or_end(struct exchange *x)
{
	wait_loop_until(x->rig->loop, is_held_or_over, x, 0);
	return x->held > 0;
}

void exchange_wait_held(struct exchange *x)
{
	if (!exchange_wait_held_or_end(x))
		fail_msg("not held: end %d, %s", (int)x->end, x->why);
}

void exchange_wait_end(struct exchange *x)
{
	wait_loop_until(x->rig->loop, is_over, x, 0);
	assert_int_equal(x->ended, 1);
	assert_false(x->in_call);
}

void exchange_run(struct exchange *x, struct http_rig *r, const char *behaviour, const char *name,
                  size_t n)
{
	memset(x, 0, sizeof(*x));
	exchange_start(x, r, behaviour, name, n);
	exchange_wait_end(x);
}

/* Is it the last part of the path in this line? */
static bool names(const char *line, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = line; (at = strstr(at, name)) != NULL; at++)
		if (at > line && at[-1] == '/' && (at[len] == '\0' || at[len] == ' '))
			return true;
	return false;
}

size_t http_rig_count(const struct http_rig *r, const char *file, const char *name)
{
	char *text = http_server_read(r->server, file), *rest = text, *line;
	size_t n = 0;

	while ((line = strsep(&rest, "\n")) != NULL)
		n += names(line, name);
	free(text);
	return n;
}

struct wanted {
	struct http_rig *rig;
	const char *file, *name;
	size_t n;
};

static bool is_noted(void *arg)
{
	const struct wanted *w = arg;

	return http_rig_count(w->rig, w->file, w->name) >= w->n;
}

void http_rig_wait(struct http_rig *r, const char *file, const char *name, size_t n)
{
	struct wanted w = {r, file, name, n};

	wait_loop_until(r->loop, is_noted, &w, 0);
}
