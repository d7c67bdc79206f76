#include "base/setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/tmpdir.h"

static struct error err;
static char *dir; /* the working directory of the test */

static int setup(void **state)
{
	(void)state;
	unsetenv("X_URL");
	unsetenv("X_URL_FILE");
	unsetenv("CREDENTIALS_DIRECTORY");
	setting_forget();
	dir = tmpdir_make("setting");
	return chdir(dir);
}

static int teardown(void **state)
{
	(void)state;
	setting_forget();
	free(dir);
	return chdir("/");
}

static void assert_setting(const char *value)
{
	char *found;

	if (!setting_get("X_URL", true, &found, &err))
		fail_msg("%s", err.text);
	if (value == NULL)
		assert_null(found);
	else
		assert_string_equal(found, value);
	mem_free(found);
}

static void assert_error(const char *text)
{
	char *found;

	assert_false(setting_get("X_URL", true, &found, &err));
	assert_string_equal(err.text, text);
}

/* From the last place to the first: each hides those before it. */
static void test_the_order_of_the_places(void **state)
{
	(void)state;
	assert_setting(NULL);
	tmpdir_write(".env", "X_URL=of-dotenv\n");
	setting_forget();
	assert_setting("of-dotenv");
	tmpdir_write("X_URL", "of-systemd");
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_setting("of-systemd");
	tmpdir_write("secret", "of-file");
	setenv("X_URL_FILE", "secret", 1);
	assert_setting("of-file");
	unsetenv("X_URL_FILE");
	setenv("X_URL", "of-environment", 1);
	assert_setting("of-environment");
}

static void test_empty_is_not_set(void **state)
{
	(void)state;
	tmpdir_write("empty", "\n");
	tmpdir_write(".env", "X_URL=last\n");
	setenv("X_URL", "", 1);
	assert_setting("last");
	setenv("X_URL_FILE", "", 1);
	assert_setting("last");
	setenv("X_URL_FILE", "empty", 1);
	assert_setting("last");
	setenv("CREDENTIALS_DIRECTORY", "", 1);
	assert_setting("last");
}

static void test_one_trailing_newline_is_dropped(void **state)
{
	(void)state;
	setenv("X_URL_FILE", "secret", 1);
	tmpdir_write("secret", "value\n");
	assert_setting("value");
	tmpdir_write("secret", "value\r\n");
	assert_setting("value");
	tmpdir_write("secret", " value \n\n");
	assert_setting(" value \n");
}

static void test_only_secrets_come_from_credentials(void **state)
{
	char *found;

	(void)state;
	tmpdir_write("X_URL", "of-systemd");
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_true(setting_get("X_URL", false, &found, &err));
	assert_null(found);
}

static void test_both_forms_in_one_place_are_an_error(void **state)
{
	(void)state;
	setenv("X_URL", "a", 1);
	setenv("X_URL_FILE", "b", 1);
	assert_error("X_URL and X_URL_FILE are both set; only one can count");
	unsetenv("X_URL");
	unsetenv("X_URL_FILE");
	tmpdir_write(".env", "X_URL=a\nX_URL_FILE=b\n");
	setting_forget();
	assert_error(".env: X_URL and X_URL_FILE are both set; only one can count");
	setenv("X_URL", "c", 1); /* another place: first match wins */
	assert_setting("c");
}

static void test_dotenv_may_name_a_file(void **state)
{
	(void)state;
	tmpdir_write("secret", "of-file");
	tmpdir_write(".env", "X_URL_FILE=secret\n");
	assert_setting("of-file");
}

static void test_what_cannot_be_read_is_an_error(void **state)
{
	(void)state;
	setenv("X_URL_FILE", "nowhere", 1);
	assert_error("X_URL_FILE: cannot read nowhere: No such file or directory");
	unsetenv("X_URL_FILE");
	tmpdir_write(".env", "nonsense\n");
	assert_error(".env: line 1: it is not NAME=VALUE");
}

static void test_dotenv_is_kept_until_forgotten(void **state)
{
	(void)state;
	tmpdir_write(".env", "X_URL=old\n");
	assert_setting("old");
	tmpdir_write(".env", "X_URL=new\n");
	assert_setting("old");
	setting_forget();
	assert_setting("new");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_order_of_the_places),
		TEST(test_empty_is_not_set),
		TEST(test_one_trailing_newline_is_dropped),
		TEST(test_only_secrets_come_from_credentials),
		TEST(test_both_forms_in_one_place_are_an_error),
		TEST(test_dotenv_may_name_a_file),
		TEST(test_what_cannot_be_read_is_an_error),
		TEST(test_dotenv_is_kept_until_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
