/* options.h - the configuration: one table, one struct.
 *
 * Every option is one row of the table in src/base/option_table.c: its environment name, type, default,
 * minimum, maximum and one line of help. The flag is the name in lower case with dashes
 * (CONCURRENCY → --concurrency N or --concurrency=N). Where a value comes from, first match wins:
 * the flag, the environment, NAME_FILE (a file that holds the value; one trailing newline is
 * dropped; both NAME and NAME_FILE set is an error), $CREDENTIALS_DIRECTORY/NAME (systemd) for
 * secrets, `.env` in the working directory, the default. An empty value counts as not set.
 *
 * PROVIDER_<NAME> (NAME in upper case, every character that is not A-Z 0-9 as _) are the
 * providers' DSNs; they are looked up by options_provider_dsn with the same rules.
 * An unknown flag, and an unknown name in .env that begins with the same word as one of ours (REDIS_)
 * or is nearly one of ours, stop the start; OTEL_… do not, for that standard has more of them than we know. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"

enum options_unknown { ON_UNKNOWN_RETRY, ON_UNKNOWN_HOLD, ON_UNKNOWN_FAIL };

/* Strings belong to the struct; "" when not set. Times are in ms unless the name says otherwise. */
struct options {
	/* Redis */
	char *redis_url;          /* REDIS_URL          redis://127.0.0.1:6379 */
	char *key_prefix;         /* KEY_PREFIX         mail; no braces, 1-64 printable characters */
	int64_t command_timeout;  /* COMMAND_TIMEOUT    5000 ms, 100 - 600000: one Redis command's deadline */
	bool strict;              /* STRICT             0: refuse to start where Redis may evict keys */
	/* the queues and the worker */
	char *queues;             /* QUEUES             "" = <prefix>:queue; name*weight, comma separated */
	int64_t concurrency;      /* CONCURRENCY        100, 1 - 100000: mails in flight per worker */
	int64_t lease_ms;         /* LEASE_MS           30000, 1000 - 3600000 */
	int64_t drain_timeout;    /* DRAIN_TIMEOUT      25 s, 0 - 3600: grace on SIGTERM */
	char *worker_name;        /* WORKER_NAME        "" = host-pid-random */
	int64_t max_job_bytes;    /* MAX_JOB_BYTES      33554432, 1024 - 536870912 */
	int64_t metrics_port;     /* METRICS_PORT       0, 0 - 65535: of a worker's own page; 0: none */
	/* the life of a mail */
	int64_t max_retry_attempts; /* MAX_RETRY_ATTEMPTS 3, 1 - 100, per provider */
	int64_t retry_base_delay;   /* RETRY_BASE_DELAY   1000 ms, 1 - 3600000 */
	int64_t retry_max_delay;    /* RETRY_MAX_DELAY    300000 ms, 1 - 86400000 */
	int64_t on_unknown;         /* ON_UNKNOWN         retry | hold | fail (enum options_unknown) */
	int64_t fence_replicas;     /* FENCE_REPLICAS     0, 0 - 16: replicas that must have begin before the last byte, and the outcome */
	int64_t status_ttl;         /* STATUS_TTL         604800 s, 1 - 31536000 */
	int64_t keep_sent;          /* KEEP_SENT          0 s, 0 - 31536000 */
	int64_t dead_ttl;           /* DEAD_TTL           1209600 s, 1 - 31536000 */
	int64_t max_queue_time;     /* MAX_QUEUE_TIME     432000 s, 1 - 31536000 */
	int64_t events_max;         /* EVENTS_MAX         100000, 0 - 100000000: entries kept per queue's stream, 0: none */
	/* breaker and limits */
	int64_t breaker_threshold;     /* CIRCUIT_BREAKER_THRESHOLD     5, 1 - 10000 */
	int64_t breaker_timeout;       /* CIRCUIT_BREAKER_TIMEOUT       30000 ms, 100 - 86400000 */
	int64_t breaker_reset_timeout; /* CIRCUIT_BREAKER_RESET_TIMEOUT 60000 ms, 100 - 86400000 */
	int64_t breaker_probes;        /* CIRCUIT_BREAKER_PROBES        1, 1 - 1000 */
	int64_t throttle_max;          /* THROTTLE_MAX                  3600000 ms, 1000 - 86400000: cap of Retry-After */
	/* providers and the message */
	char *providers;            /* PROVIDERS          names in failover order, comma separated */
	double primary_success;     /* PRIMARY_PROVIDER_SUCCESS_RATE    0.7, 0 - 1 */
	double secondary_success;   /* SECONDARY_PROVIDER_SUCCESS_RATE  0.9, 0 - 1 */
	char *mail_from;            /* MAIL_FROM          the sender where a job names none */
	char *ehlo_name;            /* EHLO_NAME          "" = the host's name */
	/* the HTTP API */
	int64_t port;               /* PORT               4000, 0 - 65535; 0: any that is free */
	char *api_host;             /* API_HOST           "" = all addresses, where it is protected */
	int64_t api_max_body;       /* API_MAX_BODY       10485760, 1024 - 536870912 */
	int64_t api_timeout;        /* API_TIMEOUT        30000 ms, 100 - 600000: for a request to arrive */
	char *api_trusted_proxies;  /* API_TRUSTED_PROXIES "" none; addresses and networks (base/network.h) */
	int64_t rate_limit_window;  /* RATE_LIMIT_WINDOW  60000 ms, 1 - 86400000 */
	int64_t rate_limit_max;     /* RATE_LIMIT_MAX_REQUESTS 100, 0 - 1000000000: mails per client; 0: no limit */
	bool ack_fsync;             /* ACK_FSYNC          0: a mail must be on the disk before the 202 */
	int64_t ack_replicas;       /* ACK_REPLICAS       0, 0 - 16: replicas that must have a mail before the 202 */
	char *api_keys_file;        /* API_KEYS_FILE      "" none */
	char *jwt_secret;           /* JWT_SECRET         "" none: of HS256 */
	char *jwt_public_key_file;  /* JWT_PUBLIC_KEY_FILE "" none: PEM, of RS256 or ES256 */
	char *tls_cert_file;        /* TLS_CERT_FILE      "" no TLS */
	char *tls_key_file;         /* TLS_KEY_FILE */
	char *cors_origins;         /* CORS_ORIGINS       "" none; "*" all; comma separated */
	int64_t bulk_max;           /* BULK_MAX           100, 1 - 10000 */
	/* webhooks */
	char *webhook_url;             /* WEBHOOK_URL           "" none: told of all mails whose job names none */
	char *webhook_secret;          /* WEBHOOK_SECRET        "" no webhooks; whsec_<base64>, up to four */
	char *webhook_events;          /* WEBHOOK_EVENTS        sent,failed,held,retrying */
	char *webhook_allow;           /* WEBHOOK_ALLOW         "" only WEBHOOK_URL's host */
	bool webhook_allow_private;    /* WEBHOOK_ALLOW_PRIVATE 0 */
	int64_t webhook_concurrency;   /* WEBHOOK_CONCURRENCY   20, 1 - 1000, per worker */
	int64_t webhook_timeout;       /* WEBHOOK_TIMEOUT       15000 ms, 100 - 120000 */
	char *webhook_retries;         /* WEBHOOK_RETRIES       the pauses between attempts */
	/* traces (the standard variables of OpenTelemetry) */
	bool otel_sdk_disabled;     /* OTEL_SDK_DISABLED      0 */
	bool traces_exporter_none;  /* OTEL_TRACES_EXPORTER   otlp | none */
	char *otlp_endpoint;        /* OTEL_EXPORTER_OTLP_ENDPOINT        "" none: no traces; /v1/traces is added */
	char *otlp_traces_endpoint; /* OTEL_EXPORTER_OTLP_TRACES_ENDPOINT "" none; the whole URL */
	char *otlp_headers;         /* OTEL_EXPORTER_OTLP_HEADERS         "" none */
	char *otlp_certificate;     /* OTEL_EXPORTER_OTLP_CERTIFICATE     "" what the system trusts */
	int64_t otlp_timeout;       /* OTEL_EXPORTER_OTLP_TIMEOUT 10000 ms, 1 - 600000: of one request */
	char *otlp_traces_headers, *otlp_traces_certificate; /* OTEL_EXPORTER_OTLP_TRACES_…: "" as the one above */
	int64_t otlp_traces_timeout; /* OTEL_EXPORTER_OTLP_TRACES_TIMEOUT 0 ms, as the one above; - 600000 */
	char *otel_service_name;    /* OTEL_SERVICE_NAME        "" = the resource attribute, else postrider */
	char *otel_resource;        /* OTEL_RESOURCE_ATTRIBUTES "" none */
	int64_t traces_sampler;     /* OTEL_TRACES_SAMPLER      enum sampler_kind (fleet/sampler.h) */
	double traces_sampler_arg;  /* OTEL_TRACES_SAMPLER_ARG  1, 0 - 1 */
	int64_t bsp_delay;          /* OTEL_BSP_SCHEDULE_DELAY        5000 ms, 1 - 600000 */
	int64_t bsp_timeout;        /* OTEL_BSP_EXPORT_TIMEOUT        30000 ms, 1 - 600000: of a batch, with its retries */
	int64_t bsp_queue;          /* OTEL_BSP_MAX_QUEUE_SIZE        2048, 1 - 1000000 spans */
	int64_t bsp_batch;          /* OTEL_BSP_MAX_EXPORT_BATCH_SIZE 512, 1 - 10000 spans */
	/* the archive */
	char *database_url;         /* DATABASE_URL       "" none */
	int64_t archive_ttl;        /* ARCHIVE_TTL        0 days, 0 - 36500; 0: for ever */
	/* logs */
	int64_t log_level;          /* LOG_LEVEL          debug | info | warn | error */
	int64_t log_format;         /* LOG_FORMAT         "" = text on a terminal, else json */
	bool log_full_addresses;    /* LOG_ADDRESSES      masked | full */
};

/* Reads flags out of argv (argv[0] is skipped), then the environment and files. Arguments that are
 * no options are moved to the front: argv[1 … *n_rest]. `own` names the flags that the calling
 * subcommand reads itself: NULL-terminated, "watch" for a switch, "workers=" for one that takes a value; they are kept among the rest as "--watch",
 * "--workers=VALUE". After a lone "--", which is not kept, everything is. A switch is --strict,
 * --no-strict or --strict=1; -h is --help (an own flag); the last of several counts. Behind the
 * rest stand our flags and then NULLs, so that SIGHUP may load from the same argv once more.
 * False: err says which option and why. The struct is the caller's; options_free releases it. */
bool options_load(struct options *o, int argc, char **argv, const char *const *own, int *n_rest,
                  struct error *err) MUST_CHECK;
void options_free(struct options *o); /* wipes secrets */

/* The DSN of provider `name`: a new string (mem_free; mem_wipe it first), or NULL when it is not
 * configured. False: err says why (both NAME and NAME_FILE, an unreadable file). */
bool options_provider_dsn(const char *name, char **dsn, struct error *err) MUST_CHECK;

/* A text option as options_load would find it now: after options_forget SIGHUP reads secrets anew. A
 * new string (mem_free; mem_wipe it first). */
bool options_text(const char *name, char **value, struct error *err) MUST_CHECK;

/* Calls fn for each variable of the environment that is one letter off (or two neighbours swapped) the name of an option that is
 * not given: CONCURENCY. After options_load. */
void options_misspelt(void (*fn)(const char *name, const char *meant));

/* *given: an option of this name has a value from anywhere but its default. */
bool options_given(const char *name, bool *given, struct error *err) MUST_CHECK;

/* For --help (a person's layout) and for the README (a Markdown table). */
void options_help(FILE *out);
void options_markdown(FILE *out);

/* Forgets .env and the files read, so that the next options_load and options_provider_dsn read
 * them again (SIGHUP). */
void options_forget(void);

#endif
