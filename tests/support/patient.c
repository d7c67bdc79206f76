#include "support/patient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/sync.h"
#include "support/fleet.h"
#include "support/wait.h"

struct patient {
	struct topology_config config;
	struct sync *sync; /* NULL: not connected */
	struct command command;
	struct error err;
	redisReply *reply;
	int replicas; /* to wait for after it */
};

struct patient *patient_new(const char *url)
{
	struct patient *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	if (!topology_config_parse(&p->config, url, &p->err))
		fail_msg("%s", p->err.text);
	command_init(&p->command);
	return p;
}

static void hang_up(struct patient *p)
{
	sync_close(p->sync);
	p->sync = NULL;
}

void patient_free(struct patient *p)
{
	hang_up(p);
	topology_config_free(&p->config);
	command_free(&p->command);
	free(p);
}

static bool enough_replicas(struct patient *p)
{
	struct command c;
	redisReply *r;
	bool enough;

	if (p->replicas == 0)
		return true;
	command_init(&c);
	command_str(&c, "WAIT");
	command_int(&c, p->replicas);
	command_str(&c, "500");
	r = sync_run(p->sync, &c, &p->err);
	command_free(&c);
	enough = r && r->type == REDIS_REPLY_INTEGER && r->integer >= p->replicas;
	freeReplyObject(r);
	return enough;
}

static bool is_answered(void *arg)
{
	struct patient *p = arg;

	if (!p->sync)
		p->sync = sync_open(&p->config, &p->err);
	if (!p->sync)
		return false;
	p->reply = sync_run(p->sync, &p->command, &p->err);
	if (p->reply && enough_replicas(p))
		return true;
	freeReplyObject(p->reply);
	p->reply = NULL;
	hang_up(p);
	return false;
}

static redisReply *run(struct patient *p, int replicas)
{
	redisReply *r;

	p->replicas = replicas;
	if (!wait_for(NULL, is_answered, p, 0))
		fail_msg("Redis did not answer: %s", p->err.text);
	r = p->reply;
	p->reply = NULL;
	return r;
}

static redisReply *ask(struct patient *p, const char *format, va_list args)
{
	char *text, *rest, *one;

	assert_true(vasprintf(&text, format, args) >= 0);
	command_clear(&p->command);
	for (rest = text; (one = strsep(&rest, " ")) != NULL;)
		command_str(&p->command, one);
	free(text);
	return run(p, 0);
}

redisReply *patient_ask(struct patient *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	redisReply *r = ask(p, format, args);
	va_end(args);
	return r;
}

static int64_t integer(redisReply *r)
{
	int64_t n = r->integer;

	assert_int_equal(r->type, REDIS_REPLY_INTEGER);
	freeReplyObject(r);
	return n;
}

int64_t patient_int(struct patient *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	redisReply *r = ask(p, format, args);
	va_end(args);
	return integer(r);
}

void patient_push(struct patient *p, const char *queue, const char *stem, size_t from, size_t n,
                  int replicas)
{
	command_clear(&p->command);
	command_str(&p->command, "LPUSH");
	command_str(&p->command, queue);
	for (size_t i = from; i < from + n; i++) {
		char key[64], *job;

		snprintf(key, sizeof(key), "%s-%zu", stem, i);
		job = fleet_job(key, "");
		command_str(&p->command, job);
		free(job);
	}
	freeReplyObject(run(p, replicas));
}

struct awaited {
	struct patient *patient;
	const char *queue;
	int64_t left; /* at the last look */
};

static int64_t left_in(const struct awaited *a)
{
	static const char *const parts[] = {"arrivals", "leases", "delayed"};
	struct command *c = &a->patient->command;
	char key[256];

	command_clear(c);
	command_str(c, "EVAL");
	command_str(c, FLEET_LEFT);
	command_int(c, 4);
	command_str(c, a->queue);
	for (size_t i = 0; i < 3; i++) {
		snprintf(key, sizeof(key), "{%s}:%s", a->queue, parts[i]);
		command_str(c, key);
	}
	return integer(run(a->patient, 0));
}

static bool is_less(void *arg)
{
	const struct awaited *a = arg;
	int64_t left = left_in(a);

	return left == 0 || left < a->left;
}

/* As fleet_wait_empty does. */
void patient_wait_empty(struct patient *p, const char *queue)
{
	struct awaited a = {.patient = p, .queue = queue};

	do {
		a.left = left_in(&a);
		if (a.left == 0)
			return;
	} while (wait_for(NULL, is_less, &a, 0));
	fail_msg("%s: %d mails are left", queue, (int)a.left);
}

static void show(const char *key, const redisReply *all)
{
	print_error("--- the status of %s:\n", key);
	for (size_t i = 0; i + 1 < all->elements; i += 2)
		print_error("%s: %s\n", all->element[i]->str, all->element[i + 1]->str);
}

/* Returns false when it is doubled without an unknown. */
static bool count(struct census *c, const struct tally *t, const char *key, const redisReply *all)
{
	size_t copies = tally_copies(t, key), unknown = 0, before = c->sent;

	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		const char *name = all->element[i]->str, *value = all->element[i + 1]->str;

		if (strcmp(name, "status") == 0)
			c->sent += strcmp(value, "sent") == 0;
		else if (strncmp(name, "attempt:", 8) == 0)
			unknown += strstr(value, " unknown ") != NULL;
	}
	if (c->sent == before && c->other++ < 3)
		show(key, all);
	c->copies += copies;
	c->lost += copies == 0;
	if (copies == 0 && c->lost <= 3)
		show(key, all);
	if (copies < 2)
		return true;
	c->doubled++;
	c->unknown += unknown >= copies - 1;
	if (unknown < copies - 1 && c->doubled - c->unknown <= 3)
		show(key, all);
	return unknown >= copies - 1;
}

static void say_nothing(void *data, const char *key)
{
	(void)data;
	(void)key;
}

struct census patient_census(struct patient *p, const struct tally *t, const char *stem, size_t n)
{
	return patient_census_with(p, t, stem, n, say_nothing, NULL);
}

struct census patient_census_with(struct patient *p, const struct tally *t, const char *stem,
                                  size_t n, void (*fn)(void *data, const char *key), void *data)
{
	struct census c = {0};

	for (size_t i = 0; i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s-%zu", stem, i);
		redisReply *all = patient_ask(p, "HGETALL mail:status:%s", key);
		if (!count(&c, t, key, all))
			fn(data, key);
		freeReplyObject(all);
	}
	print_message("%s: %zu mails, %zu sent, %zu lost, %zu doubled (%zu by an unknown), %zu "
	              "copies\n",
	              stem, n, c.sent, c.lost, c.doubled, c.unknown, c.copies);
	return c;
}
