#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/trace_config.h"

static struct options none(void)
{
	return (struct options){.otlp_endpoint = "",
	                        .otlp_traces_endpoint = "",
	                        .otlp_headers = "",
	                        .otlp_certificate = "",
	                        .otlp_timeout = 10000,
	                        .otlp_traces_headers = "",
	                        .otlp_traces_certificate = "",
	                        .otel_service_name = "",
	                        .otel_resource = ""};
}

static void expect_url(const char *endpoint, const char *traces, const char *url, bool clear_text)
{
	struct options o = none();
	struct trace_config c;
	struct error err;

	o.otlp_endpoint = (char *)endpoint;
	o.otlp_traces_endpoint = (char *)traces;
	if (!trace_config_read(&c, &o, "me", &err))
		fail_msg("%s%s: %s", endpoint, traces, err.text);
	assert_string_equal(c.url, url);
	assert_int_equal(c.clear_text, clear_text);
	trace_config_free(&c);
}

static void test_urls(void **state)
{
	(void)state;
	expect_url("http://127.0.0.1:4318", "", "http://127.0.0.1:4318/v1/traces", true);
	expect_url("https://otel.example/", "", "https://otel.example/v1/traces", false);
	expect_url("https://otel.example/a/b//", "", "https://otel.example/a/b/v1/traces", false);
	expect_url("HTTPS://[::1]:1", "", "HTTPS://[::1]:1/v1/traces", false);
	/* a URL of its own is taken as it is */
	expect_url("http://127.0.0.1", "https://otel.example", "https://otel.example/", false);
	expect_url("", "https://otel.example/x/", "https://otel.example/x/", false);
	expect_url("", "https://otel.example/x?key=1", "https://otel.example/x?key=1", false);
}

static void test_off(void **state)
{
	struct options o = none();
	struct trace_config c;
	struct error err;

	(void)state;
	assert_true(trace_config_read(&c, &o, "me", &err));
	assert_null(c.url);
	o.otlp_endpoint = "http://127.0.0.1:4318";
	o.otel_sdk_disabled = true;
	assert_true(trace_config_read(&c, &o, "me", &err));
	assert_null(c.url);
	o.otel_sdk_disabled = false;
	o.traces_exporter_none = true;
	assert_true(trace_config_read(&c, &o, "me", &err));
	assert_null(c.url);
	/* what is not used is not looked at */
	o.otlp_endpoint = "nonsense";
	assert_true(trace_config_read(&c, &o, "me", &err));
	o.traces_exporter_none = false;
	assert_false(trace_config_read(&c, &o, "me", &err));
}

static void expect_fault(struct options *o, const char *option, const char *secret)
{
	struct trace_config c;
	struct error err;

	if (trace_config_read(&c, o, "me", &err))
		fail_msg("%s is taken", option);
	if (strncmp(err.text, option, strlen(option)) != 0)
		fail_msg("it says %s, not %s", err.text, option);
	if (secret)
		assert_null(strstr(err.text, secret));
}

static void test_faults(void **state)
{
	static const char *const urls[] = {"localhost:4318", "grpc://h:4317",   "http://",
	                                   "https://a,b",    "http://u:hush@h", "http://h?a=b"};
	static const char *const headers[] = {"hush",       "=hush",     "a b=hush,c",
	                                      "a:b=hush",   "a=%zzhush", "a=hush%0d%0aX: y",
	                                      "a=b, =hush", "a%0a=hush"};
	static const char *const resources[] = {"a", "a=%"};
	struct options o = none();

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		o.otlp_endpoint = (char *)urls[i];
		expect_fault(&o, "OTEL_EXPORTER_OTLP_ENDPOINT: ", "hush");
	}
	o.otlp_traces_endpoint = "nonsense";
	expect_fault(&o, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ", NULL);
	o.otlp_traces_endpoint = "http://h";
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		o.otlp_headers = (char *)headers[i];
		expect_fault(&o, "OTEL_EXPORTER_OTLP_HEADERS: ", "hush");
	}
	o.otlp_headers = "";
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
		o.otel_resource = (char *)resources[i];
		expect_fault(&o, "OTEL_RESOURCE_ATTRIBUTES", NULL);
	}
}

static void test_headers(void **state)
{
	struct options o = none();
	struct trace_config c;
	struct error err;

	(void)state;
	o.otlp_endpoint = "http://h";
	o.otlp_headers = "Authorization=Bearer%20a%3Db==, x-tenant = mail ,,x-empty=";
	assert_true(trace_config_read(&c, &o, "me", &err));
	assert_string_equal(c.headers, "Authorization: Bearer a=b==\nx-tenant: mail\nx-empty: \n");
	trace_config_free(&c);
}

/* What is said of traces alone goes before what is said of all signals. */
static void test_of_traces_alone(void **state)
{
	struct options o = none();
	struct trace_config c;
	struct error err;

	(void)state;
	o.otlp_endpoint = "http://h";
	o.otlp_headers = "a=1";
	o.otlp_certificate = "/all";
	assert_true(trace_config_read(&c, &o, "me", &err));
	assert_string_equal(c.certificate, "/all");
	assert_string_equal(c.certificate_from, "OTEL_EXPORTER_OTLP_CERTIFICATE");
	assert_int_equal(c.timeout, 10000);
	trace_config_free(&c);
	o.otlp_traces_headers = "b=2";
	o.otlp_traces_certificate = "/traces";
	o.otlp_traces_timeout = 500;
	assert_true(trace_config_read(&c, &o, "me", &err));
	assert_string_equal(c.headers, "b: 2\n");
	assert_string_equal(c.certificate, "/traces");
	assert_string_equal(c.certificate_from, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE");
	assert_int_equal(c.timeout, 500);
	trace_config_free(&c);
	o.otlp_traces_headers = "hush";
	expect_fault(&o, "OTEL_EXPORTER_OTLP_TRACES_HEADERS: ", "hush");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_of_traces_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
