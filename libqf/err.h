/*
 * err - failures as values. The cause sets them where it is known; callers add or print.
 */
#ifndef QF_LIBQF_ERR_H
#define QF_LIBQF_ERR_H

#include "qf.h"

/* Fill *err (NULL allowed) with "what: why" and return code. why is a printf format. */
enum qf_code qf_err_set(struct qf_err *err, enum qf_code code, const char *what, const char *why,
			...) __attribute__((format(printf, 4, 5)));

/* The same for a failed system call: why is "doing: strerror". Maps ENOENT and ESTALE to
   QF_E_NOT_FOUND, EACCES, EPERM and EROFS to QF_E_DENIED, ENOMEM to QF_E_NOMEM, else QF_E_SYS. */
enum qf_code qf_err_sys(struct qf_err *err, int sys, const char *what, const char *doing);

enum qf_code qf_err_nomem(struct qf_err *err);

/* Add what to do about it. hint is a printf format. */
void qf_err_hint(struct qf_err *err, const char *hint, ...)
	__attribute__((format(printf, 2, 3)));

#endif
