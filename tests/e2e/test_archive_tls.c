/* The archive in a PostgreSQL that speaks TLS and asks for a password: whom the archiver trusts, and where it has its
 * secret from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/archive_world.h"
#include "support/smtp_secure.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define MAILS "postrider_mails"
#define LOGIN "postrider:" POSTGRES_SERVER_PASSWORD

static int port;

/* The certificate is for localhost alone. */
static int setup(void **state)
{
	struct archive_world *w;
	char *cert, *key;

	(void)archive_world_setup(state);
	w = *state;
	if (w == NULL)
		return 0;
	secure_cert_make(&(struct secure_cert){.names = "DNS:localhost"}, &cert, &key);
	port = postgres_server_speak_tls(w->postgres, cert, key);
	postgres_server_kill(w->postgres);
	postgres_server_run(w->postgres);
	free(cert);
	free(key);
	return 0;
}

/* "DATABASE_URL=…", a new string (free). ca NULL: none is named. */
static char *url(const char *login, const char *host, const char *mode, const char *ca)
{
	char *text;

	assert_true(asprintf(&text, "DATABASE_URL=postgresql://%s@%s:%d/mail?sslmode=%s%s%s", login,
	                     host, port, mode, ca != NULL ? "&sslrootcert=" : "",
	                     ca != NULL ? ca : "") > 0);
	return text;
}

/* It never gets in, says why in these words, and nothing of the password. */
static void assert_refused(struct archive_world *w, char *database, const char *why)
{
	struct process *archiver = archive_world_archiver(
		w, (const char *const[]){database, "LOG_LEVEL=debug", NULL});

	process_wait_line(archiver, "\"postgres_away\"", 0);
	if (process_count_lines(archiver, why) == 0)
		fail_msg("not \"%s\", but %s", why, process_stderr(archiver));
	assert_int_equal(process_count_lines(archiver, "\"postgres_ready\""), 0);
	archive_world_stop(w, archiver);
	free(database);
}

/* It archives, over TLS. extra: NULL, or one more setting. */
static void assert_archives(struct archive_world *w, char *database, const char *extra)
{
	struct process *archiver;

	archive_world_add(w, NULL, "k", 20);
	archiver = archive_world_archiver(
		w, (const char *const[]){database, "LOG_LEVEL=debug", extra, NULL});
	archive_world_wait(w, MAILS, 20);
	postgres_server_sees(
		w->postgres, "t",
		"SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
		" WHERE application_name = 'postrider archive'");
	archive_world_stop(w, archiver);
	free(database);
}

/* Its name is looked up by us, off the loop, and all the same it is what the certificate must be for. */
static void test_verify_full(void **state)
{
	struct archive_world *w = archive_world_begin(state);

	if (w != NULL)
		assert_archives(w, url(LOGIN, "localhost", "verify-full", secure_ca()), NULL);
}

static void test_another_authority(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	char *cert, *key;

	if (w == NULL)
		return;
	secure_cert_make(&(struct secure_cert){.names = "DNS:localhost", .self_signed = true},
	                 &cert, &key);
	assert_refused(w, url(LOGIN, "localhost", "verify-full", cert),
	               "certificate verify failed");
	assert_refused(w, url(LOGIN, "localhost", "verify-full", "/nowhere.pem"),
	               "root certificate file \\\"/nowhere.pem\\\" does not exist");
	free(cert);
	free(key);
}

static void test_another_host(void **state)
{
	struct archive_world *w = archive_world_begin(state);

	if (w != NULL)
		assert_refused(w, url(LOGIN, "127.0.0.1", "verify-full", secure_ca()),
		               "does not match host name \\\"127.0.0.1\\\"");
}

static void test_no_tls_no_password(void **state)
{
	struct archive_world *w = archive_world_begin(state);

	if (w == NULL)
		return;
	assert_refused(w, url(LOGIN, "localhost", "disable", NULL), "no encryption");
	assert_refused(w, url(LOGIN "x", "localhost", "require", NULL),
	               "password authentication failed");
	assert_refused(w, url("postrider", "localhost", "require", NULL), "no password supplied");
}

/* The password out of a file that libpq reads, and the whole URL out of one that we read. */
static void test_secrets_in_files(void **state)
{
	struct archive_world *w = archive_world_begin(state);
	char text[512], setting[512], *path, *database;

	if (w == NULL)
		return;
	snprintf(text, sizeof(text), "localhost:%d:mail:postrider:%s\n", port,
	         POSTGRES_SERVER_PASSWORD);
	path = tmpdir_file("pgpass", text, strlen(text));
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(setting, sizeof(setting), "PGPASSFILE=%s", path);
	assert_archives(w, url("postrider", "localhost", "verify-full", secure_ca()), setting);
	free(path);

	w = archive_world_begin(state);
	database = url(LOGIN, "localhost", "verify-full", secure_ca());
	path = tmpdir_file("url", strchr(database, '=') + 1, strlen(strchr(database, '=') + 1));
	snprintf(setting, sizeof(setting), "DATABASE_URL_FILE=%s", path);
	assert_archives(w, strdup("DATABASE_URL="), setting);
	free(path);
	free(database);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify_full),      cmocka_unit_test(test_another_authority),
		cmocka_unit_test(test_another_host),     cmocka_unit_test(test_no_tls_no_password),
		cmocka_unit_test(test_secrets_in_files),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests_name("archive/tls", tests, setup, archive_world_teardown);
}
