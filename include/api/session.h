/* session.h - who has signed in with a browser: a key or a token, exchanged for a cookie.
 *
 *     GET    /api/session   {protected, name, scopes, version}: is a key needed, and who is asking?
 *     POST   /api/session   {key}: signs in; SESSION_TRIES a minute from one address
 *     DELETE /api/session   signs out
 *
 * Nothing is kept on our side, so any process knows the session, and it ends with the key. The cookie is
 * `k.<expiry>.<mac>.<name>`, where the key's digest has signed name and expiry, or `t.<token>`, a JSON Web Token itself.
 * It is HttpOnly and SameSite=Strict, and Secure under HTTPS, also that of a proxy before us.
 *
 * What changes anything must also have the header X-Postrider, which no page of another origin can send without
 * asking first (cors.h), and must not be said to come from another origin (Origin, Sec-Fetch-Site): a page on
 * another port of this host is of the same site. */
#ifndef API_SESSION_H
#define API_SESSION_H

#include <stdbool.h>

#include "api/auth.h"
#include "api/request.h"
#include "base/attr.h"

#define SESSION_TRIES 10
#define SESSION_TRIES_MS 60000
#define SESSION_LIFE_S 43200

/* Who the cookie says, if it is right and not over. */
bool session_identify(const struct request *r, struct identity *who) MUST_CHECK;
/* Does it only read, or come from our own pages? */
bool session_writes(const struct request *r) MUST_CHECK;

void session_show(struct request *r);
void session_open(struct request *r);
void session_close(struct request *r);

#endif
