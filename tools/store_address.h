/*
 * store_address - an address as it is compared: recipients of queues stand with or without <>, and
 * so they do in logs.
 */
#ifndef QF_TOOLS_STORE_ADDRESS_H
#define QF_TOOLS_STORE_ADDRESS_H

#include <libqf/qf.h>

/* Without the <> around it, the domain in lower case. The result lives in scratch, or in address.
 */
struct qf_slice store_address(struct qf_slice address, struct qf_buf *scratch);

#endif
