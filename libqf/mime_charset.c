/*
 * mime_charset - text of whatever charset as valid UTF-8.
 *
 * Charsets are those that mail is written in. Names are not handed to iconv as they come: it has
 * converters for hundreds of others, which nobody looks after and strangers could ask for.
 */
#ifdef QF_WITH_GMIME

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "mime.h"

#define REPLACEMENT "\xef\xbf\xbd"

void
qf_mime_add_utf8(struct qf_buf *out, struct qf_slice text)
{
	while (text.n) {
		const char *end;
		size_t n;

		qf_gmime.g_utf8_validate_len(text.p, text.n, &end);
		n = (size_t)(end - text.p);
		qf_buf_add(out, text.p, n);
		if (n == text.n)
			return;
		/* It stops at NUL too, which is as good a character as any. */
		if (*end)
			qf_buf_adds(out, REPLACEMENT);
		else
			qf_buf_addc(out, '\0');
		text.p += n + 1;
		text.n -= n + 1;
	}
}

void
qf_mime_add_line(struct qf_buf *out, struct qf_slice text, size_t max)
{
	struct qf_buf clean = {0};
	size_t n;

	qf_mime_add_utf8(&clean, text);
	out->failed |= clean.failed;
	n = clean.n;
	if (n > max)
		for (n = max; n && ((unsigned char)clean.p[n] & 0xc0) == 0x80; n--)
			;
	for (size_t i = 0; i < n; i++)
		qf_buf_addc(out, (unsigned char)clean.p[i] < ' ' ? ' ' : clean.p[i]);
	if (n < clean.n)
		qf_buf_adds(out, "...");
	qf_buf_release(&clean);
}

/* Families of names that differ in a number of one or two digits. */
static const struct {
	const char *prefix, *iconv;
} families[] = {{"iso-8859-", "ISO-8859-"}, {"iso8859-", "ISO-8859-"}, {"iso_8859-", "ISO-8859-"},
		{"windows-125", "CP125"},   {"cp125", "CP125"},	       {"x-windows-125", "CP125"}};

/* Where the name is one thing and what writers mean by it another, the wider set is taken. */
static const struct {
	const char *name, *iconv;
} charsets[] = {{"us-ascii", QF_MIME_GUESS},
		{"ascii", QF_MIME_GUESS},
		{"ansi_x3.4-1968", QF_MIME_GUESS},
		{"utf-8", "UTF-8"},
		{"utf8", "UTF-8"},
		{"utf-7", "UTF-7"},
		{"utf-16", "UTF-16"},
		{"utf-16le", "UTF-16LE"},
		{"utf-16be", "UTF-16BE"},
		{"utf-32", "UTF-32"},
		{"latin1", "ISO-8859-1"},
		{"iso-8859-8-i", "ISO-8859-8"},
		{"koi8-r", "KOI8-R"},
		{"koi8-u", "KOI8-U"},
		{"macintosh", "MACINTOSH"},
		{"tis-620", "TIS-620"},
		{"windows-874", "CP874"},
		{"viscii", "VISCII"},
		{"cp437", "CP437"},
		{"ibm437", "CP437"},
		{"cp850", "CP850"},
		{"ibm850", "CP850"},
		{"cp866", "CP866"},
		{"ibm866", "CP866"},
		{"iso-2022-jp", "ISO-2022-JP"},
		{"euc-jp", "EUC-JP"},
		{"shift_jis", "CP932"},
		{"shift-jis", "CP932"},
		{"x-sjis", "CP932"},
		{"windows-31j", "CP932"},
		{"cp932", "CP932"},
		{"iso-2022-kr", "ISO-2022-KR"},
		{"euc-kr", "CP949"},
		{"ks_c_5601-1987", "CP949"},
		{"cp949", "CP949"},
		{"gb2312", "GB18030"},
		{"gbk", "GB18030"},
		{"cp936", "GB18030"},
		{"gb18030", "GB18030"},
		{"big5", "BIG5"},
		{"cp950", "BIG5"},
		{"euc-tw", "EUC-TW"}};

bool
qf_mime_charset(struct qf_slice name, char iconv_name[QF_MIME_CHARSET])
{
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		if (name.n != strlen(charsets[i].name) ||
		    strncasecmp(name.p, charsets[i].name, name.n))
			continue;
		snprintf(iconv_name, QF_MIME_CHARSET, "%s", charsets[i].iconv);
		return true;
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		size_t n = strlen(families[i].prefix);

		if (name.n <= n || name.n > n + 2 || strncasecmp(name.p, families[i].prefix, n))
			continue;
		for (size_t at = n; at < name.n; at++)
			if (name.p[at] < '0' || name.p[at] > '9')
				return false;
		snprintf(iconv_name, QF_MIME_CHARSET, "%s%.*s", families[i].iconv,
			 (int)(name.n - n), name.p + n);
		return true;
	}
	return false;
}

/* Bytes of the smallest piece of text, to go on with behind what is no character. */
static size_t
unit_of(const char *iconv_name)
{
	if (!strncmp(iconv_name, "UTF-16", 6))
		return 2;
	return strncmp(iconv_name, "UTF-32", 6) ? 1 : 4;
}

/* True for UTF-8, also where its last character is cut off, if it has others beside ASCII. */
static bool
is_utf8(struct qf_slice text)
{
	size_t n = text.n;

	if (qf_utf8_valid(text))
		return true;
	while (n && text.n - n < 3 && ((unsigned char)text.p[n - 1] & 0xc0) == 0x80)
		n--;
	if (n == 0 || (unsigned char)text.p[n - 1] < 0xc0)
		return false;
	n--;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return qf_utf8_valid((struct qf_slice){text.p, n});
	return false;
}

void
qf_mime_add_converted(struct qf_buf *out, struct qf_slice bytes, const char *iconv_name)
{
	size_t unit = unit_of(iconv_name);
	char *in = (char *)bytes.p;
	size_t left = bytes.n;
	char chunk[4096];
	char *to = chunk;
	size_t room = sizeof(chunk);
	iconv_t convert;

	/* What most mail is that does not say what it is. */
	if (!strcmp(iconv_name, QF_MIME_GUESS))
		iconv_name = is_utf8(bytes) ? "UTF-8" : "CP1252";
	if (!strcmp(iconv_name, "UTF-8")) {
		qf_mime_add_utf8(out, bytes);
		return;
	}
	convert = iconv_open("UTF-8", iconv_name);
	if (convert == (iconv_t)-1) {
		/* "ISO-8859-12", or a system without that converter. */
		qf_mime_add_utf8(out, bytes);
		return;
	}
	while (left) {
		bool full = iconv(convert, &in, &left, &to, &room) == (size_t)-1 &&
			    errno == E2BIG && to > chunk;

		qf_mime_add_utf8(out, (struct qf_slice){chunk, (size_t)(to - chunk)});
		to = chunk;
		room = sizeof(chunk);
		if (full || left == 0)
			continue;
		/* It stands at bytes that make no character, or are cut off at the end. */
		qf_buf_adds(out, REPLACEMENT);
		if (unit > left)
			unit = left;
		in += unit;
		left -= unit;
	}
	/* Some converters hold a character back, since a mark might follow. */
	iconv(convert, NULL, NULL, &to, &room);
	qf_mime_add_utf8(out, (struct qf_slice){chunk, (size_t)(to - chunk)});
	iconv_close(convert);
}

#endif
