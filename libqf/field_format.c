/*
 * field_format - values of fields as text for people.
 */
#include "buf.h"
#include "field.h"

static void
add_size(int64_t bytes, struct qf_buf *out)
{
	static const char units[] = "kMGTPE";
	uint64_t rest = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
	size_t unit = 0;
	uint64_t tenths;

	if (bytes < 0)
		qf_buf_addc(out, '-');
	if (rest < 1024) {
		qf_buf_add_int(out, (int64_t)rest);
		return;
	}
	/* So small a unit that what is shown has at most four digits. */
	while (rest >= 1024 * 1024 - 512) {
		rest >>= 10;
		unit++;
	}
	tenths = (rest * 10 + 512) >> 10;
	if (tenths < 100)
		qf_buf_addf(out, "%u.%u%c", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
			    units[unit]);
	else
		qf_buf_addf(out, "%u%c", (unsigned)((rest + 512) >> 10), units[unit]);
}

void
qf_field_format(const struct qf_field *field, struct qf_value value, struct qf_buf *out)
{
	char text[QF_TIME_TEXT];

	if (!value.present)
		return;
	switch (field->type) {
	case QF_FIELD_TEXT:
		qf_buf_add_slice(out, value.text);
		break;
	case QF_FIELD_NUMBER:
		qf_buf_add_int(out, value.number);
		break;
	case QF_FIELD_SIZE:
		add_size(value.number, out);
		break;
	case QF_FIELD_AGE:
		qf_buf_add(out, text, qf_age_format(value.number, text));
		break;
	case QF_FIELD_TIME:
		qf_buf_add(out, text, qf_time_format(value.number, text));
		break;
	}
}
