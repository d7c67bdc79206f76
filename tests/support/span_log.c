#include "support/span_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/hook_log.h"
#include "support/wait.h"

struct http_server *collector;

int span_log_begin(void **state)
{
	(void)state;
	collector = http_server_start();
	return 0;
}

int span_log_end(void **state)
{
	(void)state;
	http_server_free(collector);
	return 0;
}

int span_log_clear(void **state)
{
	(void)state;
	http_server_clear(collector);
	return 0;
}

/* ---- a fleet with traces -------------------------------------------------------------------------- */

struct fleet *span_log_fleet(struct http_server *server, const char *behaviour)
{
	struct fleet *f = fleet_start(NULL);

	fleet_set(f, "OTEL_EXPORTER_OTLP_ENDPOINT=%s", http_server_url(server, behaviour, "hook"));
	fleet_set(f, "OTEL_BSP_SCHEDULE_DELAY=20");
	return f;
}

long long span_log_ended(const struct process *p, const char *name)
{
	char *log = process_stderr(p), *line = strstr(log, "\"traces_ended\""), *at;
	char field[32];
	long long n;

	assert_non_null(line);
	snprintf(field, sizeof(field), "\"%s\":", name);
	at = strstr(line, field);
	assert_non_null(at);
	n = strtoll(at + strlen(field), NULL, 10);
	free(log);
	return n;
}

/* ---- OTLP to the letter ------------------------------------------------------------------------ */

static void refuse(const cJSON *what, const char *why)
{
	char *text = cJSON_Print(what);

	fail_msg("%s: %s", why, text);
}

static void check_hex(const cJSON *span, const char *name, size_t n, bool needed)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(span, name));

	if (s == NULL && !needed)
		return;
	if (s == NULL || strlen(s) != n || strspn(s, "0123456789abcdef") != n ||
	    strspn(s, "0") == n)
		refuse(span, name);
}

/* 64-bit numbers are strings of digits. */
static long long check_digits(const cJSON *o, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));

	if (s == NULL || *s == '\0' || strspn(s, "-0123456789") != strlen(s))
		refuse(o, name);
	return strtoll(s, NULL, 10);
}

static void check_members(const cJSON *o, const char *const *known)
{
	const cJSON *m;

	cJSON_ArrayForEach(m, o)
	{
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], m->string) != 0)
			i++;
		if (known[i] == NULL)
			refuse(o, m->string);
	}
}

#define MEMBERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check_attributes(const cJSON *list)
{
	const cJSON *a, *b;

	if (!cJSON_IsArray(list))
		fail_msg("there are no attributes");
	cJSON_ArrayForEach(a, list)
	{
		const cJSON *key = cJSON_GetObjectItemCaseSensitive(a, "key");
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(a, "value");

		check_members(a, MEMBERS("key", "value"));
		check_members(value, MEMBERS("stringValue", "intValue"));
		if (!cJSON_IsString(key) || cJSON_GetArraySize(value) != 1 ||
		    !cJSON_IsString(value->child))
			refuse(list, "an attribute is none");
		if (strcmp(value->child->string, "intValue") == 0)
			check_digits(value, "intValue");
		for (b = a->next; b != NULL; b = b->next)
			if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(b, "key")),
			           key->valuestring) == 0)
				refuse(list, "an attribute is there twice");
	}
}

static void check_span(const cJSON *span)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(span, "kind");
	const cJSON *status = cJSON_GetObjectItemCaseSensitive(span, "status");
	long long start = check_digits(span, "startTimeUnixNano");

	check_members(span, MEMBERS("traceId", "spanId", "parentSpanId", "flags", "traceState",
	                            "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
	                            "attributes", "status"));
	check_hex(span, "traceId", 32, true);
	check_hex(span, "spanId", 16, true);
	check_hex(span, "parentSpanId", 16, false);
	if (start < 1000000000000000000 || check_digits(span, "endTimeUnixNano") < start)
		refuse(span, "its time");
	if (!cJSON_IsNumber(kind) || kind->valueint < 1 || kind->valueint > 5)
		refuse(span, "kind");
	if (status != NULL && cJSON_GetObjectItem(status, "code")->valueint != 2)
		refuse(span, "status");
	check_attributes(cJSON_GetObjectItemCaseSensitive(span, "attributes"));
}

/* ---- reading ----------------------------------------------------------------------------------- */

static const char *attribute(const cJSON *list, const char *name)
{
	const cJSON *a;

	cJSON_ArrayForEach(a, list)
	{
		if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(a, "key")), name) == 0)
			return cJSON_GetObjectItem(a, "value")->child->valuestring;
	}
	return "";
}

/* The span with this id in the trace of `span`. */
static const cJSON *in_trace(const cJSON *log, const cJSON *span, const char *id)
{
	const cJSON *s;

	cJSON_ArrayForEach(s, log)
	{
		if (strcmp(span_log_get(s, "spanId"), id) == 0 &&
		    strcmp(span_log_get(s, "traceId"), span_log_get(span, "traceId")) == 0)
			return s;
	}
	return NULL;
}

static void take_spans(cJSON *log, cJSON *body)
{
	cJSON *resource, *scope, *span, *spans;

	check_members(body, MEMBERS("resourceSpans"));
	cJSON_ArrayForEach(resource, cJSON_GetObjectItemCaseSensitive(body, "resourceSpans"))
	{
		const cJSON *of = cJSON_GetObjectItemCaseSensitive(
			cJSON_GetObjectItemCaseSensitive(resource, "resource"), "attributes");

		check_members(resource, MEMBERS("resource", "scopeSpans", "schemaUrl"));
		check_attributes(of);
		cJSON_ArrayForEach(scope, cJSON_GetObjectItemCaseSensitive(resource, "scopeSpans"))
		{
			check_members(scope, MEMBERS("scope", "spans", "schemaUrl"));
			spans = cJSON_GetObjectItemCaseSensitive(scope, "spans");
			assert_true(cJSON_GetArraySize(spans) > 0);
			while ((span = cJSON_DetachItemFromArray(spans, 0)) != NULL) {
				check_span(span);
				if (in_trace(log, span, span_log_get(span, "spanId"))) {
					cJSON_Delete(span);
					continue;
				}
				cJSON_AddStringToObject(span, "service",
				                        attribute(of, "service.name"));
				cJSON_AddItemToArray(log, span);
			}
		}
	}
}

cJSON *span_log_read(const struct http_server *server)
{
	size_t n = hook_log_count(server);
	cJSON *log = cJSON_CreateArray();

	for (size_t i = 0; i < n; i++) {
		cJSON *request = hook_log_request(server, i);
		cJSON *body = cJSON_GetObjectItem(request, "json");

		assert_string_equal(hook_log_at(request, "path"), "/hook/v1/traces");
		assert_string_equal(hook_log_at(request, "headers.content-type"),
		                    "application/json");
		if (!cJSON_IsObject(body))
			refuse(request, "its body is no JSON");
		take_spans(log, body);
		cJSON_Delete(request);
	}
	return log;
}

/* ---- finding ----------------------------------------------------------------------------------- */

const char *span_log_get(const cJSON *span, const char *name)
{
	static char number[32];
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(span, name);

	if (cJSON_IsNumber(m)) {
		snprintf(number, sizeof(number), "%g", m->valuedouble);
		return number;
	}
	if (m != NULL)
		return cJSON_GetStringValue(m);
	return attribute(cJSON_GetObjectItemCaseSensitive(span, "attributes"), name);
}

/* Of which mail? What is below a claim's span does not say it once more. */
static const char *key_of(const cJSON *log, const cJSON *span)
{
	const char *key = span_log_get(span, "messaging.message.id");
	const cJSON *parent;

	if (*key != '\0')
		return key;
	parent = in_trace(log, span, span_log_get(span, "parentSpanId"));
	return parent != NULL ? span_log_get(parent, "messaging.message.id") : "";
}

const cJSON *span_log_seek(const cJSON *log, const char *verb, const char *key, size_t n)
{
	const cJSON *s;

	cJSON_ArrayForEach(s, log)
	{
		const char *name = span_log_get(s, "name");

		if (strcspn(name, " ") == strlen(verb) && strncmp(name, verb, strlen(verb)) == 0 &&
		    (key == NULL || strcmp(key_of(log, s), key) == 0) && n-- == 0)
			return s;
	}
	return NULL;
}

const cJSON *span_log_find(const cJSON *log, const char *verb, const char *key, size_t n)
{
	const cJSON *span = span_log_seek(log, verb, key, n);

	if (span == NULL)
		refuse(log, verb);
	return span;
}

size_t span_log_count(const cJSON *log, const char *verb, const char *key)
{
	size_t n = 0;

	while (span_log_seek(log, verb, key, n) != NULL)
		n++;
	return n;
}

struct wanted {
	const struct http_server *server;
	const char *verb, *key;
	size_t n;
};

static bool are_there(void *arg)
{
	const struct wanted *w = arg;
	cJSON *log = span_log_read(w->server);
	bool there = span_log_count(log, w->verb, w->key) >= w->n;

	cJSON_Delete(log);
	return there;
}

void span_log_wait(const struct http_server *server, const char *verb, const char *key, size_t n)
{
	struct wanted w = {server, verb, key, n};

	wait_until(are_there, &w, 0);
}

void span_log_expect_at(const char *file, int line, const cJSON *span, const char *name,
                        const char *value)
{
	const char *got = span_log_get(span, name);

	if (strcmp(got, value) != 0) {
		print_error("%s:%d: %s is \"%s\", not \"%s\"\n", file, line, name, got, value);
		refuse(span, name);
	}
}

void span_log_expect_below_at(const char *file, int line, const cJSON *child, const cJSON *parent)
{
	span_log_expect_at(file, line, child, "traceId", span_log_get(parent, "traceId"));
	span_log_expect_at(file, line, child, "parentSpanId", span_log_get(parent, "spanId"));
}

void span_log_expect_within_at(const char *file, int line, const cJSON *child, const cJSON *parent)
{
	span_log_expect_below_at(file, line, child, parent);
	if (check_digits(child, "startTimeUnixNano") < check_digits(parent, "startTimeUnixNano") ||
	    check_digits(child, "endTimeUnixNano") > check_digits(parent, "endTimeUnixNano")) {
		print_error("%s:%d: it is not within its parent's time\n", file, line);
		refuse(child, span_log_get(parent, "name"));
	}
}
