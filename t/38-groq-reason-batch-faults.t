#!/bin/sh
# groq-reason --batch: a server in trouble, downloads that end early, kills at every point, and no batch ordered twice.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/batches.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

key=gsk_SeCrEtSeCrEtSeCrEt0123456789
GROQ_API_KEY=$key
export GROQ_API_KEY

awk 'BEGIN { for (i = 10; i < 30; i++) printf "{\"idx\":%d,\"sentence\":\"sentence %d\"}\n", i, i }' >twenty
head -n 10 twenty >ten

# ---- downloads that end early ----
start_batches downloads
for mode in cut short lines; do
    for what in output both; do
        plan '{}'
        journal="$mode-$what.ndjson"
        groq="groq-reason --base-url $url --model recorded --journal $journal --batch"
        run 0 "$mode $what: submit" submit twenty
        times=1
        [ $what = both ] && times=9
        plan "{\"calls\":[{\"call\":\"GET /v1/files/\",\"status\":404,\"times\":1,\"body\":{}},{\"call\":\"GET /v1/files/\",\"times\":$times,\"mode\":\"$mode\"}]}"
        if [ $what = output ]; then
            run 0 "a download that is $mode once" fetch twenty
            is "$(wc -l <out)" 20 "is repeated"
        elif [ $mode = lines ]; then
            run 4 "a download that always lacks a line" fetch twenty
            like "$(cat err)" 'the server counts 20 results, its files hold 19' "is told"
        else
            run 4 "a download that is always $mode" fetch --retries 1 twenty
            like "$(cat err)" 'groq-reason: .' "ends the run"
            is "$(grep -c '"key"' $journal)$(grep -c fetched $journal.batches)" 00 "nothing of it is taken"
            plan '{}'
            run 0 "later" fetch twenty
            is "$(wc -l <out)" 20 "it is there"
        fi
    done
done
plan '{"calls":[{"call":"GET /v1/files/file_2","mode":"short","times":2}]}'
stop_batches

# ---- the server's trouble ----
start_batches trouble
plan '{"calls":[{"call":"POST /v1/files","times":1,"status":503,"headers":{"Retry-After":"0"},"body":"<html>"},
 {"call":"POST /v1/files","times":1,"mode":"drop"},
 {"call":"POST /v1/batches","times":2,"status":429,"headers":{"Retry-After":"0"},"body":{}},
 {"call":"POST /v1/batches","times":1,"status":500,"headers":{"Retry-After":"0"},"body":{}},
 {"call":"GET /v1/batches","times":1,"status":502,"headers":{"Retry-After":"0"},"body":""},
 {"call":"GET /v1/files","times":1,"status":500,"headers":{"Retry-After":"0"},"body":""}]}'
run 0 "errors and limits" submit ten
run 0 "of all calls" fetch ten
is "$(wc -l <out)" 10 "are waited out"
is "$(grep -c '"event":"ordered"' trouble.ndjson.batches)$(calls 'POST /v1/batches')" 14 "and one batch is ordered"
plan '{"calls":[{"call":"POST /v1/batches","times":1,"status":500,"after":true,"headers":{"Retry-After":"0"},"body":{}}]}'
run 0 "an order that fails and is carried out all the same" submit --seed 2 ten
is "$(calls 'POST /v1/batches')" 5 "is found, not sent again"
plan '{"calls":[{"call":"POST /v1/batches","times":1,"after":true,"mode":"drop"}]}'
run 0 "an order whose reply is lost" submit --seed 3 ten
is "$(calls 'POST /v1/batches')" 6 "is found as well"
plan '{"openai":true,"calls":[{"call":"POST /v1/batches","times":1,"mode":"drop"}]}'
run 4 "an order of which nobody knows" submit --seed 4 ten
like "$(tail -n 1 err)" 'no word from the server whether it has made the batch' "ends the run"
is "$(calls 'POST /v1/batches')" 7 "it is not sent again"
plan '{"openai":true}'
run 0 "the next run" submit --seed 4 ten
is "$(calls 'POST /v1/batches')$(calls 'DELETE /v1/files/.*')" 81 "looks for it, removes its file and orders anew"
run_stops() { # STATUS NAME RULE PATTERN
    plan "{\"calls\":[$3]}"
    run "$1" "$2" submit --seed 5 ten
    like "$(tail -n 1 err)" "$4" "$2: says why"
}
run_stops 2 "a bad key" '{"call":"POST /v1/files","status":401,"body":{"error":{"message":"Invalid API Key {auth}"}}}' 'HTTP 401\): Invalid API Key \*+'
run_stops 2 "no permission" '{"call":"POST /v1/batches","status":403,"body":{"error":{"message":"needs a paid plan"}}}' 'HTTP 403\): needs a paid plan'
run_stops 2 "no batches there" '{"call":"POST /v1/files","status":404,"body":""}' 'HTTP 404'
run_stops 2 "a window that it does not have" '{"call":"POST /v1/batches","status":400,"body":{"error":{"message":"bad window"}}}' 'HTTP 400\): bad window'
run_stops 2 "a redirect" '{"call":"POST /v1/files","status":307,"headers":{"Location":"http://127.0.0.1:9/"},"body":""}' 'HTTP 307'
run_stops 4 "a daily limit" '{"call":"POST /v1/batches","status":429,"body":{"error":{"message":"on requests per day (RPD)"}}}' 'per day'
run_stops 4 "a long wait" '{"call":"POST /v1/files","status":429,"headers":{"Retry-After":"900"},"body":{}}' 'longer than --max-wait'
run_stops 2 "a web page" '{"call":"POST /v1/files","headers":{"Retry-After":"0"},"status":200,"body":"<html>"}' 'HTTP 200\): HTTP status 200: <html>'
plan '{}'
run 0 "after all that" submit --seed 5 ten
is "$(grep -c '"event":"ordered"' trouble.ndjson.batches)" 5 "one order each"
plan '{"calls":[{"call":"GET /v1/batches/batch_2","status":404,"body":{"error":{"message":"No such batch"}}},{"call":"POST /v1/batches/batch_2","status":404,"body":{}}]}'
run 2 "a batch that the server does not know any more" fetch
like "$(cat err)" 'batch batch_2: the server says \(HTTP 404\): No such batch' "is named"
like "$(cat err)" 'batch batch_3 completed' "the others are fetched"
run 0 "--batch cancel" cancel
like "$(cat err)" 'batch_2: the server does not know it' "gives it up"
plan '{}'
run 0 "its questions" submit --seed 2 ten
like "$(tail -n 1 err)" ': 10 questions in 1 batches' "can be asked again"
stop_batches

start_batches gone
run 0 "a batch" submit ten
plan '{"calls":[{"call":"GET /v1/files/","status":404,"body":{"error":{"message":"No such file"}}}]}'
run 4 "whose results the server has removed" fetch
like "$(cat err)" 'a file of its results is gone: the server says \(HTTP 404\): No such file' "is told"
plan '{}'
run 0 "its questions" submit ten
like "$(tail -n 1 err)" ': 10 questions in 1 batches' "can be asked again"
stop_batches

# ---- kill -9 at every point ----
start_batches kills
mkfifo pipe
$groq submit pipe >out 2>err &
tool=$!
exec 3>pipe
cat ten >&3
sleep 0.3
kill -s TERM $tool
wait $tool
is $? 143 "a signal while rows are awaited"
exec 3>&-
is "$(wc -l <kills.log)" 0 "ends it, and nothing is ordered"
wait_stalled() {
    tries=0
    while ! grep -q stalled kills.log && [ $tries -lt 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}
killed_at() { # NAME RULE COMMAND SIGNAL STATUS
    plan "{\"calls\":[$2]}"
    : >kills.log
    # shellcheck disable=SC2086
    $groq $3 ten >kills.out 2>kills.err2 &
    tool=$!
    wait_stalled
    kill -s "$4" $tool
    if [ "$4" = TERM ]; then # the first lets the call finish, the second ends it
        sleep 0.2
        kill -s "$4" $tool
    fi
    wait $tool 2>/dev/null
    is $? "$5" "killed $1"
    plan '{}'
}
seed=0
for signal in KILL:137 TERM:143; do
    for point in 'POST /v1/files:false' 'POST /v1/files:true' 'POST /v1/batches:false' 'POST /v1/batches:true'; do
        name=${point%:*} after=${point#*:}
        seed=$((seed + 1))
        groq="groq-reason --base-url $url --model recorded --journal kills$seed.ndjson --seed $seed --batch"
        killed_at "in $name, carried out: $after, by SIG${signal%:*}" "{\"call\":\"$name\",\"after\":$after,\"times\":1,\"mode\":\"stall\"}" submit "${signal%:*}" "${signal#*:}"
        printf '{"event":"ordered","par' >>kills$seed.ndjson.batches
        run 4 "what it left" status
        like "$(cat out)" '^-  unfinished  10 questions  submit or fetch will see to it$' "is told"
        run 0 "submit after it" submit ten
        if [ "$point" = 'POST /v1/batches:true' ]; then
            is "$(calls 'POST /v1/batches')$(calls 'POST /v1/files')" 11 "orders nothing: the batch is found"
            like "$(cat err)" 'batch batch_[0-9]+: ordered by an earlier run that was cut short, 10 questions' "and says so"
        else
            is "$(grep -c '"event":"ordered"' kills$seed.ndjson.batches)" 1 "orders the batch"
        fi
        run 0 "fetch after it" fetch ten
        is "$(grep -c '"status":"ok"' out)" 10 "has all answers"
    done
done
is "$(grep -h '"event":"ordered"' kills*.batches | sort | uniq | wc -l)" $seed "as many batches as were wanted"
seed=20
groq="groq-reason --base-url $url --model recorded --journal fetch.ndjson --seed $seed --batch"
run 0 "a batch to be fetched" submit ten
killed_at "while its results come" '{"call":"GET /v1/files/","times":1,"mode":"stall"}' fetch KILL 137
run 0 "fetch after it" fetch ten
is "$(grep -c '"key"' fetch.ndjson)$(grep -c '"status":"ok"' out)" 1010 "once"
groq="groq-reason --base-url $url --model recorded --journal again.ndjson --seed $seed --batch"
plan '{"answers":[{"sentence":"11","status":400,"body":{"id":"req_x","error":{"message":"bad field"}}}]}'
run 0 "a batch whose fetch" submit ten
run 3 "is killed before it says so" fetch ten
cp out before
grep -v fetched again.ndjson.batches >shorter
cp shorter again.ndjson.batches
run 3 "is read again" fetch ten
same_bytes out before "gives the same"
is "$(grep -c '"key"' again.ndjson)" 10 "and adds nothing to the journal"
stop_batches

grep -rl "$key" . >leaks
is "$(cat leaks)" "" "the key is in nothing that the tool wrote"

done_testing
