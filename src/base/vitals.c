#include "base/vitals.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Fields of /proc/self/stat, counted from the one behind the name (proc(5)): the 3rd is the first. */
#define FIELD_START 19 /* the 22nd: ticks since boot */

/* The first line of a file that begins with `word`; size > 0. "" when there is none. */
static void read_line(const char *path, const char *word, char *out, int size)
{
	FILE *f = fopen(path, "re");
	size_t n = strlen(word);
	char *got = NULL;

	while (f && (got = fgets(out, size, f)) != NULL && strncmp(out, word, n) != 0)
		;
	if (!got)
		out[0] = '\0';
	if (f)
		fclose(f);
}

static void read_start(struct vitals *v)
{
	char line[1024], boot[128];
	const char *at;

	read_line("/proc/self/stat", "", line, sizeof(line));
	read_line("/proc/stat", "btime ", boot, sizeof(boot));
	at = strrchr(line, ')'); /* the name may have blanks and brackets in it */
	for (int i = 0; at && i <= FIELD_START; i++)
		at = strchr(at + 1, ' ');
	if (at && boot[0] != '\0')
		v->started_at = strtod(boot + strlen("btime "), NULL) +
		                strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
}

static void read_memory(struct vitals *v)
{
	int64_t page = sysconf(_SC_PAGESIZE);
	char line[256], *rest;

	read_line("/proc/self/statm", "", line, sizeof(line));
	v->virtual = strtoll(line, &rest, 10) * page;
	v->resident = strtoll(rest, NULL, 10) * page;
}

static void read_files(struct vitals *v)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;

	while (dir && readdir(dir))
		v->open_fds++;
	v->open_fds -= v->open_fds < 3 ? v->open_fds : 3; /* . and .. and its own */
	if (dir)
		closedir(dir);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		v->max_fds = (int64_t)limit.rlim_cur;
}

void vitals_read(struct vitals *v)
{
	struct rusage u;

	*v = (struct vitals){0};
	if (getrusage(RUSAGE_SELF, &u) == 0)
		v->cpu_s = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	read_start(v);
	read_memory(v);
	read_files(v);
}
