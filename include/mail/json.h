/* json.h - JSON from strangers, read strictly (RFC 8259, and I-JSON's rules about names and
 * Unicode).
 *
 * cJSON builds the tree. Before that a scan of our own refuses what cJSON lets pass or reads
 * otherwise than others do: too deep nesting, too many values (a tree takes some 30 times the bytes
 * of "[[],[],"), NUL bytes and \u0000, control characters, broken UTF-8, lone surrogates, numbers
 * that are not finite or longer than cJSON's own buffer, and anything after the value. After it, an
 * object that names a member twice is refused: readers disagree about which one counts. */
#ifndef MAIL_JSON_H
#define MAIL_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"

#define JSON_MAX_DEPTH 32
#define JSON_MAX_VALUES 200000
#define JSON_MAX_NUMBER 63 /* characters */

/* The tree (cJSON_Delete), or NULL: err says what is wrong, and at which byte where that helps.
 * The text of err is printable and quotes nothing but names of plain ASCII. */
cJSON *json_parse(const char *text, size_t len, struct error *err) MUST_CHECK;

#endif
