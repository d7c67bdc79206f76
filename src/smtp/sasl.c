#include "smtp/sasl.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"

#define SASL_MAX_MESSAGE (64 * 1024) /* OAuth tokens can be long */

enum smtp_mechanism smtp_sasl_choose(enum smtp_mechanism wanted, unsigned offered)
{
	static const enum smtp_mechanism order[] = {SMTP_MECHANISM_PLAIN, SMTP_MECHANISM_LOGIN,
	                                            SMTP_MECHANISM_XOAUTH2};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if ((offered & 1U << order[i]) != 0 &&
		    (wanted == SMTP_MECHANISM_ANY || wanted == order[i]))
			return order[i];
	return SMTP_MECHANISM_ANY;
}

const char *smtp_sasl_name(enum smtp_mechanism m)
{
	switch (m) {
	case SMTP_MECHANISM_PLAIN:
		return "PLAIN";
	case SMTP_MECHANISM_LOGIN:
		return "LOGIN";
	case SMTP_MECHANISM_XOAUTH2:
		return "XOAUTH2";
	case SMTP_MECHANISM_ANY:
		break;
	}
	return "none";
}

static void add_base64(struct buf *out, const void *bytes, size_t n)
{
	char *to = buf_reserve(out, (n + 2) / 3 * 4 + 1);

	if (to == NULL)
		return;
	out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, bytes, (int)n);
}

static void secret_free(struct buf *b)
{
	if (b->data != NULL)
		mem_wipe(b->data, b->cap);
	buf_free(b);
}

void smtp_sasl_start(struct buf *out, enum smtp_mechanism m, const char *user, const char *password)
{
	struct buf message;
	/* Reserved beforehand, so that growing leaves no copy of the secret behind in the heap. */
	size_t room = strlen(user) + strlen(password) + 32;

	buf_init(&message, SASL_MAX_MESSAGE);
	if (buf_reserve(&message, room) == NULL)
		out->failed = true;
	buf_add_str(out, "AUTH ");
	buf_add_str(out, smtp_sasl_name(m));
	if (m == SMTP_MECHANISM_PLAIN) {
		buf_add_char(&message, '\0');
		buf_add_str(&message, user);
		buf_add_char(&message, '\0');
		buf_add_str(&message, password);
	} else if (m == SMTP_MECHANISM_XOAUTH2) {
		buf_add_str(&message, "user=");
		buf_add_str(&message, user);
		buf_add_str(&message, "\001auth=Bearer ");
		buf_add_str(&message, password);
		buf_add_str(&message, "\001\001");
	}
	if (message.len > 0) {
		buf_add_char(out, ' ');
		add_base64(out, message.data, message.len);
	}
	buf_add_str(out, "\r\n");
	secret_free(&message);
}

void smtp_sasl_answer(struct buf *out, enum smtp_mechanism m, unsigned step, const char *user,
                      const char *password)
{
	if (m == SMTP_MECHANISM_LOGIN && step < 2) {
		const char *answer = step == 0 ? user : password;

		add_base64(out, answer, strlen(answer));
	} else if (m != SMTP_MECHANISM_XOAUTH2) {
		/* XOAUTH2 says why it refuses in a challenge, and wants an empty line; others are
		 * told that we give up. */
		buf_add_char(out, '*');
	}
	buf_add_str(out, "\r\n");
}
