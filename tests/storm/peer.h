/* peer.h - the connections of a storm's mail hosts, and the sockets that they come in by: mailhost.c's, of its thread alone. */
#ifndef STORM_PEER_H
#define STORM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "storm/manner.h"

struct mailhost;

struct peers {
	TAILQ_HEAD(, peer) list;
	int epoll; /* each is watched for input; data.ptr is the peer */
};

struct peer {
	TAILQ_ENTRY(peer) entry;
	struct peers *all;
	struct mailhost *m; /* whose it is; for mailhost.c */
	int fd;
	unsigned host;
	bool listener, gone;
	char *in;
	size_t len, cap;
	char out[512];
	size_t out_len, out_sent;
	/* the envelope */
	bool envelope, in_body;
	size_t mail;                 /* SIZE_MAX: not known yet */
	uint8_t rcpts;               /* bits */
	const struct manner *manner; /* NULL: well */
	unsigned victim;             /* the recipient that a manner AT_RCPT is about */
	size_t cut_at;
	int64_t read_at;
	/* what is said later */
	int64_t due; /* µs; 0: nothing */
	enum answer later;
};

void peers_init(struct peers *all);
void peers_free(struct peers *all);      /* hangs up on all */
void peers_free_gone(struct peers *all); /* nobody may have one that is gone in his hands */

struct peer *peer_new(struct peers *all, struct mailhost *m, int fd, unsigned host, bool listener);
void peer_hang_up(struct peer *p, bool reset); /* then it is gone */
void peer_say(struct peer *p, const char *text);
void peer_flood(struct peer *p); /* a line without end, as far as it is taken; then hangs up */

#endif
