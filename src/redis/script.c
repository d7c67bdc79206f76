#include "redis/script.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"

#define SHA1_BYTES 20

static const char *const names[SCRIPT_N] = {
	[SCRIPT_CLAIM] = "claim",     [SCRIPT_PEEK] = "peek",     [SCRIPT_PERMIT] = "permit",
	[SCRIPT_BEGIN] = "begin",     [SCRIPT_FINISH] = "finish", [SCRIPT_SETTLE] = "settle",
	[SCRIPT_REQUEUE] = "requeue", [SCRIPT_SWEEP] = "sweep",   [SCRIPT_REOPEN] = "reopen",
	[SCRIPT_ACCEPT] = "accept",   [SCRIPT_CANCEL] = "cancel", [SCRIPT_LIMIT] = "limit",
	[SCRIPT_NOTIFY] = "notify",   [SCRIPT_GATHER] = "gather", [SCRIPT_LAG] = "lag",
};

/* Filled at the first use, from what is embedded; never changed after. */
static struct script_source sources[SCRIPT_N];
static bool ready;

static void broken(const char *name, const char *what)
{
	fprintf(stderr, "postrider: the script %s %s\n", name, what);
	abort();
}

static void digest(struct script_source *s)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!EVP_Digest(s->text, s->len, md, &n, EVP_sha1(), NULL) || n != SHA1_BYTES)
		broken(s->name, "has no SHA-1: OpenSSL refuses to compute it");
	for (unsigned i = 0; i < n; i++) {
		s->sha1[2 * i] = "0123456789abcdef"[md[i] >> 4];
		s->sha1[2 * i + 1] = "0123456789abcdef"[md[i] & 15];
	}
	s->sha1[2 * SHA1_BYTES] = '\0';
}

static bool is_of(const struct embedded *file, const char *name)
{
	size_t n = strlen(name);
	return strncmp(file->name, name, n) == 0 && strcmp(file->name + n, ".lua") == 0;
}

static void prepare(void)
{
	for (size_t i = 0; i < SCRIPT_N; i++) {
		struct script_source *s = &sources[i];
		for (size_t j = 0; j < embedded_lua_n && !s->text; j++) {
			if (!is_of(&embedded_lua[j], names[i]))
				continue;
			s->name = names[i];
			s->text = embedded_lua[j].bytes;
			s->len = embedded_lua[j].len;
		}
		if (!s->text)
			broken(names[i], "is not in this binary");
		digest(s);
	}
	ready = true;
}

const struct script_source *script_get(enum script s)
{
	if (!ready)
		prepare();
	return &sources[s];
}

void script_command(struct command *c, enum script s, size_t n_keys)
{
	command_clear(c);
	command_str(c, "EVALSHA");
	command_arg(c, script_get(s)->sha1, 2 * SHA1_BYTES);
	command_int(c, (int64_t)n_keys);
}
