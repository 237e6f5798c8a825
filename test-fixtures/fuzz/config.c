/*
 * config - any bytes as a sendmail.cf.
 */
#include <strings.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = {
		"QueueDirectory", "Timeout.queuereturn", "Timeout.queuewarn.urgent",
		"MinQueueAge",	  "SuperSafe",		 "PrivacyOptions",
		"QueueFileMode",  "TrustedUser"};
	struct qf_cf *cf = NULL;
	struct qf_err err = {0};
	enum qf_code code = qf_cf_parse(fuzz_slice(data, n), "fuzz.cf", &cf, &err);
	if (code != QF_OK) {
		MUST(err.code == code && err.why[0]);
		MUST(code == QF_E_CONFIG || code == QF_E_LIMIT || code == QF_E_NOMEM);
		return 0;
	}
	const struct qf_policy *policy = qf_cf_policy(cf);
	MUST(policy->super_safe <= QF_SAFE_TRUE && policy->sort_order <= QF_ORDER_NONE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsigned line = 0;
		const char *text = qf_cf_option(cf, names[i], &line);
		MUST(!text || line > 0);
		qf_cf_line(cf, names[i]);
	}
	size_t count;
	const struct qf_group *groups = qf_cf_groups(cf, &count);
	MUST(count > 0 && strcasecmp(groups[0].name, "mqueue") == 0);
	for (size_t i = 0; i < count; i++)
		MUST(groups[i].name && groups[i].path && groups[i].flags);
	qf_cf_free(cf);
	return 0;
}
