/* cors.h - which web pages may read our answers: those of CORS_ORIGINS. */
#ifndef API_CORS_H
#define API_CORS_H

#include <stdbool.h>

#include "api/request.h"

/* The headers of an answer, where the request came from such a page. */
void cors_add(struct request *r);
/* An OPTIONS that asks what may be asked; methods: of its path. */
void cors_answer(struct request *r, const char *methods);

#endif
