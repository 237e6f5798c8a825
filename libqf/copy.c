/*
 * copy - the bytes of a file copied, and their SHA-256.
 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"

#define PIECE ((size_t)256 << 10)
/* From this size on a copy within the kernel is worth a second reading for the SHA-256. */
#define LARGE ((int64_t)1 << 20)
/* Of a copy within the kernel: so small that a signal is seen soon. */
#define KERNEL_PIECE ((size_t)4 << 20)

void
qf_sha_text(const uint8_t sha[32], char text[QF_SHA_TEXT])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++) {
		text[2 * i] = hex[sha[i] >> 4];
		text[2 * i + 1] = hex[sha[i] & 15];
	}
	text[QF_SHA_TEXT - 1] = '\0';
}

bool
qf_hex_read(const char *text, uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	if (!text || strlen(text) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *high = strchr(digits, text[2 * i]),
			   *low = strchr(digits, text[2 * i + 1]);

		if (!high || !low)
			return false;
		bytes[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return true;
}

void
qf_sha_bytes(struct qf_slice bytes, uint8_t sha[32])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	if (bytes.n)
		sha256_update(&ctx, bytes.n, (const uint8_t *)bytes.p);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, sha);
}

void
qf_sha_of(struct qf_slice bytes, char sha[QF_SHA_TEXT])
{
	uint8_t binary[SHA256_DIGEST_SIZE];

	qf_sha_bytes(bytes, binary);
	qf_sha_text(binary, sha);
}

/* Read to the end, digesting, and writing too where to is a file. */
static int
pump(struct qf_io *io, int from, int to, size_t piece, char sha[QF_SHA_TEXT], int64_t *bytes,
     bool *reading, const volatile int *cancel)
{
	struct sha256_ctx ctx;
	uint8_t binary[SHA256_DIGEST_SIZE];
	char small[8192], *room = piece <= sizeof(small) ? small : malloc(piece);
	int failure = room ? 0 : ENOMEM;
	ssize_t n = 1;

	if (piece < sizeof(small))
		piece = sizeof(small);
	*reading = true;
	*bytes = 0;
	sha256_init(&ctx);
	while (!failure && (n = qf_io_read(io, from, room, piece)) > 0) {
		*bytes += n;
		sha256_update(&ctx, (size_t)n, (const uint8_t *)room);
		if (to >= 0 && qf_io_write(io, to, room, (size_t)n) != 0) {
			failure = errno;
			*reading = false;
		} else if (cancel && *cancel) {
			failure = ECANCELED;
		}
	}
	if (n < 0)
		failure = errno;
	if (room != small)
		free(room);
	sha256_digest(&ctx, sizeof(binary), binary);
	qf_sha_text(binary, sha);
	return failure;
}

int
qf_sha_read(struct qf_io *io, int fd, char sha[QF_SHA_TEXT], int64_t *bytes,
	    const volatile int *cancel)
{
	int64_t counted;
	bool reading;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return errno;
	return pump(io, fd, -1, PIECE, sha, bytes ? bytes : &counted, &reading, cancel);
}

/* ENOSYS: this cannot be, and nothing was copied. */
static int
copy_in_kernel(struct qf_io *io, int from, int to, const volatile int *cancel)
{
	ssize_t n;
	int64_t copied = 0;

	while ((n = qf_io_copy(io, from, to, KERNEL_PIECE)) > 0) {
		copied += n;
		if (cancel && *cancel)
			return ECANCELED;
	}
	if (n < 0 && copied == 0 &&
	    (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
		return ENOSYS;
	return n < 0 ? errno : 0;
}

int
qf_copy(struct qf_io *io, int from, int to, int64_t size, char sha[QF_SHA_TEXT],
	int64_t *bytes, bool *reading, const volatile int *cancel)
{
	int failure = ENOSYS;

	*reading = false;
	*bytes = 0;
	if (size >= LARGE) {
		failure = copy_in_kernel(io, from, to, cancel);
		if (failure && failure != ENOSYS)
			return failure;
		if (lseek(from, 0, SEEK_SET) < 0)
			return errno;
	}
	return pump(io, from, failure == ENOSYS ? to : -1,
		    size < (int64_t)PIECE ? (size_t)size + 1 : PIECE, sha, bytes, reading, cancel);
}
