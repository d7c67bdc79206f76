#include "fleet/trial.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "mail/job.h"
#include "mail/message.h"

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

/* One byte for each payload that was survived. */
static void trial_child(int out, const struct trial_payload *payloads, size_t n,
                        const struct options *o)
{
	for (size_t i = 0; i < n; i++) {
		alarm(TRIAL_SECONDS);
		trial_work(&payloads[i], o);
		if (write(out, "", 1) != 1)
			break;
	}
	_exit(0);
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
	int ends[2], status = 0;
	pid_t child;

	if (pipe(ends) != 0)
		return n;
	child = fork();
	if (child == 0) {
		close(ends[0]);
		trial_child(ends[1], payloads, n, o);
	}
	close(ends[1]);
	if (child < 0) {
		log_warn("trial_skipped", LOG_STR("error", strerror(errno)));
		close(ends[0]);
		return n;
	}
	survived = trial_survived(ends[0]);
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return n;
	return survived < n ? survived : n;
}
