/*
 * id - queue ids made.
 */
#ifndef QF_LIBQF_ID_H
#define QF_LIBQF_ID_H

#include <stdint.h>
#include <stddef.h>

/*
 * qf_id_make - a queue id in the form of sendmail 8.12 and later, with its NUL.
 * when, pid   of a process that makes them: no sendmail of this host has that pid in that second.
 * sequence    the next one for each id; after QF_ID_SEQUENCES of them, a new second is needed.
 * Returns     its length; 0 when it does not fit into size.
 * Origin      sendmail/queue.c assign_queueid().
 */
#define QF_ID_SEQUENCES 3600
size_t qf_id_make(int64_t when, long pid, unsigned sequence, char *id, size_t size);

#endif
