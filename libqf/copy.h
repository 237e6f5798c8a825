/*
 * copy - the bytes of a file copied, and their SHA-256.
 */
#ifndef QF_LIBQF_COPY_H
#define QF_LIBQF_COPY_H

#include "qf.h"
#include "sys.h"

/* A SHA-256 in hex, with its NUL. */
#define QF_SHA_TEXT 65

void qf_sha_bytes(struct qf_slice bytes, uint8_t sha[32]);
void qf_sha_text(const uint8_t sha[32], char text[QF_SHA_TEXT]);
/* n bytes of their text: 2n of 0-9 and a-f, and nothing behind them. False for any other, and NULL. */
bool qf_hex_read(const char *text, uint8_t *bytes, size_t n);
void qf_sha_of(struct qf_slice bytes, char sha[QF_SHA_TEXT]);

/*
 * qf_sha_read - SHA-256 of a whole file, read from its beginning.
 * *bytes   how many there were; may be NULL.
 * cancel   looked at between pieces; may be NULL.
 * Returns  0, or an errno; ECANCELED when cancelled.
 */
int qf_sha_read(struct qf_io *io, int fd, char sha[QF_SHA_TEXT], int64_t *bytes,
		const volatile int *cancel);

/*
 * qf_copy - all of one file to the end of another that is empty. Large ones are copied within the
 * kernel where both file systems can; then the SHA-256 is that of reading the source again.
 * size     of the source, as fstat says.
 * sha      of what was read from the source.
 * Returns  0, or an errno: of reading, *reading set; else of writing.
 */
int qf_copy(struct qf_io *io, int from, int to, int64_t size, char sha[QF_SHA_TEXT],
	    int64_t *bytes, bool *reading, const volatile int *cancel);

#endif
