#!/bin/sh
# groq-reason meets everything that can befall a row: the table of t/stub/failures.sh, over HTTP and over TLS.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
. "$root/t/stub/failures.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

GROQ_API_KEY=gsk_SeCrEtSeCrEtSeCrEt0123456789
export GROQ_API_KEY
write_failures

# ---- failures of rows ----
rows_fail() { # NAME: the server that was started last; further arguments are the tool's
    name=$1
    shift
    groq-reason --journal "$name.ndjson" --base-url "$url" --model recorded --retries 2 --timeout 1 --max-wait 3 --concurrency 24 "$@" \
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
like "$(cat err)" ' requests did not tell their tokens' "unknown usage is counted"
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

if command -v openssl >/dev/null 2>&1 &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout own.key -out own.pem \
        -addext subjectAltName=IP:127.0.0.1,DNS:teacher.example >openssl.log 2>&1; then
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

done_testing
