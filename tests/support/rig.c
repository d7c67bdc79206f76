#include "support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "redis/sync.h"
#include "support/packing.h"
#include "support/words.h"

#define MAX_TEXT ((size_t)256 << 20)
#define TIMEOUT_MS 60000

struct rig {
	struct redis_server *server;
	struct sync *sync;
	redisContext *monitor; /* NULL: not watched */
	struct command command;
	struct buf ran; /* the names of the commands of the last call, each with a newline */
	long n_calls;
};

/* ---- the life of a rig --------------------------------------------------------------------- */

static int setup(void **state, struct redis_server *server)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct topology_config config;
	struct error err;

	assert_non_null(r);
	r->server = server;
	command_init(&r->command);
	buf_init(&r->ran, MAX_TEXT);
	if (!topology_config_parse(&config, redis_server_url(server), &err))
		fail_msg("%s", err.text);
	config.link.timeout_ms = TIMEOUT_MS;
	r->sync = sync_open(&config, &err);
	if (!r->sync)
		fail_msg("%s", err.text);
	topology_config_free(&config);
	rig_watch(r, true);
	*state = r;
	return 0;
}

int rig_setup_standalone(void **state)
{
	return setup(state, redis_server_start(NULL));
}

int rig_setup_cluster(void **state)
{
	return setup(state, redis_server_start_cluster(NULL));
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	rig_watch(r, false);
	sync_close(r->sync);
	command_free(&r->command);
	buf_free(&r->ran);
	redis_server_free(r->server);
	free(r);
	return 0;
}

struct rig *rig_begin(void **state)
{
	struct rig *r = *state;

	rig_fill_memory(r, false);
	redis_server_do(r->server, "FLUSHALL");
	rig_watch(r, true);
	return r;
}

struct redis_server *rig_server(const struct rig *r)
{
	return r->server;
}

void rig_fill_memory(struct rig *r, bool full)
{
	redis_server_do(r->server, "CONFIG SET maxmemory %d", full ? 1 : 0);
}

int64_t rig_now(struct rig *r)
{
	redisReply *t = redis_server_cmd(r->server, "TIME");
	int64_t now = strtoll(t->element[0]->str, NULL, 10) * 1000 +
	              strtoll(t->element[1]->str, NULL, 10) / 1000;
	freeReplyObject(t);
	return now;
}

/* ---- what a call does inside ---------------------------------------------------------------- */

/* The next word in double quotes of a monitor's line, as it stands there; NULL: none. */
static char *next_quoted(char **at)
{
	char *from = strchr(*at, '"'), *p = from;
	if (!from)
		return NULL;
	for (p = ++from; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	if (!*p)
		return NULL;
	*p = '\0';
	*at = p + 1;
	return from;
}

static void check_declared(const char *name, const char *key, const struct words *keys)
{
	if (strcasecmp(name, "TIME") == 0)
		return;
	for (size_t i = 0; key && i < keys->n; i++) {
		if (strcmp(keys->word[i], key) == 0)
			return;
	}
	fail_msg("the script touches %s by %s, which is not among its keys", key ? key : "nothing",
	         name);
}

/* Most commands name their key first, those of streams behind a word or a few. */
static char *key_of(const char *name, char **at)
{
	char *word = next_quoted(at);

	if (strcasecmp(name, "XINFO") == 0 || strcasecmp(name, "XGROUP") == 0)
		return next_quoted(at);
	if (strcasecmp(name, "XREADGROUP") == 0) {
		while (word && strcasecmp(word, "STREAMS") != 0)
			word = next_quoted(at);
		return word ? next_quoted(at) : NULL;
	}
	return word;
}

/* Reads the monitor up to our own ECHO. */
static void read_monitor(struct rig *r, const struct words *keys, const char *end)
{
	bool done = false;

	while (!done) {
		redisReply *line = NULL;
		if (redisGetReply(r->monitor, (void **)&line) != REDIS_OK)
			fail_msg("the monitor: %s", r->monitor->errstr);
		bool lua = strstr(line->str, " lua] \"") != NULL;
		char *at = strchr(line->str, ']');
		char *name = at ? next_quoted(&at) : NULL;
		char *key = name ? key_of(name, &at) : NULL;
		if (lua && name) {
			buf_addf(&r->ran, "%s\n", name);
			check_declared(name, key, keys);
		}
		done = name && strcmp(name, "ECHO") == 0 && key && strcmp(key, end) == 0;
		freeReplyObject(line);
	}
}

size_t rig_commands(const struct rig *r, const char *name)
{
	size_t n = 0;

	for (const char *p = buf_str(&r->ran); *p; p = strchr(p, '\n') + 1)
		n += !name || (strncmp(p, name, strlen(name)) == 0 && p[strlen(name)] == '\n');
	return n;
}

void rig_watch(struct rig *r, bool on)
{
	if (!on && r->monitor)
		redisFree(r->monitor);
	if (!on)
		r->monitor = NULL;
	if (!on || r->monitor)
		return;
	r->monitor = redisConnectUnix(redis_server_socket(r->server));
	assert_non_null(r->monitor);
	freeReplyObject(redisCommand(r->monitor, "MONITOR"));
	assert_int_equal(r->monitor->err, 0);
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* The reply, or NULL with err filled. */
static redisReply *run(struct rig *r, enum script s, const char *keys, const char *args,
                       struct error *err)
{
	struct words k, a;
	char end[32];

	words_split(&k, keys);
	words_split(&a, args);
	command_clear(&r->command);
	script_command(&r->command, s, k.n);
	for (size_t i = 0; i < k.n; i++)
		command_str(&r->command, k.word[i]);
	packing_add(&r->command, s, &a);
	redisReply *reply = sync_run(r->sync, &r->command, err);
	buf_clear(&r->ran);
	if (r->monitor) {
		snprintf(end, sizeof(end), "call %ld", ++r->n_calls);
		redis_server_do(r->server, "ECHO %s", end);
		read_monitor(r, &k, end);
	}
	words_free(&a);
	words_free(&k);
	return reply;
}

static char *format_new(const char *format, va_list args)
{
	char *text;
	assert_true(vasprintf(&text, format, args) >= 0);
	return text;
}

redisReply *rig_reply(struct rig *r, enum script s, const char *keys, const char *format, ...)
{
	struct error err;
	va_list args;

	va_start(args, format);
	char *line = format_new(format, args);
	va_end(args);
	redisReply *reply = run(r, s, keys, line, &err);
	if (!reply)
		fail_msg("%s %s: %s", script_get(s)->name, line, err.text);
	free(line);
	return reply;
}

static char *answer(struct rig *r, enum script s, const char *keys, const char *args)
{
	struct error err;
	struct buf out;
	redisReply *reply = run(r, s, keys, args, &err);

	buf_init(&out, MAX_TEXT);
	if (reply)
		words_of_reply(&out, reply);
	else
		buf_addf(&out, "error %s", err.text);
	freeReplyObject(reply);
	char *text = strdup(buf_str(&out));
	buf_free(&out);
	assert_non_null(text);
	return text;
}

char *rig_call(struct rig *r, enum script s, const char *keys, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *line = format_new(format, args);
	va_end(args);
	char *text = answer(r, s, keys, line);
	free(line);
	return text;
}

void rig_same(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (strcmp(got, want) == 0)
		return;
	print_error("%s\n  answered: %s\n  expected: %s\n", what, got, want);
	_fail(file, line);
}

void rig_expect_at(const char *file, int line, struct rig *r, const char *want, const char *again,
                   enum script s, const char *keys, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = format_new(format, args);
	va_end(args);
	char *got = answer(r, s, keys, text);
	rig_same(file, line, text, got, want);
	free(got);
	if (again) {
		char *before = rig_state(r);
		got = answer(r, s, keys, text);
		rig_same(file, line, text, got, again);
		free(got);
		char *after = rig_state(r);
		rig_same(file, line, "the state after the same call again", after, before);
		free(before);
		free(after);
	}
	free(text);
}

/* ---- what is stored -------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const redisReply *const *x = a, *const *y = b;
	return strcmp((*x)->str, (*y)->str);
}

static int by_field(const void *a, const void *b)
{
	return by_name(a, b); /* fields come in pairs: the first of each */
}

static redisReply *contents(struct rig *r, const char *type, const char *key)
{
	if (strcmp(type, "hash") == 0)
		return redis_server_cmd(r->server, "HGETALL %s", key);
	if (strcmp(type, "zset") == 0)
		return redis_server_cmd(r->server, "ZRANGE %s 0 -1 WITHSCORES", key);
	if (strcmp(type, "list") == 0)
		return redis_server_cmd(r->server, "LRANGE %s 0 -1", key);
	if (strcmp(type, "stream") == 0)
		return redis_server_cmd(r->server, "XRANGE %s - +", key);
	return redis_server_cmd(r->server, "GET %s", key);
}

char *rig_state(struct rig *r)
{
	redisReply *keys = redis_server_cmd(r->server, "KEYS *");
	struct buf out;

	buf_init(&out, MAX_TEXT);
	if (keys->elements > 0)
		qsort(keys->element, keys->elements, sizeof(keys->element[0]), by_name);
	for (size_t i = 0; i < keys->elements; i++) {
		const char *key = keys->element[i]->str;
		char *type = redis_server_text(r->server, "TYPE %s", key);
		redisReply *c = contents(r, type, key);
		if (strcmp(type, "hash") == 0)
			qsort(c->element, c->elements / 2, 2 * sizeof(c->element[0]), by_field);
		buf_addf(&out, "\n%s", key);
		for (size_t j = 0; j < c->elements; j++) {
			if (strcmp(type, "hash") == 0 && j % 2 == 1 &&
			    strcmp(c->element[j - 1]->str, "updated_at") == 0)
				continue;
			words_of_reply(&out, c->element[j]);
		}
		freeReplyObject(c);
		free(type);
	}
	freeReplyObject(keys);
	char *text = strdup(buf_str(&out));
	buf_free(&out);
	assert_non_null(text);
	return text;
}

void rig_store(struct rig *r, const char *key, const char *format, ...)
{
	struct words w;
	va_list args;

	va_start(args, format);
	char *text = format_new(format, args);
	va_end(args);
	words_split(&w, text);
	for (size_t i = 0; i < w.n; i++) {
		char *equals = strchr(w.word[i], '=');
		assert_non_null(equals);
		*equals = '\0';
		redis_server_do(r->server, "HSET %s %s %s", key, w.word[i], equals + 1);
	}
	words_free(&w);
	free(text);
}

static void check_field(const char *file, int line, struct rig *r, const char *key,
                        const char *word)
{
	char what[512];
	bool absent = word[0] == '!';
	const char *name = word + absent, *equals = strchr(name, '=');
	size_t len = absent || !equals ? strlen(name) : (size_t)(equals - name);
	char *value = redis_server_text(r->server, "HGET %s %b", key, name, len);

	snprintf(what, sizeof(what), "%s, field %.*s", key, (int)len, name);
	rig_same(file, line, what, value ? value : "nil", absent || !equals ? "nil" : equals + 1);
	free(value);
}

void rig_hash_at(const char *file, int line, struct rig *r, const char *key, const char *format,
                 ...)
{
	struct words w;
	va_list args;

	va_start(args, format);
	char *text = format_new(format, args);
	va_end(args);
	words_split(&w, text);
	for (size_t i = 0; i < w.n; i++)
		check_field(file, line, r, key, w.word[i]);
	words_free(&w);
	free(text);
}

void rig_sees_at(const char *file, int line, struct rig *r, const char *want, const char *format,
                 ...)
{
	struct words w;
	struct buf out;
	va_list args;

	va_start(args, format);
	char *text = format_new(format, args);
	va_end(args);
	words_split(&w, text);
	command_clear(&r->command);
	for (size_t i = 0; i < w.n; i++)
		command_str(&r->command, w.word[i]);
	struct error err;
	redisReply *reply = sync_run(r->sync, &r->command, &err);
	buf_init(&out, MAX_TEXT);
	if (reply)
		words_of_reply(&out, reply);
	else
		buf_addf(&out, "error %s", err.text);
	freeReplyObject(reply);
	rig_same(file, line, text, buf_str(&out), want);
	buf_free(&out);
	words_free(&w);
	free(text);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void age_zset(struct rig *r, const char *key, int64_t ms)
{
	redisReply *z = redis_server_cmd(r->server, "ZRANGE %s 0 -1", key);
	for (size_t i = 0; i < z->elements; i++)
		redis_server_do(r->server, "ZINCRBY %s %lld %s", key, (long long)-ms,
		                z->element[i]->str);
	freeReplyObject(z);
}

/* 0 is no time. */
static void age_field(struct rig *r, const char *key, const char *field, int64_t by)
{
	char *value = redis_server_text(r->server, "HGET %s %s", key, field);
	if (value && strcmp(value, "0") != 0)
		redis_server_do(r->server, "HINCRBY %s %s %lld", key, field, (long long)-by);
	free(value);
}

void rig_age_queue(struct rig *r, int64_t ms)
{
	age_zset(r, LEASES, ms);
	age_zset(r, DELAYED, ms);
	age_zset(r, DEAD, ms);
	age_field(r, CLOCK, "last", ms);
	age_field(r, CLOCK, "hold", ms);
}

void rig_age_provider(struct rig *r, const char *key, int64_t ms)
{
	static const char *const fields[] = {"failed_at", "opened_at", "probes_until",
	                                     "throttled_until"};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		age_field(r, key, fields[i], ms);
	age_field(r, key, "tat", ms * 1000);
}
