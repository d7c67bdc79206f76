#include "base/option_table.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/network.h"
#include "base/options.h"
#include "base/port.h"

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

#define AT(FIELD) .offset = offsetof(struct options, FIELD)
#define DAY_MS 86400000
#define YEAR_S 31536000

/* clang-format off */
const struct option option_table[] = {
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
	{"METRICS_PORT", OPTION_INT, AT(metrics_port), .def = "0", .min = 0, .max = PORT_MAX,
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
	 .help = "replicas of Redis that must know that a mail is being sent before its last byte leaves, "
	         "and what became of it before that is done with"},
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

	{"PORT", OPTION_INT, AT(port), .def = "4000", .min = 0, .max = PORT_MAX,
	 .section = "The HTTP API", .help = "where the API listens; 0: any port that is free"},
	{"API_HOST", OPTION_TEXT, AT(api_host), .def = "", .max = 255, .check = is_word,
	 .rule = "a host name or address",
	 .help = "the address where it listens; not set: all. Without API keys or JWT always 127.0.0.1"},
	{"API_MAX_BODY", OPTION_INT, AT(api_max_body), .def = "10485760", .min = 1024,
	 .max = 536870912, .unit = "bytes", .help = "a larger request is refused"},
	{"API_TIMEOUT", OPTION_INT, AT(api_timeout), .def = "30000", .min = 100, .max = 600000,
	 .unit = "ms", .help = "a request must have arrived by then, and an idle connection is closed"},
	{"API_TRUSTED_PROXIES", OPTION_TEXT, AT(api_trusted_proxies), .def = "", .max = 4096,
	 .check = network_list_valid, .rule = "addresses and networks, as in 127.0.0.1,10.0.0.0/8",
	 .help = "reverse proxies whose X-Forwarded-For tells the client's address, as in 127.0.0.1,10.0.0.0/8; "
	         "nobody else's is believed"},
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

	{"OTEL_EXPORTER_OTLP_ENDPOINT", OPTION_TEXT, AT(otlp_endpoint), .def = "", .max = 2048, .section = "Traces",
	 .help = "where traces go, as in http://127.0.0.1:4318 (OTLP over HTTP, JSON; /v1/traces is added); not set: none are made"},
	{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", OPTION_TEXT, AT(otlp_traces_endpoint), .def = "", .max = 2048,
	 .help = "the same as a whole URL, to which nothing is added"},
	{"OTEL_EXPORTER_OTLP_HEADERS", OPTION_TEXT, AT(otlp_headers), .def = "", .max = 8192, .secret = true,
	 .help = "headers of these requests, as in authorization=Bearer%20KEY,x-tenant=mail"},
	{"OTEL_EXPORTER_OTLP_CERTIFICATE", OPTION_TEXT, AT(otlp_certificate), .def = "", .max = 4096,
	 .help = "the roots (PEM) to trust there instead of the system's"},
	{"OTEL_EXPORTER_OTLP_TIMEOUT", OPTION_INT, AT(otlp_timeout), .def = "10000", .min = 1, .max = 600000,
	 .unit = "ms", .help = "how long one such request may take"},
	{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", OPTION_TEXT, AT(otlp_traces_headers), .def = "", .max = 8192, .secret = true,
	 .help = "of traces alone, in place of OTEL_EXPORTER_OTLP_HEADERS"},
	{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", OPTION_TEXT, AT(otlp_traces_certificate), .def = "", .max = 4096,
	 .help = "the same of OTEL_EXPORTER_OTLP_CERTIFICATE"},
	{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", OPTION_INT, AT(otlp_traces_timeout), .def = "0", .max = 600000,
	 .unit = "ms", .help = "the same of OTEL_EXPORTER_OTLP_TIMEOUT; 0: as that says"},
	{"OTEL_SERVICE_NAME", OPTION_TEXT, AT(otel_service_name), .def = "", .max = 256,
	 .help = "service.name of the traces; not set: that of OTEL_RESOURCE_ATTRIBUTES, else postrider"},
	{"OTEL_RESOURCE_ATTRIBUTES", OPTION_TEXT, AT(otel_resource), .def = "", .max = 4096,
	 .help = "more of them, as in deployment.environment.name=production,team=shop"},
	{"OTEL_TRACES_SAMPLER", OPTION_CHOICE, AT(traces_sampler), .def = "parentbased_always_on",
	 .choices = "always_on always_off traceidratio parentbased_always_on parentbased_always_off parentbased_traceidratio",
	 .help = "which mails are traced; parentbased: those whose producer traces, and of the others as it says"},
	{"OTEL_TRACES_SAMPLER_ARG", OPTION_RATIO, AT(traces_sampler_arg), .def = "1", .max = 1,
	 .help = "the part that traceidratio takes"},
	{"OTEL_BSP_SCHEDULE_DELAY", OPTION_INT, AT(bsp_delay), .def = "5000", .min = 1, .max = 600000,
	 .unit = "ms", .help = "spans are sent after this, or when there is a whole batch of them"},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", OPTION_INT, AT(bsp_batch), .def = "512", .min = 1, .max = 10000,
	 .help = "spans in one request"},
	{"OTEL_BSP_MAX_QUEUE_SIZE", OPTION_INT, AT(bsp_queue), .def = "2048", .min = 1, .max = 1000000,
	 .help = "spans that wait to be sent; what is more is dropped"},
	{"OTEL_BSP_EXPORT_TIMEOUT", OPTION_INT, AT(bsp_timeout), .def = "30000", .min = 1, .max = 600000,
	 .unit = "ms", .help = "for how long a batch is tried"},
	{"OTEL_TRACES_EXPORTER", OPTION_CHOICE_BOOL, AT(traces_exporter_none), .def = "otlp", .choices = "otlp none",
	 .help = "none: no traces"},
	{"OTEL_SDK_DISABLED", OPTION_SWITCH, AT(otel_sdk_disabled), .def = "0", .help = "the same"},

	{"DATABASE_URL", OPTION_TEXT, AT(database_url), .def = "", .max = 4096, .secret = true,
	 .section = "The archive",
	 .help = "PostgreSQL, as in postgresql://user:password@host/database: where `archive` keeps what became "
	         "of mails, and where `api` and `status` look when Redis has forgotten one"},
	{"ARCHIVE_TTL", OPTION_INT, AT(archive_ttl), .def = "0", .min = 0, .max = 36500, .unit = "days",
	 .help = "how long the archive keeps a mail after its last change; 0: for ever"},

	{"LOG_LEVEL", OPTION_CHOICE, AT(log_level), .def = "info",
	 .choices = "debug info warn error", .section = "Logs", .help = "the least that is logged"},
	{"LOG_FORMAT", OPTION_CHOICE, AT(log_format), .def = "", .choices = "json text",
	 .help = "lines of JSON, or of text for people; not set: text on a terminal, else json"},
	{"LOG_ADDRESSES", OPTION_CHOICE_BOOL, AT(log_full_addresses), .def = "masked",
	 .choices = "masked full", .help = "whether logs show whole addresses"},
};
/* clang-format on */

const size_t option_table_n = sizeof(option_table) / sizeof(option_table[0]);

static_assert(ON_UNKNOWN_RETRY == 0 && ON_UNKNOWN_HOLD == 1 && ON_UNKNOWN_FAIL == 2,
              "the choices of ON_UNKNOWN");
static_assert(LOG_LEVEL_DEBUG == 0 && LOG_LEVEL_INFO == 1 && LOG_LEVEL_WARN == 2 &&
                      LOG_LEVEL_ERROR == 3,
              "the choices of LOG_LEVEL");
static_assert(LOG_FORMAT_JSON == 0 && LOG_FORMAT_TEXT == 1, "the choices of LOG_FORMAT");
