#!/bin/sh
# The promise on memory, on a tenth of the queue that `make bench` takes: an unsorted listing does
# not grow with the queue, and one that needs all rows first takes little beyond their text.
set -u
n=0
# holds NAME EXPRESSION (of awk)
holds() {
	n=$((n + 1))
	if awk "BEGIN { exit !($2) }"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "# $2"
	fi
}

"$QF_FIXTURES/../scripts/bench" --helpers "$QF_BUILD" >&2 || exit 1
cd "${TMPDIR:?run by scripts/run-tests}" || exit 1
for messages in 0 20000 100000; do
	"$QF_BUILD/bench/gen-queue" --messages=$messages --recipients=1 --share=1000 --body-bytes=0 \
		q$messages >/dev/null || exit 1
done

# peak MESSAGES OPTION...: kB, and the bytes printed
peak() {
	queue=q$1
	shift
	"$QF_BUILD/bench/measure" --pipe "$QF" ls -C none --now=@1795331700 -Q "$queue" "$@" |
		awk '$6 == 0 { print $3, $5 }'
}

for format in table json csv; do
	read -r small _ <<-END
	$(peak 20000 --format=$format)
	END
	read -r large _ <<-END
	$(peak 100000 --format=$format)
	END
	holds "unsorted, $format: under 64 MB" "$large > 0 && $large < 65536"
	holds "unsorted, $format: five times the messages take no more" \
		"$small > 0 && $large < $small + 4096"
done
for options in '--sort=age --format=ids' '--sort=-size --format=json' '--format=mailq'; do
	# shellcheck disable=SC2086
	read -r empty _ <<-END
	$(peak 0 $options)
	END
	# shellcheck disable=SC2086
	read -r all text <<-END
	$(peak 100000 $options)
	END
	holds "$options: under 250 bytes a message beyond its text" \
		"$empty > 0 && $text > 0 && ($all - $empty) * 1024 - $text < 250 * 100000"
done
echo "1..$n"
