/* http_end.h - how a request ended, as http_client.c's record of it says. Pure, but for what libcurl is asked of the
 * connection. */
#ifndef PROVIDER_HTTP_END_H
#define PROVIDER_HTTP_END_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/attr.h"
#include "provider/http_client.h"

/* What a transfer's failure means; text: libcurl's words. */
enum http_end http_end_classify(CURLcode rc, const char *text);

/* Of a request that is over, or whose time is up. The reply stays the request's. */
void http_end_describe(struct http_request *r, struct http_result *result);

/* Whether it is to be tried once more, on a fresh connection: one that was kept alive may be dead already, which shows only
 * when it is used. */
bool http_end_restarts(const struct http_request *r, const struct http_result *result) MUST_CHECK;

#endif
