#include "api/ack.h"

#include "base/log.h"
#include "base/mem.h"
#include "redis/value.h"

/* The connection waits meanwhile. appendfsync everysec may take more than a second. */
#define REPLICAS_MS 1000
#define FSYNC_MS 2500

struct ack {
	const struct options *options;
	char *key;
	ack_fn *fn;
	void *data;
	size_t pending;
	enum link_result result;
};

/* Before the link takes the silence for a broken connection. */
static int64_t ack_patience(const struct options *o, int64_t most)
{
	return most < o->command_timeout / 2 ? most : o->command_timeout / 2;
}

static void ack_step(struct ack *a, enum link_result result)
{
	if (result != LINK_OK && a->result == LINK_OK)
		a->result = result;
	if (--a->pending > 0)
		return;
	a->fn(a->data, a->result);
	mem_free(a->key);
	mem_free(a);
}

static void on_written(void *data, enum link_result result, const redisReply *reply)
{
	struct ack *a = data;

	if (result == LINK_ERROR)
		log_error("write_failed", LOG_STR("key", a->key), LOG_STR("error", reply->str));
	ack_step(a, result);
}

static void on_replicas(void *data, enum link_result result, const redisReply *reply)
{
	struct ack *a = data;

	if (result == LINK_OK && !waiting_has_replicas(result, reply, a->options->ack_replicas)) {
		log_warn("replicas_missing", LOG_INT("wanted", a->options->ack_replicas),
		         LOG_INT("got", value_int(reply)));
		result = LINK_REFUSED;
	}
	ack_step(a, result);
}

/* [how many masters have it on their disk (0 or 1), how many replicas] */
static void on_fsync(void *data, enum link_result result, const redisReply *reply)
{
	struct ack *a = data;

	if (result == LINK_OK && value_int_at(reply, 0) < 1) {
		log_warn("fsync_missing", LOG_INT("waited_ms", ack_patience(a->options, FSYNC_MS)));
		result = LINK_REFUSED;
	} else if (result == LINK_ERROR || result == LINK_CONFIG) {
		log_error("fsync_unknown", LOG_STR("error", reply->str),
		          LOG_STR("hint",
		                  "ACK_FSYNC=1 needs Redis 7.2 or later with appendonly yes; "
		                  "without it nothing is accepted"));
		result = LINK_CONFIG;
	}
	ack_step(a, result);
}

bool ack_send(struct topology *redis, const struct options *o, struct command *write,
              const char *key, ack_fn *fn, void *data)
{
	struct ack *a = mem_zalloc(sizeof(*a));
	struct waiting w = {
		.replicas = o->ack_replicas,
		.replicas_ms = (int)ack_patience(o, REPLICAS_MS),
		.on_replicas = o->ack_replicas > 0 ? on_replicas : NULL,
		.disk_ms = (int)ack_patience(o, FSYNC_MS),
		.on_disk = o->ack_fsync ? on_fsync : NULL,
	};

	*a = (struct ack){
		.options = o, .key = mem_strdup(key), .fn = fn, .data = data, .result = LINK_OK};
	a->pending = 1 + (w.on_replicas != NULL) + (w.on_disk != NULL);
	if (topology_send_waiting(redis, write, &w, on_written, a))
		return true;
	mem_free(a->key);
	mem_free(a);
	return false;
}
