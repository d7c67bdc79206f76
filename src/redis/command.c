#include "redis/command.h"

#include <string.h>

#define MAX_DIGITS 20 /* of a 64-bit number; a sign comes on top */
#define HEAD_ROOM (1 + MAX_DIGITS + 2)

void command_init(struct command *c)
{
	buf_init(&c->body, COMMAND_MAX_BYTES);
	c->n_args = 0;
}

void command_clear(struct command *c)
{
	buf_clear(&c->body);
	c->n_args = 0;
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

void command_arg(struct command *c, const void *bytes, size_t n)
{
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
}
