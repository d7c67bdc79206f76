#include "cli/outgoing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/mem.h"
#include "base/random.h"
#include "cli/query.h"
#include "fleet/mail_view.h"
#include "mail/job.h"
#include "provider/carriers.h"

#define KEY_NAME "idempotencyKey"
#define FAULT_BYTES 65536
#define MAX_LOOKED_UP 100 /* each costs a round trip */
#define PUSH_MAILS 500    /* of one LPUSH */
#define PUSH_BYTES ((size_t)4 << 20)

/* A job without a sender is valid where the workers have MAIL_FROM; whether they do is not known here. */
#define ANY_SENDER "sender@example.com"

static const char *const state_names[] = {
	[OUTGOING_READY] = "not queued", [OUTGOING_REFUSED] = "refused",
	[OUTGOING_KNOWN] = "known",      [OUTGOING_CONFLICT] = "conflict",
	[OUTGOING_QUEUED] = "queued",    [OUTGOING_SETTLED] = "settled",
};

/* --- checking ------------------------------------------------------------------------------------------ */

void outgoing_free(struct outgoing_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		mem_free(l->mails[i].key);
		mem_free(l->mails[i].faults);
		mem_free(l->mails[i].status);
		mem_free(l->mails[i].error);
	}
	mem_free(l->mails);
	carriers_close(l->carriers);
	memset(l, 0, sizeof(*l));
}

static struct outgoing *add(struct outgoing_list *l, size_t line)
{
	if (l->n == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 16;
		l->mails = mem_realloc(l->mails, l->room * sizeof(*l->mails));
	}
	l->mails[l->n] = (struct outgoing){.line = line};
	return &l->mails[l->n++];
}

static void refuse(struct outgoing *m, const char *why)
{
	m->state = OUTGOING_REFUSED;
	m->faults = mem_strdup(why);
}

void outgoing_add_fault(struct outgoing_list *l, size_t line, const char *why)
{
	refuse(add(l, line), why);
}

/* A random UUID (RFC 9562, version 4). */
static char *make_key(void)
{
	uint64_t a = random_u64(), b = random_u64();

	return mem_printf("%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
	                  a >> 32, a >> 16 & 0xffff, a & 0xfff, 0x8000 | (b >> 48 & 0x3fff),
	                  b & UINT64_C(0xffffffffffff));
}

/* The job's bytes as they are pushed: with our key as their first member, where it is ours. */
static void write_payload(const struct outgoing *m, struct buf *out)
{
	if (!m->key_is_ours) {
		buf_add(out, m->text, m->len);
		return;
	}
	buf_add_str(out, "{\"" KEY_NAME "\":\"");
	buf_add_str(out, m->key);
	buf_add_str(out, "\",");
	buf_add(out, m->text + 1, m->len - 1);
}

/* A job may say "idempotencyKey": null, which is none; but two of them it may not have. */
static void check_own_key(struct outgoing *m, const struct options *o)
{
	struct buf payload, faults;
	struct job *job;

	if (memmem(m->text, m->len, KEY_NAME, strlen(KEY_NAME)) == NULL)
		return;
	buf_init(&payload, m->len + 256);
	buf_init(&faults, FAULT_BYTES);
	write_payload(m, &payload);
	job = job_parse(payload.data, payload.len, o, &faults);
	if (job == NULL)
		refuse(m, "Field \"" KEY_NAME "\" is null: leave it out, or give one");
	job_free(job);
	buf_free(&payload);
	buf_free(&faults);
}

/* A provider that cannot carry the mail that is for it alone: the workers would bury it. */
static void check_provider(struct outgoing_list *l, struct outgoing *m, const struct job *job,
                           const struct options *o)
{
	char *fault;

	if (job->provider[0] == '\0')
		return;
	if (l->carriers == NULL)
		l->carriers = carriers_open(o);
	fault = carriers_refuse(l->carriers, job);
	if (fault != NULL)
		refuse(m, fault);
	mem_free(fault);
}

void outgoing_add(struct outgoing_list *l, const char *text, size_t len, size_t line,
                  const struct options *o, const struct queue_set *queues, bool without_key)
{
	struct outgoing *m = add(l, line);
	struct options with_sender = *o;
	struct buf faults;
	struct job *job;

	m->text = text;
	m->len = len;
	if (len > (size_t)o->max_job_bytes) {
		refuse(m, "The job is larger than MAX_JOB_BYTES");
		return;
	}
	with_sender.mail_from = o->mail_from[0] != '\0' ? o->mail_from : (char[]){ANY_SENDER};
	buf_init(&faults, FAULT_BYTES);
	job = job_parse(text, len, &with_sender, &faults);
	if (job == NULL) {
		refuse(m, buf_str(&faults));
	} else {
		memcpy(m->fingerprint, job->fingerprint, sizeof(m->fingerprint));
		m->queue = queue_set_choose(queues, job->priority);
		if (job->key[0] != '\0') {
			m->key = mem_strdup(job->key);
		} else if (!without_key) {
			m->key = make_key();
			m->key_is_ours = true;
			check_own_key(m, &with_sender);
		}
		if (m->state == OUTGOING_READY)
			check_provider(l, m, job, o);
	}
	job_free(job);
	buf_free(&faults);
}

size_t outgoing_count(const struct outgoing_list *l, enum outgoing_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->mails[i].state == state;
	return n;
}

/* --- looking up ------------------------------------------------------------------------------------------ */

static void note(struct outgoing *m, const struct mail_view *v)
{
	mem_free(m->status);
	mem_free(m->error);
	m->status = mem_strdup(v->status);
	m->error = mem_strdup(v->error);
}

/* While its owner is not settled a repeat is pushed all the same: if a failover has lost the owner, the
 * repeat takes its place; if not, the workers drop it. */
static void judge(struct outgoing *m, const struct mail_view *v)
{
	if (!v->found || v->fingerprint == NULL)
		return;
	if (strcmp(v->fingerprint, m->fingerprint) != 0)
		/* Without an owner a failed one only says that something under this key was not valid. */
		m->state = v->owner == NULL && mail_view_is(v, "failed") ? OUTGOING_READY
		                                                         : OUTGOING_CONFLICT;
	else if (v->owner != NULL && mail_view_settled(v))
		m->state = OUTGOING_KNOWN;
	note(m, v);
}

bool outgoing_look_up(struct outgoing_list *l, struct sync *s, const char *prefix,
                      struct error *err)
{
	size_t looked_up = 0;

	for (size_t i = 0; i < l->n && looked_up < MAX_LOOKED_UP; i++) {
		struct outgoing *m = &l->mails[i];
		struct mail_view v;

		if (m->state != OUTGOING_READY || m->key == NULL || m->key_is_ours)
			continue;
		if (!mail_view_load(&v, s, prefix, m->key, err))
			return false;
		judge(m, &v);
		mail_view_free(&v);
		looked_up++;
	}
	return true;
}

/* --- pushing ----------------------------------------------------------------------------------------------- */

/* The mails of one LPUSH are list->mails[at[0 … n-1]]. */
struct push {
	struct command command;
	const struct queue_keys *queue;
	size_t at[PUSH_MAILS];
	size_t n;
};

static bool push_flush(struct push *p, struct outgoing_list *l, struct sync *s, struct error *err)
{
	redisReply *r;

	if (p->n == 0)
		return true;
	r = sync_run(s, &p->command, err);
	if (r == NULL)
		return false;
	freeReplyObject(r);
	for (size_t i = 0; i < p->n; i++)
		l->mails[p->at[i]].state = OUTGOING_QUEUED;
	p->n = 0;
	return true;
}

static void push_add(struct push *p, const struct outgoing_list *l, size_t i)
{
	struct buf payload;

	if (p->n == 0) {
		command_clear(&p->command);
		command_str(&p->command, "LPUSH");
		command_str(&p->command, p->queue->list);
	}
	buf_init(&payload, l->mails[i].len + 512);
	write_payload(&l->mails[i], &payload);
	command_arg(&p->command, payload.data, payload.len);
	buf_free(&payload);
	p->at[p->n++] = i;
}

static bool push_queue(struct push *p, struct outgoing_list *l, struct sync *s, struct error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->mails[i].state != OUTGOING_READY || l->mails[i].queue != p->queue)
			continue;
		push_add(p, l, i);
		if ((p->n == PUSH_MAILS || p->command.body.len >= PUSH_BYTES) &&
		    !push_flush(p, l, s, err))
			return false;
	}
	return push_flush(p, l, s, err);
}

bool outgoing_push(struct outgoing_list *l, struct sync *s, const struct queue_set *queues,
                   struct error *err)
{
	struct push *p = mem_zalloc(sizeof(*p));
	bool ok = true;

	command_init(&p->command);
	for (size_t i = 0; i < queues->n && ok; i++) {
		p->queue = &queues->keys[i];
		ok = push_queue(p, l, s, err);
	}
	command_free(&p->command);
	mem_free(p);
	return ok;
}

/* --- waiting ------------------------------------------------------------------------------------------------- */

bool outgoing_poll(struct outgoing_list *l, struct sync *s, const char *prefix,
                   void (*settled)(const struct outgoing *m), struct error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		struct outgoing *m = &l->mails[i];
		struct mail_view v;

		if (m->state != OUTGOING_QUEUED || m->key == NULL)
			continue;
		if (!mail_view_load(&v, s, prefix, m->key, err))
			return false;
		if (v.found && v.fingerprint != NULL &&
		    strcmp(v.fingerprint, m->fingerprint) != 0 && v.owner != NULL) {
			m->state = OUTGOING_CONFLICT;
		} else if (mail_view_settled(&v)) {
			m->state = OUTGOING_SETTLED;
		}
		if (m->state != OUTGOING_QUEUED) {
			note(m, &v);
			settled(m);
		}
		mail_view_free(&v);
	}
	return true;
}

/* --- for programs ---------------------------------------------------------------------------------------------- */

static void pair_faults(struct buf *out, const char *faults)
{
	jsonw_key(out, "errors");
	jsonw_open(out, '[');
	while (*faults != '\0') {
		const char *end = strstr(faults, "; ");

		jsonw_strn(out, faults, end != NULL ? (size_t)(end - faults) : strlen(faults));
		faults = end != NULL ? end + 2 : "";
	}
	jsonw_close(out, ']');
}

static void write_json(struct buf *out, const struct outgoing *m, size_t index)
{
	jsonw_open(out, '{');
	jsonw_pair_int(out, "index", (int64_t)index);
	jsonw_pair_or_null(out, "idempotencyKey", m->key);
	jsonw_pair_or_null(out, "queue", m->queue != NULL ? m->queue->list : NULL);
	jsonw_pair(out, "result", state_names[m->state]);
	jsonw_pair_if(out, "status", m->status);
	jsonw_pair_if(out, "error", m->error);
	if (m->faults != NULL)
		pair_faults(out, m->faults);
	jsonw_close(out, '}');
}

void outgoing_json(const struct outgoing_list *l, struct buf *out)
{
	size_t refused = outgoing_count(l, OUTGOING_REFUSED) + outgoing_count(l, OUTGOING_CONFLICT);

	jsonw_open(out, '{');
	jsonw_pair_int(out, "accepted",
	               (int64_t)(l->n - refused - outgoing_count(l, OUTGOING_READY)));
	jsonw_pair_int(out, "refused", (int64_t)refused);
	jsonw_key(out, "mails");
	jsonw_open(out, '[');
	for (size_t i = 0; i < l->n; i++)
		write_json(out, &l->mails[i], i);
	jsonw_close(out, ']');
	jsonw_close(out, '}');
}
