#!/bin/sh
# mailsled-protocol(7) and what cites it: a tag that code or tests cite is
# defined there, and each that is defined is cited by code and by a test.
set -eu
LC_ALL=C
export LC_ALL
page=packaging/man/mailsled-protocol.7
tag='\[[CDLQRSW][0-9][0-9]*\]'
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cited() {
	grep -rhoE "$tag" --include='*.[ch]' --include='*.py' "$@" | sort -u
}

sed -n 's/^\.It Bq \(\\&\)\{0,1\}\([A-Z][0-9]*\)$/[\2]/p' $page | sort >"$tmp/defined"
cited src include >"$tmp/code"
cited tests/unit tests/e2e tests/torture >"$tmp/tests"
bad=0
tell() {
	while read -r one; do
		echo "$one $1"
		bad=1
	done <"$tmp/odd"
}
uniq -d "$tmp/defined" >"$tmp/odd"
tell "is defined twice in $page"
sort -u "$tmp/code" "$tmp/tests" | comm -23 - "$tmp/defined" >"$tmp/odd"
tell "is cited, and not defined in $page"
comm -23 "$tmp/defined" "$tmp/tests" >"$tmp/odd"
tell "is promised in $page, and no test cites it"
comm -23 "$tmp/defined" "$tmp/code" >"$tmp/odd"
tell "is promised in $page, and no code cites it"
[ -s "$tmp/defined" ] || bad=1
[ "$bad" = 0 ] && echo "protocol: $(wc -l <"$tmp/defined") promises, each cited"
