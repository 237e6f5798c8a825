/*
 * cf - sendmail's configuration: what the public header does not show.
 */
#ifndef QF_LIBQF_CF_H
#define QF_LIBQF_CF_H

#include "qf.h"

/* Largest sendmail.cf that is read; real ones have about 70 kB. */
#define QF_CF_MAX ((size_t)4 << 20)

/*
 * QueueDirectory as sendmail uses it; NULL where no line sets it. All groups lie below the base
 * it names, whatever their own paths are. line may be NULL.
 */
const char *qf_cf_queue_directory(const struct qf_cf *cf, unsigned *line);
/* The file the configuration was read from, for messages. */
const char *qf_cf_name(const struct qf_cf *cf);

#endif
