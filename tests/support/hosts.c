#include "support/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/process.h"

#define MAX_FRAME (sizeof(struct virtio_net_hdr) + 128 + 65536)
#define TICK_MS 5
#define MAX_WORDS 16

struct host {
	int ns;
};

struct frame {
	TAILQ_ENTRY(frame) entry;
	int64_t due; /* µs, CLOCK_MONOTONIC */
	size_t n;
	char bytes[];
};

/* One direction: from a socket to the other. */
struct way {
	int from, to;
	atomic_bool drops;
	_Atomic int64_t delay_us;
	TAILQ_HEAD(, frame) frames; /* in the order in which they came */
};

struct cable {
	unsigned n;
	struct way ways[2];
	int sockets[2];
	pthread_t thread;
	atomic_bool stop;
	atomic_size_t lost;
};

static int home = -1; /* the test program's own network */

/* ---- hosts ----------------------------------------------------------------------------------------------- */

static int own_namespace(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Runs `ip` with these words; the test fails with what it says. */
static void ip(const char *format, ...) PRINTF_LIKE(1, 2);
static void ip(const char *format, ...)
{
	const char *argv[MAX_WORDS + 1] = {"ip"};
	char words[256], *rest = words, *err = NULL;
	size_t n = 1;
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	while (n < MAX_WORDS && (argv[n] = strsep(&rest, " ")) != NULL)
		n++;
	argv[n] = NULL;
	if (process_run(argv, NULL, NULL, NULL, &err) != 0)
		fail_msg("ip %s …: %s", argv[1], err);
	free(err);
}

bool hosts_begin(void)
{
	if (access("/usr/sbin/ip", X_OK) != 0 && access("/sbin/ip", X_OK) != 0 &&
	    access("/usr/bin/ip", X_OK) != 0 && access("/bin/ip", X_OK) != 0) {
		printf("skipped: there is no `ip` (iproute2)\n");
		return false;
	}
	if (unshare(CLONE_NEWNET) != 0) {
		printf("skipped: no network namespaces: %s (root may have them)\n",
		       strerror(errno));
		return false;
	}
	if (home >= 0)
		close(home);
	home = own_namespace();
	ip("link set lo up");
	return true;
}

struct host *host_make(void)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	h->ns = own_namespace();
	ip("link set lo up");
	host_enter(NULL);
	return h;
}

void host_enter(struct host *h)
{
	assert_int_equal(setns(h ? h->ns : home, CLONE_NEWNET), 0);
}

void host_route(struct host *h, const char *address, const char *over)
{
	host_enter(h);
	ip("route add %s/32 via %s", address, over);
	host_enter(NULL);
}

void host_free(struct host *h)
{
	if (!h)
		return;
	close(h->ns);
	free(h);
}

/* ---- cables ---------------------------------------------------------------------------------------------- */

static int64_t now_us(void)
{
	return clock_mono_us();
}

static void take_frames(struct cable *c, struct way *w)
{
	static _Thread_local char bytes[MAX_FRAME];
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(w->from, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from,
	                     &len)) > 0) {
		struct frame *f;

		len = sizeof(from);
		if (from.sll_pkttype == PACKET_OUTGOING) /* this thread has just put it there */
			continue;
		if (atomic_load(&w->drops)) {
			atomic_fetch_add(&c->lost, 1);
			continue;
		}
		f = malloc(sizeof(*f) + (size_t)n);
		if (!f)
			abort();
		f->n = (size_t)n;
		f->due = now_us() + atomic_load(&w->delay_us);
		memcpy(f->bytes, bytes, f->n);
		TAILQ_INSERT_TAIL(&w->frames, f, entry);
	}
}

/* What was on its way when the cable was cut is lost, too. */
static void pass_frames(struct cable *c, struct way *w)
{
	struct frame *f;

	while ((f = TAILQ_FIRST(&w->frames)) != NULL && f->due <= now_us()) {
		TAILQ_REMOVE(&w->frames, f, entry);
		if (atomic_load(&w->drops) || send(w->to, f->bytes, f->n, 0) != (ssize_t)f->n)
			atomic_fetch_add(&c->lost, 1);
		free(f);
	}
}

static void *serve(void *data)
{
	struct cable *c = data;

	while (!atomic_load(&c->stop)) {
		struct pollfd fds[2] = {{c->sockets[0], POLLIN, 0}, {c->sockets[1], POLLIN, 0}};

		(void)poll(fds, 2, TICK_MS);
		for (int i = 0; i < 2; i++) {
			take_frames(c, &c->ways[i]);
			pass_frames(c, &c->ways[i]);
		}
	}
	return NULL;
}

/* All frames of an interface, with what the kernel has left to do on them (checksums, segments): handed on
 * as it is, the other kernel does it. */
static int frame_socket(const char *interface)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET,
	                        .sll_protocol = htons(ETH_P_ALL),
	                        .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1;
	int size = 8 << 20;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* The end of the n-th cable in a host, and its counterpart, which stays here. */
static int lay_end(struct host *h, const char *address, unsigned n, char side)
{
	char here[IFNAMSIZ];

	snprintf(here, sizeof(here), "cable%u%c", n, side);
	ip("link add %s type veth peer name end%u%c", here, n, side);
	ip("link set %s up", here);
	if (h) {
		ip("link set end%u%c netns /proc/%d/fd/%d", n, side, (int)getpid(), h->ns);
		host_enter(h);
	}
	ip("address add %s/24 dev end%u%c", address, n, side);
	ip("link set end%u%c up", n, side);
	host_enter(NULL);
	return frame_socket(here);
}

struct cable *cable_lay(struct host *a, const char *address_a, struct host *b,
                        const char *address_b)
{
	static unsigned n;
	struct cable *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->n = ++n;
	c->sockets[0] = lay_end(a, address_a, n, 'a');
	c->sockets[1] = lay_end(b, address_b, n, 'b');
	for (int i = 0; i < 2; i++) {
		c->ways[i].from = c->sockets[!i]; /* ways[0] leads to a */
		c->ways[i].to = c->sockets[i];
		TAILQ_INIT(&c->ways[i].frames);
	}
	assert_int_equal(pthread_create(&c->thread, NULL, serve, c), 0);
	return c;
}

void cable_drop(struct cable *c, int ways)
{
	atomic_store(&c->ways[0].drops, (ways & CABLE_TO_A) != 0);
	atomic_store(&c->ways[1].drops, (ways & CABLE_TO_B) != 0);
}

void cable_delay(struct cable *c, int ways, int ms)
{
	atomic_store(&c->ways[0].delay_us, ways & CABLE_TO_A ? (int64_t)ms * 1000 : 0);
	atomic_store(&c->ways[1].delay_us, ways & CABLE_TO_B ? (int64_t)ms * 1000 : 0);
}

void cable_mend(struct cable *c)
{
	cable_drop(c, 0);
	cable_delay(c, 0, 0);
}

size_t cable_lost(const struct cable *c)
{
	return atomic_load(&c->lost);
}

void cable_free(struct cable *c)
{
	if (!c)
		return;
	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	for (int i = 0; i < 2; i++) {
		struct frame *f;

		while ((f = TAILQ_FIRST(&c->ways[i].frames)) != NULL) {
			TAILQ_REMOVE(&c->ways[i].frames, f, entry);
			free(f);
		}
		close(c->sockets[i]);
		ip("link del cable%u%c", c->n, i == 0 ? 'a' : 'b'); /* and the other end with it */
	}
	free(c);
}
