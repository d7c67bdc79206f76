#include "cli/cmd.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "cli/human.h"
#include "redis/topology_config.h"

#define MAX_SAID 4096

int cmd_fail(int code, const char *format, ...)
{
	char text[MAX_SAID];
	struct buf clean;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* It may quote an argument. */
	buf_init(&clean, 3 * sizeof(text));
	human_text(&clean, text, strlen(text));
	fflush(stdout);
	fprintf(stderr, "postrider: %s\n", buf_str(&clean));
	buf_free(&clean);
	return code;
}

bool cmd_connect(const struct options *o, struct sync **s, int *code)
{
	struct topology_config config;
	struct error err;

	if (!topology_config_parse(&config, o->redis_url, &err)) {
		*code = cmd_fail(CMD_USAGE, "%s", err.text);
		return false;
	}
	config.link.timeout_ms = (int)o->command_timeout;
	*s = sync_open(&config, &err);
	topology_config_free(&config);
	if (*s != NULL)
		return true;
	*code = cmd_fail(CMD_REDIS, "%s", err.text);
	return false;
}
