/* sink_group.h - one sink for all tests of a program: cmocka_run_group_tests(tests, sink_group_begin, sink_group_end). */
#ifndef SUPPORT_SINK_GROUP_H
#define SUPPORT_SINK_GROUP_H

#include "support/sink.h"

extern struct sink *sink; /* sink_start's */

int sink_group_begin(void **state);
int sink_group_end(void **state);

#endif
