#!/bin/sh
# Exports are sled_* only; an engine's objects ask for nothing but memory and
# string functions, what lies below it in the stack, and its one library.
# usage: check_symbols.sh BUILD ENGINE...
set -eu
build=$1; shift
nm -g --defined-only "$build/libmailsled.a" 2>/dev/null |
	awk 'NF == 3 && $3 !~ /^(sled_|__odr_asan)/ { print "not sled_*: " $3; e = 1 }
	     NF == 3 { n++ }
	     END { if (n < 20) { print "symbols: only " n + 0 " seen"; e = 1 } exit e }'
allowed='sled_.*|(mem|str)[a-z]*|v?snprintf|calloc|malloc|free|explicit_bzero|__.*_chk(_fail)?|__(asan|ubsan|sanitizer|stack).*|_GLOBAL_OFFSET_TABLE_|__ctype_.*|__errno_location'
for engine in "$@"; do
	found=$(nm -u "$build/$engine"/*.o | awk '/ U / { print $2 }' | sort -u |
		grep -vxE "$allowed" || true)
	[ -z "$found" ] || { echo "engine $engine calls: $found"; exit 1; }
done
echo "symbols: exports are sled_*; engines ($*) call no kernel"
