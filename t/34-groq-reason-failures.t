#!/bin/sh
# groq-reason meets everything that can go wrong: each row of the table of failures, over HTTP and over TLS.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
. "$root/t/stub/failures.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

GROQ_API_KEY=gsk_SeCrEtSeCrEtSeCrEt0123456789
export GROQ_API_KEY
printf '{"idx":1,"sentence":"one"}\n{"idx":2,"sentence":"two"}\n{"idx":3,"sentence":"three"}\n{"idx":4,"sentence":"four"}\n' >four
awk 'BEGIN { for (i = 0; i < 24; i++) printf "{\"idx\":%d,\"sentence\":\"sentence number %d\"}\n", i, i }' >many
write_failures

# ---- failures of rows ----
rows_fail() { # NAME: the server that was started last; further arguments are the tool's
    name=$1
    shift
    groq-reason --journal "$name.ndjson" --base-url "$url" --model recorded --retries 2 --timeout 1 --max-wait 3 "$@" \
        failures.rows >out 2>err
    is $? 3 "$name: rows fail, the run goes on"
    rows_of out | sed -n 's/ ok \(nega\|posi\)tive The word.*/ ok/; /^first /!p' >got
    diff failures.expected got >difference
    ok $? "$name: each row has its kind, status, code and attempts"
    show difference
    is "$(sed 's/^{"idx": "\([^"]*\)".*/\1/' out)" "$(sed 's/^{"idx": "\([^"]*\)".*/\1/' failures.rows)" "$name: no row is lost, all are in order"
}

start_teacher http --faults failures
rows_fail http
like "$(grep '"server-502"' out)" '"message":"HTTP status 502: <html><h1>Bad gateway</h1></html>"' "what is no JSON is quoted"
like "$(grep '"html"' out)" '"message":"HTTP status 200: <html>hello</html>"' "also where the status is 200"
like "$(grep '"length-once"' out)" '"status":"ok"' "a cut answer is asked again"
is "$(sed -n 's/.*length-once.*"seed": \([0-9]*\), "max_completion_tokens": \([0-9]*\).*/\1 \2/p' http.log | tr '\n' ' ')" "1 1024 2 2048 " "with twice the room, once"
is "$(sed -n 's/.*failed-at-length.*"max_completion_tokens": \([0-9]*\).*/\1/p' http.log | tr '\n' ' ')" "1024 2048 " "so is one that the server found cut"
is "$(sed -n 's/.*prose-twice.*"seed": \([0-9]*\).*/\1/p' http.log | tr '\n' ' ')" "1 2 3 " "bad answers are asked again with other seeds"
is "$(grep 'prose-twice' http.log | sed 's/.*"messages"/"messages"/; s/"temperature".*//' | sort -u | wc -l)" 1 "and no history"
for name in missing zero huge strange; do
    is "$(grep "usage-$name" out | grep -c '"usage":')" 0 "usage $name: is unknown"
done
like "$(cat err)" ' replies did not tell their tokens' "unknown usage is counted"
is "$(grep -c '"salvaged":true' http.ndjson)" 1 "the journal tells what was salvaged"
python3 - >got <<'END'
import json
kept = {}
for line in list(open("http.ndjson", encoding="utf-8"))[1:]:
    record = json.loads(line)
    if record.get("kind") in ("bad_json", "bad_label", "truncated"):
        kept.setdefault(record["kind"], set()).add(record.get("content", ""))
print(sorted(kept), "neutral" in str(kept["bad_label"]), "Sure! It is positive." in kept["bad_json"], '{"reasoning": "long' in kept["truncated"])
END
is "$(cat got)" "['bad_json', 'bad_label', 'truncated'] True True True" "the journal keeps what was refused"
is "$(grep -c elsewhere http.log)" 0 "redirects are not followed"
cp out first
: >failures
groq-reason --journal http.ndjson --base-url "$url" --model recorded failures.rows >out 2>err
is $? 0 "the failed ones are asked again in the next run"
is "$(grep -c '"status":"ok"' first)" "$(sed -n 's/.* \([0-9]*\) from the journal.*/\1/p' err)" "and no others"
stop_teacher

tls=
if command -v openssl >/dev/null 2>&1 &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout own.key -out own.pem \
        -addext subjectAltName=IP:127.0.0.1,DNS:teacher.example >openssl.log 2>&1; then
    tls=yes
    write_failures
    start_teacher tls --faults failures --cert own.pem --key-pem own.key
    url=https://127.0.0.1:$port/v1
    rows_fail tls --cacert own.pem
    for rows in out first; do # libcurl words what happens to a connection in its own way
        sed 's/"http":null,"code":null,"message":"[^"]*"/"http":null/; s/chatcmpl-[0-9]*//' "$rows" >"$rows.plain"
    done
    same_bytes out.plain first.plain "tls: the rows are the same as over HTTP"
    stop_teacher
else
    tap_skip "failures over TLS" "openssl cannot make a certificate here"
fi

# ---- failures of the run ----
run_fails() { # STATUS NAME FAULT PATTERN [OPTION...]
    status=$1 name=$scheme:\ $2 pattern=$4
    printf '%s\n' "$3" >faults
    : >"$scheme-run.log"
    shift 4
    is_rc "$status" "$name" -- groq-reason --no-journal --base-url "$url" $trust --concurrency 1 "$@" four
    like "$(cat err)" "$pattern" "$name: says why"
}
rows_written() { # NUMBERS NAME
    is "$(sed 's/.*"idx":\([0-9]\).*/\1/' out | tr -d '\n')" "$1" "$scheme: $2"
}
wait0='"headers":{"Retry-After":"0"}'
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
is "$(grep -c '^groq-reason: warning: 5 rows in a row failed for the server; a pause of 1 s$' err)" 1 "row after row fails for the server: there is one pause"
stop_teacher
if [ -n "$tls" ]; then
    scheme=https trust="--cacert own.pem"
    start_teacher https-run --faults faults --cert own.pem --key-pem own.key
    url=https://127.0.0.1:$port/v1
    run_failures
    stop_teacher
fi

done_testing
