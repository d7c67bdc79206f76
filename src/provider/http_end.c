#include "provider/http_end.h"

#include <stdio.h>
#include <string.h>

/* A handshake that fails by what was said in it fails again next time; one that was cut off may
 * not. OpenSSL names its own errors "error:…". */
static enum http_end handshake_end(const char *text)
{
	if (strstr(text, "error:") == NULL || strstr(text, "unexpected eof") != NULL)
		return HTTP_END_LOST;
	return HTTP_END_TLS;
}

enum http_end http_end_classify(CURLcode rc, const char *text)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return HTTP_END_LOOKUP;
	case CURLE_COULDNT_CONNECT:
	case CURLE_INTERFACE_FAILED:
		return HTTP_END_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_END_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
		return handshake_end(text);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_USE_SSL_FAILED:
		return HTTP_END_TLS;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_FAILED_INIT:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
		return HTTP_END_CLIENT;
	case CURLE_OUT_OF_MEMORY: /* it passes, and is no reason to close the provider to the fleet */
	default:
		return HTTP_END_LOST;
	}
}

/* libcurl wanted to send it again on another connection, and could not. */
static bool resend_refused(const struct http_request *r)
{
	return r->starts > 1 || r->rc == CURLE_SEND_FAIL_REWIND;
}

void http_end_describe(struct http_request *r, struct http_result *result)
{
	const char *why = r->error[0] != '\0' ? r->error : curl_easy_strerror(r->rc);

	memset(result, 0, sizeof(*result));
	result->passed = r->passed;
	if (r->answered && (r->passed || r->reply.status >= 300)) {
		result->end = HTTP_END_REPLY;
		result->reply = &r->reply;
		r->reply.complete = r->over && r->rc == CURLE_OK && !r->overlong;
		return;
	}
	result->end = HTTP_END_LOST;
	if (r->answered) {
		why = "it answered before it had the whole request";
	} else if (r->hung_up) {
		why = "the server closed the connection";
	} else if (resend_refused(r)) {
		why = "the connection died";
	} else if (r->timed_out) {
		result->end = HTTP_END_TIMEOUT;
		why = r->passed ? "no reply in time" : "it could not be sent in time";
	} else {
		result->end = http_end_classify(r->rc, why);
		/* Once it is under way, these are about what came back. */
		if (result->end == HTTP_END_CLIENT && r->starts > 0)
			result->end = HTTP_END_LOST;
		result->refused = r->refused && !r->opened && result->end == HTTP_END_CONNECT;
		if (result->refused)
			why = "its address is not a public one";
	}
	snprintf(result->why, sizeof(result->why), "%s", why);
}

bool http_end_restarts(const struct http_request *r, const struct http_result *result)
{
	long opened = 1;

	if (r->restarted || r->passed || r->held_told || r->answered || r->timed_out ||
	    result->end != HTTP_END_LOST)
		return false;
	(void)curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &opened);
	return resend_refused(r) || (opened == 0 && r->starts == 1);
}
