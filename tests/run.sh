#!/bin/sh
# Every check of a change, in one run with one count.
# usage: run.sh check|check-all MAKE BUILD
#
#   check      lint, unit tests, end-to-end tests; with CI=true also a build
#              with clang, units under the sanitizers, and a build without the
#              reading side
#   check-all  that, with the slow end-to-end tests, units under the sanitizers
#              of clang too, and 20 s of fuzzing for each parser
#
# A lint or a build counts as one test. What a step prints goes to a log in
# BUILD/check, shown when the step fails. A step that crashes, hangs, or gives
# no result has failed. The last line is "N passed, N failed", and the exit
# status is 0 only when nothing failed.
set -u
mode=${1:-}
make=${2:-make}
build=${3:-build}
case $mode in check | check-all) ;; *)
	echo "usage: run.sh check|check-all MAKE BUILD" >&2
	exit 64
	;;
esac
cd "$(dirname "$0")/.." || exit 1
LC_ALL=C
export LC_ALL

jobs=$(nproc 2>/dev/null || echo 2)
logs=$build/check
passed=0
failed=0
skipped=0
limit=1800
if [ "$mode" = check-all ]; then
	limit=7200
	E2E_SLOW=1
	CHECK_ALL=1
	export E2E_SLOW CHECK_ALL
fi
mkdir -p "$logs" || exit 1

has() {
	command -v "$1" >/dev/null 2>&1
}

# limited SECONDS COMMAND...: a hang becomes a failure. In the foreground, so
# that Ctrl-C reaches what runs; make ends its own children.
limited() {
	seconds=$1
	shift
	if has timeout; then
		timeout --foreground -k 10 "$seconds" "$@"
	else
		"$@"
	fi
}

# mk TARGET...: make, as the run was called (CC=, DEV= and SANITIZE= reach it
# by MAKEFLAGS).
mk() {
	limited "$limit" "$make" --no-print-directory BUILD="$build" "$@"
}

# say NAME VERDICT
say() {
	printf '%-22s %s\n' "$1" "$2"
}

# begin NAME: where this step's output goes.
begin() {
	log=$logs/$(printf '%s' "$1" | tr ' /' '--').log
	: >"$log"
}

# What failed and the end of the log, less what went well and a suite's own
# sums: there is one closing line.
show() {
	short=$log.short
	grep -vE -e '^ok |^\[( RUN  | {7}OK)' -e ' warnings? generated\.$' \
		-e '^[0-9]+ passed, [0-9]+ failed' \
		-e '^\[(=+|  PASSED  )\] [0-9]+ test' \
		-e '^\[=+\] Running' "$log" >"$short"
	grep -E -B 8 -A 6 'FAILED|ERROR|error:|not ok' "$short" | head -n 80 |
		sed 's/^/    /'
	tail -n 20 "$short" | sed 's/^/    /'
	rm -f "$short"
	echo "    (all of it: $log)"
}

# step NAME COMMAND...: one test, passed when COMMAND exits with 0.
step() {
	name=$1
	shift
	begin "$name"
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		say "$name" ok
		return 0
	fi
	failed=$((failed + 1))
	say "$name" FAILED
	show
	return 1
}

# with TOOL NAME COMMAND...: a step, skipped where TOOL is not installed.
with() {
	tool=$1
	shift
	if has "$tool"; then
		step "$@"
		return
	fi
	skipped=$((skipped + 1))
	say "$1" "skipped: $tool is not installed"
}

# add NAME STATUS PASSED FAILED SKIPPED: the counts of a suite. A status other
# than 0 without a failed test, and a suite of no test, are failures too.
add() {
	suite_failed=$4
	if [ "$4" = 0 ] && { [ "$2" != 0 ] || [ $(($3 + $5)) = 0 ]; }; then
		suite_failed=1
		echo "the suite ended with status $2 after $3 tests" >>"$log"
	fi
	passed=$((passed + $3))
	failed=$((failed + suite_failed))
	skipped=$((skipped + $5))
	text="$3 passed"
	[ "$5" = 0 ] || text="$text, $5 skipped"
	if [ "$suite_failed" = 0 ]; then
		say "$1" "$text"
	else
		say "$1" "$text, $suite_failed FAILED"
		show
	fi
}

# units NAME MAKE-ARGUMENT...: the cmocka suites.
units() {
	name=$1
	shift
	begin "$name"
	mk -j"$jobs" check-unit "$@" >"$log" 2>&1
	status=$?
	set -- tests/unit/test_*.c
	want=$#
	# shellcheck disable=SC2046 # three numbers
	set -- $(awk -v want="$want" -f tests/lint/count_units.awk "$log")
	add "$name" "$status" "$@"
}

# last WORD: the number before it in the suite's own last line, or 0.
last() {
	awk -v word="$1" '
		/^[0-9]+ passed, [0-9]+ failed/ { line = $0 }
		END {
			gsub(/,/, "", line)
			n = split(line, part, " ")
			for (i = 2; i <= n; i++)
				if (part[i] == word) found = part[i - 1]
			print found + 0
		}' "$log"
}

# suite NAME COMMAND...: end-to-end tests, counted by their last line.
suite() {
	name=$1
	shift
	begin "$name"
	"$@" >"$log" 2>&1
	add "$name" "$?" "$(last passed)" "$(last failed)" "$(last skipped)"
	# Each that was skipped says why.
	sed -n 's/^skip /    skipped: /p' "$log"
}

# clang-tidy takes a second a file, so every core takes part. One file a run:
# behind another one its analyzer sees va_lists that were never started. What
# it found is told without the paths that led there.
tidy() {
	all=$logs/tidy-whole.log
	# shellcheck disable=SC2016 # for the inner shell
	printf '%s\n' src/*/*.c | xargs -P "$jobs" -n 1 sh -c '
		exec "$0" --no-print-directory check-tidy SRC="$1"' "$make" \
		>"$all" 2>&1 && return
	grep -E ': (error|warning): ' "$all" || tail -n 40 "$all"
	return 1
}

lint() {
	step layers mk check-layers
	step headers mk check-headers
	step symbols mk check-symbols
	step dele mk check-dele
	step protocol mk check-protocol
	with clang-format format mk check-format
	with cppcheck cppcheck mk check-cppcheck
	with clang-tidy tidy tidy
}

sanitized() {
	units "units, $1 sanitized" SANITIZE=1 CC="$1" BUILD="$build-asan-$1"
}

# As on a router: without the reading side and its libraries.
bare() {
	step "build, no reader" mk -j"$jobs" all WITH_READER=0 \
		BUILD="$build-bare" &&
		suite "smoke, no reader" env BUILD="$build-bare" \
			python3 tests/e2e/run.py reader.without fetch_mail.real
}

step build mk -j"$jobs" all
lint
units units
suite "crash states" mk check-crash
suite "end to end" mk check-e2e

if [ "$mode" = check-all ] || [ "${CI:-}" = true ]; then
	with clang "build, clang" mk -j"$jobs" all DEV=1 CC=clang \
		BUILD="$build-clang"
	sanitized gcc
	bare
fi
if [ "$mode" = check-all ]; then
	if has clang; then
		sanitized clang
	fi
	with clang fuzz mk fuzz TIME=20
	step threads mk check-threads
	suite torture mk torture
fi

line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" = 0 ]
