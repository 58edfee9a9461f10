#!/bin/sh
# ThreadSanitizer, then helgrind, over the tests in which threads meet: store,
# box, session, loop, places, spool, ledger.
# usage: threads.sh MAKE BUILD
# Environment: THREADS_T, suites to run instead; NO_HELGRIND=1.
# Suppressions are for libraries only, each with its reason: threads.supp.
set -u
make=$1
build=$2
here=$(dirname "$0")
tests=${THREADS_T:-"store_commit store_copies store_round store_recover store_seal
	store_silent store_prune box_commit box_many loop_worker loop_base
	loop_child loop_conn loop_link session_pace session_recall
	spool_records ledger_rows ledger_commit control_socket"}
failed=0
passed=0

# run NAME COMMAND...
run() {
	name=$1
	shift
	if "$@" >"$build/threads.log" 2>&1; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	echo "$name: FAILED"
	grep -A 30 -E 'WARNING: ThreadSanitizer|ERROR SUMMARY|data race|FAILED' \
		"$build/threads.log" | head -n 60
}

targets=
plain=
for t in $tests; do
	targets="$targets $build-tsan/unit/test_$t"
	plain="$plain $build/unit/test_$t"
done
# shellcheck disable=SC2086 # lists
"$make" --no-print-directory -j"$(nproc)" TSAN=1 BUILD="$build-tsan" $targets &&
	"$make" --no-print-directory -j"$(nproc)" BUILD="$build" $plain || exit 1
for t in $tests; do
	TSAN_OPTIONS="suppressions=$here/tsan.supp halt_on_error=0 exitcode=66" \
		run "tsan $t" "$build-tsan/unit/test_$t"
done
if [ -z "${NO_HELGRIND:-}" ] && command -v valgrind >/dev/null; then
	for t in $tests; do
		run "helgrind $t" valgrind --quiet --tool=helgrind \
			--error-exitcode=67 --suppressions="$here/helgrind.supp" \
			"$build/unit/test_$t"
	done
else
	echo "helgrind: skipped: valgrind is not installed"
fi
echo "threads: $passed passed, $failed failed"
[ "$failed" = 0 ]
