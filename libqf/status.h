/*
 * status - what status texts and addresses name: what other modules need beside qf.h.
 */
#ifndef QF_LIBQF_STATUS_H
#define QF_LIBQF_STATUS_H

#include "qf.h"

/* An address without its <>. */
struct qf_slice qf_address_bare(struct qf_slice address);
/* The part after the last @ outside quotes, letters as stored; empty where there is none. */
struct qf_slice qf_address_tail(struct qf_slice address);

#endif
