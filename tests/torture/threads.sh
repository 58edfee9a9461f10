#!/bin/sh
# ThreadSanitizer, then helgrind, over the tests in which threads meet: store,
# box, session, loop, places, spool, ledger; and whole visits by a program that
# was built with ThreadSanitizer.
# usage: threads.sh MAKE BUILD
# Environment: THREADS_T, suites to run instead; NO_VISITS=1; NO_HELGRIND=1.
# Suppressions are for libraries and for tests that kill themselves, each with
# its reason: tsan.supp, helgrind.supp. The last line is "N passed, N failed".
set -u
make=$1
build=$2
here=$(dirname "$0")
tests=${THREADS_T:-"store_commit store_copies store_round store_recover store_seal
	store_silent store_prune store_repair store_scrub box_commit box_many
	loop_worker loop_base loop_child loop_conn loop_link places_append
	places_disk session_capa session_pace session_recall spool_records
	ledger_rows ledger_commit control_socket"}
# Helgrind is slower by far: those that fork for each of many calls are left out.
slow=" store_copies store_recover store_seal store_prune store_repair
	store_scrub box_many places_append ledger_commit "
# Visits, with the threads that look up names, probe places and commit.
visits="fetch_mail. fetch_places. fetch_eager."
passed=0
failed=0

# run NAME COMMAND...
run() {
	name=$1
	shift
	begun=$(date +%s)
	if timeout 900 "$@" >"$build/threads.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok $name, $(($(date +%s) - begun)) s"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $name: FAILED"
	grep -A 30 -E 'WARNING: ThreadSanitizer|ERROR SUMMARY|data race|FAILED|not ok' \
		"$build/threads.log" | head -n 60
}

targets=
plain=
for t in $tests; do
	targets="$targets $build-tsan/unit/test_$t"
	plain="$plain $build/unit/test_$t"
done
[ -n "${NO_VISITS:-}" ] || targets="$targets all"
# shellcheck disable=SC2086 # lists
"$make" --no-print-directory -j"$(nproc)" TSAN=1 BUILD="$build-tsan" $targets &&
	"$make" --no-print-directory -j"$(nproc)" BUILD="$build" $plain || exit 1
TSAN_OPTIONS="suppressions=$here/tsan.supp halt_on_error=0 exitcode=66"
export TSAN_OPTIONS
for t in $tests; do
	run "tsan $t" "$build-tsan/unit/test_$t"
done
# shellcheck disable=SC2086 # a list
[ -n "${NO_VISITS:-}" ] ||
	run "tsan visits" env BUILD="$build-tsan" \
		python3 "$here/../e2e/run.py" $visits
if [ -z "${NO_HELGRIND:-}" ] && command -v valgrind >/dev/null; then
	for t in $tests; do
		case $slow in *[[:space:]]"$t"[[:space:]]*) continue ;; esac
		run "helgrind $t" valgrind --quiet --tool=helgrind \
			--error-exitcode=67 --suppressions="$here/helgrind.supp" \
			"$build/unit/test_$t"
	done
else
	echo "helgrind: skipped: valgrind is not installed"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
