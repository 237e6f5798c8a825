#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qf.h"

#define NOW 1795400000
#define ALL (QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS)

static char root[] = "/tmp/qf-keep-XXXXXX";

/* What is right and what is wrong in many ways: each has to come back as it was. */
static const char *const texts[] = {
	"V8\nT1795332063\nK1795332100\nN3\nP30119\nI8/1/99\nFwr8\n$_[127.0.0.1]\n${daemon_flags}\n"
	"S<a@b.example>\nMDeferred: 421 4.2.1 mx.y.example later\nQrfc822;x@y\nrRFC822; x@y\n"
	"RPFD:<x@y.example>\nMDeferred: other\nRPFD:<z@y.example>\nH??Received: from a by b\n"
	"H?P?Return-Path: <\x81g>\nH??subject : =?utf-8?q?caf=C3=A9?=\nH??Priority: urgent\n"
	"H??Message-ID: <1@x>\nH??X-Folded: a\n\tb\n.\n",
	"V8\nT1795332063\nK0\nN0\nP1\nS<>\nRPFD:<x@y>\nH??Subject: no end\n",
	"",
	"V8\nT17953x32063\nK0\nN0\nP1\nzjunk\n\nSa@b\nRPFD:\nH??Subject\n.\nmore\n",
	"V8\nT1795332063\nK0\nN0\nP1\nqlooked at\nS<a@b>\nRPFD:<x@y>\nH??Content-Type: multipart/report;\n"
	" report-type=delivery-status\n.\n",
	"V99\nT1795332063\nP1\ndelsewhere\nS<a@b>\nRPFD:<x@y>\n.\n",
	"V8\nT1795332063\nP1\nRPFD:<x@y>\n.\n",
};
#define NTEXTS (sizeof(texts) / sizeof(*texts))

static void
put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
set_up(void)
{
	char name[32];

	cr_assert_not_null(mkdtemp(root));
	cr_assert_eq(chdir(root), 0);
	for (size_t i = 0; i < NTEXTS; i++) {
		snprintf(name, sizeof(name), "%s6AMAAA00000%zu", i == 4 ? "hf" : "qf", i);
		put(name, texts[i]);
		memcpy(name, "df", 2);
		if (i != 1)
			put(name, "body\n");
	}
	cr_assert_eq(chmod("qf6AMAAA000006", 0666), 0);
}

static void
tear_down(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
}

static struct qf_queue *
open_queue(void)
{
	const char *path = root;
	struct qf_queue_options options = {.paths = &path, .npaths = 1};
	struct qf_queue *queue = NULL;
	struct qf_err err;

	cr_assert_eq(qf_queue_open(&options, &queue, &err), QF_OK, "%s: %s", err.what, err.why);
	return queue;
}

/* Everything that fields say, states, what is wrong, what will happen. */
static void
say_all(struct qf_queue *queue, struct qf_msg *msg, struct qf_buf *out)
{
	struct qf_buf scratch = {0};
	struct qf_row row;

	qf_row_init(&row, msg, queue, qf_queue_policy(queue), NOW);
	for (const struct qf_field *field = qf_fields(); field->name; field++) {
		for (size_t i = 0; i < qf_field_count(field, &row); i++) {
			struct qf_value value = field->get(&row, i, "Subject", &scratch);

			qf_buf_addf(out, "%s[%zu]: ", field->name, i);
			if (value.present)
				qf_field_format(field, value, out);
			qf_buf_addc(out, '\n');
		}
	}
	for (const char *const *state = qf_row_states(); *state; state++)
		qf_buf_addf(out, "%s %d\n", *state, qf_row_is(&row, *state, strlen(*state), NULL));
	for (size_t i = 0, n = 0; i < 1 || i < n; i++) {
		const struct qf_diagnostic *d = qf_msg_diagnostics(msg, &n);

		if (i < n)
			qf_buf_addf(out, "%d %d %u %u %.*s\n", d[i].finding, d[i].fate, d[i].line,
				    d[i].column, (int)d[i].detail.n, d[i].detail.p);
	}
	qf_outlook_describe(&row, out);
	qf_buf_release(&scratch);
}

Test(keep, comes_back_as_it_was, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue = open_queue();
	struct qf_scan_options options = {.needs = ALL};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL, *again = NULL;
	struct qf_buf kept = {0}, wanted = {0}, got = {0};
	struct qf_err err;
	size_t n = 0;

	cr_assert_eq(qf_scan_new(queue, &options, &scan, &err), QF_OK);
	while (qf_scan_next(scan, &msg, &err) == QF_OK && msg) {
		qf_buf_clear(&kept);
		qf_buf_clear(&wanted);
		qf_buf_clear(&got);
		qf_msg_keep(msg, &kept);
		say_all(queue, msg, &wanted);
		cr_assert_eq(qf_msg_recall(queue, qf_msg_files(msg)->dir, qf_msg_files(msg)->name,
					   (struct qf_slice){kept.p, kept.n}, &again, &err),
			     QF_OK, "%s", err.why);
		say_all(queue, again, &got);
		qf_buf_addc(&got, '\0');
		qf_buf_addc(&wanted, '\0');
		cr_assert_str_eq(got.p, wanted.p);
		n++;
	}
	cr_assert_eq(n, NTEXTS);
	qf_msg_free(again);
	qf_buf_release(&kept);
	qf_buf_release(&wanted);
	qf_buf_release(&got);
	qf_scan_free(scan);
	qf_queue_free(queue);
}

Test(keep, what_is_cut_is_refused, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue = open_queue();
	struct qf_scan_options options = {.needs = ALL};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL, *again = NULL;
	struct qf_buf kept = {0};
	struct qf_err err;

	cr_assert_eq(qf_scan_new(queue, &options, &scan, &err), QF_OK);
	cr_assert_eq(qf_scan_next(scan, &msg, &err), QF_OK);
	qf_msg_keep(msg, &kept);
	for (size_t n = 0; n < 100 && n < kept.n; n++) {
		char *copy = malloc(n + 1);

		/* On the heap, so that a sanitizer sees a step too far. */
		memcpy(copy, kept.p, n);
		enum qf_code code = qf_msg_recall(
			queue, 0, qf_msg_files(msg)->name, (struct qf_slice){copy, n}, &again,
			&err);
		cr_assert(code == QF_OK || code == QF_E_DATA);
		free(copy);
	}
	qf_msg_free(again);
	qf_buf_release(&kept);
	qf_scan_free(scan);
	qf_queue_free(queue);
}

/* Those that end in an even digit are known. */
static bool
know_even(void *ctx, const struct qf_sighting *seen)
{
	size_t *asked = ctx;
	struct stat st;

	__atomic_fetch_add(asked, 1, __ATOMIC_RELAXED);
	cr_assert_eq(lstat(seen->name, &st), 0);
	cr_assert(seen->inode == st.st_ino && seen->size == st.st_size &&
		  seen->ctime == st.st_ctime && seen->ctime_nsec == (uint32_t)st.st_ctim.tv_nsec &&
		  !seen->locked);
	return (seen->name[seen->n - 1] - '0') % 2 == 0;
}

Test(keep, what_is_known_is_not_read, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue = open_queue();
	size_t asked = 0, n = 0;
	struct qf_scan_options options = {.needs = ALL, .known = know_even, .ctx = &asked};
	struct qf_scan_stats stats;
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err;

	cr_assert_eq(qf_scan_new(queue, &options, &scan, &err), QF_OK);
	while (qf_scan_next(scan, &msg, &err) == QF_OK && msg) {
		struct qf_slice id = qf_msg_files(msg)->id;

		cr_assert((id.p[id.n - 1] - '0') % 2 == 1);
		n++;
	}
	qf_scan_stats(scan, &stats);
	cr_assert_eq(asked, NTEXTS);
	cr_assert_eq(n, NTEXTS / 2);
	cr_assert_eq(stats.known, NTEXTS - n);
	cr_assert_eq(stats.opens, n);
	qf_scan_free(scan);
	qf_queue_free(queue);
}

Test(keep, a_folder_in_the_home, .init = set_up, .fini = tear_down)
{
	struct qf_queue *queue = open_queue();
	struct stat st;
	struct qf_err err;
	int fd;

	cr_assert_eq(qf_home_open_folder(queue, 0, "jobs", false, &fd, &err), QF_E_NOT_FOUND);
	cr_assert_eq(access(".qf", F_OK), -1);
	cr_assert_eq(qf_home_open_folder(queue, 0, "jobs", true, &fd, &err), QF_OK);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	close(fd);
	cr_assert_eq(access(".qf/jobs", F_OK), 0);
	cr_assert_eq(chmod(".qf/jobs", 0777), 0);
	cr_assert_eq(qf_home_open_folder(queue, 0, "jobs", true, &fd, &err), QF_E_DATA);
	qf_queue_free(queue);
}
