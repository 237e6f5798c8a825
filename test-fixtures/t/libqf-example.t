#!/bin/sh
# The example in docs/libqf.md: compiled as the page says, against an installed tree, it prints what
# the page says.
set -u
page=$QF_FIXTURES/../docs/libqf.md
scenario=listing-mutates
cc=${CC:-cc}
n=0

result() { # STATUS NAME [FILE that tells why]
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		[ -z "${3:-}" ] || sed 's/^/# /' "$3"
	fi
}

# The lines of the page's blocks that are fenced with a word.
block() {
	awk -v fence="\`\`\`$1" '$0 == "```" { inside = 0 } inside { print } $0 == fence { inside = 1 }' "$page"
}

cd "${TMPDIR:?run by scripts/run-tests}" || exit 1
block c >queue-report.c
block text | sort >wanted
[ -s queue-report.c ] && [ -s wanted ] && grep -q "$scenario" "$page"
result $? "the page has a program and its output"

# A tree as make install leaves it.
mkdir -p prefix/lib/pkgconfig prefix/include/libqf
cp -P "$QF_BUILD"/libqf.a "$QF_BUILD"/libqf.so* prefix/lib/
cp "$QF_FIXTURES/../libqf/qf.h" prefix/include/libqf/
sed -e "s|^prefix=.*|prefix=$PWD/prefix|" -e "s|^libdir=.*|libdir=$PWD/prefix/lib|" \
	-e "s|^includedir=.*|includedir=$PWD/prefix/include|" "$QF_BUILD/qf.pc" >prefix/lib/pkgconfig/qf.pc
export PKG_CONFIG_PATH="$PWD/prefix/lib/pkgconfig"
strict='-std=c11 -Wall -Wextra -Wpedantic -Werror'
if nm prefix/lib/libqf.a 2>/dev/null | grep -q __asan_; then
	strict="$strict -fsanitize=address,undefined"
fi

corpus=$QF_CORPUS
[ -f "$corpus/$scenario/queue.tar.gz" ] || corpus=$QF_FIXTURES/queues
mkdir queue && tar -C queue -xpzf "$corpus/$scenario/queue.tar.gz"

# The two commands of the page, with warnings.
shared() {
	$cc $strict -o shared queue-report.c $(pkg-config --cflags --libs qf)
}
static() {
	$cc $strict -o static queue-report.c $(pkg-config --cflags qf) \
		"$(pkg-config --variable=libdir qf)/libqf.a" \
		$(pkg-config --libs $(pkg-config --print-requires-private qf)) -pthread
}
for kind in shared static; do
	$kind >compiled 2>&1
	result $? "it compiles, $kind library" compiled
	LD_LIBRARY_PATH=$([ $kind = static ] || echo "$PWD/prefix/lib") ./$kind queue/mqueue 2>&1 | sort >is
	diff -u wanted is >difference
	result $? "it prints what the page says, $kind library" difference
done

export LD_LIBRARY_PATH="$PWD/prefix/lib"
./shared queue/none >out 2>err
[ $? -eq 1 ] && [ ! -s out ] && grep -q '^queue-report: .*queue/none: ' err
result $? "it says what is wrong with a queue that is not there" err

echo "1..$n"
