#include "cli/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/child.h"
#include "cli/cmd.h"

#define MAX_LINE 16384
#define MAX_ENV 64
#define FIRST_PAUSE 0.2
#define LAST_PAUSE 10.0
#define HEALTHY_US 30000000 /* who has lived so long starts again at once */

static bool member_start(struct crew_member *m, struct error *err);

static void member_notice(const struct crew_member *m, const char *text)
{
	char notice[512];

	snprintf(notice, sizeof(notice), "%s %s", m->name, text);
	m->crew->on_notice(m->crew->data, notice);
}

/* --- its log --------------------------------------------------------------------------------------- */

static void member_say(struct crew_member *m, const char *line)
{
	mem_free(m->last_line);
	m->last_line = mem_strdup(line);
	m->crew->on_line(m->crew->data, m->name, line);
}

/* The complete lines that have come; a line of endless length is cut. */
static void member_take_lines(struct crew_member *m, bool all)
{
	char *end;

	while (m->line.len > 0 && (end = memchr(m->line.data, '\n', m->line.len)) != NULL) {
		*end = '\0';
		member_say(m, m->line.data);
		buf_consume(&m->line, (size_t)(end + 1 - m->line.data));
	}
	if (m->line.len > 0 && (all || m->line.len >= MAX_LINE / 2)) {
		member_say(m, buf_str(&m->line));
		buf_clear(&m->line);
	}
}

static void member_close_log(struct crew_member *m)
{
	ev_io_stop(m->crew->loop, &m->log);
	if (m->log_fd >= 0)
		close(m->log_fd);
	m->log_fd = -1;
}

/* Takes what is there now. True: there was something, and there may be more. */
static bool member_read(struct crew_member *m)
{
	char chunk[4096];
	ssize_t n = m->log_fd >= 0 ? read(m->log_fd, chunk, sizeof(chunk)) : -1;

	if (n > 0) {
		buf_add(&m->line, chunk, (size_t)n);
		member_take_lines(m, false);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	member_take_lines(m, true);
	member_close_log(m);
	return false;
}

static void member_on_log(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	(void)member_read(io->data);
}

/* --- its life --------------------------------------------------------------------------------------- */

static void member_tell(struct crew_member *m)
{
	m->told = true;
	kill(m->pid, SIGTERM);
}

/* Who is told to end next: those in front, then those behind them. */
static void crew_go_on_ending(struct crew *c)
{
	bool front = false, any = false;

	for (size_t i = 0; i < c->n; i++) {
		any = any || c->members[i].pid > 0;
		front = front || (c->members[i].pid > 0 && c->members[i].front);
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->members[i].pid > 0 && !c->members[i].told && c->members[i].front == front)
			member_tell(&c->members[i]);
	if (!any)
		c->on_end(c->data, c->misconfigured ? c->why : NULL);
}

static void member_start_again(struct crew_member *m, const char *fate)
{
	char text[256];

	if (clock_mono_us() - m->started_at >= HEALTHY_US)
		m->pause = FIRST_PAUSE;
	snprintf(text, sizeof(text), "%s; it is started again in %.1f s", fate, m->pause);
	member_notice(m, text);
	ev_timer_set(&m->again, m->pause, 0.);
	ev_timer_start(m->crew->loop, &m->again);
	m->pause = m->pause * 2 < LAST_PAUSE ? m->pause * 2 : LAST_PAUSE;
}

static void member_on_child(struct ev_loop *loop, ev_child *child, int events)
{
	struct crew_member *m = child->data;
	struct crew *c = m->crew;
	char fate[128];

	(void)events;
	ev_child_stop(loop, child);
	m->pid = 0;
	while (member_read(m))
		;
	member_take_lines(m, true);
	member_close_log(m);
	child_fate(fate, sizeof(fate), child->rstatus);
	if (!c->stopping && !m->started_again && WIFEXITED(child->rstatus) &&
	    WEXITSTATUS(child->rstatus) == CMD_USAGE) {
		/* The configuration: no start will ever be better than this one. */
		c->misconfigured = true;
		snprintf(c->why, sizeof(c->why), "%s",
		         m->last_line != NULL ? m->last_line : "it says nothing");
		crew_stop(c);
		return;
	}
	if (!c->stopping) {
		member_start_again(m, fate);
		return;
	}
	/* SIGTERM is ours, come before it could be caught. */
	if (child->rstatus != 0 && !c->misconfigured &&
	    !(WIFSIGNALED(child->rstatus) && WTERMSIG(child->rstatus) == SIGTERM))
		member_notice(m, fate);
	crew_go_on_ending(c);
}

static void member_on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct crew_member *m = timer->data;
	struct error err;

	(void)loop;
	(void)events;
	if (m->crew->stopping)
		return;
	m->started_again = true;
	if (!member_start(m, &err))
		member_start_again(m, err.text);
}

static bool member_start(struct crew_member *m, struct error *err)
{
	struct crew *c = m->crew;
	char *name = mem_printf("WORKER_NAME=%s", m->name);
	const char *env[MAX_ENV + 2] = {name};
	struct child_spec spec = {m->argv, env, c->death_signal, true};
	bool ok;

	for (size_t i = 0; c->env != NULL && c->env[i] != NULL && i < MAX_ENV; i++)
		env[i + 1] = c->env[i];
	ok = child_start(&spec, &m->pid, &m->log_fd, err);
	mem_free(name);
	if (!ok) {
		m->pid = 0;
		return false;
	}
	m->started_at = clock_mono_us();
	buf_clear(&m->line);
	ev_child_set(&m->child, m->pid, 0);
	ev_child_start(c->loop, &m->child);
	ev_io_set(&m->log, m->log_fd, EV_READ);
	ev_io_start(c->loop, &m->log);
	return true;
}

/* --- all of them ------------------------------------------------------------------------------------ */

bool crew_add(struct crew *c, const char *name, const char *const *argv, bool front,
              struct error *err)
{
	struct crew_member *m = &c->members[c->n];

	if (c->n == CREW_MAX)
		return error_set(err, "there are %d processes already", CREW_MAX);
	m->crew = c;
	m->name = mem_strdup(name);
	m->argv = argv;
	m->front = front;
	m->log_fd = -1;
	m->pause = FIRST_PAUSE;
	buf_init(&m->line, MAX_LINE);
	ev_init(&m->child, member_on_child);
	ev_init(&m->log, member_on_log);
	ev_init(&m->again, member_on_again);
	m->child.data = m->log.data = m->again.data = m;
	c->n++;
	return member_start(m, err);
}

void crew_stop(struct crew *c)
{
	bool again = c->stopping;

	c->stopping = true;
	for (size_t i = 0; i < c->n; i++) {
		ev_timer_stop(c->loop, &c->members[i].again);
		if (again && c->members[i].pid > 0)
			member_tell(&c->members[i]);
	}
	if (!again)
		crew_go_on_ending(c);
}

void crew_free(struct crew *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct crew_member *m = &c->members[i];

		ev_timer_stop(c->loop, &m->again);
		ev_child_stop(c->loop, &m->child);
		member_close_log(m);
		if (m->pid > 0) {
			kill(m->pid, SIGKILL);
			(void)waitpid(m->pid, NULL, 0);
		}
		buf_free(&m->line);
		mem_free(m->name);
		mem_free(m->last_line);
	}
	c->n = 0;
}
