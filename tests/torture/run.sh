#!/bin/sh
# Whatever breaks, no mail is lost, doubled or paid for twice: all of the
# torture, or a small share of it.
# usage: run.sh check|torture [PART...]
#   check    crash states, faults and kills, some of each: under a minute
#   torture  parts states, matrix, mutants, faults, kills, cuts: each or those
# Environment: BUILD; SEED of the states. The last line is "N passed, N failed"
# with one test a part; what a part found stands above it.
set -u
build=${BUILD:-build}
here=$(dirname "$0")
mode=${1:-}
[ $# -gt 0 ] && shift
parts=${*:-states matrix mutants faults kills cuts control}
passed=0
failed=0

# part NAME COMMAND...
part() {
	name=$1
	shift
	case " $parts " in *" $name "*) ;; *) return ;; esac
	begun=$(date +%s)
	if "$@"; then
		passed=$((passed + 1))
		echo "ok $name, $(($(date +%s) - begun)) s"
	else
		failed=$((failed + 1))
		echo "not ok $name: FAILED"
	fi
}

case $mode in
check)
	part states "$build/torture/crash" check
	part faults "$build/torture/faults" check
	part kills python3 "$here/kills.py" --every 97 --offset 7 \
		--calls pwrite64,fdatasync,fsync,openat
	;;
torture)
	part states "$build/torture/crash" torture
	part matrix "$build/torture/crash" matrix
	part mutants "$build/torture/crash" mutants
	part faults "$build/torture/faults" torture
	part kills python3 "$here/kills.py"
	part cuts python3 "$here/powercut.py" --cuts 50
	part control python3 "$here/powercut.py" --cuts 8 --no-sync
	;;
*)
	echo "usage: run.sh check|torture [PART...]" >&2
	exit 64
	;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
