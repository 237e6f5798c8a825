/*
 * cf_names - the options of sendmail.cf and the sub-options of Timeout, by name.
 */
#ifndef QF_LIBQF_CF_NAMES_H
#define QF_LIBQF_CF_NAMES_H

#include "qf.h"

/* What reading an option does beyond keeping its text. */
enum qf_cf_effect {
	QF_CF_KEPT,
	QF_CF_QUEUE_DIRECTORY,
	QF_CF_MIN_QUEUE_AGE,
	QF_CF_MAX_QUEUE_AGE,
	QF_CF_QUEUE_FILE_MODE,
	QF_CF_SUPER_SAFE,
	QF_CF_SORT_ORDER,
	QF_CF_MAX_RUN_SIZE,
	QF_CF_TRUSTED_USER,
	QF_CF_QUEUE_TIMEOUT,
	QF_CF_TIMEOUT,
	QF_CF_MIN_FREE_BLOCKS,
	QF_CF_MILTER,
	QF_CF_PRIVACY,
};

struct qf_cf_name {
	char letter; /* of the old form, or 0 */
	enum qf_cf_effect effect;
	const char *name;
};

#define QF_CF_OPTIONS 146
extern const struct qf_cf_name qf_cf_options[QF_CF_OPTIONS];

/* Sub-options of Timeout. The eight with classes come first, in the order of enum qf_timeout_class,
   each kind behind the one that sets all of its classes. */
enum { QF_CF_RETURN_ALL = 0, QF_CF_RETURN = 1, QF_CF_WARN_ALL = 5, QF_CF_WARN = 6 };
#define QF_CF_TIMEOUTS 37
extern const char *const qf_cf_timeouts[QF_CF_TIMEOUTS];

/* Index of an option by its name or an abbreviation that only one has, in any case; SIZE_MAX for
   none. */
size_t qf_cf_find_option(const char *name, size_t n);
/* Index of a sub-option of Timeout, ".*" for all classes understood; SIZE_MAX for none. */
size_t qf_cf_find_timeout(const char *name, size_t n);

/* The first n bytes of text are the word, in any case. */
bool qf_cf_same_word(const char *text, size_t n, const char *word);

#endif
