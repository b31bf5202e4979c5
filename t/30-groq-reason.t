#!/bin/sh
# groq-reason against a local server: the rows' contract, order, every kind of failure, misuse, and the key's secrecy.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

key=gsk_SeCrEtSeCrEtSeCrEt0123456789
GROQ_API_KEY=$key
export GROQ_API_KEY

# ---- the contract of rows ----
awk 'BEGIN { for (i = 0; i < 120; i++) printf "{\"idx\":%d,\"sentence\":\"number %d %s\"}\n", i, i, i % 7 ? "quick" : "slow" }' >many
start_teacher plain --rows "$TESTDATA/mini/teacher.ndjson"
ask="groq-reason --no-journal --base-url $url --model recorded"

cat >rows <<'END'
{"idx" : 0, "sentence":"a warm film" , "x":[1, 2.50,"\u00e9"], "label":1 }

{"teacher":{"status":"error"},"idx":1,"sentence":"caf\u00e9 \"noir\"\n","label":-1}
   
  {"idx":1,"sentence":"a warm film","z":{"teacher":1}}
END
printf '{"sentence":"the last line has no end"}' >>rows
# shellcheck disable=SC2086
is_rc 0 "rows are answered" -- $ask rows
is "$(cat err)" "groq-reason: 4 rows: 3 asked, 0 from the journal, 0 failed; $(sed 's/.*failed; //' err)" "the summary"
sed 's/,"teacher":{"status":"ok",.*}\( *}\)$/\1/' out >stripped
cat >expected <<'END'
{"idx" : 0, "sentence":"a warm film" , "x":[1, 2.50,"\u00e9"], "label":1 }
{"idx":1,"sentence":"caf\u00e9 \"noir\"\n","label":-1}
{"idx":1,"sentence":"a warm film","z":{"teacher":1}}
{"sentence":"the last line has no end"}
END
same_bytes stripped expected "other members leave as they came, a teacher that was there is replaced"
is "$(requests plain)" 3 "a sentence that comes twice is asked once"
is "$(tail -n 1 out)" '{"sentence":"the last line has no end","teacher":{"status":"ok","reasoning":"The word '"'last'"' decides it.","label":1,"label_text":"positive","confidence":0.83,"cues":["last"],"cue_polarity":[-1],"counterfactual":"not the last line has no end","model":"recorded","usage":{"prompt_tokens":221,"completion_tokens":44,"total_tokens":265}}}' \
    "the members of teacher, in order"
cp out first
# shellcheck disable=SC2086
is_rc 0 "again" -- $ask rows
same_bytes out first "the same rows give the same bytes"
is "$(sed -n 1p plain.log | python3 -c 'import json, sys; r = json.loads(sys.stdin.readline()); print(r["path"], r["authorised"], r["user_agent"])' |
    sed 's/[0-9.]*$//')" "/v1/chat/completions True groq-reason/" "path, key and user agent"

sed -n 's/.*"sentence":/{"sentence":/; s/,"label".*/}/p' "$TESTDATA/mini/teacher.ndjson" | head -n 60 >sixty
# shellcheck disable=SC2086
is_rc 0 "a real corpus" -- $ask "$TESTDATA/mini/teacher.ndjson"
sed 's/,"usage":{[^}]*}//' out >stripped
same_bytes stripped "$TESTDATA/mini/teacher.ndjson" "what the rows of the server hold comes back"

: >plain.log
# shellcheck disable=SC2086
is_rc 0 "--ask" -- $ask --ask 2 "$TESTDATA/mini/teacher.ndjson"
is "$(requests plain)" 2 "--ask 2 asks twice"
tail -n +3 "$TESTDATA/mini/teacher.ndjson" >expected
tail -n +3 out >rest
same_bytes rest expected "--ask passes the rest untouched"
is "$(head -n 2 out | grep -c '"usage"')" 2 "and answers the first"

# shellcheck disable=SC2086
is_rc 0 "empty input" -- $ask /dev/null
is "$(cat out)" "" "gives no rows"

: >plain.log
# shellcheck disable=SC2086
is_rc 0 "options of the request" -- $ask --no-counterfactual --max-completion-tokens 77 --temperature 0 --seed 5 \
    --reasoning-effort high --labels 'bad,very good' many
python3 -c '
import json
r = json.loads(open("plain.log").readline())["request"]
system, user = r["messages"]
print(r["max_completion_tokens"], r["temperature"], r["seed"], r["reasoning_effort"], r["response_format"],
      "counterfactual" in json.dumps(r), "\"bad\", \"very good\"" in system["content"])' >got
is "$(cat got)" "77 0 5 high {'type': 'json_object'} False True" "reach the server"
is "$(grep -c '"label_text":"\(bad\|very good\)"' out)" 120 "labels of one's own"
is "$(grep -c counterfactual out)" 0 "no counterfactual where none was asked for"

: >plain.log
printf 'Labels {labels}. {other} {sentence}?\n' >template
# shellcheck disable=SC2086
echo '{"sentence":"x {labels}"}' | $ask --prompt-file template >out 2>err
is $? 0 "a prompt of one's own"
is "$(python3 -c 'import json; print(json.loads(open("plain.log").readline())["request"]["messages"][1]["content"])')" \
    "Labels negative, positive. {other} x {labels}?" "with its places filled, once"

: >plain.log
env -u GROQ_API_KEY groq-reason --no-journal --profile generic --base-url "$url" --model m sixty >out 2>err
is $? 0 "a local server needs no key"
is "$(grep -c '"authorised": false' plain.log)" 60 "and gets none"
GROQ_API_KEY=$key groq-reason --no-journal --profile generic --base-url "$url" --model m sixty >out 2>err
is "$(grep -c '"authorised": true' plain.log)" 0 "not even where GROQ_API_KEY is set"
groq-reason --no-journal --base-url "$url" sixty >out 2>err
is "$(python3 -c '
import json
r = json.loads(open("plain.log").readlines()[-1])["request"]
print(r["model"], r["response_format"]["json_schema"]["strict"], r["reasoning_effort"])')" \
    "openai/gpt-oss-120b True low" "the default model has a strict schema"
stop_teacher

# ---- order ----
echo '{"sentence":"slow","mode":"slow","seconds":0.1}' >faults
start_teacher order --faults faults
groq-reason --no-journal --base-url "$url" --concurrency 16 many >out 2>err
is $? 0 "slow and quick answers, 16 at a time"
sed 's/.*"idx":\([0-9]*\),.*/\1/' out >order
awk 'BEGIN { for (i = 0; i < 120; i++) print i }' >expected
same_bytes order expected "rows keep the input's order"
ok "$(grep -q '"sentence": "number 8 quick"' order.log && awk '/number 8 quick/ { a = NR } /number 21 slow/ { b = NR } END { exit !(a < b + 40) }' order.log; echo $?)" "all were asked"
stop_teacher

# rows come out as they finish, not at the end
start_teacher trickle
mkfifo trickle.in trickle.out
groq-reason --no-journal --base-url "$url" <trickle.in >trickle.out 2>err &
tool=$!
exec 3>trickle.in 4<trickle.out
echo '{"idx":1,"sentence":"one"}' >&3
read -r row <&4
like "$row" '^\{"idx":1,' "the first row is there before the input ends"
printf '{"idx":2,"sent' >&3
sleep 0.2
printf 'ence":"two"}\n' >&3
read -r row <&4
like "$row" '^\{"idx":2,' "and the second, which came in two pieces"
exec 3>&-
wait $tool
is $? 0 "then it ends"
exec 4<&-
stop_teacher

# ---- failures of rows ----
good='{\"reasoning\":\"fine\",\"cues\":[],\"label\":\"positive\",\"confidence\":0.5,\"counterfactual\":\"x\"}'
cat >faults <<END
{"sentence":"a429","times":1,"status":429,"headers":{"Retry-After":"0.05"},"body":{"error":{"message":"tokens per minute (TPM)","code":"rate_limit_exceeded"}}}
{"sentence":"b429","times":5,"status":429,"headers":{"Retry-After":"0"},"body":"slow down"}
{"sentence":"c429","times":1,"status":429,"body":{"error":{"message":"on tokens per minute. Please try again in 20ms. Visit","code":"rate_limit_exceeded"}}}
{"sentence":"d498","times":2,"status":498,"headers":{"Retry-After":"0"},"body":{}}
{"sentence":"e500","times":2,"status":500,"headers":{"Retry-After":"0"},"body":"oops"}
{"sentence":"f503","times":1,"status":503,"headers":{"Retry-After":"Thu, 01 Jan 2015 00:00:00 GMT"},"body":{}}
{"sentence":"g408","times":1,"status":408,"headers":{"Retry-After":"0"},"body":{}}
{"sentence":"h502","status":502,"headers":{"Retry-After":"0"},"type":"text/html","body":"<html><h1>Bad gateway</h1></html>"}
{"sentence":"i-drop","times":1,"mode":"drop"}
{"sentence":"j-cut","times":1,"mode":"truncate"}
{"sentence":"k-html","headers":{"Retry-After":"0"},"body":"<html>hello</html>"}
{"sentence":"l-json","times":2,"content":"Sure! It is positive."}
{"sentence":"m-json","content":"{\"reasoning\": \"never"}
{"sentence":"n-label","content":"{\"reasoning\":\"r\",\"label\":\"neutral\"}"}
{"sentence":"o-blank","content":"{\"reasoning\":\" \",\"label\":\"positive\"}","message":{"reasoning":"thoughts"}}
{"sentence":"p-think","content":"<think>first thoughts</think>{\"label\":\"positive\"}"}
{"sentence":"q-content","content":"{\"label\":\"positive\"}","message":{"reasoning_content":"second thoughts"}}
{"sentence":"r-reasoning","content":"{\"label\":\"positive\"}","message":{"reasoning":"third thoughts"}}
{"sentence":"s-fence","content":"\`\`\`json\n$good\n\`\`\`"}
{"sentence":"t-length","times":1,"content":"{\"reasoning\": \"long","finish_reason":"length"}
{"sentence":"u-length","content":"{\"reasoning\": \"long","finish_reason":"length"}
{"sentence":"v-length","content":"$good","finish_reason":"length"}
{"sentence":"w-empty","content":"","message":{"reasoning":"only thoughts"},"finish_reason":"stop"}
{"sentence":"x-refusal","content":null,"message":{"refusal":"I cannot"}}
{"sentence":"y400","status":400,"body":{"error":{"message":"bad field","code":"bad_field"}}}
{"sentence":"z413","status":413,"body":{"error":{"message":"Limit 8000, Requested 9000","type":"tokens","code":"rate_limit_exceeded"}}}
{"sentence":"aa422","times":1,"status":422,"headers":{"Retry-After":"0"},"body":{}}
{"sentence":"bb422","status":422,"headers":{"Retry-After":"0"},"body":{}}
{"sentence":"cc-salvage","status":400,"body":{"error":{"message":"m","code":"json_validate_failed","failed_generation":"$good"}}}
{"sentence":"dd-failed","status":400,"body":{"error":{"message":"Failed to generate JSON","code":"json_validate_failed","failed_generation":"{"}}}
{"sentence":"ee-usage","usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}
{"sentence":"ff302","status":302,"headers":{"Location":"/v1/elsewhere"},"body":"moved"}
{"sentence":"gg-split","body":"{\"choices\":[{\"message\":{\"content\":\"caf\\\\ud800\"}}]}"}
{"sentence":"hh-key","status":400,"body":{"error":{"message":"no {auth} here"}}}
END
cat >expected <<'END'
a429 ok
b429 ok
c429 ok
d498 ok
e500 ok
f503 ok
g408 ok
h502 error server 502 None 3
i-drop ok
j-cut ok
k-html error protocol 200 None 3
l-json ok
m-json error bad_json 200 not_json 3
n-label error bad_label 200 unknown_label 3
o-blank error bad_json 200 no_reasoning 3
p-think ok positive first thoughts
q-content ok positive second thoughts
r-reasoning ok positive third thoughts
s-fence ok positive fine
t-length ok
u-length error truncated 200 length 2
v-length ok positive fine
w-empty error truncated 200 length 2
x-refusal error refused 200 refusal 1
y400 error bad_request 400 bad_field 1
z413 error too_large 413 rate_limit_exceeded 1
aa422 ok
bb422 error unprocessable 422 None 2
cc-salvage ok positive fine
dd-failed error bad_json 400 json_validate_failed 3
ee-usage ok
ff302 error protocol 302 None 1
gg-split error protocol 200 None 3
hh-key error bad_request 400 None 1
END
awk 'BEGIN { for (i = 0; i < 9; i++) printf "{\"idx\":\"good%d\",\"sentence\":\"good %d\"}\n", i, i }' >rows
sed 's/^\([^ ]*\) .*/{"idx":"\1","sentence":"\1"}/' expected >>rows
start_teacher faults --faults faults
is_rc 3 "failures of rows" -- groq-reason --journal faults.ndjson --base-url "$url" --model recorded --retries 2 rows
rows_of out | sed -n '/^good/!p' | sed 's/ ok \(nega\|posi\)tive The word.*/ ok/' >got
diff expected got >difference
ok $? "each has its place, its kind and its attempts"
show difference
is "$(wc -l <out)" "$(wc -l <rows)" "no row is lost"
like "$(tail -n 2 err)" "43 rows: 43 asked in [0-9]+ requests, 0 from the journal, 15 failed; [0-9]+ tokens in" "the summary counts"
like "$(grep y400 out)" '"teacher":\{"status":"error","kind":"bad_request","http":400,"code":"bad_field","message":"bad field","attempts":1\}\}' "a failed row's members"
like "$(grep h502 out)" '"message":"HTTP status 502: <html><h1>Bad gateway</h1></html>"' "what is no JSON is quoted"
is "$(grep -c ee-usage out)$(grep ee-usage out | grep -c usage.:)" "10" "usage of zero is unknown"
like "$(grep t-length faults.log | tail -n 1)" '"max_completion_tokens": 2048' "a cut answer is asked again with twice the room"
is "$(grep l-json faults.log | sed 's/.*"seed": \([0-9]*\).*/\1/' | tr '\n' ' ')" "1 2 3 " "other seeds for bad answers"
is "$(grep -c elsewhere faults.log)" 0 "redirects are not followed"
like "$(grep hh-key out)" 'no \*+ here' "a key that comes back is struck out"
grep -o '"usage":{[^}]*}' out >usage
like "$(grep l-json out)" '"prompt_tokens":' "usage is there"
stop_teacher

# ---- failures of the run ----
printf '{"idx":1,"sentence":"one"}\n{"idx":2,"sentence":"two"}\n{"idx":3,"sentence":"three"}\n{"idx":4,"sentence":"four"}\n' >four
run_fails() { # STATUS NAME FAULT PATTERN [OPTION...]
    status=$1 name=$2 pattern=$4
    printf '%s\n' "$3" >faults
    : >run.log
    shift 4
    is_rc "$status" "$name" -- groq-reason --no-journal --base-url "$url" --concurrency 1 "$@" four
    like "$(cat err)" "$pattern" "$name: says why"
}
: >faults
start_teacher run --faults faults
run_fails 2 "a bad key" '{"status":401,"body":{"error":{"message":"Invalid API Key {auth}","code":"invalid_api_key"}}}' \
    '^groq-reason: the server says \(HTTP 401\): Invalid API Key \*+$'
is "$(cat out)" "" "a bad key: no rows"
is "$(requests run)" 1 "a bad key: asked once"
run_fails 2 "no permission" '{"status":403,"body":"error 1010"}' 'HTTP 403\): HTTP status 403: error 1010'
run_fails 2 "a wrong URL" '{"status":404,"body":{"error":{"message":"Unknown request URL"}}}' 'HTTP 404\): Unknown request URL'
run_fails 2 "a retired model" '{"status":400,"body":{"error":{"message":"The model has been decommissioned","code":"model_decommissioned"}}}' \
    'has been decommissioned'
run_fails 4 "a daily limit" '{"sentence":"three","status":429,"headers":{"Retry-After":"1"},"body":{"error":{"message":"on requests per day (RPD): Limit 1000, Used 1000. Please try again in 1.2s.","code":"rate_limit_exceeded"}}}' \
    'requests per day'
is "$(sed 's/.*"idx":\([0-9]\).*/\1/' out | tr -d '\n')" 12 "a daily limit: what came before is written"
run_fails 4 "a long wait" '{"sentence":"two","status":429,"headers":{"Retry-After":"20"},"body":{"error":{"message":"minute"}}}' \
    'wait for 2[0-2] s, longer than --max-wait: minute' --max-wait 10
run_fails 4 "a long wait of a server" '{"status":503,"headers":{"Retry-After":"20"},"body":{"error":{"message":"busy"}}}' \
    'wait for 2[0-2] s, longer than --max-wait: busy' --max-wait 10
run_fails 2 "requests that are all bad" '{"status":400,"body":{"error":{"message":"unknown field"}}}' \
    '^groq-reason: the server refuses every request: unknown field$'
run_fails 2 "redirects everywhere" '{"status":308,"headers":{"Location":"https://example.com/"},"body":""}' \
    'refuses every request: HTTP status 308'
run_fails 2 "a web page instead of an API" '{"body":"<html>","headers":{"Retry-After":"0"}}' 'none of the first 10 replies can be read; is --base-url right\? HTTP status 200: <html>'
run_fails 0 "a server without schemas" '{"times":2,"status":400,"body":{"error":{"message":"does not support response format `json_schema`"}}}' \
    'does not have answer format strict; going on with schema'
like "$(cat err)" 'does not have answer format schema; going on with object' "a server without schemas: both are said"
run_fails 2 "a format that was asked for" '{"status":400,"body":{"error":{"message":"does not support response format `json_schema`"}}}' \
    'answer format strict: does not support' --answer-format strict
run_fails 3 "silence" '{"sentence":"two","mode":"silent","seconds":3}' '1 failed' --timeout 1 --retries 0
is "$(rows_of out | sed -n 2p)" "2 error timeout None None 1" "silence: the row says so"
run_fails 3 "an endless reply" '{"sentence":"two","mode":"endless"}' '1 failed' --retries 0
is "$(rows_of out | sed -n 2p)" "2 error protocol None None 1" "an endless reply: the row says so"
run_fails 0 "a reply byte by byte" '{"sentence":"two","mode":"drip"}' '0 failed'
stop_teacher
is_rc 4 "a refused connection" -- groq-reason --no-journal --base-url "$url" --max-wait 1 four
like "$(cat err)" "[Cc]onnect" "a refused connection: says so"

# ---- bad input ----
start_teacher input
{
    echo 'not json'
    echo '[1]'
    echo '{"idx":3}'
    echo '{"idx":4,"sentence":5}'
    echo '{"idx":5,"sentence":" "}'
    printf '{"idx":6,"sentence":"bad \377 byte"}\n'
    printf '{"idx":7,"sentence":"nul \000 byte"}\n'
    echo '{"idx":8,"idx":8,"sentence":"twice"}'
    printf '{"idx":9,"sentence":"good"}\r\n'
    python3 -c 'print("{\"idx\":10,\"sentence\":\"%s\"}" % ("long " * 220000))'
    python3 -c 'print("{\"idx\":11,\"sentence\":\"%s\"}" % ("long " * 180000))'
} >rows
is_rc 3 "rows that cannot be asked" -- groq-reason --no-journal --base-url "$url" rows
rows_of out >got
cat >expected <<'END'
None error input None None 0
None error input None None 0
3 error input None None 0
4 error input None None 0
5 error input None None 0
None error input None None 0
None error input None None 0
None error input None None 0
9 ok positive The word 'good' decides it.
10 error input None None 0
11 ok positive The word 'long' decides it.
END
sed -i 's/\(nega\|posi\)tive/L/' got expected
same_bytes got expected "each is there, and has its reason"
is "$(requests input)" 2 "only the good ones are sent"
like "$(sed -n 3p out)" '^\{"idx":3,"teacher":\{"status":"error","kind":"input","http":null,"code":null,"message":"line 3: no member \\"sentence\\"","attempts":0\}\}$' "a row without a sentence"
like "$(cat err)" '^groq-reason: rows: line 2: not a JSON object$' "they are named on stderr"
like "$(cat err)" '11 rows: 2 asked, 0 from the journal, 9 failed' "and counted"

# ---- output ----
groq-reason --no-journal --base-url "$url" four >/dev/full 2>err
is $? 1 "a full device"
like "$(cat err)" '^groq-reason: <stdout>: .*No space left on device$' "a full device: says so"
(groq-reason --no-journal --base-url "$url" --concurrency 1 many 2>/dev/null; echo $? >rc) | head -n 1 >head.out
is "$(cat rc)" 141 "a reader that has left"
is_rc 0 "a named file" -- groq-reason --no-journal --base-url "$url" -o answers four
is "$(wc -l <answers)$(cat out)" 4 "a named file: holds the rows"
is_rc 2 "a run that ends early" -- groq-reason --no-journal --base-url "$url/no/such/path" -o early four
ok "$([ -e early ]; echo $((! $?)))" "leaves no file by that name"
stop_teacher

# ---- misuse ----
refused() { # STATUS PATTERN ARGUMENT...
    status=$1 pattern=$2
    shift 2
    is_rc "$status" "refused: $*" -- groq-reason "$@" four
    like "$(sed -n 1p err)" "$pattern" "refused: $*: says why"
    is "$(cat out)" "" "refused: $*: writes nothing"
}
refused 2 'plain http' --base-url http://example.com/v1
refused 2 'plain http' --base-url http://192.168.1.1/v1
refused 2 'plain http' --base-url http://localhost.example.com/v1
refused 2 'https://' --base-url ftp://127.0.0.1/v1
refused 2 'leave out' --base-url https://127.0.0.1/v1/chat/completions
refused 2 'needs --base-url' --profile generic
refused 2 'needs --model' --profile generic --base-url http://127.0.0.1:1/v1
refused 2 'needs --model' --profile openai
refused 2 'at least two' --labels one
refused 2 'profile' --profile none
refused 2 'concurrency' --concurrency 0
refused 2 'lacks \{sentence\}' --prompt-file four --base-url http://127.0.0.1:1
refused 2 'no-template: No such file' --prompt-file no-template
refused 2 'no-ca: No such file' --no-journal --base-url https://127.0.0.1:1 --cacert no-ca

{ env -u GROQ_API_KEY groq-reason 2>err >out; echo $? >rc; cat >left; } <four
is "$(cat rc)" 2 "no key"
is "$(cat err)" "groq-reason: GROQ_API_KEY is not set: export it, or give --key-file FILE (mode 0600)" "no key: says so"
same_bytes left four "no key: stdin was not read"
ok "$([ -e home/.local ]; echo $((! $?)))" "no key: no journal is made"
is_rc 2 "an empty key" -- env GROQ_API_KEY= groq-reason four
is_rc 2 "a key with a blank" -- env GROQ_API_KEY="gsk_ab cd" groq-reason four
is "$(grep -c gsk_ab err)" 0 "a key with a blank: is not shown"
is_rc 2 "openai: no key" -- env -u OPENAI_API_KEY groq-reason --profile openai --model m four
like "$(cat err)" '^groq-reason: OPENAI_API_KEY is not set' "openai: its own variable"

start_teacher keys
printf '%s\n' "$key" >key.file
chmod 644 key.file
is_rc 2 "a key file that others can read" -- env -u GROQ_API_KEY groq-reason --no-journal --key-file key.file --base-url "$url" four
like "$(cat err)" 'mode 0644.*chmod 600 key.file' "a key file that others can read: the cure"
chmod 600 key.file
is_rc 0 "a key file" -- env -u GROQ_API_KEY groq-reason --no-journal --key-file key.file --base-url "$url" four
is "$(grep -c '"authorised": true' keys.log)" 4 "a key file: its key is sent"
is_rc 2 "a key file that is none" -- groq-reason --key-file no-file four
is_rc 2 "a key file that is a folder" -- groq-reason --key-file home four
is_rc 0 "the chattiest run" -- groq-reason -v -v -v --progress --journal chatty.ndjson --base-url "$url" four
stop_teacher

# ---- secrecy ----
rm key.file
grep -rl "$key" . >leaks
is "$(cat leaks)" "" "the key is in nothing that the tool wrote"

done_testing
