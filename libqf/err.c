/*
 * err - failures as values.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

const char *
qf_code_name(enum qf_code code)
{
	switch (code) {
#define X(name, word)                                                                              \
	case QF_##name:                                                                            \
		return word;
		QF_CODES(X)
#undef X
	}
	return "unknown";
}

enum qf_code
qf_err_set(struct qf_err *err, enum qf_code code, const char *what, const char *why, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	err->sys = 0;
	err->line = 0;
	err->column = 0;
	err->hint[0] = '\0';
	snprintf(err->what, sizeof(err->what), "%s", what);
	va_start(args, why);
	vsnprintf(err->why, sizeof(err->why), why, args);
	va_end(args);
	return code;
}

enum qf_code
qf_err_sys(struct qf_err *err, int sys, const char *what, const char *doing)
{
	enum qf_code code = QF_E_SYS;
	char text[128];

	if (sys == ENOENT || sys == ESTALE || sys == ENOTDIR)
		code = QF_E_NOT_FOUND;
	else if (sys == EACCES || sys == EPERM || sys == EROFS)
		code = QF_E_DENIED;
	else if (sys == ENOMEM)
		code = QF_E_NOMEM;
	/* The GNU form: never fails, and is safe in threads. */
	qf_err_set(err, code, what, "%s: %s", doing, strerror_r(sys, text, sizeof(text)));
	if (err)
		err->sys = sys;
	return code;
}

enum qf_code
qf_err_nomem(struct qf_err *err)
{
	return qf_err_set(err, QF_E_NOMEM, "memory", "none left");
}

void
qf_err_hint(struct qf_err *err, const char *hint, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, hint);
	vsnprintf(err->hint, sizeof(err->hint), hint, args);
	va_end(args);
}
