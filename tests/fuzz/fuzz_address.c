/* Addresses and header fields: what is accepted is written so that it is read back as it was, by us and by GMime.
 *
 * The first line is an address as a string, the second and third one in parts, the rest a subject and the
 * value of a header. */
#include "fuzz/fuzz.h"

#include <gmime/gmime.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/job.h"
#include "mail/message.h"
#include "mail/text.h"
#include "smtp/envelope.h"

#define MAX_FIELD ((size_t)1 << 20)

/* A written field: every line is one, and none is blank. Returns its value, unfolded (mem_free). */
static char *unfold(const struct buf *field, const char *name)
{
	struct buf value;
	const char *at = field->data, *end = at + field->len, *eol;

	FUZZ_REQUIRE(strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ':');
	buf_init(&value, MAX_FIELD);
	for (at += strlen(name) + 1; at < end; at = eol + 2) {
		eol = memchr(at, '\r', (size_t)(end - at));
		FUZZ_REQUIRE(eol != NULL && eol[1] == '\n' && eol - at <= 998);
		FUZZ_REQUIRE(memchr(at, '\n', (size_t)(eol - at)) == NULL);
		FUZZ_REQUIRE(memchr(at, '\0', (size_t)(eol - at)) == NULL);
		if (value.len > 0)
			FUZZ_REQUIRE(*at == ' ' && strspn(at, " \t") < (size_t)(eol - at));
		buf_add(&value, at, (size_t)(eol - at));
	}
	while (value.len > 0 && value.data[0] == ' ')
		buf_consume(&value, 1);
	return buf_take(&value);
}

/* The commands: one line each, whatever the address. */
static void check_envelope(const struct address *a)
{
	const char *to[] = {a->email};
	struct smtp_envelope e = {.from = a->email, .to = to, .n_to = 1, .utf8 = !a->ascii};
	struct smtp_caps caps = {.smtputf8 = true, .sized = true};
	struct buf line;

	FUZZ_REQUIRE(smtp_envelope_valid(&e));
	buf_init(&line, 4096);
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			smtp_envelope_mail(&line, &e, &caps, false);
		else
			smtp_envelope_rcpt(&line, &e, 0);
		FUZZ_REQUIRE(buf_ok(&line) && strcspn(line.data, "\r\n") == line.len - 2);
		FUZZ_REQUIRE(strcmp(line.data + line.len - 2, "\r\n") == 0);
		buf_clear(&line);
	}
	buf_free(&line);
}

static void check_address(const struct address *a)
{
	struct header_list list;
	struct address again;
	const char *why;
	struct buf field;
	char *value;

	FUZZ_REQUIRE(strlen(a->email) <= ADDRESS_MAX_EMAIL && strlen(a->name) <= ADDRESS_MAX_NAME);
	FUZZ_REQUIRE(!text_has_control(a->email, strlen(a->email)) &&
	             !text_has_control(a->name, strlen(a->name)));
	FUZZ_REQUIRE(strpbrk(a->email, "<>") == NULL &&
	             text_is_ascii(a->email, strlen(a->email)) == a->ascii);
	FUZZ_REQUIRE(text_is_ascii(address_domain(a), strlen(address_domain(a))));
	check_envelope(a);
	buf_init(&field, MAX_FIELD);
	header_list_begin(&list, &field, "To");
	header_list_add(&list, a);
	header_list_end(&list);
	value = unfold(&field, "To");
	FUZZ_REQUIRE(address_parse(&again, value, strlen(value), &why));
	FUZZ_REQUIRE(strcmp(again.email, a->email) == 0 && strcmp(again.name, a->name) == 0);
	address_free(&again);
	mem_free(value);
	buf_free(&field);
}

/* GMime takes neighbouring words for one, and loses what follows a padded base64 word: so one by one. */
static char *decode(const char *value)
{
	struct buf text;
	const char *end;
	char *word, *decoded;

	buf_init(&text, MAX_FIELD);
	while (*value != '\0') {
		if (strncmp(value, "=?UTF-8?", 8) != 0) {
			buf_add_char(&text, *value++);
			continue;
		}
		end = strstr(value + 10, "?=");
		FUZZ_REQUIRE(end != NULL);
		word = mem_strndup(value, (size_t)(end + 2 - value));
		decoded = g_mime_utils_header_decode_text(NULL, word);
		buf_add_str(&text, decoded);
		g_free(decoded);
		mem_free(word);
		value = end + 2;
		if (strncmp(value + strspn(value, " "), "=?UTF-8?", 8) == 0)
			value += strspn(value, " ");
	}
	return buf_take(&text);
}

static void check_subject(const char *subject)
{
	struct buf field;
	char *value, *decoded;

	if (!utf8_valid(subject, strlen(subject)) ||
	    text_has_control_but_tab(subject, strlen(subject)) || strlen(subject) > JOB_MAX_SUBJECT)
		return;
	buf_init(&field, MAX_FIELD);
	header_add_words(&field, "Subject", subject);
	FUZZ_REQUIRE(text_is_ascii(field.data, field.len));
	value = unfold(&field, "Subject");
	decoded = decode(value);
	FUZZ_REQUIRE(strcmp(decoded, subject) == 0);
	mem_free(decoded);
	mem_free(value);
	buf_free(&field);
}

static void check_value(const char *text)
{
	struct buf field;

	if (!utf8_valid(text, strlen(text)) || text_has_control_but_tab(text, strlen(text)) ||
	    strlen(text) > JOB_MAX_HEADER_VALUE)
		return;
	buf_init(&field, MAX_FIELD);
	header_add_value(&field, "X-Value", text);
	FUZZ_REQUIRE(text_is_ascii(field.data, field.len));
	mem_free(unfold(&field, "X-Value"));
	buf_free(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	char *lines[5];
	struct address a;
	const char *why = NULL;
	static bool started;

	if (!started)
		message_init();
	started = true;
	for (size_t i = 0; i < 5; i++)
		lines[i] = fuzz_line(&in);
	if (lines[0] != NULL) {
		if (address_parse(&a, lines[0], strlen(lines[0]), &why))
			check_address(&a);
		else
			FUZZ_REQUIRE(why != NULL && fuzz_printable(why));
		address_free(&a);
	}
	if (lines[1] != NULL) {
		if (address_make(&a, lines[1], lines[2], &why))
			check_address(&a);
		else
			FUZZ_REQUIRE(why != NULL && fuzz_printable(why));
		address_free(&a);
	}
	if (lines[3] != NULL)
		check_subject(lines[3]);
	if (lines[4] != NULL)
		check_value(lines[4]);
	for (size_t i = 0; i < 5; i++)
		free(lines[i]);
	return 0;
}
