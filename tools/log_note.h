/*
 * log_note - what mail logs cannot tell.
 */
#ifndef QF_TOOLS_LOG_NOTE_H
#define QF_TOOLS_LOG_NOTE_H

#include <libqf/qf.h>

/* Say it; nothing for NULL, or where there is nothing to say. */
void log_note(const struct qf_orphans_log *log);

#endif
