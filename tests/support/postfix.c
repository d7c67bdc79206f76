#include "support/postfix.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/port.h"
#include "support/process.h"
#include "support/smtp_secure.h"
#include "support/smtp_sink.h"
#include "support/tmpdir.h"
#include "support/wait.h"

#define PROGRAM "/usr/sbin/postfix"
#define OWNER "postfix" /* Debian's mail_owner */
#define START_TRIES 5
#define START_MS 30000
#define LIFE_S "600"
#define MAX_MAIL ((size_t)64 << 20)

struct postfix {
	char *dir, *master;
	int port;
	struct process *process;
	size_t wanted;
};

static const char main_cf[] =
	"compatibility_level = 3.6\n"
	"queue_directory = %1$s/queue\n"
	"data_directory = %1$s/data\n"
	"maillog_file = /dev/stdout\n"
	"myhostname = postfix.test\n"
	"mydestination =\n"
	"inet_interfaces = loopback-only\n"
	"inet_protocols = ipv4\n"
	"mynetworks = 127.0.0.0/8\n"
	"smtpd_client_event_limit_exceptions =\n"
	"alias_maps =\n"
	"local_recipient_maps =\n"
	"virtual_mailbox_domains = example.com\n"
	"virtual_mailbox_base = %1$s/mail\n"
	"virtual_mailbox_maps = static:all/\n"
	"virtual_uid_maps = static:%2$u\n"
	"virtual_gid_maps = static:%3$u\n"
	"smtpd_recipient_restrictions = check_recipient_access inline:{\n"
	"  {gone@example.com=550 5.1.1 no such user} {full@example.com=452 4.2.2 mailbox is full} }\n"
	"  permit_mynetworks reject\n"
	"smtpd_tls_security_level = may\n"
	"smtpd_tls_cert_file = %4$s\n"
	"smtpd_tls_key_file = %5$s\n";

static const char master_cf[] = "127.0.0.1:%d inet n - n - 100 smtpd\n"
				"cleanup unix n - n - 0 cleanup\n"
				"qmgr unix n - n 300 1 qmgr\n"
				"rewrite unix - - n - - trivial-rewrite\n"
				"bounce unix - - n - 0 bounce\n"
				"defer unix - - n - 0 bounce\n"
				"trace unix - - n - 0 bounce\n"
				"virtual unix - n n - - virtual\n"
				"error unix - - n - - error\n"
				"anvil unix - - n - 1 anvil\n"
				"postlog unix-dgram n - n - 1 postlogd\n"
				"proxymap unix - - n - - proxymap\n"
				"tlsmgr unix - - n 1000? 1 tlsmgr\n";

bool postfix_possible(void)
{
	if (access(PROGRAM, X_OK) != 0 || getpwnam(OWNER) == NULL)
		printf("skipped: Postfix is not installed\n");
	else if (geteuid() != 0)
		printf("skipped: Postfix's master must be started by root\n");
	else
		return true;
	return false;
}

static FILE *create(const struct postfix *p, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf/%s", p->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

static void make_dir(const struct postfix *p, const char *name, const struct passwd *owner)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
	if (owner != NULL)
		assert_int_equal(chown(path, owner->pw_uid, owner->pw_gid), 0);
}

static void configure(struct postfix *p, const char *const *settings)
{
	const struct secure_cert how = {.names = "IP:127.0.0.1"};
	const struct passwd *owner = getpwnam(OWNER);
	char *cert, *key;
	FILE *f;

	assert_non_null(owner);
	assert_int_equal(chmod(tmpdir(), 0711), 0); /* not all of its parts stay root */
	assert_int_equal(chmod(p->dir, 0755), 0);
	make_dir(p, "conf", NULL);
	make_dir(p, "queue", NULL);
	make_dir(p, "data", owner);
	make_dir(p, "mail", owner);
	secure_cert_make(&how, &cert, &key);
	f = create(p, "main.cf");
	fprintf(f, main_cf, p->dir, (unsigned)owner->pw_uid, (unsigned)owner->pw_gid, cert, key);
	for (; settings != NULL && *settings != NULL; settings++)
		fprintf(f, "%s\n", *settings);
	assert_int_equal(fclose(f), 0);
	free(cert);
	free(key);
}

static void write_services(struct postfix *p)
{
	FILE *f = create(p, "master.cf");

	p->port = port_free();
	fprintf(f, master_cf, p->port);
	assert_int_equal(fclose(f), 0);
}

/* Makes its queue's directories, and finds its master. */
static void prepare(struct postfix *p)
{
	char conf[512], *out, *err;

	write_services(p);
	snprintf(conf, sizeof(conf), "%s/conf", p->dir);
	if (process_run((const char *const[]){PROGRAM, "-c", conf, "check", NULL}, NULL, NULL, &out,
	                &err) != 0)
		fail_msg("postfix check: %s%s", out, err);
	free(out);
	free(err);
	assert_int_equal(process_run((const char *const[]){"/usr/sbin/postconf", "-c", conf, "-h",
	                                                   "daemon_directory", NULL},
	                             NULL, NULL, &out, NULL),
	                 0);
	assert_true(asprintf(&p->master, "%.*s/master", (int)strcspn(out, "\n"), out) > 0);
	free(out);
}

/* Also when another has taken the port before Postfix could: its log says so, and the greeting is
 * another's. */
static bool is_up_or_ended(void *arg)
{
	struct postfix *p = arg;
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	                        .sin_port = htons((uint16_t)p->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 5};
	char greeting[256];
	ssize_t n = -1;

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		n = read(fd, greeting, sizeof(greeting) - 1);
	close(fd);
	greeting[n > 0 ? n : 0] = '\0';
	return strstr(greeting, "220 postfix.test") != NULL || !process_running(p->process);
}

static bool run(struct postfix *p)
{
	char conf[512];

	write_services(p);
	snprintf(conf, sizeof(conf), "%s/conf", p->dir);
	/* Not by `postfix start-fg`, whose master would outlive it; and not for ever: a process that changes
	 * its user is not killed with its parent, should that be killed. */
	p->process = process_start(
		(const char *const[]){p->master, "-c", conf, "-s", "-e", LIFE_S, NULL}, NULL);
	wait_until(is_up_or_ended, p, START_MS);
	return process_running(p->process);
}

struct postfix *postfix_start(const char *const *settings)
{
	struct postfix *p = calloc(1, sizeof(*p));
	char *log;

	assert_non_null(p);
	p->dir = tmpdir_make("postfix");
	configure(p, settings);
	prepare(p);
	for (int tries = 1; !run(p); tries++) {
		if (tries == START_TRIES) {
			log = process_stdout(p->process);
			fail_msg("Postfix does not start: %s", log);
		}
		process_free(p->process);
	}
	return p;
}

void postfix_free(struct postfix *p)
{
	if (p == NULL)
		return;
	(void)process_stop(p->process, 0);
	process_free(p->process);
	tmpdir_remove(p->dir);
	free(p->master);
	free(p->dir);
	free(p);
}

int postfix_port(const struct postfix *p)
{
	return p->port;
}

/* Calls fn with each file below a directory of Postfix's. */
static void each_file(const struct postfix *p, const char *name,
                      void (*fn)(const char *path, void *arg), void *arg)
{
	char path[1024];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", p->dir, name, entry->d_name);
		fn(path, arg);
	}
	closedir(dir);
}

static void count(const char *path, void *arg)
{
	(void)path;
	++*(size_t *)arg;
}

size_t postfix_total(const struct postfix *p)
{
	size_t n = 0;

	each_file(p, "mail/all/new", count, &n);
	return n;
}

static bool is_done(void *arg)
{
	static const char *const queues[] = {"queue/incoming", "queue/active", "queue/maildrop"};
	struct postfix *p = arg;
	size_t queued = 0;

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		each_file(p, queues[i], count, &queued);
	return postfix_total(p) >= p->wanted && queued == 0;
}

void postfix_wait_total(struct postfix *p, size_t n)
{
	p->wanted = n;
	wait_until(is_done, p, 0);
}

static void append(const char *path, void *arg)
{
	char *text = tmpdir_read(path, NULL);

	buf_add_str(arg, "X-Client-Addr: none\n"); /* as a dump of smtp-sink's begins */
	buf_add_str(arg, text);
	buf_add_str(arg, "\n");
	free(text);
}

struct tally *postfix_tally(const struct postfix *p)
{
	struct tally *t;
	struct buf all;
	char *path;

	buf_init(&all, MAX_MAIL);
	each_file(p, "mail/all/new", append, &all);
	assert_true(buf_ok(&all));
	path = tmpdir_file("postfix-mail", buf_str(&all), all.len);
	t = tally_of_dump(path);
	tmpdir_remove(path);
	free(path);
	buf_free(&all);
	return t;
}

struct search {
	const char *line;
	char *found;
	size_t n;
};

static void look_for(const char *path, void *arg)
{
	struct search *s = arg;
	char *text = tmpdir_read(path, NULL), *at = strstr(text, s->line);

	if (at == NULL || (at > text && at[-1] != '\n') || at[strlen(s->line)] != '\n') {
		free(text);
		return;
	}
	free(s->found);
	s->found = text;
	s->n++;
}

char *postfix_message(const struct postfix *p, const char *line)
{
	struct search s = {.line = line};

	each_file(p, "mail/all/new", look_for, &s);
	if (s.n != 1)
		fail_msg("%zu messages have the line \"%s\"", s.n, line);
	return s.found;
}

size_t postfix_logged(const struct postfix *p, const char *text)
{
	return process_count_lines(p->process, text);
}
