/*
 * orphan_log - what mail logs say of ids that have no whole message.
 */
#include <stdlib.h>

#include "err.h"
#include "orphan.h"

/* Its index among the candidates, which were found in the order of their heads. */
static size_t
place(void *ctx, struct qf_slice id)
{
	const struct qf_orphans *orphans = ctx;
	uint32_t head = qf_pair_find(orphans->pairs, id.p, id.n);
	size_t low = 0, high = orphans->ncandidates;

	if (head == QF_PAIR_NONE)
		return SIZE_MAX;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (orphans->candidates[middle].head < head)
			low = middle + 1;
		else
			high = middle;
	}
	return low < orphans->ncandidates && orphans->candidates[low].head == head ? low : SIZE_MAX;
}

enum qf_code
qf_orphan_log(struct qf_orphans *orphans, struct qf_err *err)
{
	struct qf_fates fates = {.arena = &orphans->arena,
				 .place = place,
				 .ctx = orphans,
				 .max_ops = orphans->options.max_ops,
				 .cancel = orphans->options.cancel,
				 .log = &orphans->log};

	orphans->fates = calloc(orphans->ncandidates ? orphans->ncandidates : 1,
				sizeof(*orphans->fates));
	if (!orphans->fates)
		return qf_err_nomem(err);
	fates.fates = orphans->fates;
	return qf_fates_read(&fates, orphans->options.logs, orphans->options.nlogs, err);
}
