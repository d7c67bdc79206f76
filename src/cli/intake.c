#include "cli/intake.h"

#include <string.h>

void intake_init(struct intake *in, const char *text, size_t len)
{
	*in = (struct intake){.at = text, .end = text + len, .line = 1};
	/* Some editors begin files so. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		in->at += 3;
}

static void step(struct intake *in)
{
	in->line += *in->at == '\n';
	in->at++;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct intake *in)
{
	while (in->at < in->end && is_blank(*in->at))
		step(in);
}

/* Past the closing quote; the opening one was passed. */
static void skip_string(struct intake *in)
{
	while (in->at < in->end && *in->at != '"') {
		if (*in->at == '\\' && in->end - in->at > 1)
			step(in);
		step(in);
	}
	if (in->at < in->end)
		step(in);
}

/* Past the object that begins here. False: it never ends. */
static bool skip_object(struct intake *in)
{
	size_t depth = 0;

	while (in->at < in->end) {
		char c = *in->at;

		step(in);
		if (c == '"')
			skip_string(in);
		else if (c == '{')
			depth++;
		else if (c == '}' && --depth == 0)
			return true;
	}
	return false;
}

static enum intake_kind fault(struct intake *in, struct intake_mail *mail, const char *why)
{
	mail->why = why;
	while (in->at < in->end && *in->at != '\n')
		step(in);
	return INTAKE_FAULT;
}

/* Passes brackets and commas. NULL, or what is wrong. */
static const char *pass_marks(struct intake *in)
{
	while (skip_blanks(in), in->at < in->end) {
		if (*in->at == '[' && !in->in_array) {
			in->in_array = true;
			in->after_value = false;
		} else if (*in->at == ']' && in->in_array) {
			in->in_array = false;
			in->after_value = false;
		} else if (*in->at == ',' && in->in_array && in->after_value) {
			in->after_value = false;
		} else {
			break;
		}
		step(in);
	}
	if (in->at == in->end)
		return in->in_array ? "the array never ends" : NULL;
	if (*in->at != '{')
		return "a JSON object was expected, {\"to\": …}";
	if (in->in_array && in->after_value)
		return "a comma was expected between two mails of the array";
	return NULL;
}

enum intake_kind intake_next(struct intake *in, struct intake_mail *mail)
{
	const char *why = pass_marks(in);

	*mail = (struct intake_mail){.text = in->at, .line = in->line};
	if (in->at == in->end) {
		bool open = in->in_array;

		in->in_array = false;
		mail->why = why;
		return open ? INTAKE_FAULT : INTAKE_END;
	}
	in->after_value = true;
	if (why != NULL)
		return fault(in, mail, why);
	if (!skip_object(in))
		return fault(in, mail,
		             "the object that begins here never ends: its closing } is missing");
	mail->len = (size_t)(in->at - mail->text);
	return INTAKE_MAIL;
}
