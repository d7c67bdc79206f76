#include "mail/fingerprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/digest.h"

#define FINGERPRINT_BYTES 18 /* of the SHA-256; 24 characters */

static void add_string(const char *s)
{
	digest_add_field(s, strlen(s));
}

/* NULL: nobody. */
static void add_address(const struct address *a)
{
	add_string(a == NULL ? "" : a->email);
	add_string(a == NULL ? "" : a->name);
}

/* What is not there differs from what is empty. */
static void add_body(const char *s, size_t n)
{
	digest_add_count(s == NULL ? 0 : 1);
	digest_add_field(s, s == NULL ? 0 : n);
}

static void add_attachment(const struct job_attachment *a)
{
	add_string(a->filename);
	add_string(a->content_type);
	add_string(a->content_id);
	digest_add_count(a->is_inline);
	digest_add_field(a->data, a->len);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct job_pair *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : strcmp(x->value, y->value);
}

static void add_headers(const struct job *job)
{
	struct job_pair *sorted;

	digest_add_count(job->n_headers);
	if (job->n_headers == 0)
		return;
	sorted = mem_array(job->n_headers, sizeof(*sorted));
	memcpy(sorted, job->headers, job->n_headers * sizeof(*sorted));
	qsort(sorted, job->n_headers, sizeof(*sorted), compare_pairs);
	for (size_t i = 0; i < job->n_headers; i++) {
		add_string(sorted[i].name);
		add_string(sorted[i].value);
	}
	mem_free(sorted);
}

void fingerprint_fill(struct job *job, bool own_from)
{
	unsigned char sum[DIGEST_SIZE];

	/* Fingerprints live in Redis as long as statuses do: a change of this sequence makes every
	 * repeat of a mail from before a conflict. */
	digest_begin();
	add_address(own_from ? &job->from : NULL);
	add_address(&job->reply_to);
	digest_add_count(job->n_rcpts);
	for (size_t i = 0; i < job->n_rcpts; i++) {
		digest_add_count(job->rcpts[i].kind);
		add_address(&job->rcpts[i].address);
	}
	add_string(job->subject);
	add_body(job->text, job->text_len);
	add_body(job->html, job->html_len);
	digest_add_count(job->n_attachments);
	for (size_t i = 0; i < job->n_attachments; i++)
		add_attachment(&job->attachments[i]);
	add_headers(job);
	digest_end(sum);
	digest_base64url(job->fingerprint, sum, FINGERPRINT_BYTES);
}
