/* hook_fleet.h - a fleet whose mails are told to an http_server. */
#ifndef SUPPORT_HOOK_FLEET_H
#define SUPPORT_HOOK_FLEET_H

#include "base/attr.h"
#include "support/fleet.h"
#include "support/http_server.h"

#define HOOK_FLEET_QUEUE "mail:webhooks"
#define HOOK_FLEET_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* They are told to …/hook/<name>, where it behaves so (http_server_url), and again three times 20 ms later. fleet_free. */
struct fleet *hook_fleet_start(struct http_server *server, const char *behaviour,
                               const char *name) MUST_CHECK;

#endif
