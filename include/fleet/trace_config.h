/* trace_config.h - OTEL_* taken apart: where traces go, with which headers, of which resource. Pure. */
#ifndef FLEET_TRACE_CONFIG_H
#define FLEET_TRACE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/options.h"

struct trace_config {
	char *url;        /* NULL: no traces are made */
	bool clear_text;  /* http:// */
	char *headers;    /* lines "Name: value\n"; secret */
	const char *certificate; /* the roots to trust; "" the system's. The options' */
	const char *certificate_from; /* the variable that says so */
	int64_t timeout;  /* of a request, ms */
	char *resource;   /* otlp_resource's */
};

/* instance: this process's name. False: err says which option is wrong, without quoting a secret; nothing is to be
 * freed. */
bool trace_config_read(struct trace_config *c, const struct options *o, const char *instance, struct error *err) MUST_CHECK;
void trace_config_free(struct trace_config *c);

#endif
