#include "redis/link_error.h"

#include <stdbool.h>
#include <string.h>

static const struct link_error errors[] = {
	/* not executed, wait */
	{"LOADING", LINK_AGAIN, LINK_REMEDY_WAIT, false},
	{"BUSY", LINK_AGAIN, LINK_REMEDY_WAIT, false},
	{"MASTERDOWN", LINK_AGAIN, LINK_REMEDY_WAIT, false},
	{"CLUSTERDOWN", LINK_AGAIN, LINK_REMEDY_WAIT, true},
	{"TRYAGAIN", LINK_AGAIN, LINK_REMEDY_WAIT, true},
	/* not executed, load and repeat */
	{"NOSCRIPT", LINK_AGAIN, LINK_REMEDY_GREET, false},
	/* not executed, go elsewhere */
	{"READONLY", LINK_AGAIN, LINK_REMEDY_RECONNECT, false},
	{"MOVED", LINK_AGAIN, LINK_REMEDY_RECONNECT, true},
	{"ASK", LINK_AGAIN, LINK_REMEDY_RECONNECT, true},
	{"UNBLOCKED", LINK_AGAIN, LINK_REMEDY_RECONNECT, false},
	/* refused */
	{"OOM", LINK_NOMEM, LINK_REMEDY_NONE, false},
	{"NOREPLICAS", LINK_REFUSED, LINK_REMEDY_NONE, false},
	{"MISCONF", LINK_REFUSED, LINK_REMEDY_NONE, false},
	/* somebody must change something */
	{"NOAUTH", LINK_CONFIG, LINK_REMEDY_GREET, false},
	{"WRONGPASS", LINK_CONFIG, LINK_REMEDY_NONE, false},
	{"NOPERM", LINK_CONFIG, LINK_REMEDY_NONE, false},
	{"CROSSSLOT", LINK_CONFIG, LINK_REMEDY_NONE, false},
	{"DENIED", LINK_CONFIG, LINK_REMEDY_NONE, false},
};
static const struct link_error other = {"", LINK_ERROR, LINK_REMEDY_NONE, false};
static const struct link_error too_many_clients = {"ERR", LINK_AGAIN, LINK_REMEDY_RECONNECT, false};
static const struct link_error script_may_not = {"ERR", LINK_CONFIG, LINK_REMEDY_NONE, false};

static bool contains(const char *text, size_t len, const char *part)
{
	return memmem(text, len, part, strlen(part)) != NULL;
}

static bool in_code(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The row of a whole word (BUSY is no BUSYKEY), or NULL. */
static const struct link_error *row_of(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strlen(errors[i].code) == len && memcmp(errors[i].code, word, len) == 0)
			return &errors[i];
	return NULL;
}

/* The row of the first word in the text that is a code; `only_first`: if it is the first word. */
static const struct link_error *search(const char *text, size_t len, bool only_first)
{
	for (size_t i = 0; i < len;) {
		size_t n = 0;
		while (i + n < len && in_code(text[i + n]))
			n++;
		const struct link_error *row = n > 0 ? row_of(text + i, n) : NULL;
		if (row)
			return row;
		if (n > 0 && only_first)
			return NULL;
		i += n > 0 ? n : 1;
	}
	return NULL;
}

/* The first word is the code, as a rule. Where a script failed, the code may stand anywhere:
 *   6.2  ERR Error running script (call to f_<sha>): @user_script:1: @user_script: 3: -OOM command …
 *   7    OOM command not allowed when used memory > 'maxmemory'. script: <sha>, on @user_script:1.
 * Other texts are not searched, because they quote what the client sent. */
const struct link_error *link_error_find(const char *text, size_t len)
{
	const struct link_error *row = search(text, len, true);
	if (row)
		return row;
	if (contains(text, len, "max number of clients"))
		return &too_many_clients;
	if (!contains(text, len, "user_script") && !contains(text, len, "Error running script"))
		return &other;
	row = search(text, len, false);
	if (row)
		return row;
	/* up to Redis 7.0; from 7.2 on */
	if (contains(text, len, "The user executing the script can't") ||
	    contains(text, len, "ACL failure in script"))
		return &script_may_not;
	return &other;
}

enum link_result link_classify(const char *error, size_t len)
{
	return link_error_find(error, len)->result;
}
