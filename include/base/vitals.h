/* vitals.h - what this process uses, for its metrics. */
#ifndef BASE_VITALS_H
#define BASE_VITALS_H

#include <stdint.h>

struct vitals {
	double cpu_s;              /* user and system time used */
	double started_at;         /* s since 1970, by the clock of then */
	int64_t resident, virtual; /* bytes of memory */
	int64_t open_fds, max_fds;
};

/* From /proc/self; what cannot be read is 0. */
void vitals_read(struct vitals *v);

#endif
