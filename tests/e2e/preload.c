/* preload.c - what a worker can be made to suffer from within; the tests compile it at run time and
 * load it into workers by LD_PRELOAD (tests/support/preload.h). It is no part of the test programs.
 *
 * PRELOAD_KILLER: a job whose JSON has this text in it kills the process that parses it.
 * PRELOAD_SEND_KILLER: whoever sends this text to a mail server dies of it.
 * PRELOAD_CLOCK: a file of 8 bytes, an int64_t: by so many seconds the wall clock is wrong. It may
 * change at any time. */
#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

cJSON *cJSON_ParseWithLengthOpts(const char *value, size_t length, const char **end,
                                 cJSON_bool terminated)
{
	static cJSON *(*parse)(const char *, size_t, const char **, cJSON_bool);
	const char *killer = getenv("PRELOAD_KILLER");

	if (killer && memmem(value, length, killer, strlen(killer)))
		kill(getpid(), SIGKILL);
	if (!parse)
		*(void **)&parse = real("cJSON_ParseWithLengthOpts");
	return parse(value, length, end, terminated);
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	static ssize_t (*transmit)(int, const void *, size_t, int);
	const char *killer = getenv("PRELOAD_SEND_KILLER");

	if (killer && memmem(bytes, n, killer, strlen(killer)))
		kill(getpid(), SIGKILL);
	if (!transmit)
		*(void **)&transmit = real("send");
	return transmit(fd, bytes, n, flags);
}

static int64_t wrong_by(void)
{
	static const volatile int64_t *seconds;
	static const int64_t none;
	const char *path;
	int fd;

	if (seconds)
		return *seconds;
	seconds = &none;
	path = getenv("PRELOAD_CLOCK");
	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		void *map = mmap(NULL, sizeof(*seconds), PROT_READ, MAP_SHARED, fd, 0);

		close(fd);
		if (map != MAP_FAILED)
			seconds = map;
	}
	return *seconds;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*get)(clockid_t, struct timespec *);
	int result;

	if (!get)
		*(void **)&get = real("clock_gettime");
	result = get(clock, t);
	if (result == 0 && clock == CLOCK_REALTIME)
		t->tv_sec += wrong_by();
	return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	static int (*get)(struct timeval *restrict, void *restrict);
	int result;

	if (!get)
		*(void **)&get = real("gettimeofday");
	result = get(t, zone);
	if (result == 0 && t)
		t->tv_sec += wrong_by();
	return result;
}

time_t time(time_t *t)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (t)
		*t = now.tv_sec;
	return now.tv_sec;
}
