/* What cppcheck cannot know, because it does not read the headers of the system and of libraries. */
#define TAILQ_HEAD(NAME, TYPE)                                                                     \
	struct NAME {                                                                              \
		struct TYPE *tqh_first, **tqh_last;                                                \
	}
#define TAILQ_ENTRY(TYPE)                                                                          \
	struct {                                                                                   \
		struct TYPE *tqe_next, **tqe_prev;                                                 \
	}
#define TAILQ_FIRST(HEAD) ((HEAD)->tqh_first)
#define TAILQ_NEXT(VAR, FIELD) ((VAR)->FIELD.tqe_next)
#define TAILQ_EMPTY(HEAD) ((HEAD)->tqh_first == 0)
#define TAILQ_FOREACH(VAR, HEAD, FIELD)                                                            \
	for ((VAR) = TAILQ_FIRST(HEAD); (VAR) != 0; (VAR) = TAILQ_NEXT(VAR, FIELD))
#define cJSON_ArrayForEach(ITEM, LIST)                                                             \
	for ((ITEM) = (LIST) != 0 ? (LIST)->child : 0; (ITEM) != 0; (ITEM) = (ITEM)->next)
