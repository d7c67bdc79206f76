#include "provider/webhook_rules.h"

#include <curl/curl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/number.h"

#define SEPARATORS ", \t"
#define SECRET_PREFIX "whsec_"
#define MAX_PAUSE_MS INT64_C(2592000000) /* 30 days */

static const char *const statuses[] = {"sent",     "failed",    "held",
                                       "retrying", "scheduled", "cancelled"};

/* ---- lists of words --------------------------------------------------------------------------- */

/* Calls fn with each word of a list; false as soon as one of these is. */
static bool each_word(struct webhook_rules *r, const char *list,
                      bool (*fn)(struct webhook_rules *r, const char *word, struct error *err),
                      struct error *err)
{
	char *copy = mem_strdup(list), *rest = copy, *word;
	size_t n = strlen(list);
	bool ok = true;

	while (ok && (word = strsep(&rest, SEPARATORS)) != NULL)
		ok = *word == '\0' || fn(r, word, err);
	mem_wipe(copy, n);
	mem_free(copy);
	return ok;
}

static bool add_secret(struct webhook_rules *r, const char *word, struct error *err)
{
	const char *text = strncmp(word, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0
	                           ? word + strlen(SECRET_PREFIX)
	                           : word;
	struct webhook_secret *secret = &r->secrets[r->n_secrets];
	gsize n = 0;
	guchar *bytes;
	gchar *again;
	bool ok;

	if (r->n_secrets == WEBHOOK_MAX_SECRETS)
		return error_set(err, "WEBHOOK_SECRET holds more than %d secrets",
		                 WEBHOOK_MAX_SECRETS);
	/* GLib skips what is no base64: so it must be the same when written again. */
	bytes = g_base64_decode(text, &n);
	again = g_base64_encode(bytes, n);
	ok = strcmp(again, text) == 0 && n >= WEBHOOK_MIN_SECRET && n <= WEBHOOK_MAX_SECRET;
	if (ok) {
		memcpy(secret->bytes, bytes, n);
		secret->len = n;
		r->n_secrets++;
	}
	mem_wipe(bytes, n);
	mem_wipe(again, strlen(again));
	g_free(bytes);
	g_free(again);
	return ok || error_set(err, "WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 "
	                            "bytes, such as `openssl rand -base64 32` gives");
}

static bool add_event(struct webhook_rules *r, const char *word, struct error *err)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (strcmp(statuses[i], word) != 0)
			continue;
		r->events |= 1U << i;
		return true;
	}
	return error_set(err,
	                 "WEBHOOK_EVENTS knows sent, failed, held, retrying, scheduled and "
	                 "cancelled, not \"%s\"",
	                 word);
}

static bool add_retry(struct webhook_rules *r, const char *word, struct error *err)
{
	int64_t ms;

	if (r->n_retries == WEBHOOK_MAX_RETRIES)
		return error_set(err, "WEBHOOK_RETRIES names more than %d pauses",
		                 WEBHOOK_MAX_RETRIES);
	if (!number_duration(word, &ms) || ms > MAX_PAUSE_MS)
		return error_set(err,
		                 "WEBHOOK_RETRIES must be durations such as 5s,5m,2h, not \"%s\"",
		                 word);
	r->retries[r->n_retries++] = ms;
	return true;
}

/* ---- all of it -------------------------------------------------------------------------------- */

bool webhook_rules_set_secrets(struct webhook_rules *r, const char *text, struct error *err)
{
	struct webhook_rules read = {.n_secrets = 0};
	bool ok = each_word(&read, text, add_secret, err);

	if (ok) {
		memcpy(r->secrets, read.secrets, sizeof(r->secrets));
		r->n_secrets = read.n_secrets;
	}
	mem_wipe(&read, sizeof(read));
	return ok;
}

bool webhook_rules_read(struct webhook_rules *r, const struct options *o, struct error *err)
{
	struct webhook_target own;
	const char *why;

	*r = (struct webhook_rules){.options = o};
	if (!webhook_rules_set_secrets(r, o->webhook_secret, err) ||
	    !each_word(r, o->webhook_events, add_event, err) ||
	    !each_word(r, o->webhook_retries, add_retry, err))
		return false;
	if (o->webhook_url[0] == '\0')
		return true;
	if (r->n_secrets == 0)
		return error_set(err,
		                 "WEBHOOK_URL is set, but not WEBHOOK_SECRET, which signs what "
		                 "is sent there");
	(void)webhook_rules_allow(r, o->webhook_url, &own, &why);
	snprintf(r->own_host, sizeof(r->own_host), "%s", own.host);
	if (!webhook_rules_allow(r, o->webhook_url, &own, &why))
		return error_set(err, "WEBHOOK_URL: %s", why);
	return true;
}

void webhook_rules_wipe(struct webhook_rules *r)
{
	mem_wipe(r->secrets, sizeof(r->secrets));
	r->n_secrets = 0;
}

bool webhook_rules_tell(const struct webhook_rules *r, const char *status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(statuses[i], status) == 0)
			return (r->events & 1U << i) != 0;
	return false;
}

/* ---- who may be called ------------------------------------------------------------------------ */

static bool part_copy(CURLU *u, CURLUPart part, char *out, size_t size)
{
	char *text = NULL;
	bool fits = curl_url_get(u, part, &text, 0) == CURLUE_OK && strlen(text) < size;

	if (fits)
		snprintf(out, size, "%s", text);
	curl_free(text);
	return fits;
}

static long port_of(CURLU *u)
{
	char *text = NULL;
	long port = curl_url_get(u, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT) == CURLUE_OK
	                    ? strtol(text, NULL, 10)
	                    : 0;

	curl_free(text);
	return port;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool there = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return there;
}

/* NULL, or why it is no URL for a webhook. */
static const char *take_apart(const char *url, struct webhook_target *out)
{
	CURLU *u = curl_url();
	char scheme[16] = "";
	const char *why = NULL;
	size_t n;

	out->host[0] = '\0';
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    !part_copy(u, CURLUPART_SCHEME, scheme, sizeof(scheme)) ||
	    !part_copy(u, CURLUPART_HOST, out->host, sizeof(out->host)))
		why = "it is no URL";
	else if (strcasecmp(scheme, "https") != 0 && strcasecmp(scheme, "http") != 0)
		why = "it is neither https nor http";
	else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		why = "it has credentials in it";
	out->clear_text = strcasecmp(scheme, "http") == 0;
	out->port = port_of(u);
	curl_url_cleanup(u);
	for (char *c = out->host; *c != '\0'; c++)
		*c = (char)g_ascii_tolower(*c);
	n = strlen(out->host);
	if (n > 1 && out->host[n - 1] == '.')
		out->host[n - 1] = '\0';
	return why;
}

/* "*", "*.example.com" (what ends in ".example.com") or a name. */
static bool fits(const char *pattern, const char *host)
{
	size_t n = strlen(host), m = strlen(pattern);

	if (strcmp(pattern, "*") == 0)
		return true;
	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(pattern, host) == 0;
	return n > m - 1 && strcasecmp(host + n - (m - 1), pattern + 1) == 0;
}

static bool is_listed(const char *list, const char *host)
{
	char *copy = mem_strdup(list), *rest = copy, *word;
	bool found = false;

	while (!found && (word = strsep(&rest, SEPARATORS)) != NULL)
		found = *word != '\0' && fits(word, host);
	mem_free(copy);
	return found;
}

bool webhook_rules_allow(const struct webhook_rules *r, const char *url, struct webhook_target *out,
                         const char **why)
{
	*why = take_apart(url, out);
	if (*why == NULL && out->clear_text && !r->options->webhook_allow_private)
		*why = "it is not https (WEBHOOK_ALLOW_PRIVATE=1 allows http)";
	else if (*why == NULL && strcmp(out->host, r->own_host) != 0 &&
	         !is_listed(r->options->webhook_allow, out->host))
		*why = "its host is not in WEBHOOK_ALLOW";
	return *why == NULL;
}
