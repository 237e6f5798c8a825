/*
 * salvage_audit - what a database of qf audit knows of messages that are to be moved.
 */
#include <stdlib.h>

#include "audit_fate.h"
#include "salvage_audit.h"
#include "say.h"
#include "status.h"
#include "store_address.h"

struct salvage_audit {
	struct store *store;
	struct audit_fate fate;
	struct audit_recipients list;
	struct qf_buf scratch;
	bool has_mail, failed;
};

int
salvage_audit_open(const char *path, struct salvage_audit **out)
{
	struct salvage_audit *audit = calloc(1, sizeof(*audit));
	struct qf_err err = {0};
	enum qf_code code;

	if (!audit) {
		say_error("out of memory");
		return STATUS_OS;
	}
	code = store_open(path, STORE_READ, &audit->store, &err);
	if (!code)
		code = audit_has_mail(audit->store, &audit->has_mail, &err);
	if (code) {
		salvage_audit_close(audit);
		return say_failure(&err);
	}
	*out = audit;
	return STATUS_OK;
}

void
salvage_audit_close(struct salvage_audit *audit)
{
	if (!audit)
		return;
	audit_fate_release(&audit->fate);
	audit_recipients_release(&audit->list);
	qf_buf_release(&audit->scratch);
	if (audit->store)
		store_close(audit->store);
	free(audit);
}

static enum qf_code
load(struct salvage_audit *audit, struct qf_msg *msg, struct qf_err *err)
{
	const struct qf_envelope *envelope = qf_msg_envelope(msg);
	struct qf_slice id = qf_msg_files(msg)->id;
	enum qf_code code;

	audit->fate.born = envelope->created > 0 ? envelope->created : 0;
	audit->fate.written = envelope->last_try > audit->fate.born ? envelope->last_try : audit->fate.born;
	/* Made due by hand. */
	if (envelope->tries > 0 && envelope->last_try <= 0)
		audit->fate.written = INT64_MAX / 2;
	code = audit_fate_load(&audit->fate, audit->store, NULL, id, err);

	/* The id is not all: the lines may be another message's. */
	if (!code)
		audit_fate_of(&audit->fate, envelope->sender,
			      audit_trim(qf_msg_header(msg, "Message-Id")));
	/* What the silence of the logs proves is not asked: only what a line says counts. */
	audit->fate.level = 0;
	audit_recipients_clear(&audit->list);
	for (size_t i = 0; !code && i < envelope->nrecipients; i++) {
		struct qf_slice address = envelope->recipients[i].address;

		if (!address.p)
			address = (struct qf_slice){"", 0};
		code = audit_recipients_add(&audit->list, address,
					    store_address(address, &audit->scratch), err);
	}
	if (!code && audit->has_mail)
		code = audit_fate_mailboxes(&audit->fate, audit->store, 0, id,
					    qf_msg_header(msg, "Message-Id"), &audit->list, err);
	return code;
}

bool
salvage_audit_is_finished(void *ctx, struct qf_msg *msg)
{
	struct salvage_audit *audit = ctx;
	struct qf_err err = {0};

	if (load(audit, msg, &err)) {
		if (!audit->failed)
			say_failure(&err);
		audit->failed = true;
		return false;
	}
	if (audit->list.n == 0)
		return false;
	for (size_t i = 0; i < audit->list.n; i++) {
		struct audit_verdict verdict;

		audit_fate_judge(&audit->fate, &audit->list.all[i], audit->list.n == 1, &verdict);
		if (verdict.end == AUDIT_END_UNKNOWN)
			return false;
	}
	return true;
}
