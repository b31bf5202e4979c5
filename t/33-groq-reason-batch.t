#!/bin/sh
# groq-reason --batch: the same rows as a live run, every end of a batch, lines of all kinds, the state file, misuse.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/batches.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

key=gsk_SeCrEtSeCrEtSeCrEt0123456789
GROQ_API_KEY=$key
export GROQ_API_KEY

# ---- as a live run ----
{
    sed 's/,"teacher":.*/}/' "$TESTDATA/mini/teacher.ndjson"
    awk 'BEGIN { for (i = 0; i < 90; i++) printf "{\"sentence\":\"number %d\",\"x\":[1, 2.50]}\n", i % 70 }'
    printf '\n{"idx":7,"sentence":"caf\\u00e9 \\"noir\\"","teacher":{"status":"error"}}'
} >rows
n=$(grep -c . rows)
start_teacher live --rows "$TESTDATA/mini/teacher.ndjson"
groq-reason --journal live.ndjson --base-url "$url" --model recorded rows >live 2>err
is $? 0 "a live run, to compare with"
questions=$(requests live)
stop_teacher

start_batches happy
plan '{"after":1,"shuffle":true}'
run 0 "submit" submit --batch-lines 50 rows
parts=$(((questions + 49) / 50))
is "$(calls 'POST /v1/files')$(calls 'POST /v1/batches')" "$parts$parts" "in parts of 50"
is "$(tail -n 1 err)" "groq-reason: $n rows: $questions questions in $parts batches; look with --batch status, get the answers with --batch fetch" "says what it did"
is "$(cat out)" "" "writes no rows"
like "$(grep 'POST /v1/files' happy.log | sed 1q)" '"user_agent": "groq-reason/.*"authorised": true' "files go with key and user agent"
is "$(stat -c %a happy.ndjson.batches)" 600 "the state is its owner's alone"
run 4 "status of open batches" status
is "$(wc -l <out)" "$parts" "a line for each"
is "$(sed 1q out)" "batch_1  in_progress  0 of 50 answered, 0 failed  expires 2030-01-01 00:00" "with state, counts and the time left"
like "$(cat err)" "^groq-reason: $parts batches have not ended yet$" "and says that they are open"
plan '{"after":9,"shuffle":true}'
run 4 "fetch of open batches" fetch rows
is "$(cat out)" "" "has no rows yet"
like "$(tail -n 1 err)" "^groq-reason: $n rows wait for open batches: fetch again later$" "and says so"
like "$(groq-reason --base-url "$url" --model recorded --journal happy.ndjson /dev/null 2>&1)" "warning: $questions questions are in open batches" "a live run warns of them"
run 0 "submit again" submit rows
is "$(calls 'POST /v1/batches')" "$parts" "orders nothing twice"
like "$(cat err)" "0 questions in 0 batches, $questions in open batches already" "and says why"
plan '{"shuffle":true}'
run 0 "status of ended batches" status
like "$(cat out)" '^batch_1  completed  50 of 50 answered, 0 failed  to be fetched$' "tells that they are to be fetched"
run 0 "fetch" fetch --price 1,10 -o rows.out rows
same_bytes rows.out live "gives the rows of the live run"
is "$(grep -c '"batch":true' happy.ndjson)" "$questions" "the journal tells what was bought at the batch's price"
like "$(grep completed err)" "batch batch_1 completed: 50 answered, 0 failed; [0-9]+ tokens in, [0-9]+ out at batch price, [$]0[.]0[0-9]+" "the tokens are told"
before=$(wc -l <happy.log)
run 0 "fetch again" fetch rows
same_bytes out live "gives them again"
run 0 "submit of what is answered" submit rows
like "$(cat err)" "0 questions in 0 batches, $questions answered already" "buys nothing"
# shellcheck disable=SC2086
is_rc 0 "a live run on the same journal" -- $batch rows
same_bytes out live "gives them, too"
run 0 "status of fetched batches" status
like "$(sed 1q out)" '^batch_1  completed  50 questions  fetched$' "knows them"
is "$(wc -l <happy.log)" "$before" "and none of these asks the server"
run 0 "cancel" cancel
like "$(cat err)" 'no batch was open' "finds nothing to cancel"
head -n 3 rows >few
# shellcheck disable=SC2086
is_rc 0 "rows from a pipe" -- sh -c "cat few | $groq submit --temperature 0.7 && cat few | $groq fetch --temperature 0.7 -"
is "$(wc -l <out)" 3 "as live"
is "$(calls 'POST /v1/batches')" $((parts + 1)) "another temperature is another question"
run 0 "--ask" submit --ask 2 --seed 9 rows
like "$(tail -n 1 err)" ': 2 questions in 1 batches' "asks for the first rows alone"
run 0 "fetch with --ask" fetch --ask 2 --seed 9 rows
tail -n +3 out >rest
tail -n +3 rows | grep . >expected
same_bytes rest expected "passes the others untouched"
stop_batches

# ---- misuse ----
start_batches misuse
run 2 "no journal" submit --no-journal few
like "$(cat err)" 'needs a journal' "says so"
run 2 "rows for status" status few
run 2 "-o for submit" submit -o x few
run 2 "another command" order few
env -u GROQ_API_KEY groq-reason --base-url "$url" --journal misuse.ndjson --batch submit few >out 2>err
is $? 2 "no key"
like "$(cat err)" 'GROQ_API_KEY is not set' "names the variable"
run 0 "status without a state" status
is "$(cat out)$(cat err)" "" "has nothing to tell"
is_rc 4 "no server" -- groq-reason --base-url http://127.0.0.1:9/v1 --model recorded --journal misuse.ndjson --batch submit few
like "$(cat err)" 'onnect' "says so"
: >empty
run 0 "no rows" submit empty
is "$(calls 'POST /v1/files')" 0 "nothing is uploaded"
cat >mixed <<'END'
{"idx":1,"sentence":"one"}
{"idx":2}
nonsense
{"idx":3,"sentence":"three"}
END
run 3 "rows that cannot be asked" submit mixed
like "$(cat err)" 'mixed: line 2: no member "sentence"' "are named"
like "$(tail -n 1 err)" '4 rows: 2 questions in 1 batches, 2 that cannot be asked' "are counted"
run 3 "their fetch" fetch mixed
rows_of out >got
printf '%s\n' "1 ok negative The word 'one' decides it." "2 error input None None 0" "None error input None None 0" >expected
sed 's/ ok [a-z]* / ok /' got | head -n 3 >got.3
sed 's/ ok [a-z]* / ok /' expected >expected.3
same_bytes got.3 expected.3 "gives them as a live run does"
stop_batches

# ---- every end ----
awk 'BEGIN { for (i = 10; i < 30; i++) printf "{\"idx\":%d,\"sentence\":\"sentence %d\"}\n", i, i }' >twenty
start_batches ends
plan '{"state":"expired","unanswered":["sentence 13","sentence 2"]}'
run 0 "a batch that will expire" submit twenty
run 4 "its fetch" fetch twenty
is "$(wc -l <out)" 3 "writes the unbroken beginning"
like "$(cat err)" 'batch batch_1 expired: 9 answered, 0 failed, 11 to be asked anew \(batch_expired: The batch has ended' "says what became of it"
like "$(tail -n 1 err)" '11 rows have no answer yet, 0 of them in open batches; for the others run --batch submit again' "and how to go on"
plan '{"unanswered":["sentence 13"],"silent":true,"counts":{"completed":10}}'
run 0 "the rest" submit twenty
like "$(tail -n 1 err)" ': 11 questions in 1 batches, 9 answered already' "is asked alone"
run 4 "an answer that is in no file" fetch twenty
like "$(cat err)" 'batch batch_2 completed: 10 answered, 0 failed, 1 to be asked anew;' "is missed"
plan '{"unanswered":["sentence"]}'
run 0 "one question" submit twenty
run 4 "completed with an error file alone" fetch
like "$(cat err)" 'batch batch_3 completed: 0 answered, 0 failed, 1 to be asked anew' "is no success"
like "$(tail -n 1 err)" '1 questions have no answer: run --batch submit again' "also without rows"
for errors in '[{"code":"x","message":"bad model","line":3},{"code":"y"}]' '{"object":"list","data":[{"message":"bad model","line":3},{"code":"y"}]}' \
    '{"code":"x","message":"bad model"}' '"bad model"' null; do
    plan "{\"state\":\"failed\",\"errors\":$errors}"
    run 0 "a batch that will fail" submit twenty
    run 4 "errors $errors" fetch
    case $errors in
    null) like "$(cat err)" ' failed: 0 answered' "are none" ;;
    *) like "$(cat err)" 'the server says: bad model( \(line 3\); y)?$' "are told" ;;
    esac
done
plan '{"state":"failed","errors":"red \\u001b[31m"}'
run 0 "control bytes" submit twenty
run 0 "in a status" status
is "$(LC_ALL=C tr -d '\n -~' <out | wc -c)" 0 "do not reach the terminal"
plan '{"after":9,"unanswered":["sentence 2"]}'
is_rc 0 "a batch to cancel" -- groq-reason --base-url "$url" --model recorded --journal cancelled.ndjson --batch submit twenty
groq="groq-reason --base-url $url --model recorded --journal cancelled.ndjson --batch"
run 0 "cancel" cancel
like "$(cat err)" 'what was answered by then is paid for: get it with --batch fetch' "says that it takes a while"
run 0 "cancel twice" cancel
run 4 "what it had answered" fetch twenty
is "$(wc -l <out)" 10 "is fetched"
like "$(cat err)" ' cancelled: 10 answered, 0 failed, 10 to be asked anew' "after it was cancelled"
plan '{}'
run 0 "the rest of it" submit twenty
run 0 "one that has ended" status
run 0 "cannot be cancelled" cancel
like "$(cat err)" ' completed already; to be fetched' "and stays to be fetched"
run 0 "and is" fetch twenty
is "$(wc -l <out)" 20 "whole"
# shellcheck disable=SC2086
is_rc 0 "live rows" -- groq-reason --base-url "$url" --model recorded --journal cancelled.ndjson twenty
stop_batches

# ---- lines of all kinds ----
start_batches lines
good='{\"reasoning\":\"fine\",\"label\":\"positive\"}'
other='{\"custom_id\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"response\":{\"status_code\":200,\"body\":{}}}'
plan '{"shuffle":true,"repeat":2,"extra":["'"$other"'","{\"custom_id\":\"number 1\"}","no json","{\"custom_id\":\"{id}\",\"response\":{\"status_code\":200,\"body\":{\"choices\":[{\"message\":{\"content\":\"x\"}}]}}}"],"answers":[
 {"sentence":"11","status":400,"body":{"error":{"message":"bad {auth} field","code":"bad_field"}}},
 {"sentence":"12","status":400,"body":{"error":{"message":"m","code":"json_validate_failed","failed_generation":"'"$good"'"}}},
 {"sentence":"13","content":"{\"reasoning\":\"r\",\"label\":\"neutral\"}"},
 {"sentence":"14","content":"{\"reasoning\": \"long","finish_reason":"length"},
 {"sentence":"15","content":null,"message":{"refusal":"I cannot"}},
 {"sentence":"16","status":500,"body":{"error":{"message":"trouble"}}},
 {"sentence":"17","status":429,"body":{"error":{"message":"slow down"}}},
 {"sentence":"18","body":"{\"choices\":[{\"message\":{\"content\":\"'"$(echo "$good" | sed 's/\\/\\\\\\/g')"'\"}}]}"},
 {"sentence":"19","usage":null}]}'
head -n 10 twenty >ten
run 0 "questions that meet all kinds of lines" submit ten
run 4 "their fetch" fetch ten
rows_of out >got
cat >expected <<'END'
10 ok
11 error bad_request 400 bad_field 1
12 ok positive fine
13 error bad_label 200 unknown_label 1
14 error truncated 200 length 1
15 error refused 200 refusal 1
END
sed 's/ ok [a-z]* The word.*/ ok/' got >got.short
same_bytes got.short expected "each has its place, as in a live run, up to the first that is to be asked anew"
like "$(cat err)" 'batch batch_1 completed: 4 answered, 4 failed, 2 to be asked anew \(' "all are counted"
like "$(cat err)" 'batch_1: 2 lines of no question of ours, left out' "so are those of nobody's"
like "$(cat err)" 'batch_1: [0-9]+ lines of a question that had one already' "and doubled ones"
like "$(cat err)" 'batch_1: 1 lines that cannot be read' "and what is no JSON"
is "$(grep -c '"key"' lines.ndjson)$(sed -n 's/^{"key":"\([0-9a-f]*\)".*"ok".*/\1/p' lines.ndjson | sort | uniq -d)" 8 "the journal holds each once"
plan '{}'
run 0 "what failed" submit ten
like "$(tail -n 1 err)" ': 6 questions in 1 batches, 4 answered already' "is asked again"
python3 - "$url" >got <<'END'
import json, sys, urllib.request
for line in urllib.request.urlopen(sys.argv[1] + "/files/file_4/content").read().splitlines():
    body = json.loads(line)["body"]
    print(body["messages"][1]["content"].split()[-1], body["seed"], body["max_completion_tokens"])
END
printf '%s\n' "11 1 1024" "13 2 1024" "14 2 2048" "15 1 1024" "16 1 1024" "17 1 1024" >expected
same_bytes got expected "a bad answer with another seed, a cut one with twice the room"
run 0 "and then" fetch ten
is "$(grep -c '"status":"ok"' out)" 10 "all are answered"
stop_batches

# ---- samples, order, prices, caps ----
start_batches accounts
run 0 "what a submit would cost" submit --dry-run --price 1,10 -o dry ten
like "$(cat dry)" '^to ask               10$' "is told"
like "$(grep '^cost' dry)" '^cost                 at most about [$]0[.]052[0-9]' "at the batch's price"
is "$(wc -l <accounts.log)$(find . -name "accounts.ndjson*.batches" | wc -l)" 00 "and neither asks nor writes"
run 2 "a fetch would not" fetch --dry-run ten
run 2 "--reparse" fetch --reparse ten
run 4 "a cap on the cost" submit --price 1,10 --max-cost 0.02 ten
like "$(cat err)" 'batch batch_1: 3 questions' "orders what keeps within it"
like "$(tail -n 1 err)" '^groq-reason: --max-cost is reached: what is ordered may take [0-9]+ tokens and cost [$]0[.]015[0-9]; run it again for the rest$' "and says so"
run 0 "a dry run beside an open batch" submit --dry-run ten
like "$(cat out)" '^in open batches      3$' "counts it"
like "$(cat out)" '^to ask               7$' "and the others"
run 4 "a cap on the tokens" submit --max-tokens-total 3000 ten
like "$(tail -n 1 err)" '^groq-reason: --max-tokens-total is reached: what is ordered may take 2[0-9]+ tokens; run' "likewise"
run 4 "answers of the middle" fetch --unordered --ask 8 ten
is "$(grep -c '"status":"ok"' out)$(wc -l <out)" 57 "leave without the others, where order does not matter"
plan '{"answers":[{"sentence":"12","content":"x"}]}'
run 0 "three samples" submit --samples 3 ten
like "$(tail -n 1 err)" ': 30 questions in 1 batches' "are three questions"
run 3 "their fetch" fetch --samples 3 --price 1,10 --report report ten
is "$(grep -c '"probs":' out)" 9 "lets them vote"
like "$(sed 1q report)" '"samples":\[\{"source":"journal".*"cost":' "a report tells what they took"
python3 - <<'END' >got
import json
cost = 0
for line in open("report"):
    event = json.loads(line)
    if event["event"] == "end":
        print(event["usage"]["prompt_tokens"] > 6000, abs(event["cost"] - event["usage"]["prompt_tokens"] * 0.5e-6 -
                                                          event["usage"]["completion_tokens"] * 5e-6) < 1e-9)
END
is "$(cat got)" "True True" "at the batch's price, in all"
stop_batches

# ---- the state file ----
start_batches state
cp few state.ndjson.batches
run 2 "somebody's file as state" submit few
same_bytes state.ndjson.batches few "is left alone"
rm state.ndjson.batches
plan '{"after":99}'
run 0 "a state" submit few
echo '{"event":"sold","part":"x","at":1}' >>state.ndjson.batches
run 1 "an event of another version" submit few
like "$(cat err)" '^groq-reason: state.ndjson.batches:6: not an event that this version knows; nothing is done$' "is no matter to guess about"
sed -i '$d' state.ndjson.batches
python3 -c '
import fcntl, subprocess, sys
f = open("state.ndjson.batches")
fcntl.flock(f, fcntl.LOCK_EX)
sys.exit(subprocess.run(sys.argv[1:]).returncode)' sh -c "$groq cancel" >out 2>err
is $? 1 "a state that another run holds"
like "$(cat err)" 'another run is at work on these batches' "is named"
env -u GROQ_API_KEY groq-reason --profile generic --base-url http://127.0.0.1:9/v9 --model m --journal state.ndjson --batch status >out 2>err
is $?"$(cat out)" 0 "another server's batches"
like "$(cat err)" '1 batches at other servers are not shown' "are left out"
(ulimit -f 4; $groq submit rows >out 2>err; echo $? >rc)
is "$(cat rc)" 1 "a full disk"
like "$(cat err)" 'File too large' "is told"
stop_batches

grep -rl "$key" . >leaks
is "$(cat leaks)" "" "the key is in nothing that the tool wrote"

done_testing
