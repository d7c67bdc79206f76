#include "api/stream.h"

#include <microhttpd.h>
#include <string.h>

#include "api/server.h"
#include "base/mem.h"

#define BLOCK 8192

struct stream {
	struct request *request;
	struct buf out;
	size_t taken; /* of out */
	bool ended;
	void (*closed)(void *data);
	void *data;
};

/* libmicrohttpd wants more bytes. */
static ssize_t stream_read(void *data, uint64_t at, char *to, size_t most)
{
	struct stream *s = data;
	size_t n = s->out.len - s->taken;

	(void)at;
	if (n > most)
		n = most;
	if (n > 0) {
		memcpy(to, s->out.data + s->taken, n);
		s->taken += n;
		return (ssize_t)n;
	}
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	buf_clear(&s->out);
	s->taken = 0;
	server_pause(s->request);
	return 0;
}

static void stream_free(void *data)
{
	struct stream *s = data;

	s->closed(s->data);
	buf_free(&s->out);
	mem_free(s);
}

struct MHD_Response *stream_response(struct stream *s)
{
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, stream_read, s,
	                                         stream_free);
}

struct stream *stream_open(struct request *r, void (*closed)(void *data), void *data)
{
	struct stream *s = mem_zalloc(sizeof(*s));

	s->request = r;
	s->closed = closed;
	s->data = data;
	buf_init(&s->out, STREAM_MAX);
	r->stream = s;
	request_answer_as(r, 200, "text/event-stream");
	return s;
}

bool stream_idle(const struct stream *s)
{
	return s->taken == s->out.len && !s->ended;
}

void stream_send(struct stream *s, const char *event, const char *data, size_t n)
{
	if (s->ended)
		return;
	buf_addf(&s->out, "event: %s\ndata: ", event);
	buf_add(&s->out, data, n);
	buf_add_str(&s->out, "\n\n");
	s->ended = !buf_ok(&s->out);
	server_answered(s->request);
}

void stream_end(struct stream *s)
{
	s->ended = true;
	server_answered(s->request);
}
