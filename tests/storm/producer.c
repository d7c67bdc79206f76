#include "storm/producer.h"

#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/fleet.h"

#define BATCH 64
#define AGAIN_AFTER 400 /* mails later, what is to be pushed twice is */
#define AGAIN_MS 10
#define ANSWER_S 10

struct producer {
	struct producer_options o;
	pthread_t threads[2];
	int64_t started;
	atomic_bool stop, done[2];
	atomic_size_t pushes, posts, acknowledged;
};

static void nap(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* How many mails are to be pushed by now. */
static size_t by_now(const struct producer *p)
{
	int64_t passed = clock_mono_us() - p->started, whole = (int64_t)p->o.seconds * 1000000;

	return passed >= whole ? p->o.mails
	                       : (size_t)((double)p->o.mails * (double)passed / (double)whole);
}

static void acknowledge(struct producer *p, size_t n)
{
	if (!p->o.records[n].pushed)
		atomic_fetch_add(&p->acknowledged, 1);
	p->o.records[n].pushed = true;
}

/* ---- LPUSH ------------------------------------------------------------------------------------------------ */

static redisContext *reach(const char *path)
{
	struct timeval limit = {.tv_sec = ANSWER_S};
	redisContext *c = redisConnectUnixWithTimeout(path, limit);

	if (!c)
		abort();
	if (c->err == 0 && redisSetTimeout(c, limit) == REDIS_OK)
		return c;
	redisFree(c);
	return NULL;
}

/* Pushes mails in one go; those that are acknowledged leave the list. False: the connection is lost. */
static bool push_batch(struct producer *p, redisContext *c, size_t *list, size_t *n)
{
	size_t asked = *n, answered = 0, left = 0;

	for (size_t i = 0; i < asked; i++) {
		struct letter l;
		char *job;

		letter_read(&l, p->o.seed, list[i]);
		job = letter_json(&l);
		redisAppendCommand(c, "LPUSH %s %s", FLEET_QUEUE, job);
		free(job);
		atomic_fetch_add(&p->pushes, 1);
	}
	for (; answered < asked; answered++) {
		redisReply *reply = NULL;
		bool pushed;

		if (redisGetReply(c, (void **)&reply) != REDIS_OK)
			break;
		pushed = reply->type == REDIS_REPLY_INTEGER; /* else it is loading */
		freeReplyObject(reply);
		if (pushed)
			acknowledge(p, list[answered]);
		else
			list[left++] = list[answered];
	}
	for (size_t i = answered; i < asked; i++)
		list[left++] = list[i];
	*n = left;
	return answered == asked;
}

static void push_until_acknowledged(struct producer *p, redisContext **c, size_t *list, size_t n)
{
	while (n > 0 && !atomic_load(&p->stop)) {
		if (!*c)
			*c = reach(p->o.redis_socket);
		if (*c && !push_batch(p, *c, list, &n)) {
			redisFree(*c);
			*c = NULL;
		}
		if (n > 0)
			nap(AGAIN_MS);
	}
}

/* What this thread pushes when it comes to mail n: n itself, and an earlier one once more. */
static size_t choose(const struct producer *p, size_t n, size_t *list)
{
	struct letter l;
	size_t some = 0;

	letter_read(&l, p->o.seed, n);
	if (!l.by_api)
		list[some++] = n;
	if (n >= AGAIN_AFTER) {
		letter_read(&l, p->o.seed, n - AGAIN_AFTER);
		if (l.twice && !l.by_api)
			list[some++] = n - AGAIN_AFTER;
	}
	return some;
}

static void *push_all(void *data)
{
	struct producer *p = data;
	redisContext *c = NULL;
	size_t list[BATCH + 1], next = 0;

	while (next < p->o.mails && !atomic_load(&p->stop)) {
		size_t n = 0, until = by_now(p);

		while (next < until && n < BATCH)
			n += choose(p, next++, list + n);
		push_until_acknowledged(p, &c, list, n);
		if (next >= by_now(p))
			nap(AGAIN_MS);
	}
	if (c)
		redisFree(c);
	atomic_store(&p->done[0], true);
	return NULL;
}

/* ---- the API ------------------------------------------------------------------------------------------------ */

static size_t drop(char *bytes, size_t size, size_t n, void *data)
{
	(void)bytes;
	(void)data;
	return size * n;
}

/* The status of the answer; 0: none came. */
static long ask(const struct producer *p, CURL *curl, const char *method, const char *path,
                const char *body)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char url[256];
	long status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", p->o.api_port, path);
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	return status;
}

static void post_one(struct producer *p, CURL *curl, const struct letter *l)
{
	char *job = letter_json(l), path[64];
	long status = 0;

	/* 202 taken; 200 taken before. */
	while (status != 202 && status != 200 && !atomic_load(&p->stop)) {
		status = ask(p, curl, "POST", "/api/email/send", job);
		atomic_fetch_add(&p->posts, 1);
		if (status != 202 && status != 200)
			nap(AGAIN_MS);
	}
	if (status == 202 || status == 200)
		acknowledge(p, l->n);
	free(job);
	if (!l->cancel)
		return;
	snprintf(path, sizeof(path), "/api/email/k%zu", l->n);
	for (status = 0; (status == 0 || status >= 500) && !atomic_load(&p->stop);) {
		status = ask(p, curl, "DELETE", path, NULL);
		if (status == 0 || status >= 500)
			nap(AGAIN_MS);
	}
	p->o.records[l->n].cancelled = status == 200;
}

static void *post_all(void *data)
{
	struct producer *p = data;
	CURL *curl = curl_easy_init();
	size_t next = 0;

	if (!curl)
		abort();
	while (next < p->o.mails && !atomic_load(&p->stop)) {
		for (size_t until = by_now(p); next < until && !atomic_load(&p->stop); next++) {
			struct letter l;

			letter_read(&l, p->o.seed, next);
			if (!l.by_api)
				continue;
			post_one(p, curl, &l);
			if (l.twice)
				post_one(p, curl, &l);
		}
		nap(AGAIN_MS);
	}
	curl_easy_cleanup(curl);
	atomic_store(&p->done[1], true);
	return NULL;
}

/* ---- start and end ------------------------------------------------------------------------------------------ */

struct producer *producer_start(const struct producer_options *o)
{
	struct producer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->o = *o;
	signal(SIGPIPE, SIG_IGN); /* hiredis writes to what may be cut */
	p->started = clock_mono_us();
	assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
	assert_int_equal(pthread_create(&p->threads[0], NULL, push_all, p), 0);
	assert_int_equal(pthread_create(&p->threads[1], NULL, post_all, p), 0);
	return p;
}

bool producer_done(const struct producer *p)
{
	return atomic_load(&p->done[0]) && atomic_load(&p->done[1]);
}

void producer_free(struct producer *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_join(p->threads[0], NULL);
	pthread_join(p->threads[1], NULL);
	free(p);
}

size_t producer_pushes(const struct producer *p)
{
	return atomic_load(&p->pushes);
}

size_t producer_posts(const struct producer *p)
{
	return atomic_load(&p->posts);
}

size_t producer_acknowledged(const struct producer *p)
{
	return atomic_load(&p->acknowledged);
}
