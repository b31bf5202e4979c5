#!/bin/sh
# The man pages are clean mdoc, and the commands of their EXAMPLES do what they say: they are run, block by block, in a
# folder that holds a copy of testdata/mini as ./mini.
#
# In a page's EXAMPLES each block is a .Bd -literal display. Lines that begin with "$ " are commands; a line goes on with
# the next after a backslash, in "> " lines, and to the end of a here-document. Other lines show output.
# A comment line before a block tells how to take it:
#   .\" not-run: REASON    needs a key, a network, a screen
#   .\" file: NAME         the block is the text of a file, put there for the blocks after it
. "$(dirname "$0")/lib.sh"

set -- "$root"/man/*.[1-8]
[ -e "$1" ] || skip_all "there are no man pages"

# Writes the blocks of a page's EXAMPLES as DIR/N.sh (or the named file) and DIR/N.skip with a reason.
extract() {
    awk -v dir="$2" '
    function plain(s) {
        gsub(/\\&/, "", s); gsub(/\\-/, "-", s); gsub(/\\\(dq/, "\"", s); gsub(/\\\(aq/, "\047", s)
        gsub(/\\\(ti/, "~", s); gsub(/\\\(ha/, "^", s); gsub(/\\\(ga/, "`", s)
        gsub(/\\\(rs|\\\(bs|\\e/, "\\", s)
        return s
    }
    function command(s) {
        print s >file
        more = s ~ /\\$/
        if (match(s, /<<-?[ ]*[\047"]?[A-Za-z_]+/)) {
            word = substr(s, RSTART, RLENGTH)
            gsub(/[^A-Za-z_]/, "", word)
        }
    }
    /^\.Sh / { examples = /^\.Sh EXAMPLES/; next }
    !examples { next }
    /^\.\\" not-run: / { reason = substr($0, 14); next }
    /^\.\\" file: / { listing = substr($0, 11); next }
    /^\.Bd/ {
        inside = 1; n++; more = 0; word = ""
        file = listing ? dir "/" listing : dir "/" n ".sh"
        if (reason) print reason >(dir "/" n ".skip")
        printf "" >file
        next
    }
    /^\.Ed/ { close(file); inside = 0; reason = ""; listing = ""; next }
    !inside || /^\./ { next }
    listing { print plain($0) >file; next }
    { line = plain($0) }
    word { print line >file; if (line == word) word = ""; next }
    more { command(line); next }
    /^\$ / { command(substr(line, 3)); next }
    /^> / { command(substr(line, 3)); next }' "$1"
}

# Succeeds when a tool of ours that the script names is not in this build.
names_missing_tool() {
    for tool in sst2-dump groq-reason wp-tokenize bert-train bert-infer sst2-score distil-report; do
        grep -Eq "(^|[^a-zA-Z0-9./-])$tool( |\$)" "$1" && [ ! -x "$BUILD/bin/$tool" ] && return 0
    done
    return 1
}

run_block() { # PAGE SCRIPT
    block="$1: $(sed -n 1p "$2")"
    reason=
    [ -e "${2%.sh}.skip" ] && reason=$(cat "${2%.sh}.skip")
    if [ ! -s "$2" ]; then
        ok 1 "$1: a block of the EXAMPLES without a command"
    elif [ -n "$reason" ]; then
        bash -n "$2" 2>err
        ok $? "$block (read, not run: $reason)"
        show err
    elif names_missing_tool "$2"; then
        tap_skip "$block" "a tool is not built"
    elif grep -q python3 "$2" && ! command -v python3 >/dev/null 2>&1; then
        tap_skip "$block" "python3 is not here"
    else
        (cd "$work" && exec timeout 300 bash -euo pipefail "$2") </dev/null >run.out 2>&1
        rc=$?
        ok $rc "$block"
        if [ $rc != 0 ]; then
            echo "# exit status $rc"
            sed -n '1,40s/^/# $ /p' "$2"
            tail -n 12 run.out | sed 's/^/# /'
        fi
    fi
}

top=$PWD
for page; do
    name=${page##*/}
    if command -v mandoc >/dev/null 2>&1; then
        mandoc -T lint -W warning "$page" >lint 2>&1
        ok "$([ -s lint ]; echo $((! $?)))" "$name is clean mdoc"
        sed 's/^/# /' lint
    else
        tap_skip "$name is clean mdoc" "mandoc is not here"
    fi
    case $name in
    *.1)
        expected="NAME SYNOPSIS DESCRIPTION ENVIRONMENT FILES EXIT-STATUS EXAMPLES DIAGNOSTICS SEE-ALSO "
        sections=$(sed -n 's/^\.Sh //p' "$page" | tr ' ' '-' | grep -Fx "$(printf '%s' "$expected" | tr ' ' '\n')" | tr '\n' ' ')
        is "$sections" "$expected" "$name has the usual sections, in order"
        ;;
    esac
    like "$(sed -n 's/^\.Dd //p' "$page")" '^[A-Z][a-z]+ [0-9]+, [0-9]{4}$' "$name has a date"

    mkdir -p "$top/$name/blocks" "$top/$name/work"
    work=$top/$name/work
    [ -d "$TESTDATA/mini" ] && cp -R "$TESTDATA/mini" "$work/mini"
    extract "$page" "$top/$name/blocks"
    for listing in "$top/$name/blocks"/*; do
        case $listing in
        *.sh | *.skip | *'*') ;;
        *) cp "$listing" "$work/" ;;
        esac
    done
    n=0
    while [ $n -lt 99 ]; do
        n=$((n + 1))
        [ -e "$top/$name/blocks/$n.sh" ] || continue
        run_block "$name" "$top/$name/blocks/$n.sh"
    done
done

done_testing
