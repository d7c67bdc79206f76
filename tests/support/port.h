/* port.h - a TCP port of 127.0.0.1 that was free a moment ago, for a server that wants to be told its port. */
#ifndef SUPPORT_PORT_H
#define SUPPORT_PORT_H

#include "base/attr.h"

int port_free(void) MUST_CHECK;

#endif
