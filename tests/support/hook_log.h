/* hook_log.h - the webhooks that an http_server has kept (at /hook), in the order of their arrival. */
#ifndef SUPPORT_HOOK_LOG_H
#define SUPPORT_HOOK_LOG_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/attr.h"
#include "support/http_server.h"

size_t hook_log_count(const struct http_server *server);
/* The n-th, from 0 (cJSON_Delete): {"path", "headers", "body", "at"}, and "json", the body parsed. */
cJSON *hook_log_request(const struct http_server *server, size_t n) MUST_CHECK;
/* A member at a path of names: "json.data.key"; "" when there is none. */
const char *hook_log_at(const cJSON *o, const char *path);
/* The same member of all that are about one mail, joined; a new string (free). */
char *hook_log_told(const struct http_server *server, const char *key, const char *path) MUST_CHECK;
/* Until at least n have arrived that are about this mail. */
void hook_log_wait(const struct http_server *server, const char *key, size_t n);
/* Fails the test unless it is this. */
void hook_log_expect(const struct http_server *server, const char *key, const char *path,
                     const char *want);

#endif
