#include "redis/link_error.h"

#include <stdbool.h>
#include <string.h>

/* clang-format off */
static const struct link_error errors[] = {
	/* not executed, wait */
	{"LOADING", LINK_AGAIN, LINK_REMEDY_WAIT, false,
	 "it reads its data from the disk; try again in a moment"},
	{"BUSY", LINK_AGAIN, LINK_REMEDY_WAIT, false,
	 "somebody's script keeps it busy; try again when that has ended"},
	{"MASTERDOWN", LINK_AGAIN, LINK_REMEDY_WAIT, false,
	 "it is a replica without its master; name the master in REDIS_URL, or wait for a failover"},
	{"CLUSTERDOWN", LINK_AGAIN, LINK_REMEDY_WAIT, true,
	 "some slots have no master; see what redis-cli --cluster check says"},
	{"TRYAGAIN", LINK_AGAIN, LINK_REMEDY_WAIT, true, "slots are moving; try again"},
	/* not executed, load and repeat */
	{"NOSCRIPT", LINK_AGAIN, LINK_REMEDY_GREET, false, "it has forgotten the scripts; try again"},
	/* not executed, go elsewhere */
	{"READONLY", LINK_AGAIN, LINK_REMEDY_RECONNECT, false,
	 "it is a replica; name the master in REDIS_URL, or use redis+sentinel:// or redis+cluster://"},
	{"MOVED", LINK_AGAIN, LINK_REMEDY_RECONNECT, true,
	 "it is a node of a cluster; use redis+cluster:// in REDIS_URL"},
	{"ASK", LINK_AGAIN, LINK_REMEDY_RECONNECT, true,
	 "it is a node of a cluster; use redis+cluster:// in REDIS_URL"},
	{"UNBLOCKED", LINK_AGAIN, LINK_REMEDY_RECONNECT, false, "it has become a replica; try again"},
	/* refused */
	{"OOM", LINK_NOMEM, LINK_REMEDY_NONE, false,
	 "raise its maxmemory, or let workers empty the queues; then try again"},
	{"NOREPLICAS", LINK_REFUSED, LINK_REMEDY_NONE, false,
	 "min-replicas-to-write asks for replicas that are away; bring them back, then try again"},
	{"MISCONF", LINK_REFUSED, LINK_REMEDY_NONE, false,
	 "it cannot save to its disk; see its log and the disk, then try again"},
	/* somebody must change something */
	{"NOAUTH", LINK_CONFIG, LINK_REMEDY_GREET, false,
	 "it asks for a password; write redis://USER:PASSWORD@host in REDIS_URL"},
	{"WRONGPASS", LINK_CONFIG, LINK_REMEDY_NONE, false, "check user and password in REDIS_URL"},
	{"NOPERM", LINK_CONFIG, LINK_REMEDY_NONE, false,
	 "this Redis user may not do that; the README has the least rights that each needs"},
	{"CROSSSLOT", LINK_CONFIG, LINK_REMEDY_NONE, false, "it is a cluster; use redis+cluster:// in REDIS_URL"},
	{"DENIED", LINK_CONFIG, LINK_REMEDY_NONE, false,
	 "it serves its own machine only; set a password there, or protected-mode no"},
	/* of one key */
	{"WRONGTYPE", LINK_ERROR, LINK_REMEDY_NONE, false,
	 "something else lies under a key of ours; look with TYPE, and rename or delete it"},
};
static const struct link_error other = {"", LINK_ERROR, LINK_REMEDY_NONE, false, ""};
static const struct link_error too_many_clients = {
	"ERR", LINK_AGAIN, LINK_REMEDY_RECONNECT, false, "raise its maxclients, or use fewer connections"};
static const struct link_error no_such_database = {
	"ERR", LINK_ERROR, LINK_REMEDY_NONE, false, "check the number of the database in REDIS_URL"};
static const struct link_error script_may_not = {
	"ERR", LINK_CONFIG, LINK_REMEDY_NONE, false,
	"this Redis user may not do that; the README has the least rights that each needs"};
/* clang-format on */

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
	if (contains(text, len, "DB index is out of range"))
		return &no_such_database;
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

void link_error_say(const char *text, size_t len, struct error *err)
{
	const char *advice = link_error_find(text, len)->advice;

	error_set(err, "%.*s%s%s", (int)len, text, *advice ? ": " : "", advice);
}

enum link_result link_classify(const char *error, size_t len)
{
	return link_error_find(error, len)->result;
}
