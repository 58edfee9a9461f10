#!/bin/sh
# Law 1: only one line in the tree, in the session, queues a DELE.
set -eu
found=$(grep -nE 'sled_pop3_dele *\(' -r src | grep -v '^src/pop3/' || true)
[ "$(printf '%s\n' "$found" | grep -c .)" = 1 ] && case $found in src/session/*) true ;; *) false ;; esac ||
	{ echo "DELE must have exactly one caller, in src/session: ${found:-none found}"; exit 1; }
echo "dele: one caller: ${found%%	*}"
