/* mime.h - GMime, made ready at first use. */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

/* Before any call into GMime; may be called any number of times. Not for several threads. */
void mime_init(void);

#endif
