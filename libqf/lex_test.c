#include <criterion/criterion.h>
#include <string.h>

#include "lex.h"

struct wanted {
	int letter;
	const char *value;
	unsigned line, lines;
};

static void
check(const char *name, struct qf_slice bytes, const struct wanted *wanted)
{
	struct qf_lexer lexer;
	struct qf_record record;
	struct qf_lex_note note;
	size_t i = 0, total = 0;

	qf_lex_init(&lexer, bytes);
	while (qf_lex_next(&lexer, &record, &note)) {
		cr_assert(wanted[i].value, "%s: record %zu is one too many", name, i);
		cr_assert_eq(record.letter, wanted[i].letter, "%s: record %zu: letter %d", name, i,
			     record.letter);
		cr_assert(record.value.n == strlen(wanted[i].value) &&
				  !memcmp(record.value.p, wanted[i].value, record.value.n),
			  "%s: record %zu: value \"%.*s\"", name, i, (int)record.value.n,
			  record.value.p);
		cr_assert_eq(record.line, wanted[i].line, "%s: record %zu: line %u", name, i,
			     record.line);
		cr_assert_eq(record.lines, wanted[i].lines, "%s: record %zu: lines %u", name, i,
			     record.lines);
		total += record.raw.n;
		i++;
	}
	cr_assert_null(wanted[i].value, "%s: record %zu is missing", name, i);
	cr_assert_eq(total, bytes.n, "%s: raw spans do not add up", name);
}

#define BYTES(text) ((struct qf_slice){text, sizeof(text) - 1})

Test(lex, lines)
{
	static const struct {
		const char *name;
		struct qf_slice bytes;
		struct wanted wanted[4];
	} cases[] = {
		{"nothing", BYTES(""), {{0, NULL, 0, 0}}},
		{"one", BYTES("V8\n"), {{'V', "8", 1, 1}}},
		{"last without line end", BYTES("V8\n."), {{'V', "8", 1, 1}, {'.', "", 2, 1}}},
		{"crlf", BYTES("V8\r\nN0\r\n"), {{'V', "8", 1, 1}, {'N', "0", 2, 1}}},
		{"cr inside stays", BYTES("Ma\rb\n"), {{'M', "a\rb", 1, 1}}},
		{"tab continues", BYTES("H??A: b\n\tc\nN1\n"),
		 {{'H', "??A: b\n\tc", 1, 2}, {'N', "1", 3, 1}}},
		{"blank continues any letter", BYTES("RPFD:a\n b\n.\n"),
		 {{'R', "PFD:a\n b", 1, 2}, {'.', "", 3, 1}}},
		{"empty line", BYTES("V8\n\n.\n"),
		 {{'V', "8", 1, 1}, {0, "", 2, 1}, {'.', "", 3, 1}}},
		{"empty line of crlf", BYTES("\r\n"), {{0, "", 1, 1}}},
		{"starts with a blank", BYTES(" x\n"), {{' ', "x", 1, 1}}},
		{"nul ends the value", BYTES("Ma\0b\nN1\n"), {{'M', "a", 1, 1}, {'N', "1", 2, 1}}},
		{"nul as letter", BYTES("\0abc\n"), {{0, "", 1, 1}}},
		{"only nuls", BYTES("\0\0\0"), {{0, "", 1, 1}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(cases[i].name, cases[i].bytes, cases[i].wanted);
}

Test(lex, notes)
{
	struct qf_lexer lexer;
	struct qf_record record;
	struct qf_lex_note note;

	qf_lex_init(&lexer, BYTES("Hab\r\n c\r\nMx\0y\nN\n"));
	cr_assert(qf_lex_next(&lexer, &record, &note));
	cr_assert(note.folded_crlf);
	cr_assert_eq(note.nul, SIZE_MAX);
	cr_assert(qf_lex_next(&lexer, &record, &note));
	cr_assert_not(note.folded_crlf);
	cr_assert_eq(note.nul, 2);
	cr_assert(qf_lex_next(&lexer, &record, &note));
	cr_assert_eq(note.nul, SIZE_MAX);
	cr_assert_not(qf_lex_next(&lexer, &record, &note));
}
