/* preload.c - what a worker can be made to suffer from within; the tests compile it at run time and
 * load it into workers by LD_PRELOAD (tests/support/preload.h). It is no part of the test programs.
 *
 * PRELOAD_KILLER: a job whose JSON has this text in it kills the process that parses it.
 * PRELOAD_SEND_KILLER: whoever sends this text to a mail server dies of it.
 * PRELOAD_NO_MEMORY (only where the program has no allocator of a sanitizer's): "N": the N-th allocation of the process fails, and no
 * other. "0": none; how many there were is written to stderr at the end.
 * PRELOAD_FAULT: "memory" or "calls": once the process has read the text "fault-N" (in a job, in a request), the N-th allocation or system
 * call after it fails, and no other; which it was is written to stderr.
 * PRELOAD_COUNT: how often it wrote to internet sockets and read from them is written to stderr at the end.
 * PRELOAD_FAIL: "CALL ERRNO N": every N-th such call (of those on files, only on sockets) fails with this number. */
#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
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

/* ---- the n-th after a text was read ------------------------------------------------------------- */

static unsigned long left; /* until the one that fails; 0: none will */

static int is_chosen(const char *class)
{
	const char *which = getenv("PRELOAD_FAULT");

	return which && strcmp(which, class) == 0;
}

/* Said without an allocation. */
static int fails_now(const char *name, int number)
{
	char text[64];
	int n;

	if (left == 0 || __atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) != 0)
		return 0;
	n = snprintf(text, sizeof(text), "fault: %s\n", name);
	(void)!syscall(SYS_write, STDERR_FILENO, text, (size_t)n);
	errno = number;
	return 1;
}

static void have_read(const char *bytes, ssize_t n)
{
	static const char mark[] = "fault-";
	static int seen;
	const char *at;

	if (n <= 0 || seen || !getenv("PRELOAD_FAULT"))
		return;
	at = memmem(bytes, (size_t)n, mark, strlen(mark));
	if (!at)
		return;
	seen = 1;
	for (at += strlen(mark); at < bytes + n && *at >= '0' && *at <= '9'; at++)
		left = left * 10 + (unsigned long)(*at - '0');
}

/* ---- no memory --------------------------------------------------------------------------------- */

#ifdef PRELOAD_ALLOCATIONS
/* glibc's own, under the names that the linker leaves alone: dlsym would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static unsigned long allocations, failing_allocation;
static int may_fail; /* PRELOAD_FAULT is "memory" */

static int allocation_fails(void)
{
	unsigned long now = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);

	if (now != failing_allocation)
		return may_fail && fails_now("allocation", ENOMEM);
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
	may_fail = is_chosen("memory");
}

__attribute__((destructor)) static void tell_allocations(void)
{
	const char *which = getenv("PRELOAD_NO_MEMORY");

	if (which && failing_allocation == 0)
		dprintf(STDERR_FILENO, "allocations %lu\n", allocations);
}

#endif

/* ---- calls that are counted -------------------------------------------------------------------- */

static unsigned long writes, reads;

static void count_call(const char *call, int fd)
{
	static int wanted = -1;
	int domain = 0;
	socklen_t n = sizeof(domain);

	if (wanted < 0)
		wanted = getenv("PRELOAD_COUNT") != NULL;
	if (!wanted || fd < 0 ||
	    syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) != 0 ||
	    (domain != AF_INET && domain != AF_INET6))
		return;
	if (strncmp(call, "send", 4) == 0 || strncmp(call, "write", 5) == 0)
		writes++;
	else if (strcmp(call, "read") == 0 || strcmp(call, "recv") == 0)
		reads++;
}

__attribute__((destructor)) static void tell_calls(void)
{
	if (getenv("PRELOAD_COUNT"))
		dprintf(STDERR_FILENO, "writes %lu reads %lu\n", writes, reads);
}

/* ---- calls that fail --------------------------------------------------------------------------- */

/* Is it this call's turn to fail, with the usual number of PRELOAD_FAULT? fd: -1, or what must be a socket. */
static int call_fails(const char *call, int fd, int usual)
{
	static char name[16];
	static int number, every = -1, calls, each;
	struct stat s;

	count_call(call, fd);
	if (every < 0) {
		const char *how = getenv("PRELOAD_FAIL");

		each = is_chosen("calls");

		every = 0;
		if (how && sscanf(how, "%15s %d %d", name, &number, &every) != 3)
			every = 0;
	}
	/* What the kernel hands out without a file (eventfd, timerfd) fails in no such way. */
	if (each && (fd < 0 || (fstat(fd, &s) == 0 && (s.st_mode & S_IFMT) != 0)) &&
	    fails_now(call, usual))
		return 1;
	if (every == 0 || strcmp(name, call) != 0)
		return 0;
	if (fd >= 0 && (fstat(fd, &s) != 0 || !S_ISSOCK(s.st_mode)))
		return 0;
	if (++calls % every != 0)
		return 0;
	errno = number;
	return 1;
}

/* The same function, unless it is its turn. */
#define FAILING(TYPE, NAME, PARAMETERS, ARGUMENTS, FD, USUAL)                                      \
	TYPE NAME PARAMETERS                                                                       \
	{                                                                                          \
		static TYPE(*call) PARAMETERS;                                                     \
                                                                                                   \
		if (!call)                                                                         \
			*(void **)&call = real(#NAME);                                             \
		return call_fails(#NAME, FD, USUAL) ? -1 : call ARGUMENTS;                         \
	}

FAILING(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, EMFILE)
FAILING(int, connect, (int fd, const struct sockaddr *to, socklen_t n), (fd, to, n), fd,
        ENETUNREACH)
FAILING(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *n),
        (fd, level, name, value, n), fd, ENOBUFS)
FAILING(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t n),
        (fd, level, name, value, n), fd, ENOMEM)
FAILING(int, getsockname, (int fd, struct sockaddr *address, socklen_t *n), (fd, address, n), fd,
        ENOBUFS)
FAILING(int, getpeername, (int fd, struct sockaddr *address, socklen_t *n), (fd, address, n), fd,
        ENOTCONN)
FAILING(int, socketpair, (int domain, int type, int protocol, int fds[2]),
        (domain, type, protocol, fds), -1, EMFILE)
FAILING(int, accept4, (int fd, struct sockaddr *from, socklen_t *n, int flags),
        (fd, from, n, flags), fd, ECONNABORTED)
FAILING(int, epoll_create1, (int flags), (flags), -1, EMFILE)
FAILING(int, epoll_ctl, (int fd, int op, int of, struct epoll_event *e), (fd, op, of, e), of,
        ENOMEM)
FAILING(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms), -1, EINTR)
FAILING(int, eventfd, (unsigned value, int flags), (value, flags), -1, EMFILE)
FAILING(int, timerfd_settime,
        (int fd, int flags, const struct itimerspec *new, struct itimerspec *old),
        (fd, flags, new, old), -1, EINVAL)
FAILING(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), -1, ENOMEM)
FAILING(int, pipe2, (int fds[2], int flags), (fds, flags), -1, EMFILE)
FAILING(pid_t, fork, (void), (), -1, EAGAIN)
FAILING(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t *how, void *(*run)(void *), void *data),
        (thread, how, run, data), -1, EAGAIN)
FAILING(ssize_t, getrandom, (void *bytes, size_t n, unsigned flags), (bytes, n, flags), -1, ENOSYS)
FAILING(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n), fd, EPIPE)
FAILING(ssize_t, writev, (int fd, const struct iovec *bytes, int n), (fd, bytes, n), fd, EPIPE)
FAILING(ssize_t, sendto,
        (int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t size),
        (fd, bytes, n, flags, to, size), fd, ENETUNREACH)
FAILING(ssize_t, sendmsg, (int fd, const struct msghdr *bytes, int flags), (fd, bytes, flags), fd,
        EPIPE)

ssize_t read(int fd, void *bytes, size_t n)
{
	static ssize_t (*take)(int, void *, size_t);
	ssize_t taken;

	if (!take)
		*(void **)&take = real("read");
	if (call_fails("read", fd, ECONNRESET))
		return -1;
	taken = take(fd, bytes, n);
	have_read(bytes, taken);
	return taken;
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
	static ssize_t (*take)(int, void *, size_t, int);
	ssize_t taken;

	if (!take)
		*(void **)&take = real("recv");
	if (call_fails("recv", fd, ECONNRESET))
		return -1;
	taken = take(fd, bytes, n, flags);
	have_read(bytes, taken);
	return taken;
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	static ssize_t (*transmit)(int, const void *, size_t, int);
	const char *killer = getenv("PRELOAD_SEND_KILLER");

	if (killer && memmem(bytes, n, killer, strlen(killer)))
		kill(getpid(), SIGKILL);
	if (!transmit)
		*(void **)&transmit = real("send");
	return call_fails("send", fd, EPIPE) ? -1 : transmit(fd, bytes, n, flags);
}
