/*
 * rec - the one table of record letters of a control file.
 *
 * To add a letter: a row here, and a case in msg.c where it means something to the envelope.
 * Origin: sendmail/queue.c readqf() (what is read), queueup() (what is written).
 */
#include "rec.h"

static const struct qf_record_type types[] = {
	{'V', "version", QF_VALUE_NUMBER, false, "8.7", "format version; written as 8 since 8.13"},
	{'T', "created", QF_VALUE_TIME, false, "8", "creation time; all time-outs count from it"},
	{'K', "last-try", QF_VALUE_TIME, false, "8", "time of the last attempt, 0 for never"},
	{'N', "tries", QF_VALUE_NUMBER, false, "8", "number of attempts"},
	{'P', "priority", QF_VALUE_NUMBER, false, "8", "priority; larger is later"},
	{'d', "data-directory", QF_VALUE_TEXT, false, "8.12", "directory of the data file"},
	{'I', "inode", QF_VALUE_TEXT, false, "8.7", "where the data file was; not read"},
	{'B', "body-type", QF_VALUE_TEXT, false, "8.7", "7BIT or 8BITMIME"},
	{'q', "quarantine", QF_VALUE_TEXT, false, "8.13", "quarantine reason"},
	{'M', "status", QF_VALUE_TEXT, true, "8",
	 "last answer: before S of the message, before R of that recipient"},
	{'F', "flags", QF_VALUE_FLAGS, false, "8", "envelope flags"},
	{'$', "macro", QF_VALUE_MACRO, true, "8.7", "macro kept for delivery"},
	{'S', "sender", QF_VALUE_ADDRESS, false, "8", "envelope sender"},
	{'Z', "envid", QF_VALUE_TEXT, false, "8.7", "ENVID= of MAIL"},
	{'A', "auth", QF_VALUE_TEXT, false, "8.10", "AUTH= of MAIL"},
	{'!', "deliver-by", QF_VALUE_DELIVER_BY, false, "8.12", "BY= of MAIL"},
	{'C', "controller", QF_VALUE_CONTROLLER, true, "8", "user controlling what follows"},
	{'Q', "original-recipient", QF_VALUE_TEXT, true, "8.7", "ORCPT= of the next recipient"},
	{'r', "final-recipient", QF_VALUE_TEXT, true, "8.12", "Final-Recipient of the next one"},
	{'R', "recipient", QF_VALUE_RECIPIENT, true, "8", "recipient, with flags since V1"},
	{'H', "header", QF_VALUE_HEADER, true, "8", "header field"},
	{'.', "end", QF_VALUE_NONE, false, "8.7", "end of the file"},
	{'D', "data-file", QF_VALUE_TEXT, false, "before 8.7", "data file; read and ignored"},
	{'E', "error-recipient", QF_VALUE_ADDRESS, true, "before 8.7", "read and ignored"},
	{'L', "content-length", QF_VALUE_NUMBER, false, "Solaris", "read and ignored"},
	{0, NULL, QF_VALUE_NONE, false, NULL, NULL},
};

const struct qf_record_type *
qf_record_types(void)
{
	return types;
}

const struct qf_record_type *
qf_record_type(char letter)
{
	for (const struct qf_record_type *type = types; type->name; type++)
		if (type->letter == letter)
			return type;
	return NULL;
}
