#include "provider/smtp_dsn.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define PORT_SMTP 25
#define PORT_SUBMISSION 587
#define PORT_SMTPS 465

const char *const smtp_dsn_params[] = {"tls",
                                       "tls_verify",
                                       "tls_ca",
                                       "auth",
                                       "auth_insecure",
                                       "connect_timeout",
                                       "command_timeout",
                                       "idle",
                                       "per_connection",
                                       NULL};

/* One of the words, by its place in the list; *out is left alone when it is not given. */
static bool read_word(struct uri *dsn, const char *name, const char *const *words, int *out,
                      struct error *err)
{
	const char *text = uri_param(dsn, name);
	char known[96] = "";

	if (text == NULL)
		return true;
	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0) {
			*out = i;
			return true;
		}
		if (strlen(known) + strlen(words[i]) + 3 < sizeof(known)) {
			size_t at = strlen(known);

			memcpy(known + at, i > 0 ? ", " : "", i > 0 ? 2 : 0);
			memcpy(known + at + (i > 0 ? 2 : 0), words[i], strlen(words[i]) + 1);
		}
	}
	return error_set(err, "%s must be one of %s", name, known);
}

static bool read_flag(struct uri *dsn, const char *name, bool *out, struct error *err)
{
	static const char *const words[] = {"0", "1", NULL};
	int given = *out;

	if (!read_word(dsn, name, words, &given, err))
		return false;
	*out = given != 0;
	return true;
}

bool smtp_dsn_ehlo_valid(const char *name)
{
	static const char domain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	static const char literal[] = "abcdefABCDEF0123456789IPv:.";
	size_t len = strlen(name);

	if (len == 0 || len > 255)
		return false;
	if (name[0] == '[')
		return len > 2 && strspn(name + 1, literal) == len - 2 && name[len - 1] == ']';
	return strspn(name, domain) == len;
}

static bool read_ehlo_name(struct smtp_config *c, const char *given, struct error *err)
{
	char host[256] = "";

	if (*given != '\0') {
		c->ehlo_name = mem_strdup(given);
		return smtp_dsn_ehlo_valid(given) ||
		       error_set(err, "EHLO_NAME must be a domain, or an address in brackets");
	}
	if (gethostname(host, sizeof(host) - 1) != 0 || !smtp_dsn_ehlo_valid(host))
		host[0] = '\0';
	c->ehlo_name = mem_strdup(host[0] != '\0' ? host : "localhost");
	return true;
}

static bool read_address(struct smtp_config *c, const struct uri *dsn, bool credentials,
                         struct error *err)
{
	bool smtps = strcmp(dsn->scheme, "smtps") == 0;

	if (dsn->host[0] == '\0')
		return error_set(err, "it has no host, as in %s://relay.example", dsn->scheme);
	if (strchr(dsn->host, ',') != NULL)
		return error_set(err, "it has several hosts; make each a provider of its own");
	if (dsn->path[0] != '\0' && strcmp(dsn->path, "/") != 0)
		return error_set(err, "nothing but parameters (?name=value) can follow the host");
	c->host = mem_strdup(dsn->host);
	c->port = dsn->port;
	if (c->port == 0)
		c->port = smtps ? PORT_SMTPS : credentials ? PORT_SUBMISSION : PORT_SMTP;
	c->implicit_tls = smtps || c->port == PORT_SMTPS;
	return true;
}

static bool read_tls(struct smtp_config *c, struct uri *dsn, bool credentials, struct error *err)
{
	static const char *const words[] = {[SMTP_TLS_NONE] = "none",
	                                    [SMTP_TLS_PREFER] = "prefer",
	                                    [SMTP_TLS_REQUIRE] = "require",
	                                    NULL};
	const char *ca_file = uri_param(dsn, "tls_ca");
	int mode = SMTP_TLS_PREFER;

	if (credentials || c->implicit_tls ||
	    (c->port == PORT_SUBMISSION && !uri_is_loopback(c->host)))
		mode = SMTP_TLS_REQUIRE;
	if (!read_word(dsn, "tls", words, &mode, err))
		return false;
	if (c->implicit_tls && mode != SMTP_TLS_REQUIRE)
		return error_set(
			err, "tls=%s does not go with %s, which is TLS from the first byte",
			words[mode], strcmp(dsn->scheme, "smtps") == 0 ? "smtps://" : "port 465");
	c->mode = (enum smtp_tls_mode)mode;
	c->ca_file = mem_strdup(ca_file != NULL ? ca_file : "");
	c->verify = c->mode == SMTP_TLS_REQUIRE || credentials || ca_file != NULL;
	return read_flag(dsn, "tls_verify", &c->verify, err);
}

static bool read_auth(struct smtp_config *c, struct uri *dsn, bool credentials, struct error *err)
{
	static const char *const words[] = {[SMTP_MECHANISM_ANY] = "any",
	                                    [SMTP_MECHANISM_PLAIN] = "plain",
	                                    [SMTP_MECHANISM_LOGIN] = "login",
	                                    [SMTP_MECHANISM_XOAUTH2] = "xoauth2",
	                                    NULL};
	int mechanism = SMTP_MECHANISM_ANY;

	c->user = mem_strdup(dsn->user);
	c->password = mem_strdup(dsn->password);
	if (!read_word(dsn, "auth", words, &mechanism, err) ||
	    !read_flag(dsn, "auth_insecure", &c->auth_insecure, err))
		return false;
	c->mechanism = (enum smtp_mechanism)mechanism;
	if (mechanism != SMTP_MECHANISM_ANY && !credentials)
		return error_set(err,
		                 "auth=%s needs a user and password, as in "
		                 "%s://user:password@%s",
		                 words[mechanism], dsn->scheme, dsn->host);
	if (credentials && c->mode == SMTP_TLS_NONE && !c->auth_insecure)
		return error_set(err, "tls=none would send the password in clear text; "
		                      "auth_insecure=1 allows that");
	return true;
}

bool smtp_dsn_read(struct smtp_config *c, struct uri *dsn, const char *ehlo_name, struct error *err)
{
	bool credentials = dsn->user[0] != '\0' || dsn->password[0] != '\0';

	memset(c, 0, sizeof(*c));
	c->connect_ms = 10000;
	c->command_ms = 60000;
	c->idle_ms = 30000;
	c->per_connection = 100;
	return read_address(c, dsn, credentials, err) && read_tls(c, dsn, credentials, err) &&
	       read_auth(c, dsn, credentials, err) && read_ehlo_name(c, ehlo_name, err) &&
	       uri_param_ms(dsn, "connect_timeout", 10, 300000, &c->connect_ms, err) &&
	       uri_param_ms(dsn, "command_timeout", 10, 300000, &c->command_ms, err) &&
	       uri_param_ms(dsn, "idle", 1, 3600000, &c->idle_ms, err) &&
	       uri_param_int(dsn, "per_connection", 1, 1000000, &c->per_connection, err);
}

void smtp_dsn_free(struct smtp_config *c)
{
	mem_free_secret(c->password);
	mem_free(c->user);
	mem_free(c->host);
	mem_free(c->ehlo_name);
	mem_free(c->ca_file);
	memset(c, 0, sizeof(*c));
}
