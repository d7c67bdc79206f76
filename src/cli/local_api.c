#include "cli/local_api.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/auth.h"
#include "base/port.h"

static bool hold(struct local_api *a, const char *host, bool port_set, struct error *err)
{
	bool taken;

	a->held = port_hold(host, &a->port, &taken, err);
	if (a->held < 0 && taken && !port_set) {
		a->moved = true;
		a->port = 0;
		a->held = port_hold(host, &a->port, &taken, err);
	}
	if (a->held < 0 && taken)
		return error_set(err,
		                 "port %d is taken: give the HTTP API another one by PORT, or "
		                 "leave it out by --no-api",
		                 a->port);
	return a->held >= 0;
}

/* Everywhere is here, too. */
static void set_url(struct local_api *a, const char *host, bool https)
{
	bool six = strchr(host, ':') != NULL;

	if (*host == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0) {
		host = "127.0.0.1";
		six = false;
	}
	snprintf(a->url, sizeof(a->url), "%s://%s%s%s:%d", https ? "https" : "http", six ? "[" : "",
	         host, six ? "]" : "", a->port);
}

bool local_api_choose(struct local_api *a, const struct options *o, bool port_set,
                      struct error *err)
{
	const char *host;
	struct auth auth;

	memset(a, 0, sizeof(*a));
	a->held = -1;
	if (!auth_load(&auth, o, err))
		return false;
	a->protected = auth_protects(&auth);
	auth_free(&auth);
	a->port = (int)o->port;
	host = api_host(o, a->protected);
	if (!hold(a, host, port_set, err))
		return false;
	set_url(a, host, *o->tls_cert_file != '\0');
	snprintf(a->flag, sizeof(a->flag), "--port=%d", a->port);
	return true;
}

void local_api_release(struct local_api *a)
{
	if (a->held >= 0)
		close(a->held);
	a->held = -1;
}
