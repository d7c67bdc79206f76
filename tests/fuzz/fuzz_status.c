/* A mail's status as Redis answers it (HGETALL): what the HTTP API and `postrider status` make of it.
 *
 * The input is RESP, as on the wire. */
#include "fuzz/fuzz.h"

#include "base/mem.h"
#include "cli/mail_print.h"
#include "fleet/view_json.h"
#include "fuzz/resp.h"
#include "mail/json.h"
#include "mail/recipients.h"

static void check_json(const char *text, size_t n)
{
	struct error err;
	cJSON *tree = json_parse(text, n, &err);

	FUZZ_REQUIRE(cJSON_IsObject(tree));
	cJSON_Delete(tree);
}

static void check_people(const redisReply *reply)
{
	const struct term term = {0};
	struct mail_view v;
	struct buf out;

	mail_view_read(&v, "key", reply);
	buf_init(&out, 1 << 22);
	mail_print(&v, &term, 1795514400000, &out);
	FUZZ_REQUIRE(buf_ok(&out));
	for (size_t i = 0; i < out.len; i++)
		FUZZ_REQUIRE(out.data[i] == '\n' || (unsigned char)out.data[i] >= 0x20);
	buf_free(&out);
	mail_view_free(&v);
}

static void check_programs(const redisReply *reply)
{
	struct mail_view v;
	struct buf out;

	mail_view_read(&v, "key", reply);
	buf_init(&out, 1 << 22);
	view_json_mail(&out, &v);
	check_json(out.data, out.len);
	buf_free(&out);
	mail_view_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	redisReply *reply = resp_next(&in);

	if (reply == NULL)
		return 0;
	check_programs(reply);
	check_people(reply);
	freeReplyObject(reply);
	return 0;
}
