/* preload.c - what a worker can be made to suffer from within; the tests compile it at run time and
 * load it into workers by LD_PRELOAD (tests/support/preload.h). It is no part of the test programs.
 *
 * PRELOAD_KILLER: a job whose JSON has this text in it kills the process that parses it.
 * PRELOAD_SEND_KILLER: whoever sends this text to a mail server dies of it.
 * PRELOAD_NO_MEMORY (only where the program has no allocator of a sanitizer's): "N": the N-th allocation of the process fails, and no other. "0": none; how many there
 * were is written to stderr at the end.
 * PRELOAD_FAIL: "CALL ERRNO N": every N-th call of socket, connect, send, read or write (of the latter three,
 * on sockets) fails with this number. */
#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* ---- no memory --------------------------------------------------------------------------------- */

#ifdef PRELOAD_ALLOCATIONS
/* glibc's own, under the names that the linker leaves alone: dlsym would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static unsigned long allocations, failing_allocation;

static int allocation_fails(void)
{
	unsigned long now = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);

	if (now != failing_allocation)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return allocation_fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return allocation_fails() ? NULL : __libc_realloc(p, size);
}

__attribute__((constructor)) static void choose_allocation(void)
{
	const char *which = getenv("PRELOAD_NO_MEMORY");

	if (which)
		failing_allocation = strtoul(which, NULL, 10);
	allocations = 0;
}

__attribute__((destructor)) static void tell_allocations(void)
{
	const char *which = getenv("PRELOAD_NO_MEMORY");

	if (which && failing_allocation == 0)
		dprintf(STDERR_FILENO, "allocations %lu\n", allocations);
}

#endif

/* ---- calls that fail --------------------------------------------------------------------------- */

/* Is it this call's turn to fail? fd: -1, or what must be a socket. */
static int call_fails(const char *call, int fd)
{
	static char name[16];
	static int number, every = -1, calls;
	struct stat s;

	if (every < 0) {
		const char *how = getenv("PRELOAD_FAIL");

		every = 0;
		if (how && sscanf(how, "%15s %d %d", name, &number, &every) != 3)
			every = 0;
	}
	if (every == 0 || strcmp(name, call) != 0)
		return 0;
	if (fd >= 0 && (fstat(fd, &s) != 0 || !S_ISSOCK(s.st_mode)))
		return 0;
	if (++calls % every != 0)
		return 0;
	errno = number;
	return 1;
}

int socket(int domain, int type, int protocol)
{
	static int (*make)(int, int, int);

	if (!make)
		*(void **)&make = real("socket");
	return call_fails("socket", -1) ? -1 : make(domain, type, protocol);
}

int connect(int fd, const struct sockaddr *to, socklen_t n)
{
	static int (*begin)(int, const struct sockaddr *, socklen_t);

	if (!begin)
		*(void **)&begin = real("connect");
	return call_fails("connect", fd) ? -1 : begin(fd, to, n);
}

ssize_t read(int fd, void *bytes, size_t n)
{
	static ssize_t (*take)(int, void *, size_t);

	if (!take)
		*(void **)&take = real("read");
	return call_fails("read", fd) ? -1 : take(fd, bytes, n);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	static ssize_t (*put)(int, const void *, size_t);

	if (!put)
		*(void **)&put = real("write");
	return call_fails("write", fd) ? -1 : put(fd, bytes, n);
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	static ssize_t (*transmit)(int, const void *, size_t, int);
	const char *killer = getenv("PRELOAD_SEND_KILLER");

	if (killer && memmem(bytes, n, killer, strlen(killer)))
		kill(getpid(), SIGKILL);
	if (!transmit)
		*(void **)&transmit = real("send");
	if (call_fails("send", fd))
		return -1;
	return transmit(fd, bytes, n, flags);
}
