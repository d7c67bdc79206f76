/* What cppcheck cannot know, because it does not read the system's headers. */
#define TAILQ_FOREACH(VAR, HEAD, FIELD)                                                            \
	for ((VAR) = (HEAD)->tqh_first; (VAR) != 0; (VAR) = (VAR)->FIELD.tqe_next)
