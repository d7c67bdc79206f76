#include "fleet/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/job.h"
#include "mail/message.h"

#define TRIAL_NO_MEMORY 71 /* the child's exit code */
#define TRIAL_MAX_MESSAGE ((size_t)1 << 30)

static void trial_parse_and_compose(const struct trial_payload *payload, const struct options *o)
{
	char id[MESSAGE_MAX_ID];
	struct buf faults, message;
	struct error err;
	struct job *job;

	buf_init(&faults, 4096);
	buf_init(&message, TRIAL_MAX_MESSAGE);
	job = job_parse(payload->bytes, payload->len, o, &faults);
	if (job) {
		message_id(id, "trial", job);
		if (!message_compose(&message, job, id, 0, &err))
			buf_clear(&message); /* refused is not dead */
	}
	job_free(job);
	buf_free(&faults);
	buf_free(&message);
}

void (*trial_work)(const struct trial_payload *payload,
                   const struct options *o) = trial_parse_and_compose;

/* No memory is nothing that a payload has done: whoever adopts it next tries again. */
static void *trial_realloc(void *p, size_t size)
{
	void *moved = realloc(p, size);

	if (!moved)
		_exit(TRIAL_NO_MEMORY);
	return moved;
}

/* One byte for each payload that was survived. */
static void trial_child(int out, const struct trial_payload *payloads, size_t n,
                        const struct options *o)
{
	mem_hook = trial_realloc;
	for (size_t i = 0; i < n; i++) {
		alarm(TRIAL_SECONDS);
		trial_work(&payloads[i], o);
		if (write(out, "", 1) != 1)
			break;
	}
	_exit(0);
}

static void trial_key_child(int out, const struct trial_payload *payload)
{
	char *key;

	alarm(TRIAL_SECONDS);
	key = job_key_unparsed(payload->bytes, payload->len);
	_exit(key && write(out, key, strlen(key)) < 0);
}

/* *end: the reading end of a pipe in the parent, the writing one in the child. Returns as fork does. */
static pid_t trial_fork(int *end)
{
	int ends[2];
	pid_t child;

	if (pipe(ends) != 0)
		return -1;
	child = fork();
	if (child < 0)
		log_warn("trial_skipped", LOG_STR("error", strerror(errno)));
	*end = child == 0 ? ends[1] : ends[0];
	close(child == 0 ? ends[0] : ends[1]);
	if (child < 0)
		close(ends[0]);
	return child;
}

/* Did it live to its end, or could it not be tried to the end? */
static bool trial_wait(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) &&
	       (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == TRIAL_NO_MEMORY);
}

static size_t trial_survived(int in)
{
	char bytes[256];
	size_t total = 0;

	for (;;) {
		ssize_t n = read(in, bytes, sizeof(bytes));
		if (n > 0)
			total += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return total;
	}
}

size_t trial_run(const struct trial_payload *payloads, size_t n, const struct options *o)
{
	size_t survived;
	int end;
	pid_t child = trial_fork(&end);

	if (child < 0)
		return n;
	if (child == 0)
		trial_child(end, payloads, n, o);
	survived = trial_survived(end);
	close(end);
	return trial_wait(child) || survived > n ? n : survived;
}

char *trial_key(const struct trial_payload *payload)
{
	char key[JOB_MAX_KEY + 1];
	size_t n = 0;
	ssize_t got;
	int end;
	pid_t child = trial_fork(&end);

	if (child < 0)
		return NULL;
	if (child == 0)
		trial_key_child(end, payload);
	while (n < sizeof(key) &&
	       ((got = read(end, key + n, sizeof(key) - n)) > 0 || (got < 0 && errno == EINTR)))
		n += got > 0 ? (size_t)got : 0;
	close(end);
	return trial_wait(child) && job_key_valid(key, n) ? mem_strndup(key, n) : NULL;
}
