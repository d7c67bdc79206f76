#include "support/hook_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/wait.h"

size_t hook_log_count(const struct http_server *server)
{
	return http_server_count(server, "hooks");
}

cJSON *hook_log_request(const struct http_server *server, size_t n)
{
	char *text = http_server_read(server, "hooks"), *rest = text, *line = NULL;
	cJSON *o;

	for (size_t i = 0; i <= n; i++)
		line = strsep(&rest, "\n");
	assert_non_null(line);
	o = cJSON_Parse(line);
	assert_non_null(o);
	(void)cJSON_AddItemToObject(
		o, "json", cJSON_Parse(cJSON_GetStringValue(cJSON_GetObjectItem(o, "body"))));
	free(text);
	return o;
}

const char *hook_log_at(const cJSON *o, const char *path)
{
	static char number[32];
	char name[64];

	while (o && *path != '\0') {
		size_t n = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		o = cJSON_GetObjectItem(o, name);
		path += n + (path[n] == '.');
	}
	if (cJSON_IsNumber(o)) {
		snprintf(number, sizeof(number), "%g", o->valuedouble);
		return number;
	}
	return cJSON_IsString(o) ? o->valuestring : "";
}

char *hook_log_told(const struct http_server *server, const char *key, const char *path)
{
	size_t n = hook_log_count(server);
	char *all = calloc(1, n * 256 + 1);

	for (size_t i = 0; i < n; i++) {
		cJSON *o = hook_log_request(server, i);

		if (strcmp(hook_log_at(o, "json.data.key"), key) == 0)
			snprintf(all + strlen(all), 256, "%s%s", all[0] != '\0' ? " " : "",
			         hook_log_at(o, path));
		cJSON_Delete(o);
	}
	return all;
}

struct wanted {
	const struct http_server *server;
	const char *key;
	size_t n;
};

static bool is_told(void *arg)
{
	const struct wanted *w = arg;
	char *all = hook_log_told(w->server, w->key, "json.type");
	size_t n = all[0] != '\0';

	for (const char *c = all; *c != '\0'; c++)
		n += *c == ' ';
	free(all);
	return n >= w->n;
}

void hook_log_wait(const struct http_server *server, const char *key, size_t n)
{
	struct wanted w = {server, key, n};

	wait_until(is_told, &w, 0);
}

void hook_log_expect(const struct http_server *server, const char *key, const char *path,
                     const char *want)
{
	char *got = hook_log_told(server, key, path);

	if (strcmp(got, want) != 0)
		fail_msg("%s: %s is %s, not %s", key, path, got, want);
	free(got);
}
