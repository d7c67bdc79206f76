#include "support/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/process.h"
#include "support/tmpdir.h"

#define MAX_ARGS 64

/* What the one who runs the tests may have set. */
static const char *const unset[] = {"REDIS_URL", "KEY_PREFIX", "QUEUES",     "PROVIDERS",
                                    "MAIL_FROM", "LOG_FORMAT", "LOG_LEVEL",  "MAX_JOB_BYTES",
                                    "NO_COLOR",  "STATUS_TTL", "WORKER_NAME"};

struct cli *cli_new(const char *redis_url)
{
	struct cli *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->dir = tmpdir_make("cli");
	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		cli_set(c, unset[i], NULL);
	if (redis_url)
		cli_set(c, "REDIS_URL", redis_url);
	return c;
}

static void forget_run(struct cli *c)
{
	free(c->out);
	free(c->err);
	cJSON_Delete(c->json);
	c->out = c->err = NULL;
	c->json = NULL;
}

void cli_free(struct cli *c)
{
	if (!c)
		return;
	forget_run(c);
	for (size_t i = 0; c->settings[i]; i++)
		free(c->settings[i]);
	tmpdir_remove(c->dir);
	free(c->dir);
	free(c);
}

void cli_set(struct cli *c, const char *name, const char *value)
{
	size_t n = strlen(name), i = 0;
	char *setting;

	while (c->settings[i] && !(strncmp(c->settings[i], name, n) == 0 &&
	                           (c->settings[i][n] == '=' || c->settings[i][n] == '\0')))
		i++;
	assert_true(i + 1 < CLI_MAX_SETTINGS);
	assert_true(asprintf(&setting, "%s%s%s", name, value ? "=" : "", value ? value : "") > 0);
	free(c->settings[i]);
	c->settings[i] = setting;
}

static void run(struct cli *c, const char *input, va_list args)
{
	const char *argv[MAX_ARGS] = {fleet_binary()};
	struct process *p;
	size_t n = 1;

	while ((argv[n] = va_arg(args, const char *)) != NULL)
		assert_true(++n < MAX_ARGS);
	forget_run(c);
	p = process_start_with(argv, (const char *const *)c->settings, input,
	                       input ? strlen(input) : 0, c->dir);
	c->code = process_wait(p, 0);
	c->out = process_stdout(p);
	c->err = process_stderr(p);
	process_free(p);
}

void cli_run(struct cli *c, const char *input, ...)
{
	va_list args;

	va_start(args, input);
	run(c, input, args);
	va_end(args);
}

void cli_expect(struct cli *c, int code, const char *input, ...)
{
	va_list args;

	va_start(args, input);
	run(c, input, args);
	va_end(args);
	if (c->code != code)
		fail_msg("exit code %d, not %d\n--- stdout:\n%s--- stderr:\n%s", c->code, code,
		         c->out, c->err);
}

const cJSON *cli_json(struct cli *c)
{
	const char *end = NULL;

	if (c->json)
		return c->json;
	c->json = cJSON_ParseWithOpts(c->out, &end, 0);
	if (!c->json || !end || strcmp(end, "\n") != 0)
		fail_msg("stdout is not one line of JSON: %s", c->out);
	return c->json;
}

const char *cli_text(struct cli *c, const char *path)
{
	static char number[32];
	const cJSON *at = cli_json(c);
	char *copy = strdup(path), *rest = copy, *name;

	assert_non_null(copy);
	while (at && (name = strsep(&rest, ".")) != NULL)
		at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(name, NULL, 10))
		                       : cJSON_GetObjectItemCaseSensitive(at, name);
	free(copy);
	if (!at)
		fail_msg("there is no %s in %s", path, c->out);
	if (cJSON_IsString(at))
		return at->valuestring;
	if (cJSON_IsNull(at))
		return "null";
	if (cJSON_IsBool(at))
		return cJSON_IsTrue(at) ? "true" : "false";
	snprintf(number, sizeof(number), "%.15g", at->valuedouble);
	return number;
}

void cli_assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

void cli_assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}
