#!/bin/sh
# Manual pages and completion say what the program says; manual pages are well formed.
cd "$(dirname "$0")/../.." || exit 1
qf=${QF:-build/qf}
n=0
ok() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

text=$(scripts/gen-docs --check "$qf" 2>&1)
ok $? "option lists and completion are up to date"
[ -z "$text" ] || echo "$text" | sed 's/^/# /'

if command -v mandoc >/dev/null 2>&1; then
	# Pages refer to each other before they are installed.
	text=$(mandoc -Tlint docs/man/*.[1-9] 2>/dev/null | grep -v 'referenced manual not found')
	[ -z "$text" ]
	ok $? "mandoc finds nothing wrong"
	[ -z "$text" ] || echo "$text" | sed 's/^/# /'
else
	n=$((n + 1))
	echo "ok $n - mandoc # SKIP no mandoc"
fi

for command in $("$qf" --rows | awk -F'\t' '$3 == "" {print $1}'); do
	[ -f "docs/man/qf-$command.1" ] && "$qf" "$command" --help | grep -q "^usage: qf $command"
	ok $? "$command has a page and a help text"
done

bash -c '. scripts/completion/qf.bash
	COMP_WORDS=(qf ls --format = js); COMP_CWORD=4; _qf; [ "${COMPREPLY[*]}" = json ] &&
	COMP_WORDS=(qf sh); COMP_CWORD=1; COMPREPLY=(); _qf; [ "${COMPREPLY[*]}" = "show shape" ]' 2>/dev/null
ok $? "completion offers commands and values"
# What a test left in the wrong place is not to be kept.
if git rev-parse --git-dir >/dev/null 2>&1; then
	text=$(git ls-files | sed 's,/.*,,' | sort -u |
		grep -vxE '\.[a-z-]+|libqf|tools|tui|scripts|test-fixtures|docs|Makefile|README.md|LICENSE|CHANGELOG.md')
	[ -z "$text" ]
	ok $? "nothing lies at the top that does not belong there"
	[ -z "$text" ] || echo "$text" | sed 's/^/# /'
else
	n=$((n + 1))
	echo "ok $n - the top level # SKIP no checkout"
fi
echo "1..$n"
