#include "api/cors.h"

#include <string.h>

#include "api/api.h"

static bool is_allowed(const char *origins, const char *origin)
{
	if (strcmp(origins, "*") == 0)
		return true;
	while (*origins != '\0') {
		size_t n = strcspn(origins, ", ");

		if (n > 0 && strlen(origin) == n && memcmp(origins, origin, n) == 0)
			return true;
		origins += n + (origins[n] != '\0');
	}
	return false;
}

void cors_add(struct request *r)
{
	const char *origins = r->api->options->cors_origins, *origin = request_get(r, "Origin");

	if (*origins == '\0')
		return;
	request_add(r, "Vary", "Origin");
	if (origin == NULL || !is_allowed(origins, origin))
		return;
	request_add(r, "Access-Control-Allow-Origin", "%s",
	            strcmp(origins, "*") == 0 ? "*" : origin);
	request_add(
		r, "Access-Control-Expose-Headers",
		"Idempotent-Replayed, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After");
}

void cors_answer(struct request *r, const char *methods)
{
	const char *origins = r->api->options->cors_origins, *origin = request_get(r, "Origin");

	request_add(r, "Allow", "%s, OPTIONS", methods);
	if (origin != NULL && is_allowed(origins, origin)) {
		request_add(r, "Access-Control-Allow-Methods", "%s", methods);
		request_add(r, "Access-Control-Allow-Headers",
		            "Authorization, Content-Type, Idempotency-Key, Prefer, X-API-Key, "
		            "X-Idempotency-Key, traceparent, tracestate");
		request_add(r, "Access-Control-Max-Age", "600");
	}
	request_answer(r, 204);
}
