/*
 * rec - the table of record letters; what of it is not public.
 */
#ifndef QF_LIBQF_REC_H
#define QF_LIBQF_REC_H

#include "qf.h"

/* Newest format version sendmail 8.17 reads; it writes the same. */
#define QF_FORMAT_VERSION 8

#endif
