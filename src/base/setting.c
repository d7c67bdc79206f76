#include "base/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define SETTING_MAX (64 * 1024)

static struct {
	bool loaded;
	struct dotenv dotenv;
} state;

bool setting_dotenv(const struct dotenv **d, struct error *err)
{
	if (!state.loaded && !dotenv_load(&state.dotenv, ".env", err))
		return false;
	state.loaded = true;
	*d = &state.dotenv;
	return true;
}

void setting_forget(void)
{
	if (state.loaded)
		dotenv_free(&state.dotenv);
	state.loaded = false;
}

static bool is_set(const char *value)
{
	return value != NULL && *value != '\0';
}

static void drop_newline(char *text)
{
	size_t n = strlen(text);

	if (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (n > 0 && text[n - 1] == '\r')
		text[--n] = '\0';
}

/* The caller has seen that *value is NULL; it stays so when the file is empty. */
static bool read_value(const char *path, char **value, struct error *err)
{
	char *text;

	if (!file_read(path, SETTING_MAX, &text, err))
		return false;
	drop_newline(text);
	if (*text != '\0')
		*value = text;
	else
		mem_free(text);
	return true;
}

/* One place (the environment, .env) that may have NAME or NAME_FILE. */
static bool get_from(const char *name, const char *plain, const char *path, char **value,
                     struct error *err)
{
	if (is_set(plain) && is_set(path))
		return error_set(err, "%s and %s_FILE are both set; only one can count", name,
		                 name);
	if (is_set(plain))
		*value = mem_strdup(plain);
	else if (is_set(path) && !read_value(path, value, err))
		return error_prefix(err, "%s_FILE", name);
	return true;
}

static bool get_credential(const char *name, char **value, struct error *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char *path;
	bool ok;

	if (!is_set(dir))
		return true;
	path = mem_printf("%s/%s", dir, name);
	ok = read_value(path, value, err) || errno == ENOENT;
	mem_free(path);
	return ok || error_prefix(err, "%s", name);
}

bool setting_get(const char *name, bool secret, char **value, struct error *err)
{
	char *name_file = mem_printf("%s_FILE", name);
	const struct dotenv *d;
	bool ok;

	*value = NULL;
	ok = get_from(name, getenv(name), getenv(name_file), value, err);
	if (ok && *value == NULL && secret)
		ok = get_credential(name, value, err);
	if (ok && *value == NULL) {
		ok = setting_dotenv(&d, err);
		if (ok &&
		    !get_from(name, dotenv_get(d, name), dotenv_get(d, name_file), value, err))
			ok = error_prefix(err, ".env");
	}
	mem_free(name_file);
	return ok;
}
