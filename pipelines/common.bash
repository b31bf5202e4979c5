# common.bash - what the scripts beside it share; read with `.`, does nothing by itself.
#
#   find_tools              puts this tree's build, or the installation that this file belongs to, first on PATH
#   die STATUS MESSAGE      one line on stderr, exits
#   usage_error MESSAGE     the same with a pointer to --help, exits 2
#   say MESSAGE             one line on stderr, unless $quiet
#   stage FILE INPUT... -- COMMAND...
#                           completes FILE with COMMAND's stdout, unless that was done before
#   model_stage DIR INPUT... -- COMMAND...
#                           the same for a command that writes the model folder DIR; its messages also go to DIR.log
#   ensure_model MODEL      fetches it where it is neither a path nor in the cache
#   finish                  exits 3 where a stage ended with 3, else 0
#   count_rows FILE         lines of an NDJSON file, the last one with or without its newline
#
# A stage's file has its name only when it is complete: COMMAND writes FILE.part, which is renamed when COMMAND ends with
# 0 or with 3 (finished, some rows were skipped; then $partial is set). NDJSON has no end mark, so nothing else tells a
# whole file from the rest of one. A stage is done again if an INPUT is newer than its file. FILE.command keeps the
# command line; a file that another command line made is not touched.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script=${0##*/}
quiet=${quiet-}
partial=

find_tools() {
    local folder
    for folder in "${BUILD:-$here/build}/bin" "$here/../../bin"; do
        if [[ -x $folder/bert-infer || -x $folder/sst2-dump ]]; then
            PATH=$(cd "$folder" && pwd):$PATH
            return
        fi
    done
    command -v sst2-dump >/dev/null || die 1 "the tools are not built; run make in $here first"
}

printable() {
    tr '\000-\011\013-\037\177' '?'
}

die() {
    printf '%s: %s\n' "$script" "$2" | printable >&2
    exit "$1"
}

usage_error() {
    printf "%s: %s\nTry '%s --help'.\n" "$script" "$1" "$script" | printable >&2
    exit 2
}

say() {
    [[ -n $quiet ]] || printf '%s: %s\n' "$script" "$1" | printable >&2
}

# Succeeds where FILE is complete: made by this command line, and not before one of its inputs.
is_complete() { # FILE COMMAND-LINE INPUT...
    local file=$1 line=$2 input
    shift 2
    [[ -e $file ]] || return 1
    if [[ ! -e $file.command || $(<"$file.command") != "$line" ]]; then
        die 2 "$file was made with other options; remove it, or choose another folder with -o"
    fi
    for input; do
        [[ ! $input -nt $file ]] || return 1
    done
}

# A command as one would type it: words are quoted where they need it.
command_line() {
    local word text=
    for word; do
        [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] || word=${word@Q}
        text+=${text:+ }$word
    done
    printf '%s\n' "$text"
}

# Sets inputs and command from INPUT... -- COMMAND...
split_stage() {
    inputs=()
    while [[ $1 != -- ]]; do
        inputs+=("$1")
        shift
    done
    command=("${@:2}")
}

stage() {
    local file=$1 rc=0 inputs command line
    split_stage "${@:2}"
    line=$(command_line "${command[@]}")
    if is_complete "$file" "$line" "${inputs[@]}"; then
        say "$file is there already"
        return 0
    fi
    say "${command[0]} writes $file"
    "${command[@]}" >"$file.part" || rc=$?
    [[ $rc == 0 || $rc == 3 ]] || return $rc
    printf '%s\n' "$line" >"$file.command"
    mv -f -- "$file.part" "$file"
    [[ $rc == 0 ]] || partial=yes
}

model_stage() {
    local folder=$1 rc=0 inputs command line
    split_stage "${@:2}"
    line=$(command_line "${command[@]}")
    if is_complete "$folder" "$line" "${inputs[@]}"; then
        say "$folder is there already"
        return 0
    fi
    say "${command[0]} writes $folder"
    printf '$ %s\n' "$line" >"$folder.log"
    { "${command[@]}" 2>&1 >&3 3>&- | tee -a "$folder.log" >&2 3>&-; } 3>&1 || rc=$?
    [[ $rc == 0 || $rc == 3 ]] || return $rc
    printf '%s\n' "$line" >"$folder.command"
    touch "$folder"
    [[ $rc == 0 ]] || partial=yes
}

# Fetches MODEL into the Hugging Face cache where it is neither there nor a path. What else is wrong with it, wp-tokenize says.
ensure_model() { # MODEL [WP-TOKENIZE-OPTION...]
    if [[ -e $1 || $1 == *vocab.txt ]] || wp-tokenize -q -m "$1" </dev/null >/dev/null 2>&1; then
        wp-tokenize -q -m "$@" </dev/null >/dev/null
        return
    fi
    "$here/pipelines/fetch-model" ${quiet:+-q} "$1" >/dev/null
}

count_rows() {
    awk 'END { print NR }' "$1"
}

# What a script ends with: 3 where a stage did.
finish() {
    [[ -z $partial ]] || exit 3
    exit 0
}
