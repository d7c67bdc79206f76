#include "api/request.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "api/server.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/random.h"
#include "mail/json.h"

#define RETRY_AFTER_SPREAD_S 4

static const struct {
	int status;
	const char *title;
} titles[] = {
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{421, "Misdirected Request"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
};

static const char *title_of(int status)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

const char *request_get(const struct request *r, const char *header)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, header);
}

const char *request_query(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct fields {
	const char *name;
	struct buf all;
};

static enum MHD_Result add_field(void *data, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
	struct fields *f = data;

	(void)kind;
	if (strcasecmp(name, f->name) == 0 && value != NULL) {
		buf_add_str(&f->all, f->all.len > 0 ? ", " : "");
		buf_add_str(&f->all, value);
	}
	return MHD_YES;
}

char *request_get_all(const struct request *r, const char *header)
{
	struct fields f = {.name = header};

	if (request_get(r, header) == NULL)
		return NULL;
	buf_init(&f.all, (size_t)SERVER_MAX_HEAD * 2);
	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, add_field, &f);
	return buf_take(&f.all);
}

bool request_read(struct request *r, cJSON **body)
{
	struct error err;
	char text[sizeof(err.text) + 64];

	if (r->body.len == 0) {
		*body = cJSON_CreateObject();
		return true;
	}
	*body = json_parse(buf_str(&r->body), r->body.len, &err);
	if (cJSON_IsObject(*body))
		return true;
	if (*body == NULL)
		snprintf(text, sizeof(text), "The body is %s", err.text);
	else
		snprintf(text, sizeof(text), "The body must be a JSON object");
	cJSON_Delete(*body);
	*body = NULL;
	request_problem(r, 400, NULL, text);
	return false;
}

void request_add(struct request *r, const char *name, const char *format, ...)
{
	va_list args;
	char *value;
	int n;

	if (r->n_headers == REQUEST_MAX_HEADERS)
		return;
	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return;
	value = mem_alloc((size_t)n + 1);
	va_start(args, format);
	vsnprintf(value, (size_t)n + 1, format, args);
	va_end(args);
	r->headers[r->n_headers++] = (struct request_header){name, value};
}

void request_answer_as(struct request *r, int status, const char *type)
{
	if (r->status != 0)
		return;
	r->status = status;
	r->type = type;
	server_answered(r);
}

void request_answer(struct request *r, int status)
{
	request_answer_as(r, status, "application/json");
}

static void open_problem(struct request *r, int status, const char *type, const char *title,
                         const char *message)
{
	if (title == NULL)
		title = title_of(status);
	buf_clear(&r->out);
	jsonw_open(&r->out, '{');
	jsonw_pair(&r->out, "type", type);
	jsonw_pair(&r->out, "title", title);
	jsonw_pair_int(&r->out, "status", status);
	jsonw_pair(&r->out, "detail", message);
	jsonw_pair(&r->out, "error", title);
	jsonw_pair(&r->out, "message", message);
}

static void close_problem(struct request *r, int status)
{
	jsonw_close(&r->out, '}');
	request_answer_as(r, status, "application/problem+json");
}

void request_problem(struct request *r, int status, const char *title, const char *message)
{
	const char *type = "about:blank";

	if (status == 429)
		type = "https://iana.org/assignments/http-problem-types#quota-exceeded";
	if (status == 503)
		type = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
	open_problem(r, status, type, title, message);
	close_problem(r, status);
}

void request_invalid(struct request *r, const char *message, const char *details)
{
	open_problem(r, 400, "about:blank", "Validation Error", message);
	jsonw_key(&r->out, "details");
	jsonw_open(&r->out, '[');
	while (*details != '\0') {
		const char *end = strstr(details, "; ");
		size_t n = end != NULL ? (size_t)(end - details) : strlen(details);

		jsonw_strn(&r->out, details, n);
		details += n + (end != NULL ? 2 : 0);
	}
	jsonw_close(&r->out, ']');
	close_problem(r, 400);
}

void request_unavailable(struct request *r, const char *message)
{
	request_add(r, "Retry-After", "%d", 1 + (int)random_below(RETRY_AFTER_SPREAD_S));
	request_problem(r, 503, NULL, message);
}

void request_refused(struct request *r, enum link_result result)
{
	switch (result) {
	case LINK_NOMEM:
		request_unavailable(r, "Redis has no memory left; nothing was changed");
		break;
	case LINK_REFUSED:
		request_unavailable(
			r,
			"Redis does not store it now, or too few of its replicas have it; repeat "
			"with the same idempotency key");
		break;
	case LINK_CONFIG:
		request_unavailable(r,
		                    "Redis does not allow it: its or our configuration is wrong");
		break;
	case LINK_ERROR:
		request_problem(r, 500, NULL, "Redis has answered with an error");
		break;
	case LINK_OK:
	case LINK_AGAIN:
	case LINK_LOST:
		request_unavailable(r,
		                    "Redis does not answer; repeat with the same idempotency key");
		break;
	}
}

static void on_again(void *data, enum link_result result)
{
	struct request *r = data;

	if (result == LINK_OK)
		r->again(r);
	else
		request_refused(r, result);
}

void request_again(struct request *r, enum link_result result, void (*run)(struct request *r))
{
	r->again = run;
	again_later(&r->api->again, r->asked_at, result, on_again, r);
}
