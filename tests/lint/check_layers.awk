# check_layers.awk - the include graph must only point down layers.txt.
# usage: awk -f check_layers.awk layers.txt FILES...
FNR == 1 { nfile++; file = FILENAME; me = owner(file) }
nfile == 1 {
	sub(/#.*/, ""); if (NF == 0) next
	m = $1; sub(/:$/, "", m)
	for (i = 2; i <= NF; i++) {
		if ($i !~ /^</ && !($i in rank)) die(m " may not sit on " $i)
		may[m, $i] = 1; if ($i ~ /^</) third[$i] = 1
	}
	rank[m] = ++n; may[m, m] = 1
	next
}
/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	edges++
	inc = $0; sub(/^[^"<]*/, "", inc); sub(/[ \t]*(\/[\/*].*)?$/, "", inc)
	if (!(me in rank)) die(file ": module " me " is not in layers.txt")
	if (inc ~ /^"mailsled\//) {
		to = inc; gsub(/"mailsled\/|\.h"$/, "", to); to = home(to)
	} else if (inc ~ /^"/) {
		to = inc; gsub(/"/, "", to)
		to = to ~ /\// ? substr(to, 1, index(to, "/") - 1) : me
	} else {
		foreign = granted = 0
		for (t in third) if (index(inc, stem(t)) == 1) {
			foreign = 1; if ((me, t) in may) granted = 1
		}
		if (foreign && !granted) bad(inc)
		next
	}
	if (!((me, to) in may)) bad(inc)
}
function owner(f) {
	if (f ~ /(^|\/)include\/mailsled\//) { sub(/.*\//, "", f); sub(/\.h$/, "", f); return home(f) }
	sub(/.*src\//, "", f); return substr(f, 1, index(f, "/") - 1)
}
function stem(t) { return substr(t, 1, length(t) - 1) }  # "<openssl/>" grants all below
function home(h) { return h ~ /^(err|types|buf|text|clock)$/ ? "base" : h ~ /^(file)$/ ? "sys" : h ~ /^(vfs)$/ ? "ledger" : h }
function bad(inc) { printf "%s:%d: %s may not include %s\n", file, FNR, me, inc; faults++ }
function die(why) { print "layers: " why; faults++; dead = 1; exit }
END {
	if (dead) exit 1
	if (edges < 10) { print "layers: only " edges + 0 " includes seen, so nothing was checked"; exit 1 }
	if (faults) exit 1
	printf "layers: %d includes in %d files point down\n", edges, nfile - 1
}
