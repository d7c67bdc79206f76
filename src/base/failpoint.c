#include "base/failpoint.h"

#ifdef FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct failpoint_page *page_open(void)
{
	const char *path = getenv("FAILPOINT_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *page;

	if (fd < 0)
		return NULL;
	page = mmap(NULL, sizeof(struct failpoint_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return NULL;
	atomic_store(&((struct failpoint_page *)page)->open, 1);
	return page;
}

void failpoint_pass(const char *name)
{
	static struct failpoint_page *page;
	static bool looked;
	int32_t signal;

	if (!looked)
		page = page_open();
	looked = true;
	if (!page)
		return;
	signal = atomic_load(&page->signal);
	if (signal == 0 || strncmp(page->name, name, sizeof(page->name)) != 0 ||
	    !atomic_compare_exchange_strong(&page->signal, &signal, 0))
		return;
	atomic_fetch_add(&page->met, 1);
	raise(signal);
}

#endif
