#include "redis/command.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DIGITS 20 /* of a 64-bit number; a sign comes on top */
#define HEAD_ROOM (1 + MAX_DIGITS + 2)
#define PACK_HEAD 5                        /* of a packed value, at most */
#define PACK_ROOM (1 + MAX_DIGITS + 2 + 2) /* what is around a packed argument */

void command_init(struct command *c)
{
	buf_init(&c->body, COMMAND_MAX_BYTES);
	c->n_args = 0;
	c->pack_at = 0;
}

void command_clear(struct command *c)
{
	buf_clear(&c->body);
	c->n_args = 0;
	c->pack_at = 0;
}

void command_free(struct command *c)
{
	buf_free(&c->body);
	c->n_args = 0;
}

/* Writes n in decimal so that it ends before `end`; returns where it begins. (snprintf would be a
 * third of the cost of a whole argument.) */
static char *digits_before(char *end, uint64_t n)
{
	do {
		*--end = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	return end;
}

/* The head of a string in MessagePack; returns its length. */
static size_t pack_head(unsigned char head[PACK_HEAD], size_t n)
{
	if (n < 32) {
		head[0] = (unsigned char)(0xa0 | n);
		return 1;
	}
	if (n < 256) {
		head[0] = 0xd9;
		head[1] = (unsigned char)n;
		return 2;
	}
	head[0] = 0xdb;
	for (int i = 0; i < 4; i++)
		head[1 + i] = (unsigned char)(n >> (24 - 8 * i));
	return 5;
}

static void pack_value(struct command *c, const void *bytes, size_t n)
{
	unsigned char head[PACK_HEAD];
	size_t n_head = pack_head(head, n);
	char *at;

	if (n > COMMAND_MAX_BYTES)
		c->body.failed = true;
	at = buf_reserve(&c->body, n_head + n);
	if (!at)
		return;
	memcpy(at, head, n_head);
	if (n > 0)
		memcpy(at + n_head, bytes, n);
	c->body.len += n_head + n;
}

void command_arg(struct command *c, const void *bytes, size_t n)
{
	if (c->pack_at > 0) {
		pack_value(c, bytes, n);
		return;
	}
	char digits[MAX_DIGITS];
	char *end = digits + sizeof(digits);
	char *begin = digits_before(end, n);
	size_t n_digits = (size_t)(end - begin);
	size_t head = c->body.len == 0 ? HEAD_ROOM : 0;

	/* a size near SIZE_MAX must not wrap around in the sum */
	if (n > COMMAND_MAX_BYTES)
		c->body.failed = true;
	char *at = buf_reserve(&c->body, head + 1 + n_digits + 2 + n + 2);
	if (!at)
		return;
	char *start = at;
	at += head;
	*at++ = '$';
	memcpy(at, begin, n_digits);
	at += n_digits;
	*at++ = '\r';
	*at++ = '\n';
	if (n > 0)
		memcpy(at, bytes, n);
	at += n;
	*at++ = '\r';
	*at++ = '\n';
	c->body.len += (size_t)(at - start);
	c->n_args++;
}

void command_pack(struct command *c)
{
	size_t head = c->body.len == 0 ? HEAD_ROOM : 0;

	if (!buf_reserve(&c->body, head + PACK_ROOM))
		return;
	c->body.len += head + PACK_ROOM;
	c->pack_at = c->body.len;
	c->n_args++;
}

/* Its length is known now: "$<length>" goes before it, and it moves up to that. */
void command_pack_end(struct command *c)
{
	char digits[MAX_DIGITS];
	char *end = digits + sizeof(digits), *begin, *to;
	size_t n = c->body.len - c->pack_at, n_digits;

	if (!buf_ok(&c->body))
		return;
	begin = digits_before(end, n);
	n_digits = (size_t)(end - begin);
	to = c->body.data + c->pack_at - PACK_ROOM;
	*to++ = '$';
	memcpy(to, begin, n_digits);
	to += n_digits;
	*to++ = '\r';
	*to++ = '\n';
	memmove(to, c->body.data + c->pack_at, n);
	to += n;
	*to++ = '\r';
	*to++ = '\n';
	c->body.len = (size_t)(to - c->body.data);
	c->pack_at = 0;
}

void command_pack_number(struct command *c, size_t n)
{
	unsigned char bytes[3] = {(unsigned char)n};
	size_t len = 1;

	if (n > 0xffff)
		abort();
	if (n > 0x7f) {
		bytes[0] = 0xcd;
		bytes[1] = (unsigned char)(n >> 8);
		bytes[2] = (unsigned char)n;
		len = 3;
	}
	buf_add(&c->body, bytes, len);
}

void command_str(struct command *c, const char *s)
{
	command_arg(c, s, strlen(s));
}

void command_int(struct command *c, int64_t n)
{
	char digits[1 + MAX_DIGITS];
	char *end = digits + sizeof(digits);
	uint64_t magnitude = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char *begin = digits_before(end, magnitude);

	if (n < 0)
		*--begin = '-';
	command_arg(c, begin, (size_t)(end - begin));
}

const char *command_wire(struct command *c, size_t *len)
{
	*len = 0;
	if (!buf_ok(&c->body) || c->n_args == 0)
		return NULL;
	char *end = c->body.data + HEAD_ROOM;
	end[-2] = '\r';
	end[-1] = '\n';
	char *begin = digits_before(end - 2, c->n_args);
	*--begin = '*';
	*len = c->body.len - (size_t)(begin - c->body.data);
	return begin;
}

/* What follows a '$' or '*', and where it ends. */
static size_t read_length(const char **at)
{
	size_t n = 0;

	for (++*at; **at != '\r'; ++*at)
		n = 10 * n + (size_t)(**at - '0');
	*at += 2;
	return n;
}

bool command_arg_at(const struct command *c, size_t i, const char **bytes, size_t *n)
{
	const char *at;

	if (!buf_ok(&c->body) || i >= c->n_args)
		return false;
	at = c->body.data + HEAD_ROOM;
	for (;; i--) {
		*n = read_length(&at);
		*bytes = at;
		if (i == 0)
			return true;
		at += *n + 2;
	}
}

static bool is_word(const char *bytes, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(bytes, word, n) == 0;
}

bool command_key(const struct command *c, const char **key, size_t *n)
{
	static const char *const keyless[] = {"TIME", "INFO", "PING", "ROLE", "WAIT", "SCRIPT"};

	if (!command_arg_at(c, 0, key, n))
		return false;
	for (size_t i = 0; i < sizeof(keyless) / sizeof(keyless[0]); i++)
		if (is_word(*key, *n, keyless[i]))
			return false;
	if (!is_word(*key, *n, "EVALSHA") && !is_word(*key, *n, "EVAL"))
		return command_arg_at(c, 1, key, n);
	return command_arg_at(c, 2, key, n) && !is_word(*key, *n, "0") &&
	       command_arg_at(c, 3, key, n);
}

void command_copy(struct command *to, const struct command *from)
{
	command_init(to);
	buf_add(&to->body, from->body.data, from->body.len);
	to->n_args = from->n_args;
	to->pack_at = from->pack_at;
}
