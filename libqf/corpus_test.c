#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qf.h"

/* Every control file that real sendmail made, and every damaged one: parsed, written, the same. */

static size_t seen;

static void
check(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	char *bytes = malloc(size + 1);
	struct qf_msg *msg = NULL;
	struct qf_buf out = {0};
	struct qf_err err;

	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fread(bytes, 1, size, file), size);
	fclose(file);
	cr_assert_eq(qf_msg_read(path, &msg, &err), QF_OK, "%s: %s", path, err.why);
	qf_msg_write(msg, &out);
	cr_assert(out.n == size && (size == 0 || !memcmp(out.p, bytes, size)), "%s", path);
	qf_buf_release(&out);
	qf_msg_free(msg);
	free(bytes);
	seen++;
}

static int
visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base;
	enum qf_kind kind = qf_name_kind(name, strlen(name));

	if (type == FTW_F && S_ISREG(st->st_mode) &&
	    (qf_kind_is_control(kind) || kind == QF_KIND_STAGED || kind == QF_KIND_STAGED_ASIDE))
		check(path, (size_t)st->st_size);
	return 0;
}

Test(corpus, every_control_file_round_trips)
{
	const char *fixtures = getenv("QF_FIXTURES");
	char root[] = "/tmp/qf-corpus-XXXXXX", command[1024];

	if (!fixtures)
		fixtures = "test-fixtures";
	cr_assert_not_null(mkdtemp(root));
	snprintf(command, sizeof(command),
		 "for i in '%s'/queues/*/queue.tar.gz; do n=${i%%/*}; mkdir %s/${n##*/} && "
		 "tar -C %s/${n##*/} --no-same-owner -xzf $i || exit 1; done",
		 fixtures, root, root);
	cr_assert_eq(system(command), 0, "cannot unpack %s/queues", fixtures);
	cr_assert_eq(nftw(root, visit, 16, FTW_PHYS), 0);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
	cr_assert_gt(seen, 1000, "%zu files", seen);
}
