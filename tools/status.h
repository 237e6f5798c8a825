/*
 * status - what qf exits with. The table for users is in qf(1).
 */
#ifndef QF_TOOLS_STATUS_H
#define QF_TOOLS_STATUS_H

#include <libqf/qf.h>

enum status {
	STATUS_OK = 0,
	STATUS_FINDINGS = 1,    /* done, and there is something to report */
	STATUS_INCOMPLETE = 2,  /* some were left out, each named */
	STATUS_USAGE = 64,
	STATUS_DATA = 65,
	STATUS_NO_INPUT = 66,
	STATUS_UNAVAILABLE = 69,
	STATUS_SOFTWARE = 70,
	STATUS_OS = 71,
	STATUS_CANNOT_CREATE = 73,
	STATUS_IO = 74,
	STATUS_TRY_AGAIN = 75,
	STATUS_DENIED = 77,
	STATUS_CONFIG = 78,
	STATUS_SIGNAL = 128,    /* plus the signal */
};

/* The one place where failures of the library become exit statuses. */
int status_of(enum qf_code code);

#endif
