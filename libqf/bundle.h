/*
 * bundle - messages in one piece that can be carried: a pax tar, or a folder of the same files.
 *	manifest.jsonl    first: qf.salvage/1 lines, last the total
 *	queue/dfID, queue/qfID (hf, Qf)   of each message
 *	SHA256SUMS        last, for sha256sum -c in the unpacked folder
 *
 * bundle_write.c writes them, bundle_read.c unpacks them. libarchive is loaded when a tar is
 * wanted.
 */
#ifndef QF_LIBQF_BUNDLE_H
#define QF_LIBQF_BUNDLE_H

#include "copy.h"
#include "qf.h"
#include "sys.h"

#define QF_BUNDLE_MANIFEST "manifest.jsonl"
#define QF_BUNDLE_SUMS "SHA256SUMS"
#define QF_BUNDLE_QUEUE "queue"
/* Longest name in a bundle with its NUL: queue/qfID. */
#define QF_BUNDLE_NAME_MAX 64

/* ---------------------------------------------------------------- writing */

struct qf_bundle_out;

/*
 * qf_bundle_create - begin a bundle.
 * to       "-": standard output; a name that ends in "/": a folder, which must not be there, or be
 *          empty; else a file, compressed as its name says (.zst, .gz, .xz). Files and folders have
 *          their name with ".part" until the end.
 * patience asked while it is written, and while standard output stalls; when it is not to go on,
 *          QF_E_INTERRUPTED, and nothing more is written. Must outlive it.
 * Returns  QF_OK; QF_E_USAGE (a name of no kind), QF_E_UNAVAILABLE (built without libarchive, or it
 *          cannot be loaded), QF_E_DENIED, QF_E_SYS, QF_E_NOMEM.
 */
enum qf_code qf_bundle_create(struct qf_io *io, const char *to, const struct qf_patience *patience,
			      struct qf_bundle_out **out, struct qf_err *err);
/* A file of it. sha, of what was read, is set; QF_E_CHANGED where the file is not as large as said.
 */
enum qf_code qf_bundle_add(struct qf_bundle_out *bundle, const char *name, int fd, int64_t size,
			   int64_t mtime, char sha[QF_SHA_TEXT], struct qf_err *err);
enum qf_code qf_bundle_add_bytes(struct qf_bundle_out *bundle, const char *name,
				 struct qf_slice bytes, int64_t mtime, struct qf_err *err);
/* A text that is made as it is written, twice: its size is told before it. There may be a million lines. */
struct qf_bundle_text {
	void (*begin)(void *ctx);
	/* Adds what comes next; false: there is no more. */
	bool (*next)(void *ctx, struct qf_buf *out);
	void *ctx;
};
enum qf_code qf_bundle_add_text(struct qf_bundle_out *bundle, const char *name,
				const struct qf_bundle_text *text, int64_t mtime,
				char sha[QF_SHA_TEXT], struct qf_err *err);
/* The sums of all that was added, for sha256sum -c; all of it is on disk and has its name. */
enum qf_code qf_bundle_end(struct qf_bundle_out *bundle, const struct qf_bundle_text *sums,
			   struct qf_err *err);
/* Freed; what has not come to its end is taken away. */
void qf_bundle_free(struct qf_bundle_out *bundle);

/* ---------------------------------------------------------------- reading */

/* A message as the manifest has it. */
struct qf_bundle_item {
	char name[QF_NAME_MAX]; /* of the control file */
	uint8_t sha_control[32], sha_data[32];
	bool control, data; /* came, and were right */
	uint16_t from;      /* of qf_bundle_in.from */
};

struct qf_bundle_in {
	char run[64]; /* of the export */
	struct qf_bundle_item *items;
	size_t n;
	char **from; /* directories that messages were exported from */
	size_t nfrom;
	bool cut;      /* it ends too early: not all of them came */
	char why[160]; /* then */
};

/*
 * qf_bundle_read - unpack a bundle into a folder, each file with the sum that the manifest gives.
 * from     a file, a folder, or "-" for standard input.
 * folder   gets queue/ with the files of the messages that came whole, synced.
 * patience as above.
 * Returns  QF_OK, also when it is cut; QF_E_DATA for what is no bundle, or has anything in it that
 *          is none of a bundle (other names, links, devices), or a wrong sum: then the folder holds
 *          nothing to be used; QF_E_INTERRUPTED; QF_E_NOT_FOUND, QF_E_DENIED,
 *          QF_E_UNAVAILABLE, QF_E_SYS, QF_E_NOMEM.
 */
enum qf_code qf_bundle_read(struct qf_io *io, const char *from, int folder,
			    const struct qf_patience *patience, struct qf_bundle_in *in,
			    struct qf_err *err);
void qf_bundle_in_release(struct qf_bundle_in *in);

#endif
