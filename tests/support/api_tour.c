#include "support/api_tour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/wait.h"

#define LETTERS "/api/dead-letters"

static bool has_told(void *data)
{
	const struct api_world *w = data;
	struct answer *r = api_get(&w->api, "/api/workers");
	bool told = answer_has(r, "workers.0") && cJSON_IsString(answer_at(r, "workers.0.version"));

	answer_free(r);
	return told;
}

/* Two that cannot be delivered, one that is no job, and one whose mail was sent meanwhile. */
static void bury(struct api_world *w)
{
	struct process *worker = fleet_worker_ready(
		w->fleet,
		(const char *const[]){"PROVIDER_PRIMARY=mock://?success=0&fail=rejected:1", NULL});

	fleet_push(w->fleet, "tour-1", "");
	fleet_push(w->fleet, "tour-2", "");
	fleet_push_raw(w->fleet, FLEET_QUEUE, "{no job", 7);
	fleet_push(w->fleet, "tour-3", "");
	fleet_wait_status(w->fleet, "tour-1", "failed");
	fleet_wait_status(w->fleet, "tour-2", "failed");
	fleet_wait_status(w->fleet, "tour-3", "failed");
	fleet_wait_settled(w->fleet, NULL);
	wait_until(has_told, w, 0);
	fleet_end(w->fleet, worker);
	redis_server_do(fleet_redis(w->fleet), "HSET mail:status:tour-3 status sent");
	redis_server_do(fleet_redis(w->fleet), "ZADD {mail:queue}:dead 1 0000000000000001");
}

static void letters(struct api_world *w)
{
	const struct api_process *a = &w->api;

	bury(w);
	api_expect(a, 200, "GET", LETTERS, NULL);
	api_expect(a, 200, "GET", LETTERS "?limit=1", NULL);
	api_expect(a, 400, "GET", LETTERS "?limit=0", NULL);
	api_expect(a, 404, "GET", LETTERS "?queue=nobodys", NULL);
	api_expect(a, 200, "GET", LETTERS "/tour-1", NULL);
	api_expect(a, 200, "GET", LETTERS "/0000000000000001", NULL);
	api_expect(a, 404, "GET", LETTERS "/nobody", NULL);
	api_expect(a, 200, "POST", LETTERS "/drop",
	           "{\"names\":[\"tour-1\",\"tour-1\",\"nobody\"]}");
	api_expect(a, 200, "POST", LETTERS "/retry",
	           "{\"names\":[\"tour-2\",\"tour-3\",\"nobody\"],\"dryRun\":false}");
	api_expect(a, 400, "POST", LETTERS "/drop", "{}");
	api_expect(a, 400, "POST", LETTERS "/retry", "{}");
}

static void switches(const struct api_process *a)
{
	static const char *const kinds[] = {"queue", "provider"};
	static const char *const names[] = {"mail:queue", "primary"};
	static const char *const verbs[] = {"pause", "resume"};

	for (size_t kind = 0; kind < 2; kind++) {
		for (size_t verb = 0; verb < 2; verb++) {
			char path[64], body[64];

			snprintf(path, sizeof(path), "/api/%ss/%s", kinds[kind], verbs[verb]);
			snprintf(body, sizeof(body), "{\"%s\":\"%s\"}", kinds[kind], names[kind]);
			api_expect(a, 200, "POST", path, body);
			snprintf(body, sizeof(body), "{\"%s\":\"nobodys\"}", kinds[kind]);
			api_expect(a, 404, "POST", path, body);
			api_expect(a, 400, "POST", path, "{}");
		}
	}
	api_expect(a, 200, "POST", "/api/providers/weight",
	           "{\"provider\":\"primary\",\"weight\":1}");
	api_expect(a, 200, "POST", "/api/providers/weight",
	           "{\"provider\":\"primary\",\"weight\":null}");
	api_expect(a, 404, "POST", "/api/providers/weight",
	           "{\"provider\":\"nobodys\",\"weight\":1}");
	api_expect(a, 400, "POST", "/api/providers/weight", "{\"provider\":\"primary\"}");
}

/* What only our own pages may ask. */
static struct answer *own(const struct api_process *a, const char *method, const char *body)
{
	return api_call(
		a, method, "/api/session", body,
		(const char *const[]){"Content-Type: application/json", "X-Postrider: test", NULL});
}

void api_tour_sign_in(const struct api_process *a, const char *key)
{
	char body[128];
	struct answer *r;

	snprintf(body, sizeof(body), "{\"key\":\"%s\"}", key);
	r = own(a, "POST", body);
	answer_status(r, 200);
	answer_free(r);
}

static void session(const struct api_process *a)
{
	struct answer *r = own(a, "DELETE", NULL);
	int status = 0;

	answer_status(r, 200);
	answer_free(r);
	api_expect(a, 200, "GET", "/api/session", NULL);
	api_expect(a, 403, "POST", "/api/session", "{}");
	api_expect(a, 403, "DELETE", "/api/session", NULL);
	r = own(a, "POST", "{}");
	answer_status(r, 400);
	answer_free(r);
	for (int i = 0; i < 20 && status != 429; i++) {
		r = own(a, "POST", "{\"key\":\"none\"}");
		status = r->status;
		answer_free(r);
	}
	assert_int_equal(status, 429);
}

/* A file, and then not again. */
static void get_file(const struct api_process *a, const char *path, const char *accept)
{
	char line[128], *etag;
	struct answer *r = api_call(a, "GET", path, NULL, (const char *const[]){accept, NULL});

	answer_status(r, 200);
	etag = answer_header(r, "ETag");
	snprintf(line, sizeof(line), "If-None-Match: %s", etag);
	free(etag);
	answer_free(r);
	r = api_call(a, "GET", path, NULL, (const char *const[]){accept, line, NULL});
	answer_status(r, 304);
	answer_free(r);
}

void api_tour(struct api_world *w)
{
	static const char html[] = "Accept: text/html";

	session(&w->api);
	get_file(&w->api, "/", html);
	get_file(&w->api, "/web/index.html", html);
	get_file(&w->api, "/web/app.js", html);
	get_file(&w->api, "/web/base.css", html);
	get_file(&w->api, "/web/logo.svg", html);
	api_expect(&w->api, 200, "GET", "/api/live?events=1", NULL);
	api_expect(&w->api, 400, "GET", "/api/live?events=none", NULL);
	api_expect(&w->api, 200, "GET", "/api/workers", NULL);
	letters(w);
	switches(&w->api);
}

void api_tour_errors(struct api_world *w)
{
	struct redis_server *redis = fleet_redis(w->fleet);
	struct answer *answer;
	static const char *const posts[] = {LETTERS "/retry",       LETTERS "/drop",
	                                    "/api/queues/pause",    "/api/queues/resume",
	                                    "/api/providers/pause", "/api/providers/resume",
	                                    "/api/providers/weight"};

	redis_server_do(redis, "SET mail:limit:client:sign-in:ip:127.0.0.1 x");
	answer = own(&w->api, "POST", "{}");
	answer_status(answer, 500);
	answer_free(answer);
	redis_server_do(redis, "SET {mail:queue}:dead x");
	redis_server_do(redis, "SET mail:control x");
	api_expect(&w->api, 500, "GET", "/api/workers", NULL);
	api_expect(&w->api, 500, "GET", LETTERS, NULL);
	api_expect(&w->api, 500, "GET", LETTERS "/k", NULL);
	for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++)
		api_expect(&w->api, 500, "POST", posts[i], API_TOUR_BODY);
}
