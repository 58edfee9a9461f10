#!/bin/sh
# Whatever breaks, no mail is lost, doubled or paid for twice: all of the
# torture, or a small share of it.
# usage: run.sh check|torture [PART...]
#   check    crash states, faults and kills, some of each: under a minute
#   torture  parts states, matrix, mutants, faults, kills, histories, cuts,
#            control, soak, wire: each, or those
# Environment: BUILD; SEED of the states, and the first of the histories; CUTS, the most ways of each cut that are
# tried (16; 32: nearly all there are, 7 minutes more); STEP, of how many kills of
# the matrix one is tried (3; 1: all, 6 minutes more); JOBS, processes at once
# (default: the cores); LIMIT, seconds for all of it (default 3600, 0: none): a
# part that does not end within them has failed. What cannot be done on a machine
# (a part ends with 77 then) is skipped, said, and not counted as passed. The last
# line is "N passed, N failed" with one test a part, and "N skipped" when some
# were; what a part found stands above it, and what it took: seconds, and seconds
# of a core, which a busy machine does not change.
set -u
build=${BUILD:-build}
here=$(dirname "$0")
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}
export JOBS
mode=${1:-}
[ $# -gt 0 ] && shift
parts=${*:-states matrix mutants faults kills histories cuts control soak wire}
limit=${LIMIT:-3600}
passed=0
failed=0
skipped=0
start=$(date +%s)

# limited COMMAND...: until it ends, or the time is over (124).
limited() {
	left=0
	if [ "$limit" -gt 0 ]; then
		left=$((limit - ($(date +%s) - start)))
		[ "$left" -gt 0 ] || return 124
	fi
	timeout --foreground -k 10 "$left" "$@"
}

# Into $core: seconds of one that all children took so far. A subshell has no
# children yet, so `times` cannot stand in one.
count_core() {
	times >"$build/torture/times"
	core=$(awk 'NR == 2 {
		for (i = 1; i <= 2; i++) {
			split($i, part, "m")
			sum += 60 * part[1] + part[2]
		}
		printf "%d\n", sum
	}' "$build/torture/times")
}

# part NAME COMMAND...
part() {
	name=$1
	shift
	case " $parts " in *" $name "*) ;; *) return ;; esac
	begun=$(date +%s)
	count_core
	before=$core
	limited "$@"
	status=$?
	count_core
	took="$(($(date +%s) - begun)) s, $((core - before)) s of a core"
	case $status in
	0)
		passed=$((passed + 1))
		echo "ok $name, $took"
		;;
	77)
		skipped=$((skipped + 1))
		echo "skip $name: see above"
		;;
	124)
		failed=$((failed + 1))
		echo "not ok $name: FAILED, $limit s were over"
		;;
	*)
		failed=$((failed + 1))
		echo "not ok $name: FAILED ($status), $took"
		;;
	esac
}

case $mode in
check)
	part states "$build/torture/crash" check
	part faults "$build/torture/faults" check
	part kills python3 "$here/kills.py" --every 67 --offset 7 \
		--scenes first,next,sync,seal,repair,rebuild
	part histories "$build/torture/histories" "${SEED:-1}" 12
	;;
torture)
	part states env CUTS="${CUTS:-16}" "$build/torture/crash" torture
	part matrix env STEP="${STEP:-3}" "$build/torture/crash" matrix
	part mutants "$build/torture/crash" mutants
	part faults "$build/torture/faults" torture
	part kills python3 "$here/kills.py" --twice 2
	part histories "$build/torture/histories" "${SEED:-1}" 250
	part cuts python3 "$here/powercut.py" --cuts 50
	part control python3 "$here/powercut.py" --cuts 8 --no-sync
	part soak python3 "$here/soak.py" --days 5
	part wire python3 "$here/wire.py" -j "$JOBS"
	count_core
	echo "# all of it: $(($(date +%s) - start)) s, $core s of a core," \
		"$JOBS at once"
	;;
*)
	echo "usage: run.sh check|torture [PART...]" >&2
	exit 64
	;;
esac
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" = 0 ]
