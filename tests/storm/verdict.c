#include "storm/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHOWN 12 /* examples of what is wrong */

/* What one status says. */
struct told {
	char status[16];
	char recipients[512];
	bool error;
	size_t unknown, worker_lost, late;
	size_t ends; /* attempts that ended otherwise than sent, by a provider that can be asked */
};

struct check {
	const struct verdict_facts *facts;
	struct verdict *v;
	bool *dead; /* by mail: its job is a dead letter */
	bool *poison;
	size_t shown, strayed;
};

/* ---- dead letters ------------------------------------------------------------------------------------------ */

static void read_dead(struct check *c, const char *id)
{
	struct redis_server *redis = fleet_redis(c->facts->fleet);
	char *job = redis_server_text(redis, "HGET {" FLEET_QUEUE "}:jobs %s", id);
	char *error = redis_server_text(redis, "HGET mail:status:auto-%s error", id);
	const char *key = job ? strstr(job, "\"idempotencyKey\":\"") : NULL;
	size_t n;

	if (key && letter_number(key + strlen("\"idempotencyKey\":\""), &n, NULL) &&
	    n < c->facts->mails) {
		c->dead[n] = true;
		c->poison[n] = error && strncmp(error, "poison", 6) == 0;
	}
	free(job);
	free(error);
}

static void read_all_dead(struct check *c)
{
	redisReply *ids = redis_server_cmd(fleet_redis(c->facts->fleet),
	                                   "ZRANGE {" FLEET_QUEUE "}:dead 0 -1");

	for (size_t i = 0; i < ids->elements; i++)
		read_dead(c, ids->element[i]->str);
	freeReplyObject(ids);
}

/* ---- one mail ---------------------------------------------------------------------------------------------- */

/* "primary retry 451 4.3.0 12ms try again later" */
static void read_line(struct told *t, const char *line)
{
	size_t provider = strcspn(line, " ");
	const char *outcome = line + provider + (line[provider] == ' ');

	if (strncmp(outcome, "unknown ", 8) == 0)
		t->unknown++;
	if (strncmp(outcome, "unknown worker_lost", 19) == 0)
		t->worker_lost++;
	else if (strncmp(outcome, "sent ", 5) != 0 && provider == 1 && strchr("abc", line[0]))
		t->ends++;
}

static void read_told(struct told *t, const redisReply *all)
{
	*t = (struct told){0};
	assert_int_equal(all->type, REDIS_REPLY_ARRAY);
	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		const char *name = all->element[i]->str, *value = all->element[i + 1]->str;

		if (strcmp(name, "status") == 0)
			snprintf(t->status, sizeof(t->status), "%s", value);
		else if (strcmp(name, "recipients") == 0)
			snprintf(t->recipients, sizeof(t->recipients), "%s", value);
		else if (strcmp(name, "error") == 0)
			t->error = value[0] != '\0';
		else if (strncmp(name, "late:", 5) == 0)
			t->late++;
		else if (strncmp(name, "attempt:", 8) == 0)
			read_line(t, value);
	}
}

static void complain(struct check *c, size_t n, const struct told *t, const char *what)
{
	const struct letter_record *r = &c->facts->records[n];
	char key[32];

	if (c->shown++ >= SHOWN)
		return;
	print_error(
		"%s: k%zu is \"%s\", %zu unknown, %zu late; taken %u %u %u times, met %u times, "
		"harmed %u times\n",
		what, n, t->status, t->unknown, t->late, r->copies[0], r->copies[1], r->copies[2],
		r->met, r->charges);
	snprintf(key, sizeof(key), "k%zu", n);
	fleet_show_status(c->facts->fleet, key);
}

/* Does the status say that this recipient has it? Of several, those who were accepted stay so, also where the mail
 * is held for the others. */
static bool says_accepted(const struct told *t, const struct letter *l, unsigned rcpt)
{
	char entry[64];

	if (l->n_rcpts == 1)
		return strcmp(t->status, "sent") == 0;
	snprintf(entry, sizeof(entry), "k%zu.%u@example.com accepted", l->n, rcpt);
	return strstr(t->recipients, entry) != NULL;
}

static void check_copies(struct check *c, const struct letter *l, const struct told *t)
{
	const struct letter_record *r = &c->facts->records[l->n];
	size_t excuses = t->unknown + t->late, second = 0, unaccounted = 0;
	bool missing = strcmp(t->status, "sent") == 0 && l->n_rcpts > 1 &&
	               !strstr(t->recipients, " accepted");

	for (unsigned i = 0; i < l->n_rcpts; i++) {
		size_t copies = r->copies[i], said = says_accepted(t, l, i);

		c->v->copies += copies;
		missing = missing || copies < said;
		if (copies > 1 && copies - 1 > second)
			second = copies - 1;
		if (copies > said && copies - said > unaccounted)
			unaccounted = copies - said;
	}
	if (missing) {
		c->v->lost++;
		complain(c, l->n, t, "LOST: said to be sent, and nobody has it");
	}
	if (unaccounted > excuses) {
		c->v->unexplained += unaccounted - excuses;
		complain(c, l->n, t, "UNEXPLAINED copy");
	} else {
		c->v->explained += second;
	}
	if (r->ids_differ || (r->cancelled && second + r->copies[0] > 0)) {
		c->v->contradicted++;
		complain(c, l->n, t, "CONTRADICTED");
	}
}

static void check_ends(struct check *c, const struct letter *l, const struct told *t)
{
	const struct letter_record *r = &c->facts->records[l->n];
	size_t asked = t->unknown - t->worker_lost;

	c->v->unknown += t->unknown;
	c->v->worker_lost += t->worker_lost;
	c->v->late += t->late;
	if (t->ends > r->charges)
		c->strayed += t->ends - r->charges;
	else if (asked > r->unknowns)
		c->strayed += asked - r->unknowns;
}

static void check_mail(struct check *c, const struct letter *l, const struct told *t)
{
	struct verdict *v = c->v;
	bool bad = strcmp(t->status, "failed") == 0 || strcmp(t->status, "held") == 0;

	v->pushed++;
	if (c->poison[l->n]) {
		v->failed++;
		v->poisoned++;
	} else if (strcmp(t->status, "sent") == 0) {
		v->sent++;
	} else if (strcmp(t->status, "failed") == 0) {
		v->failed++;
	} else if (strcmp(t->status, "held") == 0) {
		v->held++;
	} else if (strcmp(t->status, "cancelled") == 0) {
		v->cancelled++;
	} else {
		v->lost++;
		complain(c, l->n, t, "LOST: not settled");
	}
	if (bad && !c->dead[l->n]) {
		v->lost++;
		complain(c, l->n, t, "LOST: no dead letter");
	}
	if (bad && !t->error) {
		v->reasonless++;
		complain(c, l->n, t, "WITHOUT A REASON");
	}
	check_copies(c, l, t);
	check_ends(c, l, t);
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static void check_all(struct check *c)
{
	redisContext *redis = fleet_client(c->facts->fleet);
	size_t asked = 0, answered = 0;

	while (answered < c->facts->mails) {
		struct letter l;
		struct told t;
		redisReply *reply;

		if (asked < c->facts->mails && asked - answered < FLEET_PIPELINE) {
			redisAppendCommand(redis, "HGETALL mail:status:k%lld", (long long)asked++);
			continue;
		}
		reply = fleet_answer(redis);
		letter_read(&l, c->facts->seed, answered);
		read_told(&t, reply);
		freeReplyObject(reply);
		if (c->facts->records[answered].pushed)
			check_mail(c, &l, &t);
		answered++;
	}
	redisFree(redis);
}

static size_t size_of(const struct check *c, const char *command, const char *part)
{
	return (size_t)redis_server_int(fleet_redis(c->facts->fleet), "%s {" FLEET_QUEUE "}:%s",
	                                command, part);
}

void verdict_make(struct verdict *v, const struct verdict_facts *facts)
{
	struct check c = {.facts = facts, .v = v};
	size_t jobs, dead;

	*v = (struct verdict){0};
	c.dead = calloc(facts->mails + 1, sizeof(bool));
	c.poison = calloc(facts->mails + 1, sizeof(bool));
	assert_true(c.dead && c.poison);
	read_all_dead(&c);
	check_all(&c);
	if (c.strayed > facts->strays)
		v->uncaused = c.strayed - facts->strays;
	if (v->worker_lost > facts->most_deaths)
		v->uncaused += v->worker_lost - facts->most_deaths;
	jobs = size_of(&c, "HLEN", "jobs");
	dead = size_of(&c, "ZCARD", "dead");
	v->left = (size_t)redis_server_int(fleet_redis(facts->fleet), "LLEN " FLEET_QUEUE) +
	          size_of(&c, "LLEN", "arrivals") + size_of(&c, "ZCARD", "leases") +
	          size_of(&c, "ZCARD", "delayed") + (jobs > dead ? jobs - dead : dead - jobs);
	free(c.dead);
	free(c.poison);
}

size_t verdict_over_rate(const int64_t *times, size_t n, unsigned rate, unsigned burst,
                         int64_t slack)
{
	/* In the span from i to j there may be burst + rate × (t[j] - t[i] + slack): so for each j the i
	 * that leaves least room is kept. */
	double room = 0, least = 0, worst = 0;

	for (size_t j = 0; j < n; j++) {
		double at = (double)j - (double)rate * (double)(times[j] - times[0]) / 1e6;

		if (j == 0 || at < least)
			least = at;
		room = burst + (double)rate * (double)slack / 1e6;
		if (at - least + 1 - room > worst)
			worst = at - least + 1 - room;
	}
	return (size_t)worst;
}

bool verdict_good(const struct verdict *v)
{
	return v->lost + v->unexplained + v->contradicted + v->reasonless + v->uncaused +
	               v->limits + v->left ==
	       0;
}
