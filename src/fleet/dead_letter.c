#include "fleet/dead_letter.h"

#include <string.h>

#include "base/mem.h"
#include "mail/job.h"
#include "redis/script.h"
#include "redis/value.h"

const struct dead_filter dead_filter_any = {.older_ms = -1, .newer_ms = -1};

void dead_letter_free(struct dead_letter *l)
{
	mem_free(l->id);
	mem_free(l->payload);
	mem_free(l->key);
	mail_view_free(&l->mail);
}

/* --- those that are wanted ------------------------------------------------------------------------------ */

static bool has_provider(const struct mail_view *v, const char *provider)
{
	if (v->provider != NULL && strcmp(v->provider, provider) == 0)
		return true;
	for (size_t i = 0; i < v->n_timeline; i++)
		if (strcmp(v->timeline[i].provider, provider) == 0)
			return true;
	return false;
}

bool dead_letter_passes(const struct dead_letter *l, const struct dead_filter *f)
{
	if (f->key != NULL && (l->key == NULL || strcmp(l->key, f->key) != 0))
		return false;
	if (f->error != NULL &&
	    (l->mail.error == NULL || strcasestr(l->mail.error, f->error) == NULL))
		return false;
	return f->provider == NULL || has_provider(&l->mail, f->provider);
}

size_t dead_letter_fetches(const struct dead_letter *l, const struct options *o)
{
	return (int64_t)l->payload_len <= o->max_job_bytes ? l->payload_len : 0;
}

/* --- questions ------------------------------------------------------------------------------------------ */

static char *auto_name(const struct dead_letter *l)
{
	return mem_printf(DEAD_LETTER_AUTO "%s", l->id);
}

static char *owner_name(const struct dead_letter *l)
{
	return mem_printf("%s#%s", l->queue->list, l->id);
}

static bool owns_mail(const struct dead_letter *l)
{
	char *owner = owner_name(l);
	bool owns = l->mail.owner != NULL && strcmp(l->mail.owner, owner) == 0;

	mem_free(owner);
	return owns;
}

static void ask_payload(const struct dead_letter *l, const char *how, struct command *c)
{
	command_str(c, how);
	command_str(c, l->queue->jobs);
	command_str(c, l->id);
}

static void ask_status(const char *name, const struct options *o, struct command *c)
{
	char *key = keys_status(o->key_prefix, name);

	command_str(c, "HGETALL");
	command_str(c, key);
	mem_free(key);
}

static void ask_reopen(const struct dead_letter *l, const char *name, const struct options *o,
                       struct command *c)
{
	char *key = keys_status(o->key_prefix, name), *owner = owner_name(l);

	script_command(c, SCRIPT_REOPEN, 1);
	command_str(c, key);
	command_int(c, o->max_queue_time * 1000);
	command_str(c, owner);
	mem_free(owner);
	mem_free(key);
}

static void ask_requeue(const struct dead_letter *l, const char *how, struct command *c)
{
	const struct queue_keys *k = l->queue;

	script_command(c, SCRIPT_REQUEUE, 4);
	command_str(c, k->jobs);
	command_str(c, k->delayed);
	command_str(c, k->claims);
	command_str(c, k->dead);
	command_str(c, how);
	command_str(c, l->id);
}

/* What is asked of the status that has this name; NULL is none. */
static bool ask_named(const struct dead_letter *l, enum dead_question q, const char *name,
                      const struct options *o, struct command *c)
{
	if (name == NULL)
		return false;
	if (q == DEAD_MAIL || q == DEAD_AUTO)
		ask_status(name, o, c);
	else
		ask_reopen(l, name, o, c);
	return true;
}

bool dead_letter_ask(const struct dead_letter *l, enum dead_question q, const struct options *o,
                     struct command *c)
{
	char *name = auto_name(l);
	bool asked = true;

	switch (q) {
	case DEAD_SIZE:
		ask_payload(l, "HSTRLEN", c);
		break;
	case DEAD_PAYLOAD:
		asked = dead_letter_fetches(l, o) > 0;
		if (asked)
			ask_payload(l, "HGET", c);
		break;
	case DEAD_MAIL:
	case DEAD_REOPEN_KEY:
		asked = ask_named(l, q, l->key, o, c);
		break;
	case DEAD_AUTO:
		asked = !owns_mail(l) && ask_named(l, q, name, o, c);
		break;
	case DEAD_REOPEN_AUTO:
		asked = ask_named(l, q, name, o, c);
		break;
	case DEAD_REQUEUE:
		ask_requeue(l, "retry", c);
		break;
	case DEAD_DROP:
		ask_requeue(l, "drop", c);
		break;
	}
	mem_free(name);
	return asked;
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void take_payload(struct dead_letter *l, const redisReply *r)
{
	if (r->type != REDIS_REPLY_STRING)
		return;
	l->payload_len = r->len;
	l->payload = mem_strndup(r->str, r->len);
	l->key = job_key_of_invalid(r->str, r->len);
}

static void take_auto(struct dead_letter *l, const redisReply *r)
{
	char *name = auto_name(l);

	mail_view_free(&l->mail);
	mail_view_read(&l->mail, name, r);
	mem_free(name);
}

static const char *settled_as(const char *status)
{
	if (status != NULL && strcmp(status, "sent") == 0)
		return "it was sent meanwhile: drop it";
	if (status != NULL && strcmp(status, "cancelled") == 0)
		return "it was cancelled: drop it";
	return NULL;
}

const char *dead_letter_doubt(const struct dead_letter *l)
{
	if (l->payload_len == 0)
		return "its content is gone";
	return owns_mail(l) ? settled_as(l->mail.status) : NULL;
}

const char *dead_letter_take(struct dead_letter *l, enum dead_question q, const redisReply *r)
{
	switch (q) {
	case DEAD_SIZE:
		l->payload_len = (size_t)value_int(r);
		break;
	case DEAD_PAYLOAD:
		take_payload(l, r);
		break;
	case DEAD_MAIL:
		mail_view_read(&l->mail, l->key, r);
		break;
	case DEAD_AUTO:
		take_auto(l, r);
		break;
	case DEAD_REOPEN_AUTO:
	case DEAD_REOPEN_KEY:
		return settled_as(value_text_at(r, 0));
	case DEAD_REQUEUE:
	case DEAD_DROP:
		if (value_int_at(r, 0) != 1)
			return "it is no dead letter any more";
		break;
	}
	return NULL;
}
