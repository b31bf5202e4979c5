#!/bin/sh
# The contract that all tools share: help, version, usage errors, man page and completions that agree, output that is
# checked, files that are named.
. "$(dirname "$0")/lib.sh"

tools=
for tool in sst2-dump groq-reason wp-tokenize bert-train bert-infer sst2-score; do
    [ -x "$BUILD/bin/$tool" ] && tools="$tools $tool"
done
[ -n "$tools" ] || skip_all "no tool is built"

tab=$(printf '\t')

# The options of --help, in order: "-h" and "--help" a line each.
help_options() {
    sed -n 's/^  \(-[A-Za-z0-9]\), \(--[a-z0-9-]*\).*/\1\n\2/p; s/^      \(--[a-z0-9-]*\).*/\1/p' "$1"
}

# The options that the page documents: .It Fl h , Fl Fl help (or Fl -help).
page_options() {
    sed -n '/^\.It Fl /{s/\\-/-/g; s/Fl Fl /--/g; s/Fl -/--/g; s/Fl /-/g; p;}' "$1" |
        tr -s ' ,' '\n\n' | grep -E '^--?[A-Za-z0-9][a-z0-9-]*$'
}

printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n' >vocab.txt

# Sets "$@"-like words in $arguments: what TOOL needs besides FILE; fails where it takes none without a model.
with_file() {
    case $1 in
    sst2-dump | sst2-score) arguments= ;;
    groq-reason) arguments="--base-url http://127.0.0.1:9" ;;
    wp-tokenize) arguments="-m vocab.txt" ;;
    bert-train) arguments="--init tiny --vocab vocab.txt -o student" ;;
    *) return 1 ;;
    esac
}
GROQ_API_KEY=none
export GROQ_API_KEY

for tool in $tools; do
    is_rc 0 "$tool --help" -- "$tool" --help
    cp out help.txt
    ok "$([ -s err ]; echo $((! $?)))" "$tool --help is silent on stderr"
    is "$(awk 'length > 80' help.txt)" "" "$tool --help fits into 80 columns"
    is "$(grep -c "$tab" help.txt)" 0 "$tool --help has no tabs"
    is "$(tail -n 1 help.txt)" "See man $tool." "$tool --help ends with its man page"
    is "$(grep -c "^Usage: $tool " help.txt)" 1 "$tool --help has a usage line"
    is_rc 0 "$tool -h" -- "$tool" -h
    same_bytes out help.txt "$tool -h is --help"

    is_rc 0 "$tool --version" -- "$tool" --version
    is "$(wc -l <out)$(sed 's/ [0-9][0-9.]*$//' out)" "1$tool (distil)" "$tool --version is one line"
    cp out version.txt
    is_rc 0 "$tool -v -V" -- "$tool" -v -V
    sed 1q out >first.txt
    same_bytes first.txt version.txt "$tool -v -V begins with the same line"

    for bad in --no-such-option '-?' --help=1 --completions=csh; do
        is_rc 2 "$tool $bad" -- "$tool" "$bad"
        is "$(cat out)" "" "$tool $bad writes nothing to stdout"
        is "$(wc -l <err)" 2 "$tool $bad writes two lines to stderr"
        is "$(sed -n 2p err)" "Try '$tool --help'." "$tool $bad points to --help"
    done

    help_options help.txt >help.options
    ok "$(test "$(wc -l <help.options)" -ge 10; echo $?)" "$tool --help lists options"
    is "$(sort help.options | uniq -d)" "" "$tool: no option twice"
    page=$root/man/$tool.1
    if [ -f "$page" ]; then
        page_options "$page" >page.options
        sort help.options >a
        sort page.options >b
        is "$(comm -23 a b | tr '\n' ' ')" "" "$tool: each option is on the man page"
        is "$(comm -13 a b | tr '\n' ' ')" "" "$tool: each option of the man page exists"
        is "$(tr '\n' ' ' <page.options)" "$(tr '\n' ' ' <help.options)" "$tool: in the same order"
        is "$tool - $(sed -n 's/^\.Nd //p' "$page")" "$(sed 1q help.txt)" "$tool: the same summary"
    else
        ok 1 "$tool has a man page"
    fi

    for shell in bash zsh fish; do
        is_rc 0 "$tool --completions $shell" -- "$tool" --completions "$shell"
        cp out "completion.$shell"
        missing=
        for option in $(grep '^--' help.options); do
            case $shell in
            fish) pattern="-l ${option#--}( |\$)" ;;
            *) pattern="(^|[^a-z0-9-])$option([^a-z0-9-]|\$)" ;;
            esac
            grep -Eq -e "$pattern" out || missing="$missing $option"
        done
        is "$missing" "" "$tool: each long option is in the completions for $shell"
        if command -v "$shell" >/dev/null 2>&1; then
            is_rc 0 "$tool: $shell can read them" -- "$shell" -n "completion.$shell"
        else
            tap_skip "$tool: $shell can read them" "$shell is not here"
        fi
    done
    # shellcheck disable=SC2016
    is "$(bash -c '. ./completion.bash; COMP_WORDS=($1 --no-prog); COMP_CWORD=1; _${1//-/_}; echo "${COMPREPLY[*]}"' - \
        "$tool")" "--no-progress" "$tool: bash completes an option"
    # shellcheck disable=SC2016
    is "$(bash -c '. ./completion.bash; COMP_WORDS=($1 --completions = z); COMP_CWORD=3; _${1//-/_}; echo "${COMPREPLY[*]}"' \
        - "$tool")" "zsh" "$tool: bash completes the value of --option=value"

    for option in --help --version; do
        "$tool" $option >/dev/full 2>err
        is $? 1 "$tool $option to a full device"
        is "$(cat err)" "$tool: <stdout>: cannot write: No space left on device" "$tool $option tells why"
        "$tool" $option >&- 2>err
        is $? 1 "$tool $option to a closed stdout"
        is "$(cat err)" "$tool: standard output is closed" "$tool $option tells that, too"
    done

    if with_file "$tool"; then
        # shellcheck disable=SC2086
        is_rc 1 "$tool: a missing file" -- "$tool" $arguments no-such-file
        is "$(grep -v '^$' err | tail -n 1)" "$tool: no-such-file: No such file or directory" "$tool names it"
        is "$(cat out)" "" "$tool writes nothing then"
        odd=$(printf 'odd\001\033[2J\177name')
        # shellcheck disable=SC2086
        is_rc 1 "$tool: a missing file with control bytes in its name" -- "$tool" $arguments "$odd"
        is "$(tail -n 1 err)" "$tool: odd??[2J?name: No such file or directory" "$tool shows them as ?"
        is "$(LC_ALL=C tr -d '\n -~' <err | wc -c)" 0 "$tool: nothing but printable characters on stderr"
        mkdir -p a-folder
        case $tool in
        sst2-dump) ;; # reads folders
        *)
            # shellcheck disable=SC2086
            is_rc 1 "$tool: a folder instead of a file" -- "$tool" $arguments a-folder
            is "$(tail -n 1 err)" "$tool: a-folder: is a folder, not a file" "$tool says so"
            ;;
        esac
        rm -rf student student.state
    fi

    case $tool in
    bert-infer) model_options="-m" ;;
    bert-train) model_options="-o student -m" ;;
    wp-tokenize) model_options="-m" ;;
    *) continue ;;
    esac
    # shellcheck disable=SC2086
    is_rc 2 "$tool: a model that is not in the cache" -- "$tool" $model_options no-such/model </dev/null
    like "$(cat err)" "^$tool: no-such/model: .*pipelines/fetch-model no-such/model\$" "$tool names the command that fetches it"
    # shellcheck disable=SC2086
    is_rc 2 "$tool: a model folder that is not there" -- "$tool" $model_options ./no-such/folder </dev/null
    is "$(cat err)" "$tool: ./no-such/folder: no such file or folder" "$tool names it"
done

done_testing
