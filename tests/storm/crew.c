#include "storm/crew.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/failpoint.h"
#include "support/port.h"
#include "support/tmpdir.h"
#include "support/wait.h"

enum what { NOTHING, KILLING, STOPPING, STOPPED };

struct post {
	struct process *process;
	struct failpoint_page *page;
	char *page_path;
	enum what what;
	int64_t until; /* armed: patience ends; stopped: goes on */
	int64_t for_ms;
	uint32_t met; /* of the page, when it was armed */
	struct crew_count count;
};

struct crew {
	struct fleet *fleet;
	unsigned n; /* workers; post n is the API */
	struct post *posts;
	const char *(*url)(void *data, unsigned post);
	void *data;
	int api_port, patience_ms;
	bool failpoints;
};

/* ---- posts ----------------------------------------------------------------------------------------------- */

static void post_start(struct crew *c, unsigned i)
{
	struct post *p = &c->posts[i];
	char redis[256], page[256], port[32];
	bool api = i == c->n;
	const char *settings[] = {redis, page, api ? port : NULL, NULL};

	snprintf(redis, sizeof(redis), "REDIS_URL=%s", c->url(c->data, i));
	snprintf(page, sizeof(page), "FAILPOINT_FILE=%s", p->page_path);
	snprintf(port, sizeof(port), "PORT=%d", c->api_port);
	p->what = NOTHING;
	atomic_store(&p->page->signal, 0);
	p->process = fleet_run(c->fleet, (const char *const[]){api ? "api" : "worker", NULL},
	                       settings);
}

static void page_make(struct post *p)
{
	static const struct failpoint_page none;
	int fd;
	void *page;

	p->page_path = tmpdir_file("failpoint", &none, sizeof(none));
	fd = open(p->page_path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	page = mmap(NULL, sizeof(none), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(page != MAP_FAILED);
	close(fd);
	p->page = page;
}

struct crew *crew_start(struct fleet *f, unsigned n, int patience_ms,
                        const char *(*url)(void *data, unsigned post), void *data)
{
	struct crew *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = (struct crew){.fleet = f,
	                   .n = n,
	                   .url = url,
	                   .data = data,
	                   .api_port = port_free(),
	                   .patience_ms = patience_ms};
	c->posts = calloc(n + 1, sizeof(c->posts[0]));
	assert_non_null(c->posts);
	for (unsigned i = 0; i <= n; i++) {
		page_make(&c->posts[i]);
		post_start(c, i);
	}
	return c;
}

void crew_end(struct crew *c)
{
	for (unsigned i = 0; i <= c->n; i++) {
		c->failpoints = c->failpoints || atomic_load(&c->posts[i].page->open) != 0;
		fleet_end(c->fleet, c->posts[i].process);
		c->posts[i].process = NULL;
	}
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i <= c->n; i++) {
		munmap(c->posts[i].page, sizeof(struct failpoint_page));
		free(c->posts[i].page_path);
	}
	free(c->posts);
	free(c);
}

/* ---- faults ------------------------------------------------------------------------------------------------ */

static void arm(struct crew *c, struct post *p, enum what what, int signal, const char *point)
{
	p->what = what;
	p->until = wait_now_ms() + c->patience_ms;
	p->met = atomic_load(&p->page->met);
	snprintf(p->page->name, sizeof(p->page->name), "%s", point);
	atomic_store(&p->page->signal, signal);
}

static void replace(struct crew *c, unsigned i)
{
	struct post *p = &c->posts[i];

	c->failpoints = c->failpoints || atomic_load(&p->page->open) != 0;
	fleet_end(c->fleet, p->process);
	post_start(c, i);
}

static void kill_now(struct crew *c, unsigned i)
{
	process_kill(c->posts[i].process);
	c->posts[i].count.kills++;
	replace(c, i);
}

static void stop_now(struct post *p)
{
	process_signal(p->process, SIGSTOP);
	p->what = STOPPED;
	p->until = wait_now_ms() + p->for_ms;
	p->count.stops++;
}

bool crew_kill(struct crew *c, unsigned post, const char *point)
{
	struct post *p = &c->posts[post];

	if (p->what != NOTHING)
		return false;
	if (point)
		arm(c, p, KILLING, SIGKILL, point);
	else
		kill_now(c, post);
	return true;
}

bool crew_stop(struct crew *c, unsigned post, const char *point, int64_t ms)
{
	struct post *p = &c->posts[post];

	if (p->what != NOTHING)
		return false;
	p->for_ms = ms;
	if (point)
		arm(c, p, STOPPING, SIGSTOP, point);
	else
		stop_now(p);
	return true;
}

static void show_end(struct process *p, int status)
{
	char *text = process_stderr(p);
	size_t n = strlen(text);

	print_error("--- a process ended with %d:\n%s\n---\n", status,
	            n > 4000 ? text + n - 4000 : text);
	free(text);
}

/* It has ended: at its failpoint, or by itself. */
static void post_ended(struct crew *c, unsigned i)
{
	struct post *p = &c->posts[i];
	int status = process_wait(p->process, 0);

	if (p->what == KILLING && status == 256 + SIGKILL) {
		p->count.kills++;
		p->count.kills_at_points++;
	} else {
		p->count.crashes++;
		show_end(p->process, status);
	}
	replace(c, i);
}

static void post_turn(struct crew *c, unsigned i, int64_t now)
{
	struct post *p = &c->posts[i];
	bool met = atomic_load(&p->page->met) != p->met;

	if (!process_running(p->process)) {
		post_ended(c, i);
	} else if (p->what == STOPPING && met) {
		p->what = STOPPED;
		p->until = now + p->for_ms;
		p->count.stops++;
		p->count.stops_at_points++;
	} else if ((p->what == KILLING || p->what == STOPPING) && now >= p->until) {
		int32_t armed = atomic_exchange(&p->page->signal, 0);

		if (armed == 0)
			return; /* it passes there at this very moment: the next turn sees it */
		if (p->what == KILLING)
			kill_now(c, i);
		else
			stop_now(p);
	} else if (p->what == STOPPED && now >= p->until) {
		process_signal(p->process, SIGCONT);
		p->what = NOTHING;
	}
}

void crew_turn(struct crew *c)
{
	for (unsigned i = 0; i <= c->n; i++)
		post_turn(c, i, wait_now_ms());
}

bool crew_calm(const struct crew *c)
{
	for (unsigned i = 0; i <= c->n; i++)
		if (c->posts[i].what != NOTHING)
			return false;
	return true;
}

int crew_api_port(const struct crew *c)
{
	return c->api_port;
}

struct crew_count crew_count(const struct crew *c)
{
	struct crew_count sum = {0};

	for (unsigned i = 0; i < c->n; i++) {
		const struct crew_count *one = &c->posts[i].count;

		sum.kills += one->kills;
		sum.kills_at_points += one->kills_at_points;
		sum.stops += one->stops;
		sum.stops_at_points += one->stops_at_points;
		sum.crashes += one->crashes;
	}
	sum.crashes += c->posts[c->n].count.crashes;
	return sum;
}

size_t crew_api_kills(const struct crew *c)
{
	return c->posts[c->n].count.kills;
}

bool crew_has_failpoints(const struct crew *c)
{
	bool any = c->failpoints;

	for (unsigned i = 0; i <= c->n; i++)
		any = any || atomic_load(&c->posts[i].page->open) != 0;
	return any;
}
