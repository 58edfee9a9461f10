#!/bin/sh
# libFuzzer over every parser of foreign bytes: fuzz_NAME.c, with the seeds of
# seeds/NAME/. What is found is kept in BUILD/fuzz/NAME/; a crash stops the
# run with its file named.
# usage: run.sh BUILD SECONDS [NAME...]
set -eu
build=$1; seconds=$2; shift 2
here=$(dirname "$0")
root=$(cd "$here/../.." && pwd)
libs="openssl zlib libarchive sqlite3 libuv inih jansson libmnl"
libs="$libs gmime-3.0 libxml-2.0 libmicrohttpd"
cc=${FUZZ_CC:-clang}
flags="-std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DSLED_VERSION=\"fuzz\""
flags="$flags -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all"
case $build in /*) ;; *) build=$root/$build ;; esac
mkdir -p "$build/fuzz/obj"
cd "$root"
cflags=$(pkg-config --cflags $libs)
ldlibs=$(pkg-config --libs $libs)

objects=
for source in src/*/*.c tests/support/fx_safe.c; do
	case $source in src/cli/main.c | src/cli/read_main.c) continue ;; esac
	object=$build/fuzz/obj/$(echo "${source#src/}" | tr / -).o
	objects="$objects $object"
	newest=$(find "$source" src/*/*.h include -type f -newer "$object" 2>/dev/null | head -n 1)
	[ ! -e "$object" ] || [ -n "$newest" ] || continue
	$cc $flags -Iinclude -Isrc $cflags \
		-fsanitize=fuzzer-no-link,address,undefined -c -o "$object" "$source"
done

ran=0
for target in tests/fuzz/fuzz_*.c; do
	name=$(basename "$target" .c); name=${name#fuzz_}
	[ $# = 0 ] || case " $* " in *" $name "*) ;; *) continue ;; esac
	$cc $flags -Iinclude -Isrc $cflags -fsanitize=fuzzer,address,undefined \
		-Itests/support -o "$build/fuzz/fuzz_$name" "$target" $objects $ldlibs -lpthread
	mkdir -p "$build/fuzz/$name"
	seeds=tests/fuzz/seeds/$name
	[ -d "$seeds" ] || { echo "fuzz: no seeds in $seeds"; exit 1; }
	echo "fuzz: $name for $seconds s"
	"$build/fuzz/fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 \
		-verbosity=1 -timeout=10 -rss_limit_mb=1024 \
		-artifact_prefix="$build/fuzz/crash-$name-" \
		"$build/fuzz/$name" "$seeds" >"$build/fuzz/$name.log" 2>&1 ||
		{ tail -n 40 "$build/fuzz/$name.log"; exit 1; }
	grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' \
		"$build/fuzz/$name.log"
	ran=$((ran + 1))
done
[ "$ran" -gt 0 ] || { echo "fuzz: no target ran"; exit 1; }
echo "fuzz: $ran targets, no fault"
