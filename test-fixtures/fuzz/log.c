/*
 * log - any bytes as a mail log.
 */
#include "fuzz.h"

static void
inside(struct qf_slice slice)
{
	/* Reads every byte, so that a sanitizer sees a slice that points elsewhere. */
	volatile unsigned char sum = 0;
	for (size_t i = 0; i < slice.n; i++)
		sum = (unsigned char)(sum + (unsigned char)slice.p[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct qf_log_options options = {.reference = FUZZ_NOW, .last = QF_TIME_NONE};
	const struct qf_log_event *event;
	struct qf_log_stats stats;
	struct qf_log_level level;
	struct qf_err err = {0};
	struct qf_log *log;
	unsigned char key[16];
	uint64_t events = 0, lines = 0;

	MUST(qf_log_parse(fuzz_slice(data, n), "fuzz", &options, &log, &err) == QF_OK);
	for (;;) {
		MUST(qf_log_next(log, &event, &err) == QF_OK);
		if (!event)
			break;
		events++;
		lines += event->lines;
		MUST(event->kind < QF_LOG_KIND_COUNT && event->outcome < QF_LOG_OUTCOME_COUNT);
		MUST(event->kind == QF_LOG_DELIVERY || event->outcome == QF_LOG_IS_UNKNOWN);
		/* What is claimed of recipients is of a message, and stands in the line. */
		if (event->outcome == QF_LOG_IS_SENT) {
			MUST(event->id.p && event->nrecipients > 0 && event->stat.n >= 4);
			MUST(memcmp(event->stat.p, "Sent", 4) == 0);
			MUST(!event->dsn.n || event->dsn.p[0] == '2');
		}
		for (size_t i = 0; i < event->nrecipients; i++)
			inside(event->recipients[i]);
		for (size_t i = 0; i < event->nchildren; i++)
			inside(event->children[i]);
		inside(event->id);
		inside(event->text);
		inside(event->sender);
		inside(event->message_id);
		inside(event->stat);
		inside(event->reply);
		inside(event->reason);
		inside(event->host);
		inside(event->ident);
		qf_log_event_key(event, 0, key);
	}
	qf_log_stats(log, &stats);
	MUST(stats.events == events && stats.offset <= n && stats.bytes == stats.offset);
	MUST(lines + stats.foreign + stats.unparsed <= stats.lines + stats.pieces);
	qf_log_level(stats.saw, &level);
	MUST(level.low <= level.high);
	qf_log_free(log);
	return 0;
}
