/*
 * sorted - rows kept with a sort key until all are there: 32 bytes a row beside its text.
 */
#ifndef QF_TOOLS_SORTED_H
#define QF_TOOLS_SORTED_H

#include <libqf/qf.h>

struct sorted;

/* text_keys: keys are text, not numbers. NULL when memory is out. */
struct sorted *sorted_new(bool text_keys, bool descending);
void sorted_free(struct sorted *sorted);
/* Copies key and text. A value that is not present comes last in either direction. */
bool sorted_add(struct sorted *sorted, struct qf_value key, struct qf_slice text);
/* Put in order; equal keys as they were added. */
void sorted_sort(struct sorted *sorted);
struct qf_slice sorted_text(const struct sorted *sorted, size_t i);

#endif
