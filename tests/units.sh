#!/bin/sh
# usage: units.sh SUITE...
# Runs cmocka suites, twice as many at once as there are cores, for half of their
# time they wait for a disk or a child, and prints what each said, whole and in
# order. The status is not 0 when one failed.
set -u
jobs=$((2 * $(nproc 2>/dev/null || echo 2)))
# shellcheck disable=SC2016 # for the inner shell
printf '%s\n' "$@" | xargs -P "$jobs" -n 1 sh -c '
	"$0" >"$0.log" 2>&1
	echo $? >"$0.status"'
failed=0
for suite; do
	cat "$suite.log"
	[ "$(cat "$suite.status")" = 0 ] || failed=1
	rm -f "$suite.log" "$suite.status"
done
exit "$failed"
