/* The API's way of taking mails in, with a Redis that answers anything: accept.lua, LPUSH, WAIT.
 *
 * The first byte is ACK_REPLICAS (its lowest two bits); the rest is what Redis answers, one reply after the
 * other. Whatever that is: each mail is told of once, and `taken` is only what Redis has acknowledged. */
#include "fuzz/fuzz.h"

#include <ev.h>

#include "api/accept.h"
#include "base/log.h"
#include "fuzz/redis.h"

#define N_POSTS 4
#define MAX_TURNS 50

static struct {
	struct post posts[N_POSTS];
	bool pushed[N_POSTS]; /* and acknowledged */
	bool kept[N_POSTS];   /* by as many replicas as must be */
	unsigned told[N_POSTS];
	struct options options;
	struct accept accept;
	struct again again;
	unsigned
		last_posts; /* of the last LPUSH that was answered, as bits: the next WAIT is for them */
} world;

static void on_link(void *data, bool up)
{
	(void)data;
	(void)up;
}

static const char *fuzz_canned(const struct fuzz_call *call)
{
	(void)call;
	return NULL;
}

/* The posts of an LPUSH, as bits. */
static unsigned posts_of(const struct fuzz_call *call)
{
	unsigned bits = 0;

	for (size_t a = 2; a < call->args->elements; a++)
		bits |= 1U << (call->args->element[a]->str[0] - 'a');
	return bits;
}

static void fuzz_answered(const struct fuzz_call *call, enum link_result result,
                          const redisReply *reply)
{
	if (strcmp(fuzz_arg(call, 0), "LPUSH") == 0)
		world.last_posts = posts_of(call);
	for (size_t i = 0; i < N_POSTS; i++) {
		if ((world.last_posts >> i & 1) == 0 || result != LINK_OK)
			continue;
		if (strcmp(fuzz_arg(call, 0), "LPUSH") == 0)
			world.pushed[i] = true;
		else if (strcmp(fuzz_arg(call, 0), "WAIT") == 0)
			world.kept[i] = reply->type != REDIS_REPLY_INTEGER ||
			                reply->integer >= world.options.ack_replicas;
	}
}

static void on_done(struct post *p)
{
	size_t i = (size_t)(p - world.posts);

	FUZZ_REQUIRE(world.told[i]++ == 0);
	if (p->outcome == POST_TAKEN)
		FUZZ_REQUIRE(world.pushed[i] && (world.options.ack_replicas == 0 || world.kept[i]));
	FUZZ_REQUIRE(strlen(p->status) < sizeof(p->status) &&
	             strlen(p->provider) < sizeof(p->provider));
}

static void make_posts(void)
{
	static const struct queue_keys queues[] = {{.list = (char *)"mail:queue"},
	                                           {.list = (char *)"mail:queue:high"}};
	static char payloads[N_POSTS][2] = {"a", "b", "c", "d"},
		    keys[N_POSTS][3] = {"k1", "k2", "k3", "k4"};

	for (size_t i = 0; i < N_POSTS; i++)
		world.posts[i] = (struct post){.payload = payloads[i],
		                               .len = 1,
		                               .key = keys[i],
		                               .to = keys[i],
		                               .subject = keys[i],
		                               .queue = &queues[i % 2],
		                               .on_done = on_done};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	struct topology_config config;
	struct topology *redis;
	struct error err;

	memset(&world, 0, sizeof(world));
	log_setup((enum log_level)(LOG_LEVEL_ERROR + 1), LOG_FORMAT_JSON, false);
	world.options = (struct options){.key_prefix = (char *)"mail", .max_queue_time = 432000};
	world.options.ack_replicas = fuzz_byte(&in) & 3;
	make_posts();
	again_init(&world.again, ev_default_loop(EVFLAG_AUTO), 1000);
	accept_init(&world.accept, &world.options, &world.again);
	FUZZ_REQUIRE(topology_config_parse(&config, "redis://127.0.0.1", &err));
	redis = topology_open(ev_default_loop(EVFLAG_AUTO), &config, on_link, NULL);
	topology_config_free(&config);
	(void)fuzz_redis_turn(&in); /* comes up */
	for (size_t i = 0; i < N_POSTS; i++)
		accept_add(&world.accept, redis, &world.posts[i]);
	for (int i = 0; i < MAX_TURNS && topology_up(redis); i++) {
		accept_flush(&world.accept, redis);
		if (!fuzz_redis_turn(&in))
			break;
	}
	again_close(&world.again);
	topology_close(redis);
	accept_free(&world.accept);
	for (size_t i = 0; i < N_POSTS; i++) {
		FUZZ_REQUIRE(world.told[i] == 1);
		mem_free(world.posts[i].status_key);
	}
	return 0;
}
