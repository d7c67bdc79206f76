# Makes a C file of Lua scripts: awk -f embed.awk lua/claim.lua lua/settle.lua … > scripts.c
#
# The files come sorted by name; none is fine. A line "--#include NAME" is replaced by the text of
# NAME.lib.lua in the script's own folder; all else is embedded byte by byte.

function fail(text) {
	print "embed.awk: " text > "/dev/stderr"
	failed = 1
	exit 1
}

# In a replacement "&" is what was found, "\\\\" one backslash.
function emit(line) {
	gsub(/\\/, "&&", line)
	gsub(/"/, "\\\\&", line)
	printf "\n\t\"%s\\n\"", line
}

function include(name,   file, line, status) {
	file = folder name ".lib.lua"
	while ((status = (getline line < file)) > 0)
		emit(line)
	if (status < 0)
		fail(FILENAME ":" FNR ": cannot read " file)
	close(file)
}

BEGIN {
	print "/* Generated from lua/ by src/redis/embed.awk. */"
	print "#include \"redis/script_embedded.h\""
}

FNR == 1 {
	if (n > 0)
		print ";"
	folder = stem = FILENAME
	sub(/[^\/]*$/, "", folder)
	sub(/^.*\//, "", stem)
	sub(/\.lua$/, "", stem)
	names[++n] = stem
	printf "\nstatic const char text_%s[] =", stem
}

$1 == "--#include" {
	if (NF != 2)
		fail(FILENAME ":" FNR ": --#include takes one name")
	include($2)
	next
}

{ emit($0) }

END {
	if (failed)
		exit 1
	if (n > 0)
		print ";"
	print "\nconst struct script_embedded script_embedded[] = {"
	for (i = 1; i <= n; i++)
		printf "\t{\"%s\", text_%s, sizeof(text_%s) - 1},\n", names[i], names[i], names[i]
	print "\t{0}, /* C has no empty arrays; not counted */\n};"
	printf "const size_t script_embedded_n = %d;\n", n
}
