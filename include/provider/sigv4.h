/* sigv4.h - signs a request to AWS (Signature Version 4).
 *
 * Of our own, not libcurl's CURLOPT_AWS_SIGV4: that one hashes the body that libcurl was given,
 * which would have to be all of it, while we keep its last byte back. */
#ifndef PROVIDER_SIGV4_H
#define PROVIDER_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct sigv4_key {
	const char *access_key, *secret;
	const char *session_token; /* of temporary credentials; "" none */
	const char *region, *service;
};

struct sigv4_request {
	const char *method;
	const char *host;         /* as in the header Host */
	const char *path;         /* as it is sent: "/" at the least */
	const char *query;        /* in canonical order and encoding, without '?'; "" none */
	const char *content_type; /* "" none */
	const void *body;
	size_t body_len;
	int64_t epoch_s;
};

/* Appends the lines X-Amz-Date, X-Amz-Security-Token (if any) and Authorization, each ended by
 * '\n'. Host and Content-Type must be sent as they were given. */
void sigv4_sign(struct buf *headers, const struct sigv4_key *key, const struct sigv4_request *r);

#endif
