/* sigpipe.h - a write to a connection that is closed is an error to be handled, not the end of the process. */
#ifndef BASE_SIGPIPE_H
#define BASE_SIGPIPE_H

void sigpipe_ignore(void); /* unless the program handles it by itself */

#endif
