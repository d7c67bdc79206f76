/* Names: a DNS server of the test's own, and the pool that asks it. FAULTS 30. */
#include "smtp/resolver.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "smtp/pool.h"
#include "support/smtp_script.h"
#include "support/wait.h"

/* ---- a DNS server -------------------------------------------------------------------------------- */

/* What it knows. "silent.test" gets no answer at all, other names NXDOMAIN. */
static const struct record {
	const char *name;
	const char *a[2];
	const char *aaaa;
	unsigned ttl;
} records[] = {
	{"both.test", {"127.0.0.1", NULL}, "::1", 20},
	{"two.test", {"127.0.0.2", "127.0.0.1"}, NULL, 300},
	{"owt.test", {"127.0.0.1", "127.0.0.2"}, NULL, 300},
	{"one.test", {"127.0.0.1", NULL}, NULL, 0},
	{"none.test", {NULL, NULL}, NULL, 0},
};

static struct {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	unsigned questions; /* for A records */
	char address[32];
} dns = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t add_answer(unsigned char *out, int family, const char *text, unsigned ttl)
{
	size_t len = family == AF_INET ? 4 : 16;

	memcpy(out, "\xc0\x0c\0\1\0\1", 6); /* the question's name, A, IN */
	out[3] = family == AF_INET ? 1 : 28;
	out[6] = out[7] = 0;
	out[8] = (unsigned char)(ttl >> 8);
	out[9] = (unsigned char)ttl;
	out[10] = 0;
	out[11] = (unsigned char)len;
	inet_pton(family, text, out + 12);
	return 12 + len;
}

/* The name in a question, with dots; the bytes it takes. */
static size_t read_name(const unsigned char *in, size_t n, char *out)
{
	size_t at = 0, len = 0;

	while (at < n && in[at] != 0 && in[at] < 64 && at + in[at] < n) {
		if (len > 0)
			out[len++] = '.';
		memcpy(out + len, in + at + 1, in[at]);
		len += in[at];
		at += in[at] + 1U;
	}
	out[len] = '\0';
	return at + 1;
}

static size_t reply_to(const unsigned char *q, size_t n, unsigned char *out)
{
	char name[512];
	const struct record *r = NULL;
	size_t end = 12 + read_name(q + 12, n - 12, name) + 4, len = end;
	int type = q[end - 3], answers = 0;

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		if (strcasecmp(records[i].name, name) == 0)
			r = &records[i];
	if (strcasecmp(name, "silent.test") == 0)
		return 0;
	memcpy(out, q, end);
	out[2] = 0x81;
	out[3] = r != NULL ? 0x80 : 0x83; /* NXDOMAIN */
	if (r != NULL && type == 1) {
		for (int i = 0; i < 2; i++)
			if (r->a[i] != NULL) {
				len += add_answer(out + len, AF_INET, r->a[i], r->ttl);
				answers++;
			}
	} else if (r != NULL && type == 28 && r->aaaa != NULL) {
		len += add_answer(out + len, AF_INET6, r->aaaa, r->ttl);
		answers++;
	}
	memset(out + 6, 0, 6);
	out[7] = (unsigned char)answers;
	if (type == 1) {
		pthread_mutex_lock(&dns.lock);
		dns.questions++;
		pthread_mutex_unlock(&dns.lock);
	}
	return len;
}

static void *serve_dns(void *arg)
{
	unsigned char in[1024], out[2048];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	(void)arg;
	while ((n = recvfrom(dns.fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_len)) > 0) {
		size_t len = n > 17 ? reply_to(in, (size_t)n, out) : 0;

		if (len > 0)
			sendto(dns.fd, out, len, 0, (struct sockaddr *)&from, from_len);
		from_len = sizeof(from);
	}
	return NULL;
}

static int start_dns(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	(void)state;
	dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (dns.fd < 0 || bind(dns.fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    getsockname(dns.fd, (struct sockaddr *)&a, &len) != 0)
		return -1;
	snprintf(dns.address, sizeof(dns.address), "127.0.0.1:%d", ntohs(a.sin_port));
	return pthread_create(&dns.thread, NULL, serve_dns, NULL);
}

static int stop_dns(void **state)
{
	(void)state;
	shutdown(dns.fd, SHUT_RDWR);
	pthread_join(dns.thread, NULL);
	close(dns.fd);
	return 0;
}

/* ---- look-ups ------------------------------------------------------------------------------------- */

static struct ev_loop *loop;
static struct smtp_resolver *resolver;
static struct error err;
static unsigned calls;
static bool calling, called_early;
static struct smtp_addresses found;
static char reason[128];

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(0);
	resolver = smtp_resolver_open(loop, dns.address, &err);
	calls = 0;
	called_early = false;
	return loop == NULL || resolver == NULL;
}

static int teardown(void **state)
{
	(void)state;
	smtp_resolver_close(resolver);
	resolver = NULL;
	ev_loop_destroy(loop);
	return 0;
}

static void on_found(void *data, const struct smtp_addresses *a, const char *why)
{
	(void)data;
	calls++;
	called_early |= calling;
	memset(&found, 0, sizeof(found));
	if (a != NULL)
		found = *a;
	snprintf(reason, sizeof(reason), "%s", why);
}

static bool is_called(void *arg)
{
	(void)arg;
	return calls > 0;
}

static void look_up(const char *host, long timeout_ms)
{
	calls = 0;
	calling = true;
	smtp_resolver_lookup(resolver, host, 2525, timeout_ms, on_found, NULL);
	calling = false;
	assert_true(smtp_resolver_busy(resolver));
	wait_loop_until(loop, is_called, NULL, 0);
	assert_int_equal(calls, 1);
	assert_false(called_early);
	assert_false(smtp_resolver_busy(resolver));
}

static bool has(const char *text)
{
	char one[64];

	for (size_t i = 0; i < found.n; i++) {
		const union smtp_address *a = &found.list[i];

		if (a->any.sa_family == AF_INET) {
			inet_ntop(AF_INET, &a->v4.sin_addr, one, sizeof(one));
			assert_int_equal(ntohs(a->v4.sin_port), 2525);
		} else {
			inet_ntop(AF_INET6, &a->v6.sin6_addr, one, sizeof(one));
			assert_int_equal(ntohs(a->v6.sin6_port), 2525);
		}
		if (strcmp(one, text) == 0)
			return true;
	}
	return false;
}

static void test_numeric_addresses(void **state)
{
	(void)state;
	assert_true(smtp_resolver_numeric(&found, "192.0.2.7", 2525));
	assert_int_equal(found.n, 1);
	assert_true(has("192.0.2.7"));
	assert_true(smtp_resolver_numeric(&found, "2001:db8::7", 2525));
	assert_true(has("2001:db8::7"));
	assert_false(smtp_resolver_numeric(&found, "mail.example", 2525));
	assert_false(smtp_resolver_numeric(&found, "1.2.3", 2525));
}

static void test_both_families(void **state)
{
	(void)state;
	look_up("both.test", 10000);
	assert_int_equal(found.n, 2);
	assert_true(has("127.0.0.1"));
	assert_true(has("::1"));
	assert_int_equal(found.ttl, 20);
	look_up("one.test", 10000); /* again, with the same resolver */
	assert_int_equal(found.n, 1);
	assert_int_equal(found.ttl, 1); /* 0 would mean a look-up a mail */
}

static void test_hosts_file(void **state)
{
	(void)state;
	look_up("localhost", 10000);
	assert_true(has("127.0.0.1") || has("::1"));
}

static void test_names_that_are_not_there(void **state)
{
	(void)state;
	look_up("missing.test", 10000);
	assert_int_equal(found.n, 0);
	assert_string_not_equal(reason, "");
	look_up("none.test", 10000);
	assert_int_equal(found.n, 0);
	assert_string_not_equal(reason, "");
}

static unsigned ticks;

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l;
	(void)timer;
	(void)events;
	ticks++;
}

static void test_a_dead_name_server_does_not_stop_the_loop(void **state)
{
	ev_timer tick;

	(void)state;
	ticks = 0;
	ev_timer_init(&tick, on_tick, 0.01, 0.01);
	ev_timer_start(loop, &tick);
	look_up("silent.test", 300);
	ev_timer_stop(loop, &tick);
	assert_int_equal(found.n, 0);
	assert_non_null(strstr(reason, "in time"));
	assert_true(ticks >= 3);
}

static void test_closed_in_the_middle(void **state)
{
	(void)state;
	calls = 0;
	smtp_resolver_lookup(resolver, "silent.test", 25, 10000, on_found, NULL);
	wait_loop_for(loop, 20);
	smtp_resolver_close(resolver);
	resolver = smtp_resolver_open(loop, dns.address, &err);
	/* And with an answer that is only waiting to be told. */
	smtp_resolver_lookup(resolver, "localhost", 25, 10000, on_found, NULL);
	smtp_resolver_close(resolver);
	resolver = NULL;
	wait_loop_for(loop, 20);
	assert_int_equal(calls, 0);
}

/* ---- the pool ------------------------------------------------------------------------------------- */

#define AT_ONCE 8

static struct smtp_pool *pool;
static unsigned ended;
static struct smtp_result last;

static void pool_rcpt(struct smtp_envelope *e, size_t i, const struct smtp_reply *reply)
{
	(void)e;
	(void)i;
	(void)reply;
}

static void pool_held(struct smtp_envelope *e)
{
	smtp_pool_release(pool, e);
}

static void pool_end(struct smtp_envelope *e, const struct smtp_result *r)
{
	(void)e;
	ended++;
	last = *r;
}

static bool all_ended(void *n)
{
	return ended >= *(unsigned *)n;
}

static void send_to(const char *host, int port, unsigned n)
{
	static const struct smtp_events events = {pool_rcpt, pool_held, pool_end};
	struct smtp_config config = {.host = (char *)(uintptr_t)host,
	                             .port = port,
	                             .ehlo_name = (char *)"client.example",
	                             .mode = SMTP_TLS_NONE,
	                             .ca_file = (char *)"",
	                             .user = (char *)"",
	                             .password = (char *)"",
	                             .connect_ms = 500,
	                             .command_ms = 10000,
	                             .final_ms = 10000,
	                             .idle_ms = 10000,
	                             .per_connection = 1,
	                             .connections = AT_ONCE};
	const char *to[] = {"ada@example.com"};
	struct smtp_envelope e[AT_ONCE];

	memset(e, 0, sizeof(e));
	pool = smtp_pool_open(loop, &config, &events, dns.address, &err);
	assert_non_null(pool);
	ended = 0;
	for (unsigned i = 0; i < n; i++) {
		e[i].from = "sender@example.org";
		e[i].to = to;
		e[i].n_to = 1;
		buf_init(&e[i].message, 1000);
		buf_add_str(&e[i].message, "Subject: Hi\r\n\r\nHello\r\n");
		smtp_pool_send(pool, &e[i]);
	}
	wait_loop_until(loop, all_ended, &n, 0);
	smtp_pool_close(pool);
	for (unsigned i = 0; i < n; i++)
		buf_free(&e[i].message);
}

static void serves(struct script *c)
{
	if (script_hello(c, "PIPELINING"))
		script_serve(c);
}

static unsigned questions(void)
{
	unsigned n;

	pthread_mutex_lock(&dns.lock);
	n = dns.questions;
	pthread_mutex_unlock(&dns.lock);
	return n;
}

/* Only 127.0.0.1 listens, whichever the server names first. */
static void test_the_next_address_where_one_refuses(void **state)
{
	static const char *const hosts[] = {"two.test", "owt.test", "both.test"};
	struct script_server *server = script_server_start(serves, NULL);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		send_to(hosts[i], script_server_port(server), 1);
		assert_int_equal(last.end, SMTP_END_REPLY);
		assert_int_equal(last.reply.code, 250);
	}
	script_server_free(server);
}

static void test_connections_share_a_look_up(void **state)
{
	struct script_server *server = script_server_start(serves, NULL);
	unsigned before = questions();

	(void)state;
	send_to("two.test", script_server_port(server), AT_ONCE);
	assert_int_equal(last.reply.code, 250);
	assert_int_equal(script_server_connections(server), AT_ONCE);
	assert_int_equal(questions() - before, 1);
	script_server_free(server);
}

static void test_dead_dns_is_a_retry(void **state)
{
	(void)state;
	send_to("silent.test", 25, 3);
	assert_int_equal(last.end, SMTP_END_DNS);
	assert_int_equal(last.phase, SMTP_RESOLVE);
	assert_string_not_equal(last.why, "");
	send_to("missing.test", 25, 3);
	assert_int_equal(last.end, SMTP_END_DNS);
}

static void test_no_address_answers(void **state)
{
	struct script_server *server = script_server_start(serves, NULL);
	int port = script_server_port(server);

	(void)state;
	script_server_free(server);
	send_to("two.test", port, 2);
	assert_int_equal(last.end, SMTP_END_CONNECT);
	assert_non_null(strstr(last.why, "refused"));
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numeric_addresses),
		TEST(test_both_families),
		TEST(test_hosts_file),
		TEST(test_names_that_are_not_there),
		TEST(test_a_dead_name_server_does_not_stop_the_loop),
		TEST(test_closed_in_the_middle),
		TEST(test_the_next_address_where_one_refuses),
		TEST(test_connections_share_a_look_up),
		TEST(test_dead_dns_is_a_retry),
		TEST(test_no_address_answers),
	};

	return cmocka_run_group_tests(tests, start_dns, stop_dns);
}
