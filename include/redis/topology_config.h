/* topology_config.h - REDIS_URL: which Redis, of which kind, and how to talk to each of its servers.
 *
 *     redis://[[user]:password@]host[:port][/db]
 *     unix://[[user]:password@]/path[?db=N]
 *     redis+sentinel://[[user]:password@]host[:port],…/master-name[/db]
 *         ?sentinel_user=, ?sentinel_password=: of the Sentinels, where they have one
 *     redis+cluster://[[user]:password@]host[:port],…
 *     rediss://…: as redis://, over TLS; and ?tls=1 with Sentinel and Cluster. Then also
 *         ?tls_ca=FILE (else what the system trusts), ?tls_cert=FILE&tls_key=FILE, ?tls_verify=0
 *
 * User and password are those of the Redis servers. Ports: 6379, of a Sentinel 26379. */
#ifndef REDIS_TOPOLOGY_CONFIG_H
#define REDIS_TOPOLOGY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "redis/link.h"

#define TOPOLOGY_MAX_SEEDS 32

enum topology_kind {
	TOPOLOGY_ONE,      /* one server */
	TOPOLOGY_SENTINEL, /* one master, whose address the Sentinels know */
	TOPOLOGY_CLUSTER,  /* Redis Cluster */
};

struct topology_seed {
	char *host;
	int port;
};

struct topology_config {
	enum topology_kind kind;
	struct link_config link; /* of each server; the address only where it is TOPOLOGY_ONE */
	struct topology_seed seeds[TOPOLOGY_MAX_SEEDS]; /* Sentinels, or nodes of the cluster */
	size_t n_seeds;
	char *master; /* its name, for Sentinel */
	char *sentinel_user, *sentinel_password; /* "" none */
};

/* False: err, which begins with REDIS_URL and quotes no secret. */
bool topology_config_parse(struct topology_config *c, const char *url, struct error *err) MUST_CHECK;
void topology_config_copy(struct topology_config *to, const struct topology_config *from);
void topology_config_free(struct topology_config *c); /* also after a parse that failed */

/* How to talk to a Sentinel or a node as such, whatever its role: a bare link, not yet aimed.
 * link_config_free. */
void topology_config_bare(const struct topology_config *c, struct link_config *out);

#endif
