#include "base/options.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/dotenv.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/option_table.h"
#include "base/setting.h"
#include "base/suggest.h"

#define PROVIDER_PREFIX "PROVIDER_"
#define OTEL_PREFIX "OTEL_"
#define SHORTEST_TOLD 5 /* letters of a name: shorter ones are near to each other */

/* The flags of the last options_load: options_provider_dsn looks there for --provider-NAME. */
static struct flags flags;

/* --- one value ----------------------------------------------------------------------------------- */

static bool set_text(const struct option *o, char **field, const char *value, struct error *err)
{
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return error_set(err, "%s has a control character", o->name);
	if (strlen(value) > (size_t)o->max)
		return error_set(err, "%s must be at most %" PRId64 " bytes long", o->name, o->max);
	if (o->check != NULL && !o->check(value))
		return error_set(err, "%s must be %s, not \"%s\"", o->name, o->rule, value);
	*field = mem_strdup(value);
	return true;
}

static bool set_int(const struct option *o, int64_t *field, const char *value, struct error *err)
{
	int64_t n;

	if (!number_int(value, &n) || n < o->min || n > o->max)
		return error_set(err,
		                 "%s must be a number from %" PRId64 " to %" PRId64 ", not \"%s\"",
		                 o->name, o->min, o->max, value);
	*field = n;
	return true;
}

static bool set_ratio(const struct option *o, double *field, const char *value, struct error *err)
{
	double n;

	if (!number_double(value, &n) || n < (double)o->min || n > (double)o->max)
		return error_set(err,
		                 "%s must be a number from %" PRId64 " to %" PRId64 ", not \"%s\"",
		                 o->name, o->min, o->max, value);
	*field = n;
	return true;
}

static bool set_switch(const struct option *o, bool *field, const char *value, struct error *err)
{
	static const char *const words[][2] = {
		{"0", "1"}, {"false", "true"}, {"no", "yes"}, {"off", "on"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int on = 0; on < 2; on++)
			if (strcasecmp(value, words[i][on]) == 0) {
				*field = on == 1;
				return true;
			}
	return error_set(err, "%s must be 1 or 0, not \"%s\"", o->name, value);
}

/* "retry hold fail" → "retry, hold or fail" */
static void add_choices(struct buf *b, const struct option *o)
{
	const char *word = o->choices;
	size_t n;

	for (; *word != '\0'; word += n + (word[n] != '\0')) {
		n = strcspn(word, " ");
		if (word != o->choices)
			buf_add_str(b, word[n] == '\0' ? " or " : ", ");
		buf_add(b, word, n);
	}
}

static bool set_choice(const struct option *o, int64_t *field, const char *value, struct error *err)
{
	const char *word = o->choices;
	int64_t index = 0;
	struct buf all;
	size_t n;

	for (; *word != '\0'; word += n + (word[n] != '\0'), index++) {
		n = strcspn(word, " ");
		if (strlen(value) == n && strncasecmp(value, word, n) == 0) {
			*field = index;
			return true;
		}
	}
	buf_init(&all, 256);
	add_choices(&all, o);
	error_set(err, "%s must be %s, not \"%s\"", o->name, buf_str(&all), value);
	buf_free(&all);
	return false;
}

static bool set(struct options *options, const struct option *o, const char *value,
                struct error *err)
{
	void *field = (char *)options + o->offset;
	int64_t choice;

	switch (o->type) {
	case OPTION_TEXT:
		return set_text(o, field, value, err);
	case OPTION_INT:
		return set_int(o, field, value, err);
	case OPTION_RATIO:
		return set_ratio(o, field, value, err);
	case OPTION_SWITCH:
		return set_switch(o, field, value, err);
	case OPTION_CHOICE:
		return set_choice(o, field, value, err);
	case OPTION_CHOICE_BOOL:
		if (!set_choice(o, &choice, value, err))
			return false;
		*(bool *)field = choice == 1;
		return true;
	}
	return error_set(err, "%s has no type", o->name);
}

/* --- all values ---------------------------------------------------------------------------------- */

static bool load_one(struct options *options, const struct option *o, struct error *err)
{
	const char *flag = flags_get(&flags, o->name);
	char *value;
	bool ok;

	if (flag != NULL && *flag != '\0')
		return set(options, o, flag, err);
	if (!setting_get(o->name, o->secret, &value, err))
		return false;
	if (value == NULL && *o->def == '\0' && o->type != OPTION_TEXT) {
		/* LOG_FORMAT, the only one whose default is not a constant. */
		options->log_format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
		return true;
	}
	ok = set(options, o, value != NULL ? value : o->def, err);
	if (value != NULL)
		mem_wipe(value, strlen(value));
	mem_free(value);
	return ok;
}

/* primary → PROVIDER_PRIMARY */
static char *provider_option(const char *name, size_t n)
{
	char *option = mem_printf("%s%.*s", PROVIDER_PREFIX, (int)n, name);

	for (char *c = option + strlen(PROVIDER_PREFIX); *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
		else if (!(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9'))
			*c = '_';
	}
	return option;
}

static bool is_provider(const char *providers, const char *option)
{
	const char *name = providers;
	bool found = false;

	while (*name != '\0' && !found) {
		size_t n = strcspn(name, ", ");
		char *each = provider_option(name, n);

		found = n > 0 && strcmp(each, option) == 0;
		mem_free(each);
		name += n + (name[n] != '\0');
	}
	return found;
}

/* --provider-primry is not misspelled visibly; that nobody is called so is. */
static bool check_provider_flags(const struct options *options, struct error *err)
{
	char spelled[128];

	for (size_t i = 0; i < flags.n && options->providers[0] != '\0'; i++) {
		const char *name = flags.list[i].name;

		if (strncmp(name, PROVIDER_PREFIX, strlen(PROVIDER_PREFIX)) != 0 ||
		    is_provider(options->providers, name))
			continue;
		flags_spell(name, spelled, sizeof(spelled));
		return error_set(err, "%s is none of the PROVIDERS (%s)", spelled,
		                 options->providers);
	}
	return true;
}

/* Whether `name` begins with the same word as one of ours: REDIS_HOST, as REDIS_URL does. */
static bool begins_like_ours(const char *name)
{
	size_t n = strcspn(name, "_");

	for (size_t i = 0; i < option_table_n; i++)
		if (name[n] == '_' && strncmp(option_table[i].name, name, n + 1) == 0)
			return true;
	return false;
}

/* CONCURRENCY_FILE → CONCURRENCY */
static char *without_file(const char *entry)
{
	size_t n = strlen(entry);

	return mem_strndup(entry, n > 5 && strcmp(entry + n - 5, "_FILE") == 0 ? n - 5 : n);
}

/* `near` is for the name, which is `entry` without its _FILE. False: there is no such option; `near` knows which come near. */
static bool is_option(const char *entry, struct suggest *near)
{
	const char *name = near->wanted;
	/* (OpenTelemetry's standard has more variables than we know.) */
	bool known = strncmp(name, PROVIDER_PREFIX, strlen(PROVIDER_PREFIX)) == 0 ||
	             strncmp(name, OTEL_PREFIX, strlen(OTEL_PREFIX)) == 0;

	for (size_t i = 0; i < option_table_n; i++) {
		/* Some are paths, and end in _FILE themselves. */
		known = known || strcmp(name, option_table[i].name) == 0 ||
		        strcmp(entry, option_table[i].name) == 0;
		suggest_try(near, option_table[i].name);
	}
	return known;
}

static bool check_dotenv_name(const char *entry, struct error *err)
{
	char *name = without_file(entry);
	struct suggest s = suggest_for(name);
	bool known = is_option(entry, &s);
	const char *best = suggest_best(&s);

	if (!known && best != NULL)
		error_set(err, ".env: unknown option %s (did you mean %s?)", name, best);
	else if (!known && begins_like_ours(name))
		error_set(err, ".env: unknown option %s", name);
	else
		known = true;
	mem_free(name);
	return known;
}

static bool check_dotenv(struct error *err)
{
	const struct dotenv *d;

	if (!setting_dotenv(&d, err))
		return false;
	for (size_t i = 0; i < d->n; i++)
		if (!check_dotenv_name(d->entries[i].name, err))
			return false;
	return true;
}

static bool load(struct options *options, struct error *err)
{
	for (size_t i = 0; i < option_table_n; i++)
		if (!load_one(options, &option_table[i], err))
			return false;
	return check_provider_flags(options, err) && check_dotenv(err);
}

static bool parse_flags(int argc, char **argv, const char *const *own, int *n_rest,
                        struct error *err)
{
	struct flag_name *names = mem_array(option_table_n, sizeof(names[0]));
	struct flags_spec spec = {names, option_table_n, PROVIDER_PREFIX, own};
	bool ok;

	for (size_t i = 0; i < option_table_n; i++)
		names[i] = (struct flag_name){option_table[i].name,
		                              option_table[i].type == OPTION_SWITCH,
		                              option_table[i].secret};
	flags_free(&flags);
	ok = flags_parse(&flags, &spec, argc, argv, n_rest, err);
	mem_free(names);
	return ok;
}

bool options_load(struct options *o, int argc, char **argv, const char *const *own, int *n_rest,
                  struct error *err)
{
	memset(o, 0, sizeof(*o));
	if (!parse_flags(argc, argv, own, n_rest, err))
		return false;
	if (!load(o, err)) {
		options_free(o);
		return false;
	}
	return true;
}

void options_free(struct options *o)
{
	for (size_t i = 0; i < option_table_n; i++) {
		char *text;

		if (option_table[i].type != OPTION_TEXT)
			continue;
		text = *(char **)((char *)o + option_table[i].offset);
		if (text != NULL)
			mem_wipe(text, strlen(text));
		mem_free(text);
	}
	memset(o, 0, sizeof(*o));
}

bool options_provider_dsn(const char *name, char **dsn, struct error *err)
{
	char *option = provider_option(name, strlen(name));
	const char *flag = flags_get(&flags, option);
	bool ok = true;

	if (flag != NULL && *flag != '\0')
		*dsn = mem_strdup(flag);
	else
		ok = setting_get(option, true, dsn, err);
	mem_free(option);
	return ok;
}

static const struct option *find(const char *name, struct error *err)
{
	for (size_t i = 0; i < option_table_n; i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	error_set(err, "there is no option %s", name);
	return NULL;
}

bool options_text(const char *name, char **value, struct error *err)
{
	const struct option *o = find(name, err);
	struct options read = {0};

	if (o == NULL || !load_one(&read, o, err))
		return false;
	*value = *(char **)((char *)&read + o->offset);
	return true;
}

bool options_given(const char *name, bool *given, struct error *err)
{
	const struct option *o = find(name, err);
	const char *flag = flags_get(&flags, name);
	char *value = NULL;

	*given = flag != NULL && *flag != '\0';
	if (o == NULL || (!*given && !setting_get(name, o->secret, &value, err)))
		return false;
	*given = *given || value != NULL;
	mem_free_secret(value);
	return true;
}

/* The environment is not ours alone: only what is a slip away from an option that nobody has given is told. */
static void check_variable(const char *entry, void (*fn)(const char *name, const char *meant))
{
	char *name = without_file(entry);
	struct suggest s = suggest_for(name);
	struct error err;
	bool given;

	if (strlen(name) >= SHORTEST_TOLD && !is_option(entry, &s) && s.distance == 1 &&
	    options_given(s.best, &given, &err) && !given)
		fn(entry, s.best);
	mem_free(name);
}

void options_misspelt(void (*fn)(const char *name, const char *meant))
{
	for (char **at = environ; *at != NULL; at++) {
		char *name = mem_strndup(*at, strcspn(*at, "="));

		check_variable(name, fn);
		mem_free(name);
	}
}

void options_forget(void)
{
	setting_forget();
}

/* --- for people ---------------------------------------------------------------------------------- */

/* "1 to 100000", "retry, hold or fail", "" */
static void add_range(struct buf *b, const struct option *o)
{
	if (o->choices != NULL)
		add_choices(b, o);
	else if (o->type == OPTION_INT || o->type == OPTION_RATIO)
		buf_addf(b, "%" PRId64 " to %" PRId64, o->min, o->max);
	else if (o->type == OPTION_SWITCH)
		buf_add_str(b, "0 or 1");
	if (o->unit != NULL)
		buf_addf(b, " %s", o->unit);
}

static const char *placeholder(const struct option *o)
{
	switch (o->type) {
	case OPTION_INT:
	case OPTION_RATIO:
		return " N";
	case OPTION_SWITCH:
		return "";
	case OPTION_CHOICE:
	case OPTION_CHOICE_BOOL:
		return " WORD";
	case OPTION_TEXT:
		break;
	}
	return " TEXT";
}

void options_help(FILE *out)
{
	char flag[64];
	struct buf range;

	fputs("Every option is also an environment variable (--redis-url is REDIS_URL, which "
	      "REDIS_URL_FILE\nreads from a file) and may stand in .env. Flags go first.\n",
	      out);
	buf_init(&range, 1024);
	for (size_t i = 0; i < option_table_n; i++) {
		const struct option *o = &option_table[i];

		flags_spell(o->name, flag, sizeof(flag));
		if (o->section != NULL)
			fprintf(out, "\n%s\n", o->section);
		buf_clear(&range);
		add_range(&range, o);
		fprintf(out, "  %s%s\n      %s", flag, placeholder(o), o->help);
		if (range.len > 0 || *o->def != '\0')
			fprintf(out, " [%s%s%s%s]", buf_str(&range),
			        range.len > 0 && *o->def != '\0' ? "; " : "",
			        *o->def != '\0' ? "default " : "", o->def);
		fputc('\n', out);
	}
	buf_free(&range);
	fputs("  --provider-NAME DSN\n      the DSN of the provider NAME, as PROVIDER_<NAME> does\n",
	      out);
}

void options_markdown(FILE *out)
{
	struct buf range;

	buf_init(&range, 1024);
	fputs("| option | default | range | what |\n|---|---|---|---|\n", out);
	for (size_t i = 0; i < option_table_n; i++) {
		const struct option *o = &option_table[i];
		const char *quote = *o->def != '\0' ? "`" : "";

		buf_clear(&range);
		add_range(&range, o);
		fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", o->name, quote, o->def, quote,
		        buf_str(&range), o->help);
	}
	fputs("| `PROVIDER_<NAME>` | | a DSN | the provider `<name>` of `PROVIDERS` |\n", out);
	buf_free(&range);
}
