/* smtp_check.h - the harmless question to an SMTP server: EHLO, STARTTLS, AUTH, QUIT. */
#ifndef PROVIDER_SMTP_CHECK_H
#define PROVIDER_SMTP_CHECK_H

#include "provider/provider.h"
#include "smtp/config.h"

void smtp_check(struct provider *p, const struct smtp_config *config, struct provider_check *c);

#endif
