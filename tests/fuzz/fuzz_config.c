/* The configuration: DSNs, REDIS_URL, flags, .env.
 *
 * The first byte says what the rest is: D a provider's DSN, R a REDIS_URL, E a file .env, O a flag a line. */
#include "fuzz/fuzz.h"

#include <ctype.h>
#include <ev.h>

#include "base/dotenv.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/uri.h"
#include "provider/provider.h"
#include "redis/topology_config.h"
#include "smtp/tls.h"

#define MAX_FLAGS 16

/* Certificates are files, and no part of this. */
struct smtp_tls *smtp_tls_open(bool verify, const char *ca_file, struct error *err)
{
	(void)verify;
	(void)ca_file;
	(void)err;
	return (struct smtp_tls *)&free;
}

void smtp_tls_close(struct smtp_tls *t)
{
	(void)t;
}

SSL *smtp_tls_attach(struct smtp_tls *t, int fd, const char *host)
{
	(void)t;
	(void)fd;
	(void)host;
	return NULL;
}

void smtp_tls_why(const SSL *ssl, char *out, size_t size)
{
	(void)ssl;
	snprintf(out, size, "no");
}

static void check_error(const struct error *err)
{
	FUZZ_REQUIRE(err->text[0] != '\0' && strchr(err->text, '\n') == NULL);
}

/* Would we know it again? Of a secret that may also be a word of ours, nothing can be said. */
static bool is_telling(const char *secret, const char *url)
{
	const char *at = strstr(url, secret);
	bool digit = false;

	for (const char *c = secret; *c != '\0'; c++)
		digit = digit || isdigit((unsigned char)*c);
	return digit && strlen(secret) >= 8 && at != NULL && strstr(at + 1, secret) == NULL;
}

static void check_no_secret(const char *url, const struct error *err)
{
	struct error ignored;
	struct uri u;

	if (!uri_parse(&u, url, &ignored))
		return;
	FUZZ_REQUIRE(u.n_params <= URI_MAX_PARAMS && u.port >= 0 && u.port <= 65535);
	if (is_telling(u.password, url))
		FUZZ_REQUIRE(strstr(err->text, u.password) == NULL);
	uri_free(&u);
}

static void try_dsn(const char *dsn)
{
	static const struct options o = {.ehlo_name = (char *)"me.x.org", .mail_from = (char *)""};
	struct error err = {""};
	struct provider *p;

	if (strstr(dsn, "record") != NULL || strstr(dsn, "%") != NULL)
		return; /* mock's record=FILE writes */
	p = provider_open(ev_default_loop(EVFLAG_AUTO), &o, "p", dsn, &err);
	if (p != NULL) {
		FUZZ_REQUIRE(p->interval_us >= 0 && p->burst >= 1 && p->concurrency >= 1);
		FUZZ_REQUIRE(p->timeout_ms >= 1 && p->weight >= 0 &&
		             provider_longest_ms(p) >= p->timeout_ms);
		provider_close(p);
	} else {
		check_error(&err);
	}
	check_no_secret(dsn, &err);
}

static void try_redis_url(const char *url)
{
	struct error err = {""};
	struct topology_config c;

	if (topology_config_parse(&c, url, &err)) {
		FUZZ_REQUIRE(c.link.database >= 0 && c.n_seeds <= TOPOLOGY_MAX_SEEDS);
		FUZZ_REQUIRE((c.kind == TOPOLOGY_ONE) == (c.n_seeds == 0));
		for (size_t i = 0; i < c.n_seeds; i++)
			FUZZ_REQUIRE(c.seeds[i].host[0] != '\0' && c.seeds[i].port >= 1 &&
			             c.seeds[i].port <= 65535);
		if (c.kind == TOPOLOGY_ONE)
			FUZZ_REQUIRE((c.link.path != NULL) != (c.link.host != NULL));
	} else {
		check_error(&err);
	}
	topology_config_free(&c);
	check_no_secret(url, &err);
}

static void try_dotenv(const char *text)
{
	struct error err = {""};
	struct dotenv d;

	if (!dotenv_parse(&d, text, &err)) {
		check_error(&err);
		return;
	}
	for (size_t i = 0; i < d.n; i++)
		FUZZ_REQUIRE(dotenv_get(&d, d.entries[i].name) != NULL);
	dotenv_free(&d);
}

static void check_options(const struct options *o)
{
	FUZZ_REQUIRE(o->concurrency >= 1 && o->concurrency <= 100000);
	FUZZ_REQUIRE(o->lease_ms >= 1000 && o->lease_ms <= 3600000);
	FUZZ_REQUIRE(o->max_job_bytes >= 1024 && o->max_job_bytes <= 536870912);
	FUZZ_REQUIRE(o->primary_success >= 0 && o->primary_success <= 1);
	FUZZ_REQUIRE(o->port >= 0 && o->port <= 65535);
	FUZZ_REQUIRE(o->key_prefix[0] != '\0' && strpbrk(o->key_prefix, "{}") == NULL);
}

/* What is parsed once is parsed again to the same: SIGHUP does that. */
static void try_flags(struct fuzz_bytes in)
{
	static const char *const own[] = {"watch", "workers=", NULL};
	char *argv[MAX_FLAGS + 2] = {(char *)"postrider"}, *lines[MAX_FLAGS];
	struct error err = {""};
	struct options o;
	int argc = 1, n_rest;

	while (argc <= MAX_FLAGS && (lines[argc - 1] = fuzz_line(&in)) != NULL) {
		argv[argc] = lines[argc - 1];
		argc++;
	}
	if (options_load(&o, argc, argv, own, &n_rest, &err)) {
		FUZZ_REQUIRE(n_rest >= 0 && n_rest < argc);
		check_options(&o);
		options_free(&o);
	} else {
		check_error(&err);
	}
	/* Forgets the flags, which point to ours. */
	argv[1] = NULL;
	if (options_load(&o, 1, argv, own, &n_rest, &err))
		options_free(&o);
	for (int i = 1; i < argc; i++)
		free(lines[i - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	uint8_t what = fuzz_byte(&in);
	char *text = mem_strndup((const char *)in.at, in.left);

	if (what == 'D')
		try_dsn(text);
	else if (what == 'R')
		try_redis_url(text);
	else if (what == 'E')
		try_dotenv(text);
	else if (what == 'O')
		try_flags(in);
	mem_free(text);
	return 0;
}
