#!/bin/sh
# ThreadSanitizer, then helgrind, where threads meet: suites of store, box, loop,
# spool, ledger and control, and whole visits, in which those that look up names,
# probe places, copy and commit run beside the session.
# usage: threads.sh MAKE BUILD
# Environment: THREADS_T, suites to run instead; NO_TSAN=1; NO_HELGRIND=1;
# NO_VISITS=1; HISTORY=full, so that helgrind tells both sides of a race.
# Left out are suites in which no second thread is ever made (strace counted the
# clones): all of session, which are engines, spool_records, ledger_rows, places
# and loop_child. What a session does beside threads, the visits show.
# Suppressions are for libraries and for tests that kill themselves, each with
# its reason: tsan.supp, helgrind.supp. The last line is "N passed, N failed".
set -u
make=$1
build=$2
here=$(dirname "$0")
tests=${THREADS_T:-"store_commit store_copies store_round store_recover store_seal
	store_silent store_prune store_repair store_scrub box_commit box_noid
	box_many loop_worker loop_base loop_conn loop_link loop_dial spool_kill
	ledger_commit control_socket"}
# Helgrind is slower by far: not those that fork for each of many calls, open a
# store for each of many faults, or commit some thousand times. Nor box_noid: of
# atomic words helgrind knows nothing.
meet=${THREADS_T:-"store_commit store_round store_silent store_scrub box_commit
	loop_worker loop_base loop_conn loop_link loop_dial spool_kill
	control_socket"}
visits="fetch_mail. fetch_places. fetch_eager."
few="two_accounts a_full_copy_keeps a_lost_quit_and_a_wiped_copy
	the_second_visit_comes_with_the_finished"
passed=0
failed=0

# run NAME COMMAND...: it fails, or a tool wrote of it to a file of $found.
run() {
	name=$1
	shift
	begun=$(date +%s)
	rm -f "$found".*
	timeout 1200 "$@" >"$build/threads.log" 2>&1
	status=$?
	took=$(($(date +%s) - begun))
	find "$build" -maxdepth 1 -name 'threads.found.*' -empty -delete
	if [ "$status" = 0 ] && ! ls "$found".* >/dev/null 2>&1; then
		passed=$((passed + 1))
		echo "ok $name, $took s"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $name: FAILED ($status), $took s"
	cat "$found".* 2>/dev/null | head -n 80
	grep -A 30 -E 'FAILED|not ok' "$build/threads.log" | head -n 60
}

# build FOLDER TARGET... [VAR=VALUE...]
build() {
	folder=$1
	shift
	"$make" --no-print-directory -j"$(nproc)" BUILD="$folder" "$@" || exit 1
}

# units FOLDER SUITE...: their programs.
units() {
	folder=$1
	shift
	for t; do
		echo "$folder/unit/test_$t"
	done
}

with_tsan() {
	[ -n "${NO_VISITS:-}" ] && all= || all=all
	# shellcheck disable=SC2046,SC2086 # lists
	build "$build-tsan" TSAN=1 $(units "$build-tsan" $tests) $all
	TSAN_OPTIONS="suppressions=$here/tsan.supp halt_on_error=0 exitcode=66"
	TSAN_OPTIONS="$TSAN_OPTIONS log_path=$found second_deadlock_stack=1"
	export TSAN_OPTIONS
	for t in $tests; do
		run "tsan $t" "$build-tsan/unit/test_$t"
	done
	# shellcheck disable=SC2086 # a list
	[ -z "$all" ] || run "tsan visits" env BUILD="$build-tsan" \
		python3 "$here/../e2e/run.py" $visits
}

# A folder like that of a build, whose mailsled runs under helgrind.
wrap() {
	mkdir -p "$build/helgrind" || exit 1
	ln -sf "../pop3d" "$build/helgrind/pop3d"
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$helgrind" \
		"$(cd "$build" && pwd)/mailsled" >"$build/helgrind/mailsled"
	chmod 755 "$build/helgrind/mailsled"
}

with_helgrind() {
	[ -n "${NO_VISITS:-}" ] && all= || all=all
	helgrind="valgrind --quiet --tool=helgrind --error-exitcode=67
		--history-level=${HISTORY:-approx} --log-file=$found.%p
		--suppressions=$(cd "$here" && pwd)/helgrind.supp"
	helgrind=$(echo "$helgrind" | tr -s '\n\t' ' ')
	# shellcheck disable=SC2046,SC2086 # lists
	build "$build" $(units "$build" $meet) $all
	for t in $meet; do
		# shellcheck disable=SC2086 # a command
		run "helgrind $t" $helgrind "$build/unit/test_$t"
	done
	[ -n "$all" ] || return
	wrap
	# shellcheck disable=SC2086 # a list
	run "helgrind visits" env BUILD="$build/helgrind" \
		python3 "$here/../e2e/run.py" -t 600 $few
}

mkdir -p "$build" || exit 1
found=$(cd "$build" && pwd)/threads.found
[ -n "${NO_TSAN:-}" ] || with_tsan
if [ -n "${NO_HELGRIND:-}" ] || ! command -v valgrind >/dev/null; then
	echo "helgrind: skipped: valgrind is not installed, or NO_HELGRIND is set"
else
	with_helgrind
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
