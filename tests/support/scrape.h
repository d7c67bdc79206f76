/* scrape.h - the page of metrics as Prometheus gets it. */
#ifndef SUPPORT_SCRAPE_H
#define SUPPORT_SCRAPE_H

#include "base/attr.h"
#include "support/api.h"

#define SCRAPE_QUEUE "queue=\"" FLEET_QUEUE "\""
#define SCRAPE_MAILS(STATUS) "postrider_mails_total{" SCRAPE_QUEUE ",status=\"" STATUS "\"}"

/* The page; a new string (free). Fails the test when it is none. */
char *scrape(const struct api_process *a) MUST_CHECK;
/* The value of a sample, to the letter of its name and labels; -1: it is not there. */
double scrape_sample(const char *page, const char *name) MUST_CHECK;
/* Until it is at least so much: workers tell what they have counted once a second. */
void scrape_wait(const struct api_process *a, const char *name, double value);

#define scrape_expect(PAGE, NAME, VALUE)                                                           \
	scrape_expect_at(__FILE__, __LINE__, (PAGE), (NAME), (double)(VALUE))
void scrape_expect_at(const char *file, int line, const char *page, const char *name, double value);

#endif
