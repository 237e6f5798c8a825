#!/bin/sh
# qf.h from C++ of several standards, and from C as strict as it gets.
set -u
cd "${TMPDIR:?run by scripts/run-tests}" || exit 1
include="-I$QF_FIXTURES/.."
strict='-Wall -Wextra -Wpedantic -Werror'
n=0

cat >program.cc <<'PROGRAM'
#include <libqf/qf.h>
#include <cstdio>
#include <cstring>
#include <string>

static int failures;

static void
expect(bool good, const char *what)
{
	if (good)
		return;
	std::printf("# not so: %s\n", what);
	failures++;
}

static qf_slice
slice(const std::string &text)
{
	qf_slice s = {text.data(), text.size()};

	return s;
}

int
main()
{
	const std::string file = "V8\nT1795332063\nK0\nN2\nP30119\nS<ann@src.example>\n"
				 "RPFD:<bob@dst.example>\nH??Subject: from C++\n.\n";
	char text[QF_TIME_TEXT];
	qf_msg *msg = nullptr;
	qf_err err;
	qf_id id;
	qf_buf out = {};
	size_t n;

	expect(qf_msg_parse(slice(file), nullptr, &msg, &err) == QF_OK, "a control file is parsed");
	const qf_envelope *env = qf_msg_envelope(msg);
	expect(env->tries == 2 && env->created == 1795332063, "numbers of the envelope");
	expect(env->nrecipients == 1 && (env->recipients[0].flags & QF_RCPT(FAILURE)), "recipients");
	qf_slice subject = qf_msg_header(msg, "subject");
	expect(std::string(subject.p, subject.n) == "from C++", "a header");
	qf_msg_diagnostics(msg, &n);
	expect(n == 0, "no findings");
	qf_msg_write(msg, &out);
	expect(std::string(out.p, out.n) == file, "written as it was read");
	qf_msg_free(msg);

	qf_buf_clear(&out);
	qf_json json = {};
	json.out = &out;
	qf_json_open(&json, '{');
	qf_json_key(&json, "a");
	qf_json_text(&json, slice("\"\n"));
	qf_json_close(&json, '}');
	expect(std::string(out.p, out.n) == "{\"a\":\"\\\"\\n\"}", "JSON");
	qf_buf_release(&out);

	expect(qf_id_decode(slice("6AM77wPF020610"), QF_TIME_NONE, &id) && id.pid == 20610, "an id");
	qf_time_format(1795332063, text);
	expect(std::strcmp(text, "2026-11-22T07:21:03Z") == 0, "a time");
	qf_query *query = nullptr;
	expect(qf_query_parse("from:", 0, &query, &err) == QF_E_USAGE && err.column > 0, "an error");
	expect(std::strcmp(qf_code_name(QF_E_BUSY), "busy") == 0, "the name of a code");
	return failures != 0;
}
PROGRAM
printf '#include <libqf/qf.h>\n#include <libqf/qf.h>\nint main(void) { return QF_OK; }\n' >header.c

libraries=
if nm "$QF_BUILD/libqf.a" 2>/dev/null | grep -q __asan_; then
	libraries='-fsanitize=address,undefined'
fi

# try NAME COMMAND...: a test that passes when the command does.
try() {
	n=$((n + 1))
	name=$1
	shift
	if "$@" >out 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' out
	fi
}

build_and_run() {
	"$1" "-std=$2" $strict $include -o program program.cc $libraries "-L$QF_BUILD" -lqf &&
		LD_LIBRARY_PATH=$QF_BUILD ./program
}

for compiler in g++ clang++; do
	for standard in c++11 c++17 c++20; do
		if command -v $compiler >/dev/null; then
			try "$compiler -std=$standard builds a program that runs" build_and_run $compiler $standard
		else
			n=$((n + 1))
			echo "ok $n - $compiler -std=$standard # SKIP there is no $compiler"
		fi
	done
done
for standard in c99 c11 c17; do
	try "the header alone in strict $standard" \
		"${CC:-cc}" "-std=$standard" $strict -Wstrict-prototypes -Wc++-compat $include -o header header.c
done
echo "1..$n"
