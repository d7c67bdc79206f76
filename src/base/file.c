#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* The bytes read, or -1 with errno. One byte more than max is asked for, to notice a larger file. */
static ssize_t read_all(int fd, char *to, size_t max)
{
	size_t len = 0;
	ssize_t n;

	while (len <= max) {
		n = read(fd, to + len, max + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

bool file_read(const char *path, size_t max, char **text, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int saved;
	char *bytes;
	ssize_t n;

	if (fd < 0) {
		saved = errno;
		error_set(err, "cannot read %s: %s", path, strerror(saved));
		errno = saved;
		return false;
	}
	bytes = mem_alloc(max + 2);
	n = read_all(fd, bytes, max);
	saved = errno;
	close(fd);
	if (n >= 0 && (size_t)n <= max && memchr(bytes, '\0', (size_t)n) == NULL) {
		bytes[n] = '\0';
		*text = bytes;
		return true;
	}
	if (n < 0)
		error_set(err, "cannot read %s: %s", path, strerror(saved));
	else if ((size_t)n > max)
		error_set(err, "%s is larger than %zu bytes", path, max);
	else
		error_set(err, "%s has a NUL byte", path);
	mem_wipe(bytes, max + 2);
	mem_free(bytes);
	errno = EINVAL;
	return false;
}
