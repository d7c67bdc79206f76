#include "mail/mime.h"

#include <gmime/gmime.h>
#include <stdbool.h>

void mime_init(void)
{
	static bool ready;

	if (ready)
		return;
	g_mime_init();
	ready = true;
}
