#include "support/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[128];
static pid_t owner; /* a forked child that ends by exit() must not remove it */

static void die(const char *what, const char *path)
{
	fprintf(stderr, "tmpdir: %s %s: %s\n", what, path, strerror(errno));
	abort();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	if (remove(path) != 0 && errno != ENOENT)
		fprintf(stderr, "tmpdir: cannot remove %s: %s\n", path, strerror(errno));
	return 0;
}

void tmpdir_remove(const char *path)
{
	(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_at_exit(void)
{
	if (getpid() != owner)
		return;
	if (getenv("KEEP_TMPDIR"))
		fprintf(stderr, "tmpdir: kept %s\n", directory);
	else
		tmpdir_remove(directory);
}

const char *tmpdir(void)
{
	if (directory[0])
		return directory;
	const char *base = getenv("TMPDIR");
	if (!base || !*base || strlen(base) > 48)
		base = "/tmp";
	snprintf(directory, sizeof(directory), "%s/postrider-test-XXXXXX", base);
	if (!mkdtemp(directory))
		die("cannot make", directory);
	owner = getpid();
	if (atexit(remove_at_exit) != 0)
		die("cannot register the removal of", directory);
	return directory;
}

char *tmpdir_name(const char *stem)
{
	static unsigned counter;
	char *path;
	if (asprintf(&path, "%s/%s-%u", tmpdir(), stem, ++counter) < 0)
		die("no memory for", stem);
	return path;
}

char *tmpdir_make(const char *stem)
{
	char *path = tmpdir_name(stem);
	if (mkdir(path, 0700) != 0)
		die("cannot make", path);
	return path;
}

static void write_all(const char *path, int flags, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	if (fd < 0)
		die("cannot make", path);
	for (size_t done = 0; done < n;) {
		ssize_t put = write(fd, (const char *)bytes + done, n - done);
		if (put < 0 && errno != EINTR)
			die("cannot write", path);
		if (put > 0)
			done += (size_t)put;
	}
	close(fd);
}

char *tmpdir_file(const char *stem, const void *bytes, size_t n)
{
	char *path = tmpdir_name(stem);

	write_all(path, O_EXCL, bytes, n);
	return path;
}

void tmpdir_write(const char *path, const char *text)
{
	write_all(path, O_TRUNC, text, strlen(text));
}

char *tmpdir_read(const char *path, size_t *n)
{
	size_t len = 0, cap = 4096;
	char *text = malloc(cap);
	if (!text)
		die("no memory for", path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		die("cannot read", path);
	while (fd >= 0) {
		ssize_t got = read(fd, text + len, cap - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			die("cannot read", path);
		if (got == 0)
			break;
		len += (size_t)got;
		if (cap - len < 2) {
			cap *= 2;
			text = realloc(text, cap);
			if (!text)
				die("no memory for", path);
		}
	}
	if (fd >= 0)
		close(fd);
	text[len] = '\0';
	if (n)
		*n = len;
	return text;
}
