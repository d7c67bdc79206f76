#include "support/sink_group.h"

struct sink *sink;

int sink_group_begin(void **state)
{
	(void)state;
	sink = sink_start();
	return 0;
}

int sink_group_end(void **state)
{
	(void)state;
	sink_free(sink);
	return 0;
}
