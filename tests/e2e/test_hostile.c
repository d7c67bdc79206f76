/* Jobs from somebody who means harm, through a worker and SMTP to a server that we did not write, and read there by a parser
 * that we did not write: each valid one is one message with what the job says and nothing else; each other one is
 * a dead letter with its reason, byte for byte. hostile.py makes and reads them; SEED and COUNT choose others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/sink.h"
#include "support/tmpdir.h"

#define HOSTILE "tests/e2e/hostile.py"

static char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	char *copy = strdup(value && *value ? value : otherwise);

	assert_non_null(copy);
	return copy;
}

/* Each record is "<bytes> <1 or 0>\n<job>". */
static void push_all(struct fleet *f, const char *path)
{
	redisContext *c = fleet_client(f);
	size_t size, pushed = 0;
	char *all = tmpdir_read(path, &size);

	for (char *at = all; at < all + size; pushed++) {
		size_t n = strtoul(at, NULL, 10);

		at = strchr(at, '\n') + 1;
		redisAppendCommand(c, "LPUSH " FLEET_QUEUE " %b", at, n);
		at += n;
	}
	for (; pushed > 0; pushed--)
		freeReplyObject(fleet_answer(c));
	redisFree(c);
	free(all);
}

/* "<bytes> <reason>\n<job>" of each dead letter. */
static void write_dead(struct fleet *f, const char *path)
{
	redisReply *ids = redis_server_cmd(fleet_redis(f), "ZRANGE {" FLEET_QUEUE "}:dead 0 -1");
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	for (size_t i = 0; i < ids->elements; i++) {
		const char *id = ids->element[i]->str;
		char key[64], *reason, *job;
		size_t n;

		snprintf(key, sizeof(key), "auto-%s", id);
		reason = fleet_field(f, key, "error");
		job = fleet_dead(f, NULL, id, &n);
		assert_null(strchr(reason, '\n'));
		fprintf(out, "%zu %s\n", n, reason);
		assert_int_equal(fwrite(job, 1, n, out), n);
		free(job);
		free(reason);
	}
	assert_int_equal(fclose(out), 0);
	freeReplyObject(ids);
}

static void test_hostile(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct sink *sink = sink_start();
	char *jobs = tmpdir_name("jobs"), *dead = tmpdir_name("dead"), *out = NULL;
	char *seed = setting("SEED", "822"), *count = setting("COUNT", "600");
	int status;

	(void)state;
	assert_int_equal(process_run((const char *const[]){"python3", HOSTILE, "generate", seed,
	                                                   count, jobs, NULL},
	                             NULL, NULL, NULL, NULL),
	                 0);
	fleet_set(f, "MAIL_FROM=Default Sender <sender@x.org>");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	push_all(f, jobs);
	fleet_worker(f, NULL);
	fleet_wait_settled(f, NULL);
	write_dead(f, dead);
	status = process_run((const char *const[]){"python3", HOSTILE, "check", jobs, dead,
	                                           sink_directory(sink), NULL},
	                     NULL, NULL, &out, NULL);
	printf("seed %s: %s", seed, out);
	assert_int_equal(status, 0);
	fleet_free(f);
	sink_free(sink);
	free(out);
	free(seed);
	free(count);
	free(dead);
	free(jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
