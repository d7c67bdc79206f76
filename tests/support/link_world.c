#include "support/link_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "redis/topology_config.h"
#include "support/tmpdir.h"

/* What rides in a command's data pointer. */
struct tag {
	struct link_world *world;
	int command;
};

struct link_world *link_world_new(struct redis_server *server, const char *url)
{
	struct link_world *w = mem_zalloc(sizeof(*w));
	struct topology_config config;
	struct error err;
	w->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(w->loop);
	w->server = server;
	w->close_at_answer = w->close_at_up = w->close_at_down = -1;
	w->stderr_fd = -1;
	if (!topology_config_parse(&config, url, &err))
		fail_msg("%s", err.text);
	link_config_copy(&w->config, &config.link);
	topology_config_free(&config);
	return w;
}

struct link_world *link_world_up(const char *const *server_args)
{
	struct redis_server *server = redis_server_start(server_args);
	struct link_world *w = link_world_new(server, redis_server_url(server));
	link_world_open(w);
	wait_loop_until(w->loop, link_world_is_up, w, 0);
	return w;
}

void link_world_free(struct link_world *w)
{
	if (w->link)
		link_world_close(w);
	link_config_free(&w->config);
	redis_server_free(w->server);
	ev_loop_destroy(w->loop);
	mem_free(w);
}

static void on_change(void *data, bool up)
{
	struct link_world *w = data;
	if (up)
		w->ups++;
	else
		w->downs++;
	if (w->link && (w->ups == w->close_at_up || w->downs == w->close_at_down))
		link_world_close(w);
}

void link_world_open(struct link_world *w)
{
	w->link = link_open(w->loop, &w->config, on_change, w);
}

void link_world_close(struct link_world *w)
{
	struct link *l = w->link;
	w->link = NULL;
	link_close(l);
}

bool link_world_is_up(void *world)
{
	const struct link_world *w = world;
	return w->link && link_up(w->link);
}

bool link_world_is_down(void *world)
{
	return !link_world_is_up(world);
}

bool link_world_is_closed(void *world)
{
	const struct link_world *w = world;
	return !w->link;
}

bool link_world_all_answered(void *world)
{
	const struct link_world *w = world;
	return w->n_answers == w->sent;
}

static void on_answer(void *data, enum link_result result, const redisReply *reply)
{
	struct tag tag = *(struct tag *)data;
	struct link_world *w = tag.world;
	mem_free(data);
	if (w->n_answers < LINK_WORLD_MAX_ANSWERS) {
		struct link_world_answer *a = &w->answers[w->n_answers];
		a->command = tag.command;
		a->result = result;
		a->link_was_up = w->link && link_up(w->link);
		a->after_down = w->downs == w->ups;
		if (reply && reply->str)
			snprintf(a->text, sizeof(a->text), "%s", reply->str);
		if (reply)
			a->integer = reply->integer;
	}
	w->n_answers++;
	if (tag.command == w->close_at_answer && w->link)
		link_world_close(w);
}

static void send_for(struct link_world *w, struct command *c, int deadline_ms)
{
	struct tag *tag = mem_alloc(sizeof(*tag));
	*tag = (struct tag){w, w->sent};
	assert_true(link_send(w->link, c, deadline_ms, on_answer, tag));
	w->sent++;
}

void link_world_send_command(struct link_world *w, struct command *c)
{
	send_for(w, c, 0);
}

void link_world_send_deadline(struct link_world *w, int deadline_ms, const char *text)
{
	struct command c;
	command_init(&c);
	for (const char *at = text;; at++) {
		size_t n = strcspn(at, " ");
		command_arg(&c, at, n);
		at += n;
		if (!*at)
			break;
	}
	send_for(w, &c, deadline_ms);
	command_free(&c);
}

void link_world_send(struct link_world *w, const char *text)
{
	link_world_send_deadline(w, 0, text);
}

static const struct link_world_answer *last_answer(struct link_world *w)
{
	wait_loop_until(w->loop, link_world_all_answered, w, 0);
	return &w->answers[w->n_answers - 1];
}

const struct link_world_answer *link_world_ask(struct link_world *w, const char *text)
{
	link_world_send(w, text);
	return last_answer(w);
}

const struct link_world_answer *link_world_ask_script(struct link_world *w, const char *lua,
                                                      const char *key)
{
	struct command c;
	command_init(&c);
	command_str(&c, "EVAL");
	command_str(&c, lua);
	command_int(&c, 1);
	command_str(&c, key);
	link_world_send_command(w, &c);
	command_free(&c);
	return last_answer(w);
}

void link_world_assert_all(const struct link_world *w, int first, enum link_result result)
{
	assert_int_equal(w->n_answers, w->sent);
	for (int i = first; i < w->n_answers; i++) {
		assert_int_equal(w->answers[i].command, i);
		assert_int_equal(w->answers[i].result, result);
	}
}

void link_world_capture_log(struct link_world *w)
{
	fflush(stderr);
	w->log_path = tmpdir_file("log", "", 0);
	w->stderr_fd = dup(STDERR_FILENO);
	int fd = open(w->log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0 && w->stderr_fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
}

char *link_world_captured_log(struct link_world *w)
{
	fflush(stderr);
	dup2(w->stderr_fd, STDERR_FILENO);
	close(w->stderr_fd);
	char *text = tmpdir_read(w->log_path, NULL);
	free(w->log_path);
	return text;
}

int link_world_count(const char *text, const char *part)
{
	int n = 0;
	for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
		n++;
	return n;
}
