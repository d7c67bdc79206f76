#include "support/api.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/wait.h"

#define CALL_TIMEOUT_S 120L

/* --- the process ------------------------------------------------------------------------------------------- */

static int port_of(const struct process *p)
{
	char *log = process_stderr(p);
	const char *line = strstr(log, "\"event\":\"api_started\""), *port;
	int n = 0;

	assert_non_null(line);
	port = strstr(line, "\"port\":");
	assert_non_null(port);
	n = (int)strtol(port + strlen("\"port\":"), NULL, 10);
	free(log);
	return n;
}

struct api_process api_start_alone(struct fleet *f, const char *const *extra)
{
	const char *settings[16] = {"PORT=0"};
	struct api_process a = {NULL, 0, false, NULL};
	size_t n = 1;

	for (; extra != NULL && *extra != NULL; extra++) {
		assert_true(n < 15);
		settings[n++] = *extra;
	}
	settings[n] = NULL;
	a.process = fleet_run(f, (const char *const[]){"api", NULL}, settings);
	process_wait_line(a.process, "\"event\":\"api_started\"", 0);
	a.port = port_of(a.process);
	return a;
}

struct api_process api_start(struct fleet *f, const char *const *extra)
{
	struct api_process a = api_start_alone(f, extra);

	process_wait_line(a.process, "\"event\":\"redis_ready\"", 0);
	return a;
}

/* --- the record -------------------------------------------------------------------------------------------- */

static FILE *record;

void api_record(const char *path)
{
	if (record != NULL)
		fclose(record);
	record = path != NULL ? fopen(path, "ae") : NULL;
	assert_true(path == NULL || record != NULL);
}

static void record_call(const char *method, const char *path, const struct answer *r)
{
	cJSON *line = cJSON_CreateObject();
	char *text;

	if (record != NULL && r->status != 0) {
		cJSON_AddStringToObject(line, "method", method);
		cJSON_AddStringToObject(line, "path", path);
		cJSON_AddNumberToObject(line, "status", r->status);
		cJSON_AddStringToObject(line, "head", r->head);
		cJSON_AddStringToObject(line, "body", r->body);
		text = cJSON_PrintUnformatted(line);
		fprintf(record, "%s\n", text);
		fflush(record);
		free(text);
	}
	cJSON_Delete(line);
}

/* --- calls ------------------------------------------------------------------------------------------------- */

struct text {
	char *bytes;
	size_t n;
};

static size_t on_bytes(char *bytes, size_t size, size_t n, void *data)
{
	struct text *t = data;

	t->bytes = realloc(t->bytes, t->n + size * n + 1);
	if (t->bytes == NULL)
		return 0;
	memcpy(t->bytes + t->n, bytes, size * n);
	t->n += size * n;
	t->bytes[t->n] = '\0';
	return size * n;
}

struct call {
	CURL *curl;
	char *method, *path;
	struct curl_slist *headers;
	struct text head, body;
};

static void call_init(struct call *c, const struct api_process *a, const char *method,
                      const char *path, const char *body, const char *const *headers)
{
	char url[2048];

	memset(c, 0, sizeof(*c));
	c->method = strdup(method);
	c->path = strdup(path);
	c->curl = curl_easy_init();
	assert_non_null(c->curl);
	snprintf(url, sizeof(url), "%s://127.0.0.1:%d%s", a->https ? "https" : "http", a->port,
	         path);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, CALL_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &c->body);
	curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, on_bytes);
	curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, &c->head);
	if (a->ca != NULL)
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, a->ca);
	if (body != NULL) {
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, body);
	} else if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, "");
	}
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(c->curl, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	c->headers = curl_slist_append(NULL, "Expect:");
	for (; headers != NULL && *headers != NULL; headers++)
		c->headers = curl_slist_append(c->headers, *headers);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
}

static struct answer *call_end(struct call *c)
{
	struct answer *r = calloc(1, sizeof(*r));
	long status = 0;

	assert_non_null(r);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	r->status = (int)status;
	r->head = c->head.bytes != NULL ? c->head.bytes : strdup("");
	r->body = c->body.bytes != NULL ? c->body.bytes : strdup("");
	r->json = cJSON_Parse(r->body);
	record_call(c->method, c->path, r);
	free(c->method);
	free(c->path);
	curl_slist_free_all(c->headers);
	curl_easy_cleanup(c->curl);
	return r;
}

struct answer *api_call(const struct api_process *a, const char *method, const char *path,
                        const char *body, const char *const *headers)
{
	struct call c;

	call_init(&c, a, method, path, body, headers);
	(void)curl_easy_perform(c.curl);
	return call_end(&c);
}

struct answer *api_post(const struct api_process *a, const char *path, const char *body,
                        const char *const *headers)
{
	const char *all[16] = {"Content-Type: application/json"};
	size_t n = 1;

	for (; headers != NULL && *headers != NULL; headers++) {
		assert_true(n < 15);
		all[n++] = *headers;
	}
	all[n] = NULL;
	return api_call(a, "POST", path, body, all);
}

struct posted {
	const struct api_process *api;
	const char *path, *body;
	int status;
};

static bool is_taken(void *data)
{
	struct posted *p = data;
	struct answer *r = api_post(p->api, p->path, p->body, NULL);

	p->status = r->status;
	if (r->status != 503 && r->status != 202)
		answer_status(r, 200);
	answer_free(r);
	return p->status != 503;
}

int api_post_until_taken(const struct api_process *a, const char *path, const char *body)
{
	struct posted p = {a, path, body, 0};

	wait_until(is_taken, &p, 0);
	return p.status;
}

struct answer *api_get(const struct api_process *a, const char *path)
{
	return api_call(a, "GET", path, NULL, NULL);
}

void api_post_at_once(const struct api_process *a, const struct api_process *b, const char *path,
                      const char *body, size_t n, struct answer **answers)
{
	api_post_at_once_with(a, b, path, body, NULL, n, answers);
}

void api_post_at_once_with(const struct api_process *a, const struct api_process *b,
                           const char *path, const char *body, const char *header, size_t n,
                           struct answer **answers)
{
	const char *const headers[] = {"Content-Type: application/json", header, NULL};
	struct call *calls = calloc(n, sizeof(*calls));
	CURLM *multi = curl_multi_init();
	int running = 1;

	assert_non_null(calls);
	assert_non_null(multi);
	for (size_t i = 0; i < n; i++) {
		call_init(&calls[i], b != NULL && i % 2 == 1 ? b : a, "POST", path, body, headers);
		curl_multi_add_handle(multi, calls[i].curl);
	}
	while (running > 0) {
		assert_int_equal(curl_multi_perform(multi, &running), CURLM_OK);
		if (running > 0)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	for (size_t i = 0; i < n; i++) {
		curl_multi_remove_handle(multi, calls[i].curl);
		answers[i] = call_end(&calls[i]);
	}
	curl_multi_cleanup(multi);
	free(calls);
}

void answer_free(struct answer *r)
{
	if (r == NULL)
		return;
	cJSON_Delete(r->json);
	free(r->head);
	free(r->body);
	free(r);
}

/* --- looking at answers ------------------------------------------------------------------------------------ */

char *answer_header(const struct answer *r, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = r->head; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			line += n + 1 + strspn(line + n + 1, " ");
			return strndup(line, strcspn(line, "\r\n"));
		}
	}
	return NULL;
}

static const cJSON *find(const struct answer *r, const char *path)
{
	const cJSON *at = r->json;

	while (at != NULL && *path != '\0') {
		size_t n = strcspn(path, ".");
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(name, NULL, 10))
		                       : cJSON_GetObjectItemCaseSensitive(at, name);
		path += n + (path[n] == '.');
	}
	return at;
}

const cJSON *answer_at(const struct answer *r, const char *path)
{
	const cJSON *at = find(r, path);

	if (at == NULL)
		fail_msg("there is no %s in %d %s", path, r->status, r->body);
	return at;
}

bool answer_has(const struct answer *r, const char *path)
{
	return find(r, path) != NULL;
}

void answer_is_at(const char *file, int line, const struct answer *r, const char *path,
                  const char *value)
{
	const cJSON *at = find(r, path);
	char *text = at == NULL           ? strdup("(absent)")
	             : cJSON_IsString(at) ? strdup(at->valuestring)
	                                  : cJSON_PrintUnformatted(at);

	if (strcmp(text, value) != 0) {
		print_error("%s is %s, not %s, in: %d %s\n", path, text, value, r->status, r->body);
		_fail(file, line);
	}
	free(text);
}

void answer_status_at(const char *file, int line, const struct answer *r, int status)
{
	if (r->status == status)
		return;
	print_error("answered %d, not %d: %s\n", r->status, status, r->body);
	_fail(file, line);
}

void api_expect_at(const char *file, int line, const struct api_process *a, int status,
                   const char *method, const char *path, const char *body)
{
	struct answer *r = body != NULL ? api_call(a, method, path, body,
	                                           (const char *const[]){
							   "Content-Type: application/json", NULL})
	                                : api_call(a, method, path, NULL, NULL);
	char text[16];

	answer_status_at(file, line, r, status);
	if (status >= 400 && strcmp(method, "HEAD") != 0) {
		char *type = answer_header(r, "Content-Type");

		snprintf(text, sizeof(text), "%d", status);
		assert_string_equal(type, "application/problem+json");
		free(type);
		answer_is_at(file, line, r, "status", text);
		assert_true(answer_has(r, "type") && answer_has(r, "title") &&
		            answer_has(r, "detail"));
		assert_true(answer_has(r, "error") && answer_has(r, "message"));
	}
	answer_free(r);
}

/* --- bytes --------------------------------------------------------------------------------------------------- */

int api_connect(const struct api_process *a)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
	struct timeval wait = {CALL_TIMEOUT_S, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

void api_write(int fd, const char *text)
{
	size_t n = strlen(text), sent = 0;

	while (sent < n) {
		ssize_t now = send(fd, text + sent, n - sent, MSG_NOSIGNAL);

		if (now <= 0)
			return; /* it was hung up: the answer tells */
		sent += (size_t)now;
	}
}

char *api_read_all(int fd)
{
	struct text all = {calloc(1, 1), 0};
	char some[4096];
	ssize_t n;

	while ((n = recv(fd, some, sizeof(some), 0)) > 0)
		on_bytes(some, 1, (size_t)n, &all);
	return all.bytes;
}

/* The answer's lines and body out of its bytes. */
static void record_raw(const char *request, const char *all)
{
	const char *end = strstr(all, "\r\n\r\n"), *path = strchr(request, ' ');
	struct answer r = {0};
	char *method, *target;

	if (record == NULL || end == NULL || strncmp(all, "HTTP/1.1 ", 9) != 0)
		return;
	method = strndup(request, (size_t)(path - request));
	target = strndup(path + 1, strcspn(path + 1, " "));
	r.status = (int)strtol(all + 9, NULL, 10);
	r.head = strndup(all, (size_t)(end - all));
	r.body = strdup(end + 4);
	record_call(method, target, &r);
	free(method);
	free(target);
	free(r.head);
	free(r.body);
}

char *api_raw(const struct api_process *a, const char *text)
{
	int fd = api_connect(a);
	char *all;

	api_write(fd, text);
	all = api_read_all(fd);
	close(fd);
	record_raw(text, all);
	return all;
}
