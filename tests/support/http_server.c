#include "support/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/process.h"
#include "support/tmpdir.h"
#include "support/wait.h"

struct http_server {
	struct process *process;
	char *dir;
	int port;
	char url[256];
};

static char *path_in(const struct http_server *s, const char *file)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", s->dir, file) > 0);
	return path;
}

static struct http_server *start(const char *certificate, const char *key)
{
	struct http_server *s = calloc(1, sizeof(*s));
	const char *argv[] = {
		"python3", "tests/support/http_server.py", NULL, "0", certificate, key, NULL};
	const char *env[] = {"PYTHONDONTWRITEBYTECODE=1", NULL}; /* nothing into the source tree */
	char *out;

	assert_non_null(s);
	s->dir = tmpdir_make("api");
	argv[2] = s->dir;
	setenv("no_proxy", "127.0.0.1,localhost", 1); /* also for the workers that a test starts */
	s->process = process_start(argv, env);
	process_wait_line(s->process, "ready", 0);
	out = process_stdout(s->process);
	assert_int_equal(sscanf(out, "ready %d", &s->port), 1);
	free(out);
	return s;
}

struct http_server *http_server_start(void)
{
	return start(NULL, NULL);
}

struct http_server *http_server_start_tls(const char *certificate, const char *key)
{
	return start(certificate, key);
}

void http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	process_free(s->process);
	tmpdir_remove(s->dir);
	free(s->dir);
	free(s);
}

int http_server_port(const struct http_server *s)
{
	return s->port;
}

const char *http_server_url(struct http_server *s, const char *behaviour, const char *api)
{
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d%s%s/%s", s->port,
	         behaviour != NULL ? "/do/" : "", behaviour != NULL ? behaviour : "", api);
	return s->url;
}

char *http_server_read(const struct http_server *s, const char *file)
{
	char *path = path_in(s, file), *text = tmpdir_read(path, NULL);

	free(path);
	return text;
}

size_t http_server_count(const struct http_server *s, const char *file)
{
	char *text = http_server_read(s, file);
	size_t n = 0;

	for (const char *c = text; *c != '\0'; c++)
		n += *c == '\n';
	free(text);
	return n;
}

struct wanted {
	const struct http_server *server;
	const char *file;
	size_t n;
};

static bool is_there(void *arg)
{
	const struct wanted *w = arg;

	return http_server_count(w->server, w->file) >= w->n;
}

void http_server_wait(const struct http_server *s, const char *file, size_t n)
{
	struct wanted w = {s, file, n};

	wait_until(is_there, &w, 0);
}

char *http_server_mail(const struct http_server *s, size_t n)
{
	char file[32];

	snprintf(file, sizeof(file), "%zu.json", n);
	return http_server_read(s, file);
}

struct tally *http_server_tally(const struct http_server *s)
{
	char *path = path_in(s, "taken");
	struct tally *t = tally_of_record(path);

	free(path);
	return t;
}

void http_server_clear(struct http_server *s)
{
	static const char *const files[] = {"connections", "heads", "held",  "wholes",
	                                    "wrong",       "taken", "fates", "hooks"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = path_in(s, files[i]);

		tmpdir_remove(path);
		free(path);
	}
}

void http_server_check(const struct http_server *s)
{
	char *wrong = http_server_read(s, "wrong"), *err = process_stderr(s->process);

	if (wrong[0] != '\0' || strstr(err, "Traceback") != NULL)
		fail_msg("not as documented: %s%s", wrong, err);
	free(wrong);
	free(err);
}
