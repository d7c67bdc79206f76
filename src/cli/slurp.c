#include "cli/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)64 * 1024)

static bool read_all(int fd, const char *path, struct buf *out, struct error *err)
{
	for (;;) {
		size_t left = out->max - out->len, want = left < CHUNK ? left + 1 : CHUNK;
		char chunk[CHUNK];
		ssize_t n = read(fd, chunk, want);

		if (n == 0)
			return true;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, "cannot read %s: %s", path, strerror(errno));
		buf_add(out, chunk, (size_t)n);
		if (!buf_ok(out))
			return error_set(err, "%s is larger than %zu bytes", path, out->max);
	}
}

bool slurp(const char *path, struct buf *out, struct error *err)
{
	bool ok;
	int fd;

	if (strcmp(path, "-") == 0)
		return read_all(STDIN_FILENO, "the standard input", out, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, "cannot open %s: %s", path, strerror(errno));
	ok = read_all(fd, path, out, err);
	close(fd);
	return ok;
}
