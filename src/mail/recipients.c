#include "mail/recipients.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/text.h"

#define N_STATES 4

static const char *const state_names[N_STATES] = {
	[RCPT_PENDING] = "pending",
	[RCPT_ACCEPTED] = "accepted",
	[RCPT_REFUSED] = "refused",
	[RCPT_DEFERRED] = "deferred",
};

const char *rcpt_state_name(enum rcpt_state state)
{
	return (unsigned)state < N_STATES ? state_names[state] : state_names[RCPT_PENDING];
}

/* A code comes from a server: nothing in it may look like the end of an entry. */
static void add_code(struct buf *out, const char *code)
{
	size_t n = strnlen(code, RCPT_MAX_CODE - 1);

	if (n == 0 || text_has_control(code, n) || !utf8_valid(code, n))
		return;
	buf_add_char(out, ' ');
	for (size_t i = 0; i < n; i++)
		buf_add_char(out, code[i] == ';' ? ',' : code[i]);
}

void recipients_write(struct buf *out, const struct job *job, const struct rcpt_result *results)
{
	for (size_t i = 0; i < job->n_rcpts; i++) {
		if (i > 0)
			buf_add_str(out, "; ");
		buf_add_str(out, job->rcpts[i].address.email);
		buf_add_char(out, ' ');
		buf_add_str(out, rcpt_state_name(results[i].state));
		add_code(out, results[i].code);
	}
}

struct reader {
	const char *at;
	size_t left;
};

static void skip(struct reader *r, size_t n)
{
	r->at += n;
	r->left -= n;
}

static bool take(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if (r->left < n || memcmp(r->at, word, n) != 0)
		return false;
	skip(r, n);
	return true;
}

/* The code and the end of the entry. */
static void take_code(struct reader *r, char *code)
{
	const char *end = memchr(r->at, ';', r->left);
	size_t n = end == NULL ? r->left : (size_t)(end - r->at), n_code;

	if (n > 1) { /* the first is the blank */
		n_code = n - 1 < RCPT_MAX_CODE ? n - 1 : RCPT_MAX_CODE - 1;
		memcpy(code, r->at + 1, n_code);
		code[n_code] = '\0';
	}
	skip(r, n);
}

static bool read_entry(struct reader *r, const char *email, struct rcpt_result *result)
{
	if (!take(r, email) || !take(r, " "))
		return false;
	for (int state = 0; state < N_STATES; state++) {
		if (!take(r, state_names[state]))
			continue;
		if (r->left > 0 && *r->at != ' ' && *r->at != ';')
			return false;
		result->state = (enum rcpt_state)state;
		take_code(r, result->code);
		return true;
	}
	return false;
}

void recipients_read(const char *text, size_t len, const struct job *job,
                     struct rcpt_result *results)
{
	struct reader r = {text, len};

	memset(results, 0, job->n_rcpts * sizeof(*results));
	for (size_t i = 0; i < job->n_rcpts; i++) {
		if (i > 0 && !take(&r, "; "))
			return;
		if (!read_entry(&r, job->rcpts[i].address.email, &results[i])) {
			memset(&results[i], 0, sizeof(results[i]));
			return;
		}
	}
}

bool recipients_any_accepted(const char *text, const struct job *job)
{
	struct rcpt_result *results;
	bool any = false;

	if (!text)
		return false;
	results = mem_alloc(job->n_rcpts * sizeof(*results));
	recipients_read(text, strlen(text), job, results);
	for (size_t i = 0; i < job->n_rcpts; i++)
		any = any || results[i].state == RCPT_ACCEPTED;
	mem_free(results);
	return any;
}
