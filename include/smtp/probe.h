/* probe.h - is a mail server there, and does it take us? Looks up, connects, EHLO, TLS, AUTH, QUIT:
 * as far as a connection goes before its first envelope. */
#ifndef SMTP_PROBE_H
#define SMTP_PROBE_H

#include <ev.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "smtp/config.h"
#include "smtp/envelope.h"

/* r->phase is SMTP_IDLE: all went well. `tls`: it is spoken on that connection. From the loop, once. */
typedef void smtp_probe_fn(void *data, const struct smtp_result *r, bool tls);

/* config outlives the probe. False: TLS or the resolver cannot be set up; fn is not called. */
bool smtp_probe_start(struct ev_loop *loop, const struct smtp_config *config, smtp_probe_fn *fn, void *data,
                      struct error *err) MUST_CHECK;

#endif
