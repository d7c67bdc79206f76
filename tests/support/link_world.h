/* link_world.h - a link, its server and its loop, and a record of all that the link tells.
 *
 * For the tests of the link: its callbacks only record, and the test asserts afterwards. */
#ifndef SUPPORT_LINK_WORLD_H
#define SUPPORT_LINK_WORLD_H

#include <ev.h>
#include <stdbool.h>

#include "base/attr.h"
#include "redis/link.h"
#include "support/redis_server.h"
#include "support/wait.h"

#define LINK_WORLD_MAX_ANSWERS 4096

struct link_world_answer {
	int command; /* the how-manieth that was sent */
	enum link_result result;
	bool link_was_up;
	bool after_down; /* on_change(down) had been told already */
	long long integer;
	char text[160];
};

struct link_world {
	struct ev_loop *loop;
	struct redis_server *server; /* may be NULL */
	struct link *link;           /* NULL when it is closed */
	struct link_config config;   /* may be changed before link_world_open */
	int ups, downs;              /* how often on_change has said so */
	int sent, n_answers;
	struct link_world_answer answers[LINK_WORLD_MAX_ANSWERS];
	/* link_close is called within the answer to this command, or within this change; -1: never */
	int close_at_answer, close_at_up, close_at_down;
	int stderr_fd; /* the real one, while the log is captured */
	char *log_path;
};

/* Takes over the server. */
struct link_world *link_world_new(struct redis_server *server, const char *url) MUST_CHECK;
/* A new server with these arguments, and a link that is up. */
struct link_world *link_world_up(const char *const *server_args) MUST_CHECK;
void link_world_free(struct link_world *w);
void link_world_open(struct link_world *w);
void link_world_close(struct link_world *w);

/* Conditions to wait for; the argument is the world. */
bool link_world_is_up(void *world);
bool link_world_is_down(void *world);
bool link_world_is_closed(void *world);
bool link_world_all_answered(void *world);

/* Sending fails the test when the link refuses. Arguments are separated by single spaces. */
void link_world_send(struct link_world *w, const char *text);
void link_world_send_deadline(struct link_world *w, int deadline_ms, const char *text);
void link_world_send_command(struct link_world *w, struct command *c);
/* Sends and waits for the answer. */
const struct link_world_answer *link_world_ask(struct link_world *w, const char *text);
/* EVAL with one key. */
const struct link_world_answer *link_world_ask_script(struct link_world *w, const char *lua,
                                                      const char *key);

/* Every command from `first` on was answered exactly once, in order, and with this result. */
void link_world_assert_all(const struct link_world *w, int first, enum link_result result);

/* Between the two the log goes into a file, whose text (free) the second returns. A test that
 * fails in between would fail silently: record first, assert after. */
void link_world_capture_log(struct link_world *w);
char *link_world_captured_log(struct link_world *w) MUST_CHECK;
/* How often `part` is in the text. */
int link_world_count(const char *text, const char *part);

#endif
