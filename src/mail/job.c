#include "mail/job.h"

#include <glib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/attachment.h"
#include "mail/faults.h"
#include "mail/fingerprint.h"
#include "mail/job_fields.h"
#include "mail/json.h"
#include "mail/text.h"

#define KEY_FIELD "idempotencyKey"

bool job_key_valid(const char *key, size_t len)
{
	return text_is_key(key, len, JOB_MAX_KEY);
}

/* The payload as an object (cJSON_Delete), or NULL with a fault. */
static cJSON *read_object(const char *payload, size_t len, struct faults *faults)
{
	struct error err;
	cJSON *tree;

	if (len == 0) {
		faults_add(faults, "The job is empty");
		return NULL;
	}
	tree = json_parse(payload, len, &err);
	if (tree == NULL) {
		faults_add(faults, "The job is %s", err.text);
		return NULL;
	}
	if (!cJSON_IsObject(tree)) {
		faults_add(faults, "The job is not a JSON object");
		cJSON_Delete(tree);
		return NULL;
	}
	return tree;
}

static bool any_address_needs_utf8(const struct job *job)
{
	if (!job->from.ascii || !job->reply_to.ascii)
		return true;
	for (size_t i = 0; i < job->n_rcpts; i++)
		if (!job->rcpts[i].address.ascii)
			return true;
	return false;
}

struct job *job_parse(const char *payload, size_t len, const struct options *o, struct buf *faults)
{
	struct faults found;
	const cJSON *from;
	struct job *job;
	cJSON *object;

	faults_init(&found, faults);
	object = read_object(payload, len, &found);
	if (object == NULL)
		return NULL;
	job = mem_zalloc(sizeof(*job));
	job_fields_read(job, object, o, &found);
	if (faults_end(&found)) {
		from = cJSON_GetObjectItemCaseSensitive(object, "from");
		fingerprint_fill(job, from != NULL && !cJSON_IsNull(from));
		job->utf8_addresses = any_address_needs_utf8(job);
	} else {
		job_free(job);
		job = NULL;
	}
	cJSON_Delete(object);
	return job;
}

static void free_pairs(struct job_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mem_free(pairs[i].name);
		mem_free(pairs[i].value);
	}
	mem_free(pairs);
}

void job_free(struct job *j)
{
	if (j == NULL)
		return;
	mem_free(j->key);
	address_free(&j->from);
	address_free(&j->reply_to);
	for (size_t i = 0; i < j->n_rcpts; i++)
		address_free(&j->rcpts[i].address);
	mem_free(j->rcpts);
	mem_free(j->subject);
	mem_free(j->text);
	mem_free(j->html);
	for (size_t i = 0; i < j->n_attachments; i++)
		attachment_free(&j->attachments[i]);
	mem_free(j->attachments);
	free_pairs(j->headers, j->n_headers);
	free_pairs(j->metadata, j->n_metadata);
	for (size_t i = 0; i < j->n_tags; i++)
		mem_free(j->tags[i]);
	mem_free(j->tags);
	mem_free(j->provider);
	mem_free(j->tenant);
	mem_free(j->webhook_url);
	mem_free(j->traceparent);
	mem_free(j->tracestate);
	mem_free(j);
}

/* --- the key of what is not valid ------------------------------------------------------------- */

static char *valid_copy(const cJSON *value)
{
	if (!cJSON_IsString(value) ||
	    !job_key_valid(value->valuestring, strlen(value->valuestring)))
		return NULL;
	return mem_strdup(value->valuestring);
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && g_ascii_isspace(*at))
		at++;
	return at;
}

/* The JSON string that begins at `at`: a new string, or NULL. */
static char *read_string(const char *at, const char *end)
{
	const char *last = at + 1;
	struct error err;
	cJSON *value;
	char *key;

	if (at == end || *at != '"')
		return NULL;
	while (last < end && *last != '"' && last - at <= 6 * JOB_MAX_KEY + 1)
		last += *last == '\\' ? 2 : 1;
	if (last >= end || *last != '"')
		return NULL;
	value = json_parse(at, (size_t)(last + 1 - at), &err);
	key = valid_copy(value);
	cJSON_Delete(value);
	return key;
}

/* (Within a string its quotes would be escaped.) */
char *job_key_unparsed(const char *payload, size_t len)
{
	static const char name[] = "\"" KEY_FIELD "\"";
	const size_t n_name = sizeof(name) - 1;
	const char *end = payload + len;
	const char *at = len == 0 ? NULL : memmem(payload, len, name, n_name);

	if (at == NULL)
		return NULL;
	at += n_name;
	if (memmem(at, (size_t)(end - at), name, n_name) != NULL)
		return NULL;
	at = skip_space(at, end);
	if (at == end || *at != ':')
		return NULL;
	return read_string(skip_space(at + 1, end), end);
}

char *job_key_of_invalid(const char *payload, size_t len)
{
	struct error err;
	cJSON *tree = json_parse(payload, len, &err);
	char *key;

	if (tree == NULL)
		return job_key_unparsed(payload, len);
	key = cJSON_IsObject(tree) ? valid_copy(cJSON_GetObjectItemCaseSensitive(tree, KEY_FIELD))
	                           : NULL;
	cJSON_Delete(tree);
	return key;
}
