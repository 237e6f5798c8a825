/*
 * lex - a control file as logical lines.
 *
 * Origin: sendmail/util.c fgetfolded(): a line that starts with blank or tab continues the one
 * before, whatever its letter; CR directly before LF is dropped; the value is a C string and so
 * ends at a NUL; the last line may lack its line end.
 */
#include <string.h>

#include "lex.h"

void
qf_lex_init(struct qf_lexer *lexer, struct qf_slice bytes)
{
	lexer->at = bytes.p;
	lexer->end = bytes.n ? bytes.p + bytes.n : bytes.p;
	lexer->line = 0;
	lexer->has_nul = bytes.n && memchr(bytes.p, '\0', bytes.n);
}

bool
qf_lex_next(struct qf_lexer *lexer, struct qf_record *record, struct qf_lex_note *note)
{
	const char *const start = lexer->at, *const end = lexer->end;
	const char *at = start;
	const char *stop; /* end of the value: line end excluded */
	const char *nul = NULL;
	unsigned lines = 0;

	if (at == end)
		return false;
	*note = (struct qf_lex_note){.nul = SIZE_MAX};
	for (;;) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));

		lines++;
		if (!lf) {
			at = stop = end;
			break;
		}
		at = lf + 1;
		stop = lf > start && lf[-1] == '\r' ? lf - 1 : lf;
		if (at == end || (*at != ' ' && *at != '\t'))
			break;
		note->folded_crlf |= stop != lf;
	}
	record->line = lexer->line + 1;
	record->lines = lines;
	lexer->at = at;
	lexer->line += lines;
	record->raw.p = start;
	record->raw.n = (size_t)(at - start);
	if (stop == start) { /* an empty line */
		record->letter = 0;
		record->value = (struct qf_slice){stop, 0};
		return true;
	}
	if (lexer->has_nul)
		nul = memchr(start, '\0', (size_t)(stop - start));
	if (nul) {
		note->nul = (size_t)(nul - start);
		stop = nul > start ? nul : start + 1;
	}
	record->letter = (unsigned char)*start;
	record->value = (struct qf_slice){start + 1, (size_t)(stop - start - 1)};
	return true;
}
