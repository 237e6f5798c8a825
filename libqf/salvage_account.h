/*
 * salvage_account - what manifests say of each message: was it planned, did it arrive, and as what.
 *
 * A message is known by its id and the directory it came from; one of a bundle by its id and the
 * export that made the bundle, wherever it was unpacked. A directory may bear another path in another
 * container: two paths that end alike are one directory, unless one list has both, or the bodies
 * differ.
 */
#ifndef QF_LIBQF_SALVAGE_ACCOUNT_H
#define QF_LIBQF_SALVAGE_ACCOUNT_H

#include "qf.h"
#include "target.h"

/* One message. */
struct qf_account {
	char id[QF_NAME_MAX];
	char name[QF_NAME_MAX];     /* at the target, qfNEW; empty: nothing is known of one */
	bool has_origin;
	uint8_t origin[16];         /* at the source */
	uint8_t control[32], data[32];
	uint8_t outcome, why;       /* SKIP: planned, and nothing is said of it */
	bool moved, copied, expired;
	bool voided;                /* the mark says that it did not arrive */
	uint8_t lane;               /* of the mark: where it was staged */
	uint16_t dir;               /* of the target; UINT16_MAX: none of them */
	uint16_t from, to;          /* indices of paths */
	uint16_t run;               /* of an import: index of the export's name; 0: none */
	unsigned mark;              /* number of the mark that counts; 0: none */
	uint64_t key_hash;          /* of the claim's key, in that mark */
	int64_t at;                 /* when it was marked, else planned; as qf_mark_now() */
	char *key;                  /* that key; NULL once a manifest says that it has arrived */
	uint32_t next;              /* with the same hash */
};

struct qf_accounts;

struct qf_accounts *qf_accounts_new(void);
void qf_accounts_free(struct qf_accounts *accounts);
/* The directories of a queue are so many, and no two of them are one. */
bool qf_accounts_list(struct qf_accounts *accounts, struct qf_queue *queue);
/*
 * qf_accounts_read - what the target's manifests say; or this one file.
 * Returns  QF_OK, also where there are none; QF_E_DATA: the file is the manifest of another target,
 *          or none; QF_E_SYS, QF_E_NOMEM.
 */
enum qf_code qf_accounts_read(struct qf_accounts *accounts, struct qf_target *target,
			      struct qf_err *err);
enum qf_code qf_accounts_read_file(struct qf_accounts *accounts, struct qf_target *target,
				   const char *path, struct qf_err *err);
size_t qf_accounts_n(const struct qf_accounts *accounts);
const struct qf_account *qf_accounts_at(const struct qf_accounts *accounts, size_t i);
const char *qf_accounts_path(const struct qf_accounts *accounts, size_t index);
/* Did it come from the directory of that path? */
bool qf_account_is_from(const struct qf_accounts *accounts, const struct qf_account *account,
			const char *path);

#endif
