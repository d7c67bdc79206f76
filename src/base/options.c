#include "base/options.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/dotenv.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/setting.h"
#include "base/suggest.h"

enum option_type {
	OPTION_TEXT,       /* char *; min and max are its length in bytes */
	OPTION_INT,        /* int64_t */
	OPTION_RATIO,      /* double; min and max are whole */
	OPTION_SWITCH,     /* bool */
	OPTION_CHOICE,     /* int64_t: the index of the word in `choices` */
	OPTION_CHOICE_BOOL /* the same of two words, in a bool */
};

/* Rows name what they need; what is left out is zero. */
struct option {
	const char *name;
	enum option_type type;
	size_t offset;       /* in struct options */
	const char *def;     /* as the user would write it; "" is not set */
	int64_t min, max;    /* both inclusive */
	const char *unit;    /* of a number, for people */
	const char *choices; /* with a blank between */
	bool (*check)(const char *value);
	const char *rule; /* completes "NAME must be …" when check says no */
	bool secret;      /* may come from systemd's credentials; not shown among the arguments */
	const char *section; /* the heading before this row */
	const char *help;    /* one line */
};

static bool is_prefix(const char *value);
static bool is_secret(const char *value);
static bool is_word(const char *value);

#define AT(FIELD) .offset = offsetof(struct options, FIELD)
#define DAY_MS 86400000
#define YEAR_S 31536000

/* The one table. A new row needs a field in struct options and a line in README.md. */
/* clang-format off */
static const struct option table[] = {
	{"REDIS_URL", OPTION_TEXT, AT(redis_url), .def = "redis://127.0.0.1:6379", .max = 4096,
	 .secret = true, .section = "Redis",
	 .help = "where Redis is: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://"},
	{"KEY_PREFIX", OPTION_TEXT, AT(key_prefix), .def = "mail", .max = 64, .check = is_prefix,
	 .rule = "1 to 64 printable characters without blanks and braces",
	 .help = "what all keys in Redis begin with"},
	{"COMMAND_TIMEOUT", OPTION_INT, AT(command_timeout), .def = "5000", .min = 100,
	 .max = 600000, .unit = "ms", .help = "how long one Redis command may take"},
	{"STRICT", OPTION_SWITCH, AT(strict), .def = "0",
	 .help = "refuse to start on a Redis that may evict keys (maxmemory-policy is not noeviction)"},

	{"QUEUES", OPTION_TEXT, AT(queues), .def = "", .max = 4096, .section = "The worker",
	 .help = "the queues and their weights, as in mail:queue:high*6,mail:queue*3; not set: the one "
	         "queue KEY_PREFIX:queue"},
	{"CONCURRENCY", OPTION_INT, AT(concurrency), .def = "100", .min = 1, .max = 100000,
	 .help = "mails in flight per worker"},
	{"LEASE_MS", OPTION_INT, AT(lease_ms), .def = "30000", .min = 1000, .max = 3600000,
	 .unit = "ms", .help = "how long a job stays with a worker that is not heard of any more"},
	{"DRAIN_TIMEOUT", OPTION_INT, AT(drain_timeout), .def = "25", .min = 0, .max = 3600,
	 .unit = "s", .help = "how long a worker finishes what is in flight after SIGTERM"},
	{"WORKER_NAME", OPTION_TEXT, AT(worker_name), .def = "", .max = 128, .check = is_word,
	 .rule = "printable characters without blanks",
	 .help = "the worker's name, unique in the fleet; not set: host, process id, a random part"},
	{"MAX_JOB_BYTES", OPTION_INT, AT(max_job_bytes), .def = "33554432", .min = 1024,
	 .max = 536870912, .unit = "bytes", .help = "a larger job goes to the dead letters unread"},
	{"METRICS_PORT", OPTION_INT, AT(metrics_port), .def = "0", .min = 0, .max = 65535,
	 .help = "where a worker serves /metrics, /livez and /readyz, at API_HOST, else at 127.0.0.1; 0: nowhere"},

	{"MAX_RETRY_ATTEMPTS", OPTION_INT, AT(max_retry_attempts), .def = "3", .min = 1, .max = 100,
	 .section = "The life of a mail",
	 .help = "attempts per provider before the next one is tried"},
	{"RETRY_BASE_DELAY", OPTION_INT, AT(retry_base_delay), .def = "1000", .min = 1,
	 .max = 3600000, .unit = "ms",
	 .help = "the first retry waits up to this long, each further one up to twice as long"},
	{"RETRY_MAX_DELAY", OPTION_INT, AT(retry_max_delay), .def = "300000", .min = 1,
	 .max = DAY_MS, .unit = "ms", .help = "no retry waits longer"},
	{"ON_UNKNOWN", OPTION_CHOICE, AT(on_unknown), .def = "retry", .choices = "retry hold fail",
	 .help = "what becomes of a mail when nobody can know whether the provider took it"},
	{"FENCE_REPLICAS", OPTION_INT, AT(fence_replicas), .def = "0", .min = 0, .max = 16,
	 .help = "replicas of Redis that must know that a mail is being sent before its last byte leaves"},
	{"STATUS_TTL", OPTION_INT, AT(status_ttl), .def = "604800", .min = 1, .max = YEAR_S,
	 .unit = "s",
	 .help = "how long a settled mail's status is kept, and its key not sent again"},
	{"DEAD_TTL", OPTION_INT, AT(dead_ttl), .def = "1209600", .min = 1, .max = YEAR_S,
	 .unit = "s", .help = "how long dead letters and held mail are kept"},
	{"KEEP_SENT", OPTION_INT, AT(keep_sent), .def = "0", .min = 0, .max = YEAR_S, .unit = "s",
	 .help = "how long the content of sent mail is kept, so that it can be sent again; 0: not"},
	{"MAX_QUEUE_TIME", OPTION_INT, AT(max_queue_time), .def = "432000", .min = 1, .max = YEAR_S,
	 .unit = "s", .help = "a mail that could not be delivered for this long fails as expired"},
	{"EVENTS_MAX", OPTION_INT, AT(events_max), .def = "100000", .min = 0, .max = 100000000,
	 .help = "entries kept in each queue's stream of events; 0: none"},

	{"CIRCUIT_BREAKER_THRESHOLD", OPTION_INT, AT(breaker_threshold), .def = "5", .min = 1,
	 .max = 10000, .section = "Breaker and limits",
	 .help = "failures in a row that open a provider's breaker"},
	{"CIRCUIT_BREAKER_TIMEOUT", OPTION_INT, AT(breaker_timeout), .def = "30000", .min = 100,
	 .max = DAY_MS, .unit = "ms", .help = "how long the breaker stays open before a probe"},
	{"CIRCUIT_BREAKER_RESET_TIMEOUT", OPTION_INT, AT(breaker_reset_timeout), .def = "60000",
	 .min = 100, .max = DAY_MS, .unit = "ms",
	 .help = "failures are forgotten after this long without another"},
	{"CIRCUIT_BREAKER_PROBES", OPTION_INT, AT(breaker_probes), .def = "1", .min = 1,
	 .max = 1000, .help = "mails that the whole fleet lets through to try a provider out"},
	{"THROTTLE_MAX", OPTION_INT, AT(throttle_max), .def = "3600000", .min = 1000, .max = DAY_MS,
	 .unit = "ms", .help = "a provider's Retry-After is believed up to this"},

	{"PROVIDERS", OPTION_TEXT, AT(providers), .def = "", .max = 4096,
	 .section = "Providers and the message",
	 .help = "the providers' names in failover order, as in primary,backup; the DSN of each is in "
	         "PROVIDER_<NAME>"},
	{"PRIMARY_PROVIDER_SUCCESS_RATE", OPTION_RATIO, AT(primary_success), .def = "0.7", .max = 1,
	 .help = "of the mock provider `primary`, which `up` falls back to"},
	{"SECONDARY_PROVIDER_SUCCESS_RATE", OPTION_RATIO, AT(secondary_success), .def = "0.9",
	 .max = 1, .help = "of the mock provider `secondary`"},
	{"MAIL_FROM", OPTION_TEXT, AT(mail_from), .def = "", .max = 1024,
	 .help = "the sender of a job that names none, as in Shop <shop@example.com>"},
	{"EHLO_NAME", OPTION_TEXT, AT(ehlo_name), .def = "", .max = 255, .check = is_word,
	 .rule = "printable characters without blanks",
	 .help = "the name given to SMTP servers; not set: the host's name"},

	{"PORT", OPTION_INT, AT(port), .def = "4000", .min = 0, .max = 65535,
	 .section = "The HTTP API", .help = "where the API listens; 0: any port that is free"},
	{"API_HOST", OPTION_TEXT, AT(api_host), .def = "", .max = 255, .check = is_word,
	 .rule = "a host name or address",
	 .help = "the address where it listens; not set: all. Without API keys or JWT always 127.0.0.1"},
	{"API_MAX_BODY", OPTION_INT, AT(api_max_body), .def = "10485760", .min = 1024,
	 .max = 536870912, .unit = "bytes", .help = "a larger request is refused"},
	{"API_TIMEOUT", OPTION_INT, AT(api_timeout), .def = "30000", .min = 100, .max = 600000,
	 .unit = "ms", .help = "a request must have arrived by then, and an idle connection is closed"},
	{"BULK_MAX", OPTION_INT, AT(bulk_max), .def = "100", .min = 1, .max = 10000,
	 .help = "mails in one bulk request"},
	{"RATE_LIMIT_MAX_REQUESTS", OPTION_INT, AT(rate_limit_max), .def = "100", .min = 0,
	 .max = 1000000000,
	 .help = "mails that one client (API key, else address) may post per RATE_LIMIT_WINDOW; 0: any number"},
	{"RATE_LIMIT_WINDOW", OPTION_INT, AT(rate_limit_window), .def = "60000", .min = 1,
	 .max = DAY_MS, .unit = "ms", .help = "in which a client's bucket fills up again"},
	{"ACK_REPLICAS", OPTION_INT, AT(ack_replicas), .def = "0", .min = 0, .max = 16,
	 .help = "replicas of Redis that must have a mail before it counts as taken"},
	{"ACK_FSYNC", OPTION_SWITCH, AT(ack_fsync), .def = "0",
	 .help = "a mail counts as taken when it is in the append-only file on Redis's disk (Redis 7.2 "
	         "and later)"},
	{"API_KEYS_FILE", OPTION_TEXT, AT(api_keys_file), .def = "", .max = 4096,
	 .help = "who may: one name:scopes:sha256-of-key a line; scopes are send, read, admin"},
	{"JWT_SECRET", OPTION_TEXT, AT(jwt_secret), .def = "", .max = 4096, .secret = true,
	 .check = is_secret, .rule = "at least 32 bytes long",
	 .help = "the secret of tokens that are signed by HS256"},
	{"JWT_PUBLIC_KEY_FILE", OPTION_TEXT, AT(jwt_public_key_file), .def = "", .max = 4096,
	 .help = "the public key (PEM) of tokens that are signed by RS256 or ES256"},
	{"TLS_CERT_FILE", OPTION_TEXT, AT(tls_cert_file), .def = "", .max = 4096,
	 .help = "the certificate and its chain (PEM): HTTPS instead of HTTP"},
	{"TLS_KEY_FILE", OPTION_TEXT, AT(tls_key_file), .def = "", .max = 4096,
	 .help = "the certificate's key (PEM)"},
	{"CORS_ORIGINS", OPTION_TEXT, AT(cors_origins), .def = "", .max = 4096,
	 .help = "web pages that may use the API, as in https://shop.example; * is all"},

	{"WEBHOOK_URL", OPTION_TEXT, AT(webhook_url), .def = "", .max = 2048, .section = "Webhooks",
	 .help = "is told what became of the mails whose job has no webhookUrl"},
	{"WEBHOOK_SECRET", OPTION_TEXT, AT(webhook_secret), .def = "", .max = 4096, .secret = true,
	 .help = "signs webhooks: whsec_ and the base64 of 24 to 64 bytes; two, with a comma between, while it is "
	         "changed. Without one no webhook is sent"},
	{"WEBHOOK_EVENTS", OPTION_TEXT, AT(webhook_events), .def = "sent,failed,held,retrying", .max = 256,
	 .help = "what is told, of sent, failed, held, retrying, scheduled, cancelled"},
	{"WEBHOOK_ALLOW", OPTION_TEXT, AT(webhook_allow), .def = "", .max = 4096,
	 .help = "hosts that a job's webhookUrl may name, as in hooks.example.com,*.example.org; * is all"},
	{"WEBHOOK_ALLOW_PRIVATE", OPTION_SWITCH, AT(webhook_allow_private), .def = "0",
	 .help = "webhooks may go to addresses that are not public, and over plain http"},
	{"WEBHOOK_CONCURRENCY", OPTION_INT, AT(webhook_concurrency), .def = "20", .min = 1, .max = 1000,
	 .help = "webhooks in flight per worker, apart from CONCURRENCY"},
	{"WEBHOOK_TIMEOUT", OPTION_INT, AT(webhook_timeout), .def = "15000", .min = 100, .max = 120000,
	 .unit = "ms", .help = "how long an endpoint may take to answer"},
	{"WEBHOOK_RETRIES", OPTION_TEXT, AT(webhook_retries), .def = "5s,5m,30m,2h,5h,10h,14h,20h,24h",
	 .max = 256, .help = "the pauses after a webhook's failed attempts; after the last it is a dead letter"},

	{"LOG_LEVEL", OPTION_CHOICE, AT(log_level), .def = "info",
	 .choices = "debug info warn error", .section = "Logs", .help = "the least that is logged"},
	{"LOG_FORMAT", OPTION_CHOICE, AT(log_format), .def = "", .choices = "json text",
	 .help = "lines of JSON, or of text for people; not set: text on a terminal, else json"},
	{"LOG_ADDRESSES", OPTION_CHOICE_BOOL, AT(log_full_addresses), .def = "masked",
	 .choices = "masked full", .help = "whether logs show whole addresses"},
};
/* clang-format on */

#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

static_assert(ON_UNKNOWN_RETRY == 0 && ON_UNKNOWN_HOLD == 1 && ON_UNKNOWN_FAIL == 2,
              "the choices of ON_UNKNOWN");
static_assert(LOG_LEVEL_DEBUG == 0 && LOG_LEVEL_INFO == 1 && LOG_LEVEL_WARN == 2 &&
                      LOG_LEVEL_ERROR == 3,
              "the choices of LOG_LEVEL");
static_assert(LOG_FORMAT_JSON == 0 && LOG_FORMAT_TEXT == 1, "the choices of LOG_FORMAT");

#define PROVIDER_PREFIX "PROVIDER_"

/* The flags of the last options_load: options_provider_dsn looks there for --provider-NAME. */
static struct flags flags;

static bool is_printable(char c)
{
	return c > ' ' && c < 0x7f; /* also where char is signed */
}

static bool is_word(const char *value)
{
	while (is_printable(*value))
		value++;
	return *value == '\0';
}

/* RFC 7518, 3.2: a key of the size of the hash, or larger. */
static bool is_secret(const char *value)
{
	return *value == '\0' || strlen(value) >= 32;
}

static bool is_prefix(const char *value)
{
	return *value != '\0' && is_word(value) && strpbrk(value, "{}") == NULL;
}

/* --- one value ----------------------------------------------------------------------------------- */

static bool set_text(const struct option *o, char **field, const char *value, struct error *err)
{
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return error_set(err, "%s has a control character", o->name);
	if (strlen(value) > (size_t)o->max)
		return error_set(err, "%s must be at most %" PRId64 " bytes long", o->name, o->max);
	if (o->check != NULL && !o->check(value))
		return error_set(err, "%s must be %s, not \"%s\"", o->name, o->rule, value);
	*field = mem_strdup(value);
	return true;
}

static bool set_int(const struct option *o, int64_t *field, const char *value, struct error *err)
{
	int64_t n;

	if (!number_int(value, &n) || n < o->min || n > o->max)
		return error_set(err,
		                 "%s must be a number from %" PRId64 " to %" PRId64 ", not \"%s\"",
		                 o->name, o->min, o->max, value);
	*field = n;
	return true;
}

static bool set_ratio(const struct option *o, double *field, const char *value, struct error *err)
{
	double n;

	if (!number_double(value, &n) || n < (double)o->min || n > (double)o->max)
		return error_set(err,
		                 "%s must be a number from %" PRId64 " to %" PRId64 ", not \"%s\"",
		                 o->name, o->min, o->max, value);
	*field = n;
	return true;
}

static bool set_switch(const struct option *o, bool *field, const char *value, struct error *err)
{
	static const char *const words[][2] = {
		{"0", "1"}, {"false", "true"}, {"no", "yes"}, {"off", "on"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int on = 0; on < 2; on++)
			if (strcasecmp(value, words[i][on]) == 0) {
				*field = on == 1;
				return true;
			}
	return error_set(err, "%s must be 1 or 0, not \"%s\"", o->name, value);
}

/* "retry hold fail" → "retry, hold or fail" */
static void add_choices(struct buf *b, const struct option *o)
{
	const char *word = o->choices;
	size_t n;

	for (; *word != '\0'; word += n + (word[n] != '\0')) {
		n = strcspn(word, " ");
		if (word != o->choices)
			buf_add_str(b, word[n] == '\0' ? " or " : ", ");
		buf_add(b, word, n);
	}
}

static bool set_choice(const struct option *o, int64_t *field, const char *value, struct error *err)
{
	const char *word = o->choices;
	int64_t index = 0;
	struct buf all;
	size_t n;

	for (; *word != '\0'; word += n + (word[n] != '\0'), index++) {
		n = strcspn(word, " ");
		if (strlen(value) == n && strncasecmp(value, word, n) == 0) {
			*field = index;
			return true;
		}
	}
	buf_init(&all, 256);
	add_choices(&all, o);
	error_set(err, "%s must be %s, not \"%s\"", o->name, buf_str(&all), value);
	buf_free(&all);
	return false;
}

static bool set(struct options *options, const struct option *o, const char *value,
                struct error *err)
{
	void *field = (char *)options + o->offset;
	int64_t choice;

	switch (o->type) {
	case OPTION_TEXT:
		return set_text(o, field, value, err);
	case OPTION_INT:
		return set_int(o, field, value, err);
	case OPTION_RATIO:
		return set_ratio(o, field, value, err);
	case OPTION_SWITCH:
		return set_switch(o, field, value, err);
	case OPTION_CHOICE:
		return set_choice(o, field, value, err);
	case OPTION_CHOICE_BOOL:
		if (!set_choice(o, &choice, value, err))
			return false;
		*(bool *)field = choice == 1;
		return true;
	}
	return error_set(err, "%s has no type", o->name);
}

/* --- all values ---------------------------------------------------------------------------------- */

static bool load_one(struct options *options, const struct option *o, struct error *err)
{
	const char *flag = flags_get(&flags, o->name);
	char *value;
	bool ok;

	if (flag != NULL && *flag != '\0')
		return set(options, o, flag, err);
	if (!setting_get(o->name, o->secret, &value, err))
		return false;
	if (value == NULL && *o->def == '\0' && o->type != OPTION_TEXT) {
		/* LOG_FORMAT, the only one whose default is not a constant. */
		options->log_format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
		return true;
	}
	ok = set(options, o, value != NULL ? value : o->def, err);
	if (value != NULL)
		mem_wipe(value, strlen(value));
	mem_free(value);
	return ok;
}

/* primary → PROVIDER_PRIMARY */
static char *provider_option(const char *name, size_t n)
{
	char *option = mem_printf("%s%.*s", PROVIDER_PREFIX, (int)n, name);

	for (char *c = option + strlen(PROVIDER_PREFIX); *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
		else if (!(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9'))
			*c = '_';
	}
	return option;
}

static bool is_provider(const char *providers, const char *option)
{
	const char *name = providers;
	bool found = false;

	while (*name != '\0' && !found) {
		size_t n = strcspn(name, ", ");
		char *each = provider_option(name, n);

		found = n > 0 && strcmp(each, option) == 0;
		mem_free(each);
		name += n + (name[n] != '\0');
	}
	return found;
}

/* --provider-primry is not misspelled visibly; that nobody is called so is. */
static bool check_provider_flags(const struct options *options, struct error *err)
{
	char spelled[128];

	for (size_t i = 0; i < flags.n && options->providers[0] != '\0'; i++) {
		const char *name = flags.list[i].name;

		if (strncmp(name, PROVIDER_PREFIX, strlen(PROVIDER_PREFIX)) != 0 ||
		    is_provider(options->providers, name))
			continue;
		flags_spell(name, spelled, sizeof(spelled));
		return error_set(err, "%s is none of the PROVIDERS (%s)", spelled,
		                 options->providers);
	}
	return true;
}

/* Whether `name` begins with the same word as one of ours: REDIS_HOST, as REDIS_URL does. */
static bool begins_like_ours(const char *name)
{
	size_t n = strcspn(name, "_");

	for (size_t i = 0; i < N_OPTIONS; i++)
		if (name[n] == '_' && strncmp(table[i].name, name, n + 1) == 0)
			return true;
	return false;
}

static bool check_dotenv_name(const char *entry, struct error *err)
{
	size_t n = strlen(entry);
	char *name = mem_strndup(entry, n > 5 && strcmp(entry + n - 5, "_FILE") == 0 ? n - 5 : n);
	struct suggest s = suggest_for(name);
	bool known = strncmp(name, PROVIDER_PREFIX, strlen(PROVIDER_PREFIX)) == 0;
	const char *best;

	for (size_t i = 0; i < N_OPTIONS; i++) {
		/* Some are paths, and end in _FILE themselves. */
		known = known || strcmp(name, table[i].name) == 0 ||
		        strcmp(entry, table[i].name) == 0;
		suggest_try(&s, table[i].name);
	}
	best = suggest_best(&s);
	if (!known && best != NULL)
		error_set(err, ".env: unknown option %s (did you mean %s?)", name, best);
	else if (!known && begins_like_ours(name))
		error_set(err, ".env: unknown option %s", name);
	else
		known = true;
	mem_free(name);
	return known;
}

static bool check_dotenv(struct error *err)
{
	const struct dotenv *d;

	if (!setting_dotenv(&d, err))
		return false;
	for (size_t i = 0; i < d->n; i++)
		if (!check_dotenv_name(d->entries[i].name, err))
			return false;
	return true;
}

static bool load(struct options *options, struct error *err)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (!load_one(options, &table[i], err))
			return false;
	return check_provider_flags(options, err) && check_dotenv(err);
}

bool options_load(struct options *o, int argc, char **argv, const char *const *own, int *n_rest,
                  struct error *err)
{
	struct flag_name names[N_OPTIONS];
	struct flags_spec spec = {names, N_OPTIONS, PROVIDER_PREFIX, own};

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < N_OPTIONS; i++)
		names[i] = (struct flag_name){table[i].name, table[i].type == OPTION_SWITCH,
		                              table[i].secret};
	flags_free(&flags);
	if (!flags_parse(&flags, &spec, argc, argv, n_rest, err))
		return false;
	if (!load(o, err)) {
		options_free(o);
		return false;
	}
	return true;
}

void options_free(struct options *o)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char *text;

		if (table[i].type != OPTION_TEXT)
			continue;
		text = *(char **)((char *)o + table[i].offset);
		if (text != NULL)
			mem_wipe(text, strlen(text));
		mem_free(text);
	}
	memset(o, 0, sizeof(*o));
}

bool options_provider_dsn(const char *name, char **dsn, struct error *err)
{
	char *option = provider_option(name, strlen(name));
	const char *flag = flags_get(&flags, option);
	bool ok = true;

	if (flag != NULL && *flag != '\0')
		*dsn = mem_strdup(flag);
	else
		ok = setting_get(option, true, dsn, err);
	mem_free(option);
	return ok;
}

bool options_text(const char *name, char **value, struct error *err)
{
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &table[i];
		struct options read = {0};

		if (strcmp(o->name, name) != 0)
			continue;
		if (!load_one(&read, o, err))
			return false;
		*value = *(char **)((char *)&read + o->offset);
		return true;
	}
	return error_set(err, "there is no option %s", name);
}

void options_forget(void)
{
	setting_forget();
}

/* --- for people ---------------------------------------------------------------------------------- */

/* "1 to 100000", "retry, hold or fail", "" */
static void add_range(struct buf *b, const struct option *o)
{
	if (o->choices != NULL)
		add_choices(b, o);
	else if (o->type == OPTION_INT || o->type == OPTION_RATIO)
		buf_addf(b, "%" PRId64 " to %" PRId64, o->min, o->max);
	else if (o->type == OPTION_SWITCH)
		buf_add_str(b, "0 or 1");
	if (o->unit != NULL)
		buf_addf(b, " %s", o->unit);
}

static const char *placeholder(const struct option *o)
{
	switch (o->type) {
	case OPTION_INT:
	case OPTION_RATIO:
		return " N";
	case OPTION_SWITCH:
		return "";
	case OPTION_CHOICE:
	case OPTION_CHOICE_BOOL:
		return " WORD";
	case OPTION_TEXT:
		break;
	}
	return " TEXT";
}

void options_help(FILE *out)
{
	char flag[64];
	struct buf range;

	fputs("Every option is also an environment variable (--redis-url is REDIS_URL, which "
	      "REDIS_URL_FILE\nreads from a file) and may stand in .env. Flags go first.\n",
	      out);
	buf_init(&range, 1024);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &table[i];

		flags_spell(o->name, flag, sizeof(flag));
		if (o->section != NULL)
			fprintf(out, "\n%s\n", o->section);
		buf_clear(&range);
		add_range(&range, o);
		fprintf(out, "  %s%s\n      %s", flag, placeholder(o), o->help);
		if (range.len > 0 || *o->def != '\0')
			fprintf(out, " [%s%s%s%s]", buf_str(&range),
			        range.len > 0 && *o->def != '\0' ? "; " : "",
			        *o->def != '\0' ? "default " : "", o->def);
		fputc('\n', out);
	}
	buf_free(&range);
	fputs("  --provider-NAME DSN\n      the DSN of the provider NAME, as PROVIDER_<NAME> does\n",
	      out);
}

void options_markdown(FILE *out)
{
	struct buf range;

	buf_init(&range, 1024);
	fputs("| option | default | range | what |\n|---|---|---|---|\n", out);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &table[i];
		const char *quote = *o->def != '\0' ? "`" : "";

		buf_clear(&range);
		add_range(&range, o);
		fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", o->name, quote, o->def, quote,
		        buf_str(&range), o->help);
	}
	fputs("| `PROVIDER_<NAME>` | | a DSN | the provider `<name>` of `PROVIDERS` |\n", out);
	buf_free(&range);
}
