/*
 * log_note - what mail logs cannot tell.
 */
#include "log_note.h"
#include "say.h"

void
log_note(const struct qf_orphans_log *log)
{
	struct qf_buf words = {0};

	if (!log || !log->lines)
		return;
	if (log->unparsed)
		say_note("%llu of %llu lines of the log are none of a log",
			 (unsigned long long)log->unparsed, (unsigned long long)log->lines);
	if (log->cut)
		say_note("a log ends in the middle of a line");
	/* A log without a line of what was deferred may just be of a good day. */
	for (int i = 0; i <= QF_LOG_PROVES_RETURNED; i++)
		if (i != QF_LOG_PROVES_DEFERRED && log->cannot_prove & (1u << i))
			qf_buf_addf(&words, "%s%s", words.n ? ", " : "",
				    qf_log_proof_name((enum qf_log_proof)i));
	if (words.n)
		say_note("the log was written at LogLevel %d to %d, as it seems: it does not show "
			 "what was %.*s",
			 log->low, log->high, (int)words.n, words.p);
	qf_buf_release(&words);
}
