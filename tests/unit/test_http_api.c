#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/http_api.h"
#include "provider/http_client.h"
#include "provider/http_end.h"

/* A transfer that failed, by libcurl's code, to what it comes to: before and after the last byte. */
static void test_failures(void **state)
{
	static const struct {
		CURLcode rc;
		const char *text;
		enum http_end end;
		enum outcome_kind before;
		const char *code;
	} cases[] = {
		{CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host", HTTP_END_LOOKUP,
	         OUTCOME_RETRY, "dns"},
		{CURLE_COULDNT_RESOLVE_PROXY, "", HTTP_END_LOOKUP, OUTCOME_RETRY, "dns"},
		{CURLE_COULDNT_CONNECT, "Connection refused", HTTP_END_CONNECT, OUTCOME_RETRY,
	         "connect"},
		{CURLE_OPERATION_TIMEDOUT, "", HTTP_END_TIMEOUT, OUTCOME_RETRY, "timeout"},
		{CURLE_GOT_NOTHING, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_SEND_ERROR, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_RECV_ERROR, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_SEND_FAIL_REWIND, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_PARTIAL_FILE, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_ABORTED_BY_CALLBACK, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_OUT_OF_MEMORY, "", HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_PEER_FAILED_VERIFICATION, "certificate has expired", HTTP_END_TLS,
	         OUTCOME_PROVIDER_DOWN, "tls"},
		{CURLE_SSL_CACERT_BADFILE, "", HTTP_END_TLS, OUTCOME_PROVIDER_DOWN, "tls"},
		/* What was said in a handshake is said again; where it was cut off it may not be. */
		{CURLE_SSL_CONNECT_ERROR,
	         "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number", HTTP_END_TLS,
	         OUTCOME_PROVIDER_DOWN, "tls"},
		{CURLE_SSL_CONNECT_ERROR,
	         "OpenSSL/3.0.22: error:0A000126:SSL routines::unexpected eof while reading",
	         HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_SSL_CONNECT_ERROR, "OpenSSL SSL_connect: Connection reset by peer",
	         HTTP_END_LOST, OUTCOME_RETRY, "lost"},
		{CURLE_URL_MALFORMAT, "", HTTP_END_CLIENT, OUTCOME_PROVIDER_DOWN, "client"},
		{CURLE_UNSUPPORTED_PROTOCOL, "", HTTP_END_CLIENT, OUTCOME_PROVIDER_DOWN, "client"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_result result = {.end = http_end_classify(cases[i].rc, cases[i].text)};
		struct outcome o;

		assert_int_equal(result.end, cases[i].end);
		http_api_no_reply(&o, &result);
		assert_int_equal(o.kind, cases[i].before);
		assert_string_equal(o.code, cases[i].code);
		/* Once the last byte may be there, nobody can know, whatever went wrong. */
		result.passed = true;
		http_api_no_reply(&o, &result);
		assert_int_equal(o.kind, OUTCOME_UNKNOWN);
		assert_string_equal(o.code, cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_failures)};

	return cmocka_run_group_tests_name("http_api", tests, NULL, NULL);
}
