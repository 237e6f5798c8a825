/*
 * Unit tests of copy: SHA-256 of what was read, large files in the kernel, failures told apart.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "copy.h"

static int
file_of(size_t n)
{
	int fd = memfd_create("copy_test", 0);
	char *bytes = malloc(n ? n : 1);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	cr_assert_eq(write(fd, bytes, n), (ssize_t)n);
	lseek(fd, 0, SEEK_SET);
	free(bytes);
	return fd;
}

static void
try_size(size_t n)
{
	struct qf_io io;
	int from = file_of(n), to = memfd_create("copy_test", 0);
	char sha[QF_SHA_TEXT], back[QF_SHA_TEXT], again[QF_SHA_TEXT];
	int64_t bytes, counted;
	bool reading;

	qf_io_init(&io, NULL, 0);
	cr_assert_eq(qf_copy(&io, from, to, (int64_t)n, sha, &bytes, &reading, NULL), 0);
	cr_assert_eq(bytes, (int64_t)n);
	cr_assert_eq(qf_sha_read(&io, to, back, &counted, NULL), 0);
	cr_assert_eq(counted, (int64_t)n);
	cr_assert_str_eq(sha, back);
	cr_assert_eq(qf_sha_read(&io, from, again, NULL, NULL), 0);
	cr_assert_str_eq(sha, again);
	close(from);
	close(to);
}

Test(copy, copies_every_size)
{
	static const size_t sizes[] = {0, 1, 4096, 8191, 8192, 8193, 262143, 262144, 262145,
				       (1u << 20) - 1, 1u << 20, (1u << 20) + 1, 5u << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		try_size(sizes[i]);
}

/* printf abc | sha256sum */
Test(copy, the_sum_is_sha_256)
{
	char sha[QF_SHA_TEXT];

	qf_sha_of((struct qf_slice){"abc", 3}, sha);
	cr_assert_str_eq(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	qf_sha_of((struct qf_slice){NULL, 0}, sha);
	cr_assert_str_eq(sha, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static ssize_t
no_copy(int from, int to, size_t n)
{
	(void)from, (void)to, (void)n;
	errno = EXDEV;
	return -1;
}

Test(copy, where_the_kernel_cannot_it_is_read_and_written)
{
	struct qf_sys sys = qf_sys_real;
	int from = file_of(3u << 20), to = memfd_create("copy_test", 0);
	char sha[QF_SHA_TEXT], back[QF_SHA_TEXT];
	struct qf_io io;
	int64_t bytes;
	bool reading;

	sys.copy_range = no_copy;
	qf_io_init(&io, &sys, 0);
	cr_assert_eq(qf_copy(&io, from, to, 3 << 20, sha, &bytes, &reading, NULL), 0);
	cr_assert_eq(qf_sha_read(&io, to, back, &bytes, NULL), 0);
	cr_assert_eq(bytes, 3 << 20);
	cr_assert_str_eq(sha, back);
}

Test(copy, tells_reading_from_writing_and_can_be_cancelled)
{
	int from = file_of(100), closed = dup(from), full = open("/dev/full", O_RDWR);
	volatile int cancel = 1;
	char sha[QF_SHA_TEXT];
	struct qf_io io;
	int64_t bytes;
	bool reading;

	close(closed);
	qf_io_init(&io, NULL, 0);
	cr_assert_eq(qf_copy(&io, from, full, 100, sha, &bytes, &reading, NULL), ENOSPC);
	cr_assert_not(reading);
	cr_assert_eq(qf_copy(&io, closed, full, 100, sha, &bytes, &reading, NULL), EBADF);
	cr_assert(reading);
	cr_assert_eq(qf_sha_read(&io, from, sha, NULL, &cancel), ECANCELED);
}
