#!/bin/sh
# groq-reason meets what ends a run: refused keys, models, formats and addresses, limits, servers that are not there; over
# HTTP and over TLS. What befalls single rows is in 34-groq-reason-failures.t.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

GROQ_API_KEY=gsk_SeCrEtSeCrEtSeCrEt0123456789
export GROQ_API_KEY
printf '{"idx":1,"sentence":"one"}\n{"idx":2,"sentence":"two"}\n{"idx":3,"sentence":"three"}\n{"idx":4,"sentence":"four"}\n' >four
run_fails() { # STATUS NAME FAULT PATTERN [OPTION...]
    status=$1 name=$scheme:\ $2 pattern=$4
    printf '%s\n' "$3" >faults
    : >"$scheme-run.log"
    shift 4
    # shellcheck disable=SC2086
    is_rc "$status" "$name" -- groq-reason --no-journal --base-url "$url" $trust --concurrency 1 "$@" four
    like "$(cat err)" "$pattern" "$name: says why"
}
rows_written() { # NUMBERS NAME
    is "$(sed 's/.*"idx":\([0-9]\).*/\1/' out | tr -d '\n')" "$1" "$scheme: $2"
}
wait0='"headers":{"Retry-After":"0"}'
# shellcheck disable=SC2016
run_failures() {
    run_fails 2 "a bad key" '{"status":401,"body":{"error":{"message":"Invalid API Key {auth}","code":"invalid_api_key"}}}' \
        '^groq-reason: the server says \(HTTP 401\): Invalid API Key \*+$'
    rows_written "" "a bad key: no row is written"
    is "$(requests "$scheme-run")" 1 "$scheme: a bad key: asked once"
    run_fails 2 "no permission" '{"sentence":"three","status":403,"body":"error 1010"}' 'HTTP 403\): HTTP status 403: error 1010'
    rows_written 12 "no permission: what came before is written"
    run_fails 2 "a model that is gone" '{"sentence":"two","status":404,"body":{"error":{"message":"The model `m` does not exist or you do not have access to it.","code":"model_not_found"}}}' \
        'HTTP 404\): The model `m` does not exist'
    run_fails 2 "a model that was retired" '{"status":400,"body":{"error":{"message":"The model has been decommissioned","code":"model_decommissioned"}}}' \
        'has been decommissioned'
    run_fails 4 "a daily limit" '{"sentence":"three","status":429,"headers":{"Retry-After":"1"},"body":{"error":{"message":"on requests per day (RPD): Limit 1000, Used 1000. Please try again in 1.2s.","code":"rate_limit_exceeded"}}}' \
        'requests per day'
    rows_written 12 "a daily limit: what came before is written"
    is "$(requests "$scheme-run")" 3 "$scheme: a daily limit: asked once"
    run_fails 4 "a long wait for a limit" '{"sentence":"two","status":429,"headers":{"Retry-After":"20"},"body":{"error":{"message":"minute"}}}' \
        'wait for 2[0-2] s, longer than --max-wait: minute' --max-wait 10
    run_fails 2 "requests that are all bad" '{"status":400,"body":{"error":{"message":"unknown field"}}}' \
        '^groq-reason: the server refuses every request: unknown field$'
    run_fails 2 "redirects everywhere" '{"status":307,"headers":{"Location":"/v2/chat/completions"},"body":""}' \
        'refuses every request: HTTP status 307'
    is "$(requests "$scheme-run")" 3 "$scheme: redirects are neither followed nor tried again"
    run_fails 3 "a redirect after a success" '{"sentence":"t","status":307,"headers":{"Location":"/v2/chat/completions"},"body":""}' '2 failed'
    run_fails 2 "a web page instead of an API" "{\"body\":\"<html>\",$wait0}" \
        'none of the first 10 replies can be read; is --base-url right\? HTTP status 200: <html>'
    is "$(requests "$scheme-run")" 10 "$scheme: a web page: ten replies are enough"
    run_fails 0 "a server without schemas" '{"times":1,"status":400,"body":{"error":{"message":"This model does not support response format `json_schema`"}}}' \
        'does not have answer format strict; going on with schema'
    is "$(requests "$scheme-run")" 5 "$scheme: a server without schemas: is asked once more, not for each row"
    run_fails 0 "a server that knows no field for formats" '{"times":3,"status":422,"body":{"detail":"Unsupported fields in the request: {`response_format`}"}}' \
        'does not have answer format object; going on with text'
    run_fails 2 "a format that was asked for" '{"status":400,"body":{"error":{"message":"does not support response format `json_schema`"}}}' \
        'answer format strict: does not support' --answer-format strict
    run_fails 0 "a server that reads its model" '{"times":2,"status":503,"body":{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}}' \
        ' 0 failed' --max-wait 20 --retries 0
    run_fails 4 "a server that reads its model for ever" '{"status":503,"body":{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}}' \
        'Loading model' --max-wait 0.2
    rows_written "" "a server that reads its model for ever: no row fails"
    run_fails 4 "connections that break from the start" '{"mode":"reset"}' '[Cc]onnection|[Ss]end|[Rr]ecv|SSL' --max-wait 0.2
    rows_written "" "connections that break from the start: no row fails"
    run_fails 0 "a connection that breaks once" '{"times":1,"mode":"reset"}' ' 0 failed' --max-wait 1
}
: >faults
scheme=http trust=
start_teacher http-run --faults faults
run_failures
# Five rows that fail for the server in a row: a pause before the sixth.
awk 'BEGIN { for (i = 0; i < 7; i++) printf "{\"idx\":%d,\"sentence\":\"%s %d\"}\n", i, i < 6 ? "bad" : "good", i }' >seven
printf '{"sentence":"bad","status":500,%s,"body":{}}\n' "$wait0" >faults
is_rc 3 "row after row fails for the server" -- groq-reason --no-journal --base-url "$url" --concurrency 1 --retries 0 --max-wait 1 seven
like "$(cat err)" '^groq-reason: warning: 5 rows one after another met errors of the server; a pause of 1 s$' "row after row fails for the server: there is a pause"
stop_teacher
if command -v openssl >/dev/null 2>&1 &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout own.key -out own.pem \
        -addext subjectAltName=IP:127.0.0.1 >openssl.log 2>&1; then
    scheme=https trust="--cacert own.pem"
    start_teacher https-run --faults faults --cert own.pem --key-pem own.key
    url=https://127.0.0.1:$port/v1
    run_failures
    stop_teacher
else
    tap_skip "the same over TLS" "openssl cannot make a certificate here"
fi

done_testing
