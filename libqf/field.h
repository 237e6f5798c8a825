/*
 * field - what filters and groups need to know of fields beside qf.h.
 */
#ifndef QF_LIBQF_FIELD_H
#define QF_LIBQF_FIELD_H

#include "qf.h"

/* What the values of a field are, beyond their type: decides how they are compared and grouped. */
enum qf_nature {
	QF_NATURE_PLAIN,
	QF_NATURE_ADDRESS, /* with or without <>; letters are equal in either case */
	QF_NATURE_DOMAIN,
	QF_NATURE_STATUS, /* made from status texts: the message has one, and each recipient */
	QF_NATURE_HEADER, /* a header may stand there several times */
	QF_NATURE_BODY,
};
enum qf_nature qf_field_nature(const struct qf_field *field);

/* What a field of QF_NATURE_STATUS says of one status text. */
struct qf_value qf_field_of_status(const struct qf_field *field, struct qf_slice status);
/* The last answer for a recipient: its own, or that of the message where it has none. */
struct qf_slice qf_row_recipient_status(const struct qf_row *row, size_t i);

/* The name Postfix's qshape gives to what nobody sent, and sendmail to the sender of a report. */
#define QF_DAEMON_NAME                                                                             \
	{                                                                                          \
		"MAILER-DAEMON", 13                                                                \
	}
/* Stands the message's sender for nobody: <>, or MAILER-DAEMON as sendmail writes it for its own
   reports? */
bool qf_row_null_sender(const struct qf_row *row);
/* The domain of the sender or a recipient, letters as stored: QF_NATURE_DOMAIN without copying. */
struct qf_slice qf_field_domain(const struct qf_field *field, const struct qf_row *row, size_t i);

/* One header line decoded; text that had to be made is in scratch, whose old contents go. */
struct qf_slice qf_row_header_text(const struct qf_row *row, const struct qf_header *header,
				   struct qf_buf *scratch);

/* As much of a body as filters look at. */
#define QF_BODY_MAX ((size_t)1 << 20)
/* The first QF_BODY_MAX bytes of the data file, in scratch, whose old contents go. */
struct qf_value qf_row_body(const struct qf_row *row, struct qf_buf *scratch);

#endif
