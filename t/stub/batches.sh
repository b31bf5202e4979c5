# batches.sh - for the tests of groq-reason --batch:   . "$root/t/stub/batches.sh"
#
#   start_batches NAME                 starts t/stub/batches.py; sets $url, $batch (the command with NAME.ndjson as
#                                      journal) and $groq ($batch --batch); calls are logged to NAME.log
#   stop_batches                       stops it; it must have found nothing wrong
#   plan JSON                          what the server does from now on
#   calls PATTERN                      how many calls ("POST /v1/files") it has seen
#   run STATUS NAME COMMAND [ARG...]   is_rc with $groq COMMAND ARG...
. "$root/t/stub/teacher.sh"

start_batches() {
    batches_name=$1
    rm -f "$1.port"
    : >"$1.log"
    echo '{}' >"$1.plan"
    python3 "$root/t/stub/batches.py" --rows "$TESTDATA/mini/teacher.ndjson" --plan "$1.plan" --log "$1.log" \
        --port-file "$1.port" 2>"$1.err" &
    batches_pid=$!
    at_exit "kill $batches_pid 2>/dev/null"
    tries=0
    while [ ! -e "$1.port" ] && [ $tries -lt 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    url=http://127.0.0.1:$(cat "$1.port")/v1
    batch="groq-reason --base-url $url --model recorded --journal $1.ndjson"
    groq="$batch --batch"
}

stop_batches() {
    is "$(cat "$batches_name.err")" "" "$batches_name: the server found nothing wrong"
    kill "$batches_pid" 2>/dev/null
    wait "$batches_pid" 2>/dev/null
}

plan() {
    printf '%s\n' "$1" >"$batches_name.plan.new"
    mv "$batches_name.plan.new" "$batches_name.plan"
}

calls() {
    grep -c "\"call\": \"$1\"" "$batches_name.log"
}

run() {
    status=$1 name=$2
    shift 2
    # shellcheck disable=SC2086
    is_rc "$status" "$name" -- $groq "$@"
}

