# count_units.awk - what cmocka's groups say, as "PASSED FAILED SKIPPED".
# A test that began and never ended has failed, and so has each that its group
# announced and never began: a crash hides nothing. cmocka names the failed
# ones once more below the group; only what runs is counted.
/^\[==========\] .*Running [0-9]+ test/ {
	settle()
	match($0, /Running [0-9]+/)
	due = substr($0, RSTART + 8, RLENGTH - 8) + 0
	groups++
}
/^\[ RUN      \]/ { if (open) failed++; open = 1; begun++ }
/^\[       OK \]/ { if (open) passed++; open = 0 }
/^\[  FAILED  \]/ { if (open) failed++; open = 0 }
/^\[  SKIPPED \]/ { if (open) skipped++; open = 0 }
function settle() {
	if (open) failed++
	if (begun < due) failed += due - begun
	open = begun = due = 0
}
END {
	settle()
	if (groups < want) failed += want - groups
	print passed + 0, failed + 0, skipped + 0
}
