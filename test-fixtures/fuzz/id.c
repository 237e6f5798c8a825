/*
 * id - any bytes as a queue id, a file name, a time, a span, a size.
 */
#include "fuzz.h"

static void
check_id(struct qf_slice text, int64_t near)
{
	struct qf_id id;
	memset(&id, 0x5a, sizeof(id));
	bool decoded = qf_id_decode(text, near, &id);
	MUST(decoded == (id.form != QF_ID_OPAQUE));
	MUST(id.form <= QF_ID_V812);
	MUST(id.pid >= -1 && id.sequence >= -1 && id.hour >= -1 && id.hour <= 23);
	MUST(decoded || (id.time == QF_TIME_NONE && id.pid == -1 && id.sequence == -1));
}

/* What is parsed can be written, and means the same. */
static void
check_time(struct qf_slice text)
{
	int64_t when, again;
	char shown[QF_TIME_TEXT];
	if (qf_time_parse(text, &when)) {
		size_t n = qf_time_format(when, shown);
		MUST(n < sizeof(shown) && shown[n] == '\0');
		if (when >= -62135596800 && when <= 253402300799) {
			MUST(qf_time_parse((struct qf_slice){.p = shown, .n = n}, &again));
			MUST(when == again);
		}
	}
	if (qf_span_parse(text, &when)) {
		size_t n = qf_age_format(when, shown);
		MUST(n < sizeof(shown) && shown[n] == '\0');
	}
	qf_size_parse(text, &when);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct qf_slice text = fuzz_slice(data, n);
	check_id(text, QF_TIME_NONE);
	check_id(text, FUZZ_NOW);
	check_id(text, INT64_MAX);
	check_id(text, INT64_MIN + 1);
	check_time(text);
	enum qf_kind kind = qf_name_kind(text.p, text.n);
	const char *prefix = qf_kind_prefix(kind);
	MUST(strlen(prefix) <= n && (n == 0 || memcmp(prefix, text.p, strlen(prefix)) == 0));
	MUST(kind == QF_KIND_OTHER ? !prefix[0] : strlen(prefix) == 2);
	return 0;
}
