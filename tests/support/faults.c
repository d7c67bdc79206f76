#include "support/faults.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/preload.h"
#include "support/wait.h"

#ifdef __SANITIZE_ADDRESS__ /* which has an allocator of its own */
#define CAN_FAIL_ALLOCATIONS false
#else
#define CAN_FAIL_ALLOCATIONS true
#endif

void faults_need_preload(void)
{
	if (preload_setting())
		return;
	print_message("skipped: preload.c cannot be compiled: %s\n", preload_why());
	skip();
}

void faults_need_allocations(void)
{
	if (CAN_FAIL_ALLOCATIONS)
		return;
	print_message("skipped: AddressSanitizer has an allocator of its own\n");
	skip();
}

const char *faults_setting(const struct faults *e)
{
	static char setting[64];

	snprintf(setting, sizeof(setting), "PRELOAD_FAULT=%s", e->class);
	return setting;
}

/* Aborted by us, GLib or libev; or by what takes memory for granted: hiredis 0.14 its buffers, libcurl 7.88 a table of
 * sockets, by whose size it divides. */
bool faults_is_death(int ended)
{
	return ended == 256 + SIGABRT || ended == 256 + SIGTRAP || ended == 256 + SIGSEGV ||
	       ended == 256 + SIGFPE;
}

static void tell(struct faults *e, size_t nth)
{
	char key[32];

	snprintf(key, sizeof(key), "fault-%zu", nth);
	print_error("%s %zu:\n", e->class, nth);
	fleet_show_status(e->fleet, key);
}

static bool has_ended(void *process)
{
	return !process_running(process);
}

bool faults_note(struct faults *e, struct process *victim, size_t nth)
{
	int ended;
	char *err, *what;

	if (!wait_for(NULL, has_ended, victim, WAIT_DEFAULT_MS))
		tell(e, nth);
	ended = process_wait(victim, 1000);
	err = process_stderr(victim);
	what = strstr(err, "fault: ");
	if (ended != 0 && !faults_is_death(ended))
		fail_msg("%s %zu: ended with %d\n%s", e->class, nth, ended, err);
	if (ended != 0 && !what)
		fail_msg("%s %zu: it died of nothing\n%s", e->class, nth, err);
	/* what goes wrong in one worker closes no provider to the others */
	if (strstr(err, "\"provider_down\"")) {
		tell(e, nth);
		fail_msg("it blames the provider\n%s", err);
	}
	e->faults += what != NULL;
	e->deaths += ended != 0;
	free(err);
	fleet_end(e->fleet, victim);
	return what != NULL || nth == 0;
}
