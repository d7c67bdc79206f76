#include "provider/http_client.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sigpipe.h"
#include "provider/http_end.h"
#include "provider/http_multi.h"
#include "provider/public_address.h"

#define USER_AGENT "postrider/" POSTRIDER_VERSION

/* What happens to a request is recorded in it, and acted upon in one place, advance(), when
 * libcurl has returned: it may not be called from its own callbacks. */
struct http_client {
	struct http_multi multi; /* first: on_progress gets this */
	struct ev_loop *loop;
	struct http_config config;
	char *ca_file;
	ev_timer tell; /* makes advance() be called from the loop */
	TAILQ_HEAD(, http_request) told;
	struct http_request *spare;
	struct http_client_stats stats;
};

static void advance(struct http_client *c);

/* --- what libcurl asks of us ------------------------------------------------------------------ */

static void tell(struct http_request *r)
{
	if (r->is_told)
		return;
	r->is_told = true;
	TAILQ_INSERT_TAIL(&r->client->told, r, told);
}

static void untell(struct http_request *r)
{
	if (!r->is_told)
		return;
	r->is_told = false;
	TAILQ_REMOVE(&r->client->told, r, told);
}

/* The server's FIN stays unseen as long as the transfer is paused: libcurl would find it with the
 * last byte already gone, and nobody could know any more. */
static bool hung_up(const struct http_request *r)
{
	struct pollfd fd = {.fd = r->fd, .events = POLLRDHUP};

	return r->fd >= 0 && poll(&fd, 1, 0) > 0 &&
	       (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static size_t on_read(char *to, size_t size, size_t n, void *data)
{
	struct http_request *r = data;
	size_t room = size * n, left = r->call.body.len - r->given;

	if (left > 1) {
		size_t take = left - 1 < room ? left - 1 : room;

		memcpy(to, r->call.body.data + r->given, take);
		r->given += take;
		return take;
	}
	if (left == 0 || room == 0)
		return 0;
	if (r->answered) /* what it says of half a request does not call for the rest */
		return CURL_READFUNC_ABORT;
	if (!r->released) {
		r->held = true;
		tell(r);
		return CURL_READFUNC_PAUSE;
	}
	r->hung_up = hung_up(r);
	if (r->hung_up)
		return CURL_READFUNC_ABORT;
	r->passed = true;
	*to = r->call.body.data[r->given++];
	return 1;
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
	struct http_request *r = data;

	n *= size;
	if (http_reply_line(&r->reply, line, n) && r->reply.status >= 200 && !r->answered) {
		r->answered = true;
		tell(r);
	}
	return n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
	struct http_request *r = data;

	n *= size;
	if (http_reply_body(&r->reply, bytes, n))
		return n;
	r->overlong = true;
	return 0;
}

/* Called when the request is about to be written. The second time libcurl would send it again. */
static int on_start(void *data, char *to_ip, char *from_ip, int to_port, int from_port)
{
	struct http_request *r = data;

	(void)to_ip;
	(void)from_ip;
	(void)to_port;
	(void)from_port;
	return ++r->starts == 1 || r->call.get ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct http_request *r = data;

	(void)purpose;
	if (!public_address(&a->addr)) {
		r->refused = true;
		return CURL_SOCKET_BAD;
	}
	r->opened = true;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static struct http_request *request_of(CURL *easy)
{
	struct http_request *r = NULL;

	return curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r) == CURLE_OK ? r : NULL;
}

static void on_socket(CURL *easy, int fd, bool gone)
{
	struct http_request *r = request_of(easy); /* NULL: libcurl's own, to close connections */

	/* Kept when it is gone: after a FIN libcurl looks at it no more, but hung_up() must. */
	if (r != NULL && !gone)
		r->fd = fd;
}

/* --- one request ------------------------------------------------------------------------------ */

static void set_deadline(struct http_request *r, long ms)
{
	struct ev_loop *loop = r->client->loop;

	ev_timer_stop(loop, &r->timer);
	if (ms <= 0)
		return;
	ev_now_update(loop); /* else the time that this turn has taken so far would count */
	ev_timer_set(&r->timer, (double)ms / 1e3, 0.);
	ev_timer_start(loop, &r->timer);
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http_request *r = timer->data;

	(void)loop;
	(void)events;
	r->timed_out = true;
	tell(r);
	advance(r->client);
}

static void free_headers(struct http_request *r)
{
	for (struct curl_slist *h = r->headers; h != NULL; h = h->next)
		mem_wipe(h->data, strlen(h->data));
	curl_slist_free_all(r->headers);
	r->headers = NULL;
}

static bool add_header(struct http_request *r, const char *line)
{
	struct curl_slist *more = curl_slist_append(r->headers, line);

	if (more != NULL)
		r->headers = more;
	return more != NULL;
}

static bool add_headers(struct http_request *r)
{
	char *lines = mem_strdup(buf_str(&r->call.headers)), *rest = lines, *line;
	size_t n = strlen(lines);
	bool ok = add_header(
		r, "Expect:"); /* else it comes by itself above 1 MiB, and costs a second */

	while (ok && (line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			ok = add_header(r, line);
	mem_wipe(lines, n);
	mem_free(lines);
	return ok;
}

/* Set for each transfer; curl_easy_setopt fails only when memory is short or an option unknown. */
static bool prepare(struct http_request *r)
{
	const struct http_client *c = r->client;
	CURL *e = r->easy;
	CURLcode rc = CURLE_OK;

#define SET(OPTION, VALUE) (rc = rc == CURLE_OK ? curl_easy_setopt(e, OPTION, VALUE) : rc)
	SET(CURLOPT_URL, buf_str(&r->call.url));
	SET(CURLOPT_HTTPHEADER, r->headers);
	if (r->call.get) {
		SET(CURLOPT_HTTPGET, 1L);
	} else {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, NULL);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->call.body.len);
	}
	if (c->config.chunk > 0)
		SET(CURLOPT_UPLOAD_BUFFERSIZE, c->config.chunk);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, r);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, r);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, r);
	SET(CURLOPT_PREREQFUNCTION, on_start);
	SET(CURLOPT_PREREQDATA, r);
	SET(CURLOPT_PRIVATE, r);
	SET(CURLOPT_ERRORBUFFER, r->error);
	SET(CURLOPT_FRESH_CONNECT, r->restarted ? 1L : 0L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, c->config.connect_ms);
	SET(CURLOPT_MAXAGE_CONN, (c->config.idle_ms + 999) / 1000);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, c->config.clear_text ? "http" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->ca_file[0] != '\0') {
		SET(CURLOPT_CAINFO, c->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (c->config.direct)
		SET(CURLOPT_PROXY, "");
	if (c->config.public_only) {
		SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
		SET(CURLOPT_OPENSOCKETDATA, r);
	}
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	/* A request that is given up during a look-up must not wait for the thread that does it. */
	SET(CURLOPT_QUICK_EXIT, 1L);
#undef SET
	if (rc != CURLE_OK)
		r->rc = rc;
	return rc == CURLE_OK;
}

static void start(struct http_request *r)
{
	struct http_client *c = r->client;

	r->fd = -1;
	r->given = 0;
	r->starts = 0;
	r->held = r->released = r->hung_up = r->answered = r->resumed = r->overlong = false;
	r->timed_out = r->refused = r->opened = r->over = false;
	r->passed = r->call.get;
	r->error[0] = '\0';
	http_reply_clear(&r->reply);
	set_deadline(r,
	             c->config.connect_ms + (r->call.get ? c->config.reply_ms : c->config.send_ms));
	r->rc = CURLE_OUT_OF_MEMORY;
	if (r->easy == NULL) /* there was no memory for it */
		r->easy = curl_easy_init();
	if (r->easy != NULL && add_headers(r) && prepare(r) &&
	    curl_multi_add_handle(c->multi.multi, r->easy) == CURLM_OK)
		return;
	r->over = true;
	tell(r);
	ev_feed_event(c->loop, &c->tell, EV_CUSTOM);
}

/* Out of libcurl's hands: what was not finished is broken off. */
static void stop(struct http_request *r)
{
	struct http_client *c = r->client;
	long opened = 0;

	if (curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &opened) == CURLE_OK && opened > 0)
		c->stats.connections += (uint64_t)opened;
	(void)curl_multi_remove_handle(c->multi.multi, r->easy);
	if (!r->over || r->rc != CURLE_OK) {
		/* A handle whose body could not be sent again goes on trying to (8.14). */
		curl_easy_cleanup(r->easy);
		r->easy = curl_easy_init();
	}
	ev_timer_stop(c->loop, &r->timer);
	untell(r);
	free_headers(r);
	r->fd = -1;
}

static void give_back(struct http_request *r)
{
	http_call_clear(&r->call);
	http_reply_clear(&r->reply);
	r->data = NULL;
	r->next = r->client->spare;
	r->client->spare = r;
}

/* --- what follows ----------------------------------------------------------------------------- */

static void finish(struct http_request *r)
{
	struct http_result result;
	bool again;

	http_end_describe(r, &result);
	again = http_end_restarts(r, &result);
	stop(r);
	if (again) {
		r->client->stats.restarts++;
		r->restarted = true;
		start(r);
		return;
	}
	r->on_end(r, &result);
	give_back(r);
}

/* Something has happened to r; what follows from it. */
static void act(struct http_request *r)
{
	if (r->over || r->timed_out) {
		finish(r);
		return;
	}
	if (r->answered && !r->passed) {
		/* libcurl reads the rest of the answer only when it may go on; nothing more is
		 * given to it. */
		if (!r->resumed && r->held) {
			r->resumed = true;
			set_deadline(r, r->client->config.reply_ms);
			(void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
		}
		return;
	}
	if (r->held && !r->held_told) {
		r->held_told = true;
		set_deadline(r, 0); /* the caller has its own for this */
		r->on_held(r);
	}
}

static void collect(struct http_client *c)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi.multi, &left)) != NULL) {
		struct http_request *r = request_of(message->easy_handle);

		if (message->msg != CURLMSG_DONE || r == NULL)
			continue;
		r->over = true;
		r->rc = message->data.result;
		tell(r);
	}
}

static void advance(struct http_client *c)
{
	struct http_request *r;

	collect(c);
	while ((r = TAILQ_FIRST(&c->told)) != NULL) {
		untell(r);
		act(r);
	}
}

static void on_tell(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	advance(timer->data);
}

/* --- for the caller --------------------------------------------------------------------------- */

static bool init_curl(struct error *err)
{
	static bool done;
	const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);

	if (!done && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, "libcurl %s cannot be initialized", version->version);
	done = true;
	if ((version->features & CURL_VERSION_ASYNCHDNS) == 0)
		return error_set(err,
		                 "libcurl %s was built without asynchronous look-ups, so that a "
		                 "dead name server would stop everything",
		                 version->version);
	return true;
}

static void on_progress(struct http_multi *m)
{
	advance((struct http_client *)m);
}

struct http_client *http_client_open(struct ev_loop *loop, const struct http_config *config,
                                     struct error *err)
{
	struct http_client *c;

	if (!init_curl(err))
		return NULL;
	c = mem_zalloc(sizeof(*c));
	if (!http_multi_open(&c->multi, loop, config->connections)) {
		error_set(err, "libcurl cannot be initialized");
		mem_free(c);
		return NULL;
	}
	c->multi.on_socket = on_socket;
	c->multi.on_progress = on_progress;
	c->loop = loop;
	c->config = *config;
	c->ca_file = mem_strdup(config->ca_file);
	c->config.ca_file = c->ca_file;
	TAILQ_INIT(&c->told);
	ev_init(&c->tell, on_tell);
	c->tell.data = c;
	sigpipe_ignore();
	return c;
}

void http_client_close(struct http_client *c)
{
	struct http_request *r;

	if (c == NULL)
		return;
	while ((r = c->spare) != NULL) {
		c->spare = r->next;
		curl_easy_cleanup(r->easy);
		http_call_free(&r->call);
		http_reply_free(&r->reply);
		mem_free(r);
	}
	http_multi_close(&c->multi);
	ev_timer_stop(c->loop, &c->tell);
	mem_free(c->ca_file);
	mem_free(c);
}

struct http_request *http_client_request(struct http_client *c)
{
	struct http_request *r = c->spare;

	if (r != NULL) {
		c->spare = r->next;
	} else {
		r = mem_zalloc(sizeof(*r));
		r->client = c;
		r->easy = curl_easy_init();
		http_call_init(&r->call, c->config.max_body);
		http_reply_init(&r->reply);
		ev_init(&r->timer, on_deadline);
		r->timer.data = r;
	}
	r->restarted = r->held_told = false;
	return r;
}

void http_client_send(struct http_request *r)
{
	start(r);
}

void http_client_release(struct http_request *r)
{
	if (r->answered || r->over || r->released)
		return; /* its end is on the way */
	r->released = true;
	set_deadline(r, r->client->config.reply_ms);
	(void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
}

void http_client_abandon(struct http_request *r)
{
	stop(r);
	give_back(r);
}

void http_client_stats(const struct http_client *c, struct http_client_stats *out)
{
	*out = c->stats;
}
