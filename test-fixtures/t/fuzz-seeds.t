#!/bin/sh
# The inputs kept from fuzzing, run through their targets: with sanitizers where there is such a
# build, else without.
build=${QF_BUILD_SAN:-$QF_BUILD}
n=0
for seeds in "$QF_FIXTURES"/fuzz/seeds/*; do
	target=${seeds##*/}
	n=$((n + 1))
	if "$build/tests/replay-$target" "$seeds"/* >"${TMPDIR:?}/names" &&
		[ "$(wc -l <"$TMPDIR/names")" -eq "$(ls "$seeds" | wc -l)" ]; then
		echo "ok $n - $target: kept inputs"
	else
		echo "not ok $n - $target: kept inputs"
		echo "# ended at $(tail -n 1 "$TMPDIR/names")"
	fi
done
echo "1..$n"
