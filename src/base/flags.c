#include "base/flags.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/suggest.h"

#define NO_PREFIX "NO_"

enum kind { KIND_UNKNOWN, KIND_VALUE, KIND_SWITCH, KIND_NEGATED };

/* One run over argv. */
struct parse {
	struct flags *f;
	const struct flags_spec *spec;
	struct error *err;
	char **argv;
	int argc, at;         /* argv[at] is looked at */
	char **rest, **taken; /* where the arguments go */
	int n_rest, n_taken;
};

/* Strings that now stand in argv, which nobody frees: kept reachable, so that no leak checker
 * takes them for lost. */
static struct kept {
	struct kept *next;
	char *text;
} * kept;

static void keep_until_exit(char *text)
{
	struct kept *k = mem_alloc(sizeof(*k));

	*k = (struct kept){kept, text};
	kept = k;
}

static bool is_kept(const char *text)
{
	for (const struct kept *k = kept; k != NULL; k = k->next)
		if (k->text == text)
			return true;
	return false;
}

/* Puts a copy into argv[at] and blots the original out from `from` on: other users of the machine
 * can read it there. */
static char *conceal(char **argv, int at, size_t from)
{
	char *original = argv[at], *copy;

	if (is_kept(original))
		return original;
	copy = mem_strdup(original);
	memset(original + from, '*', strlen(original + from));
	keep_until_exit(copy);
	argv[at] = copy;
	return copy;
}

/* "max-job-bytes=5" → "MAX_JOB_BYTES"; NULL when no flag is written like this. */
static char *option_name(const char *flag)
{
	char *name = mem_strndup(flag, strcspn(flag, "="));

	for (char *c = name; *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z') {
			*c = (char)(*c - 'a' + 'A');
		} else if (*c == '-') {
			*c = '_';
		} else if (*c < '0' || *c > '9') {
			mem_free(name);
			return NULL;
		}
	}
	return name;
}

void flags_spell(const char *name, char *out, size_t size)
{
	snprintf(out, size, "--%s", name);
	for (char *c = out; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
		else if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum kind find(const struct flags_spec *spec, const char *name)
{
	bool negated = begins(name, NO_PREFIX);

	for (size_t i = 0; i < spec->n_names; i++) {
		const struct flag_name *n = &spec->names[i];

		if (strcmp(name, n->name) == 0)
			return n->is_switch ? KIND_SWITCH : KIND_VALUE;
		if (negated && n->is_switch && strcmp(name + strlen(NO_PREFIX), n->name) == 0)
			return KIND_NEGATED;
	}
	return begins(name, spec->prefix) && name[strlen(spec->prefix)] != '\0' ? KIND_VALUE
	                                                                        : KIND_UNKNOWN;
}

/* The entry of `own` that the flag (without dashes) is, or NULL. */
static const char *find_own(const struct flags_spec *spec, const char *flag)
{
	size_t n = strcspn(flag, "=");

	for (const char *const *own = spec->own; own != NULL && *own != NULL; own++)
		if (strcspn(*own, "=") == n && strncmp(flag, *own, n) == 0)
			return *own;
	return NULL;
}

static bool unknown(struct parse *p, const char *arg)
{
	char *flag = mem_strndup(arg, strcspn(arg, "="));
	struct suggest s = suggest_for(flag);
	char candidate[SUGGEST_MAX + 1];
	const char *best;

	for (size_t i = 0; i < p->spec->n_names; i++) {
		flags_spell(p->spec->names[i].name, candidate, sizeof(candidate));
		suggest_try(&s, candidate);
	}
	for (const char *const *own = p->spec->own; own != NULL && *own != NULL; own++) {
		snprintf(candidate, sizeof(candidate), "--%.*s", (int)strcspn(*own, "="), *own);
		suggest_try(&s, candidate);
	}
	best = suggest_best(&s);
	if (best != NULL)
		error_set(p->err, "unknown flag %s (did you mean %s?)", flag, best);
	else
		error_set(p->err, "unknown flag %s", flag);
	mem_free(flag);
	return false;
}

/* What stands after the =, else the next argument, which is used up; NULL with an error. */
static const char *take_value(struct parse *p, const char *arg)
{
	const char *equals = strchr(arg, '=');

	if (equals != NULL)
		return equals + 1;
	while (++p->at < p->argc)
		if (p->argv[p->at] != NULL && !begins(p->argv[p->at], "--"))
			return p->argv[p->at];
		else if (p->argv[p->at] != NULL)
			break;
	error_set(p->err, "%s needs a value", arg);
	return NULL;
}

static bool parse_own(struct parse *p, char *arg, const char *own)
{
	const char *value;
	char *joined;

	if (own[strcspn(own, "=")] == '\0') {
		if (strchr(arg, '=') != NULL)
			return error_set(p->err, "--%s takes no value", own);
		p->rest[p->n_rest++] = arg;
		return true;
	}
	value = take_value(p, arg);
	if (value == NULL)
		return false;
	if (strchr(arg, '=') == NULL) {
		joined = mem_printf("--%s%s", own, value);
		keep_until_exit(joined);
		arg = joined;
	}
	p->rest[p->n_rest++] = arg;
	return true;
}

static void add(struct flags *f, char *name, const char *value)
{
	f->list = mem_realloc(f->list, (f->n + 1) * sizeof(*f->list));
	f->list[f->n++] = (struct flag){name, value};
}

static bool is_secret(const struct flags_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_names; i++)
		if (strcmp(name, spec->names[i].name) == 0)
			return spec->names[i].is_secret;
	return true; /* by the prefix */
}

static bool parse_option(struct parse *p, char *arg)
{
	char *name = option_name(arg + 2);
	enum kind kind = name != NULL ? find(p->spec, name) : KIND_UNKNOWN;
	const char *equals = strchr(arg, '='), *value;
	bool secret = kind == KIND_VALUE && is_secret(p->spec, name);

	if (secret && equals != NULL) {
		arg = conceal(p->argv, p->at, (size_t)(equals + 1 - arg));
		equals = strchr(arg, '=');
	}
	p->taken[p->n_taken++] = arg;
	if (kind == KIND_UNKNOWN || (kind == KIND_NEGATED && equals != NULL)) {
		mem_free(name);
		return unknown(p, arg);
	}
	if (kind == KIND_VALUE) {
		value = take_value(p, arg);
		if (value == NULL) {
			mem_free(name);
			return false;
		}
		if (secret && equals == NULL)
			value = conceal(p->argv, p->at, 0);
		if (equals == NULL)
			p->taken[p->n_taken++] = p->argv[p->at];
	} else if (kind == KIND_SWITCH) {
		value = equals != NULL ? equals + 1 : "1";
	} else {
		value = "0";
		memmove(name, name + strlen(NO_PREFIX), strlen(name + strlen(NO_PREFIX)) + 1);
	}
	add(p->f, name, value);
	return true;
}

static bool parse_arg(struct parse *p, char *arg)
{
	static char help[] = "--help";
	const char *own;

	if (arg[0] != '-' || arg[1] == '\0') {
		p->rest[p->n_rest++] = arg;
		return true;
	}
	if (strcmp(arg, "-h") == 0)
		arg = help;
	if (arg[1] != '-')
		return unknown(p, arg);
	own = find_own(p->spec, arg + 2);
	return own != NULL ? parse_own(p, arg, own) : parse_option(p, arg);
}

static bool parse_all(struct parse *p)
{
	bool all_rest = false;

	for (p->at = 1; p->at < p->argc; p->at++) {
		char *arg = p->argv[p->at];

		if (arg == NULL)
			continue;
		if (all_rest)
			p->rest[p->n_rest++] = arg;
		else if (strcmp(arg, "--") == 0)
			all_rest = true;
		else if (!parse_arg(p, arg))
			return false;
	}
	return true;
}

bool flags_parse(struct flags *f, const struct flags_spec *spec, int argc, char **argv, int *n_rest,
                 struct error *err)
{
	struct parse p = {.f = f, .spec = spec, .err = err, .argv = argv, .argc = argc};
	bool ok;

	memset(f, 0, sizeof(*f));
	p.rest = mem_array((size_t)argc + 1, sizeof(*p.rest));
	p.taken = mem_array((size_t)argc + 1, sizeof(*p.taken));
	ok = parse_all(&p);
	if (ok) {
		int to = 1;

		for (int i = 0; i < p.n_rest; i++)
			argv[to++] = p.rest[i];
		for (int i = 0; i < p.n_taken; i++)
			argv[to++] = p.taken[i];
		while (to < argc)
			argv[to++] = NULL;
		*n_rest = p.n_rest;
	} else {
		flags_free(f);
	}
	mem_free(p.rest);
	mem_free(p.taken);
	return ok;
}

const char *flags_get(const struct flags *f, const char *name)
{
	for (size_t i = f->n; i-- > 0;)
		if (strcmp(f->list[i].name, name) == 0)
			return f->list[i].value;
	return NULL;
}

void flags_free(struct flags *f)
{
	for (size_t i = 0; i < f->n; i++)
		mem_free(f->list[i].name);
	mem_free(f->list);
	memset(f, 0, sizeof(*f));
}
