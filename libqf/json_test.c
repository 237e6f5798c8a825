#include <criterion/criterion.h>
#include <string.h>

#include "qf.h"

#define BYTES(text) ((struct qf_slice){.p = (text), .n = sizeof(text) - 1})

static void
expect_text(struct qf_buf *out, const char *wanted)
{
	qf_buf_addc(out, '\0');
	cr_expect_str_eq(out->p, wanted);
	qf_buf_release(out);
}

Test(json, object_with_values_of_all_kinds)
{
	struct qf_buf out = {0};
	struct qf_json json = {.out = &out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "text");
	cr_expect(qf_json_text(&json, BYTES("a \"b\"\n")));
	qf_json_key(&json, "absent");
	cr_expect(qf_json_text(&json, (struct qf_slice){.p = NULL, .n = 0}));
	qf_json_key(&json, "empty");
	cr_expect(qf_json_text(&json, BYTES("")));
	qf_json_key(&json, "lossy");
	cr_expect_not(qf_json_text(&json, BYTES("\xff")));
	qf_json_key(&json, "string");
	qf_json_string(&json, "words");
	qf_json_key(&json, "none");
	qf_json_string(&json, NULL);
	qf_json_key(&json, "int");
	qf_json_int(&json, -42);
	qf_json_key(&json, "yes");
	qf_json_bool(&json, true);
	qf_json_key(&json, "no");
	qf_json_bool(&json, false);
	qf_json_key(&json, "null");
	qf_json_null(&json);
	qf_json_key(&json, "time");
	qf_json_time(&json, 1795332063);
	qf_json_key(&json, "never");
	qf_json_time(&json, QF_TIME_NONE);
	qf_json_close(&json, '}');
	expect_text(&out, "{\"text\":\"a \\\"b\\\"\\n\",\"absent\":null,\"empty\":\"\","
			  "\"lossy\":\"\xef\xbf\xbd\",\"string\":\"words\",\"none\":null,"
			  "\"int\":-42,\"yes\":true,\"no\":false,\"null\":null,"
			  "\"time\":\"2026-11-22T07:21:03Z\",\"never\":null}");
}

Test(json, array_of_values_of_all_kinds)
{
	struct qf_buf out = {0};
	struct qf_json json = {.out = &out};

	qf_json_open(&json, '[');
	for (int i = 0; i < 2; i++) {
		qf_json_text(&json, BYTES("t"));
		qf_json_string(&json, "s");
		qf_json_int(&json, i);
		qf_json_bool(&json, i == 0);
		qf_json_null(&json);
		qf_json_time(&json, 0);
	}
	qf_json_close(&json, ']');
	expect_text(&out, "[\"t\",\"s\",0,true,null,\"1970-01-01T00:00:00Z\","
			  "\"t\",\"s\",1,false,null,\"1970-01-01T00:00:00Z\"]");
}

Test(json, nesting_keeps_commas_right)
{
	struct qf_buf out = {0};
	struct qf_json json = {.out = &out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "a");
	qf_json_open(&json, '[');
	qf_json_close(&json, ']');
	qf_json_key(&json, "b");
	qf_json_open(&json, '[');
	qf_json_open(&json, '{');
	qf_json_close(&json, '}');
	qf_json_open(&json, '{');
	qf_json_key(&json, "c");
	qf_json_open(&json, '[');
	qf_json_int(&json, 1);
	qf_json_close(&json, ']');
	qf_json_key(&json, "d");
	qf_json_null(&json);
	qf_json_close(&json, '}');
	qf_json_int(&json, 2);
	qf_json_close(&json, ']');
	qf_json_key(&json, "e");
	qf_json_int(&json, 3);
	qf_json_close(&json, '}');
	expect_text(&out, "{\"a\":[],\"b\":[{},{\"c\":[1],\"d\":null},2],\"e\":3}");
}

Test(json, numbers_to_both_ends)
{
	struct qf_buf out = {0};
	struct qf_json json = {.out = &out};

	qf_json_open(&json, '[');
	qf_json_int(&json, 0);
	qf_json_int(&json, INT64_MAX);
	qf_json_int(&json, INT64_MIN);
	qf_json_close(&json, ']');
	expect_text(&out, "[0,9223372036854775807,-9223372036854775808]");
}

/* Whatever the fill of the buffer is when something is added: no byte is lost at its end. */
Test(json, grows_at_any_point)
{
	for (size_t fill = 0; fill < 300; fill++) {
		struct qf_buf out = {0};
		struct qf_json json = {.out = &out};

		for (size_t i = 0; i < fill; i++)
			qf_buf_addc(&out, 'x');
		qf_json_open(&json, '{');
		qf_json_key(&json, "key");
		qf_json_text(&json, BYTES("value"));
		qf_json_key(&json, "time");
		qf_json_time(&json, 0);
		qf_json_key(&json, "number");
		qf_json_int(&json, 12345);
		qf_json_close(&json, '}');
		qf_buf_addc(&out, '\0');
		cr_assert_str_eq(out.p + fill, "{\"key\":\"value\","
					       "\"time\":\"1970-01-01T00:00:00Z\","
					       "\"number\":12345}");
		qf_buf_release(&out);
	}
}

Test(json, a_failed_buffer_takes_no_more)
{
	struct qf_buf out = {.failed = true};
	struct qf_json json = {.out = &out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "a");
	qf_json_int(&json, 1);
	qf_json_key(&json, "b");
	cr_expect_not(qf_json_text(&json, BYTES("\xff")));
	qf_json_time(&json, 5);
	qf_json_close(&json, '}');
	cr_expect_eq(out.n, 0u);
	cr_expect_null(out.p);
}
