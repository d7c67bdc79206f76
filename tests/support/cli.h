/* cli.h - runs the one-shot commands of the real binary, and looks at what they say.
 *
 *     struct cli *c = cli_new(redis_server_url(redis));
 *     cli_run(c, NULL, "status", "order-42", "--json", NULL);
 *     assert_int_equal(c->code, 0);
 *     assert_string_equal(cli_text(c, "status"), "sent");
 *     cli_free(c);
 *
 * In a directory of its own, with REDIS_URL and none of the options that the user of the tests may
 * have set. */
#ifndef SUPPORT_CLI_H
#define SUPPORT_CLI_H

#include <cjson/cJSON.h>

#include "base/attr.h"

#define CLI_MAX_SETTINGS 32

struct cli {
	char *dir;
	char *settings[CLI_MAX_SETTINGS]; /* "NAME=value", NULL-terminated */
	/* of the last run */
	int code; /* as process_wait returns it */
	char *out, *err;
	cJSON *json; /* of `out`, when cli_json was asked for it */
};

struct cli *cli_new(const char *redis_url) MUST_CHECK; /* NULL: none is set */
void cli_free(struct cli *c);
void cli_set(struct cli *c, const char *name,
             const char *value); /* for the runs to come; NULL removes */

/* input: its stdin; NULL: empty. The arguments after the program's name end with NULL. */
void cli_run(struct cli *c, const char *input, ...) __attribute__((sentinel));
/* The same; fails the test when the exit code is another. */
void cli_expect(struct cli *c, int code, const char *input, ...) __attribute__((sentinel));

/* stdout, which must be one JSON value; the cli's. */
const cJSON *cli_json(struct cli *c);
/* The string, or the number as text, at a path of names and indexes: "mails.0.idempotencyKey". "null",
 * "true", "false" likewise; fails the test when there is no such member. Valid until the next call. */
const char *cli_text(struct cli *c, const char *path);

/* Fails the test, showing all of it, unless `text` holds `part`. */
void cli_assert_has(const char *text, const char *part);
void cli_assert_lacks(const char *text, const char *part);

#endif
