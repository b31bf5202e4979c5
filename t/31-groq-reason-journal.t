#!/bin/sh
# groq-reason's journal: nothing is asked twice, whatever ended the run before; and how runs end early.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

key=gsk_SeCrEtSeCrEtSeCrEt0123456789
GROQ_API_KEY=$key
export GROQ_API_KEY
awk 'BEGIN { for (i = 0; i < 300; i++) printf "{\"idx\":%d,\"sentence\":\"sentence number %d\"}\n", i, i }' >rows
head -n 20 rows >few

# Waits until the server NAME has been asked N times.
wait_requests() {
    tries=0
    while [ "$(requests "$1")" -lt "$2" ] && [ $tries -lt 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}

# ---- a rerun ----
start_teacher stub
first_url=$url
journal=$XDG_STATE_HOME/distil/groq-reason.ndjson
is_rc 0 "a first run" -- groq-reason --base-url "$url" few
cp out expected
is "$(sed 1q err)" "groq-reason: journal $journal (0 answers; --no-journal to do without)" "names its journal"
is "$(stat -c %a "$journal")" 600 "which is its owner's alone"
is "$(wc -l <"$journal")" 21 "a head and a line for each answer"
is "$(requests stub)" 20 "twenty questions"
is_rc 0 "a second run" -- groq-reason --base-url "$url" few
same_bytes out expected "gives the same bytes"
is "$(requests stub)" 20 "and asks nothing"
like "$(cat err)" "20 rows: 0 asked, 20 from the journal, 0 failed" "and says so"
is_rc 0 "a longer input" -- groq-reason --base-url "$url" --ask 25 rows
is "$(requests stub)" 25 "asks for what is new"
head -n 20 out | cmp -s - expected
ok $? "and repeats the rest"
is_rc 0 "another temperature" -- groq-reason --base-url "$url" --temperature 0.5 few
is_rc 0 "another model" -- groq-reason --base-url "$url" --model other few
is_rc 0 "another prompt" -- groq-reason --base-url "$url" --no-counterfactual few
is_rc 0 "other labels" -- groq-reason --base-url "$url" --labels bad,good few
is "$(requests stub)" 105 "are other questions"
is_rc 0 "--no-journal" -- groq-reason --base-url "$url" --no-journal few
is "$(requests stub)" 125 "remembers nothing"
cat few rows few >repeated
is_rc 0 "sentences that come again late" -- groq-reason --base-url "$url" --journal repeated.ndjson repeated
is "$(requests stub)" 425 "are asked once in a run"
stop_teacher
is_rc 0 "without a server and without a key" -- env -u GROQ_API_KEY groq-reason --base-url "$first_url" few
same_bytes out expected "the journal is enough"
is_rc 0 "another port" -- env -u GROQ_API_KEY groq-reason --base-url http://localhost:9/v1 few
same_bytes out expected "on this machine is the same server"
head -n 1 rows >twenty-one
sed -n '300p' rows >>twenty-one
is_rc 2 "without a key and with a new row" -- env -u GROQ_API_KEY groq-reason --base-url "$first_url" twenty-one
like "$(cat err)" 'GROQ_API_KEY is not set' "the key is missed when it is needed"
is "$(wc -l <out)" 1 "after the row that needs none"
is_rc 2 "another path" -- env -u GROQ_API_KEY groq-reason --base-url http://localhost:9/v2 few

# ---- a torn tail ----
start_teacher torn
for lost in 1 100 350; do
    head -n 21 "$journal" >whole.ndjson
    size=$(stat -c %s whole.ndjson)
    head -c $((size - lost)) whole.ndjson >torn.ndjson
    : >torn.log
    is_rc 0 "a journal that lacks its last $lost bytes" -- groq-reason --base-url "$url" --journal torn.ndjson few
    same_bytes out expected "a journal that lacks its last $lost bytes: the same rows"
    is "$(requests torn)" 1 "a journal that lacks its last $lost bytes: one question"
    is "$(python3 -c 'import json; print(len([json.loads(l) for l in open("torn.ndjson")]))')" 21 "and then is whole again"
done
printf '{"journal":"groq' >torn.ndjson
is_rc 0 "a journal with half a head" -- groq-reason --base-url "$url" --journal torn.ndjson few
is "$(wc -l <torn.ndjson)" 21 "is begun afresh"
sed '5s/.*/garbage/; 6s/"status":"ok"/"status":"x"/' whole.ndjson >torn.ndjson
: >torn.log
is_rc 0 "a journal with bad lines" -- groq-reason --base-url "$url" --journal torn.ndjson few
like "$(cat err)" 'torn.ndjson: 2 lines are no entries' "is complained about"
is "$(requests torn)$(cmp out expected)" 2 "and completed"
: >empty.ndjson
is_rc 0 "an empty journal" -- groq-reason --base-url "$url" --journal empty.ndjson few
is_rc 0 "a journal in a new folder" -- groq-reason --base-url "$url" --journal new/folder/j.ndjson few

# ---- files that are no journals ----
cp rows precious
is_rc 2 "somebody's data as journal" -- groq-reason --base-url "$url" --journal precious few
like "$(cat err)" '^groq-reason: precious: not a journal of groq-reason' "is refused"
same_bytes precious rows "and left alone"
printf 'no newline' >precious
is_rc 2 "a file of one torn line" -- groq-reason --base-url "$url" --journal precious few
is "$(cat precious)" "no newline" "is left alone, too"
is_rc 2 "a folder as journal" -- groq-reason --base-url "$url" --journal home few
is_rc 2 "a device as journal" -- groq-reason --base-url "$url" --journal /dev/null few
mkfifo fifo
is_rc 2 "a FIFO as journal" -- groq-reason --base-url "$url" --journal fifo few
like "$(cat err)" '^groq-reason: fifo: a journal must be a regular file$' "says so"
(ulimit -f 8; groq-reason --base-url "$url" --concurrency 1 --journal full.ndjson rows 2>err; echo $? >rc) | cat >out
is "$(cat rc)" 1 "a full disk under the journal"
like "$(cat err)" '^groq-reason: full.ndjson: .*File too large$' "a full disk under the journal: says why"
is "$(python3 -c 'import json; print(len([json.loads(l) for l in open("full.ndjson")]))')" "$(wc -l <out)" "it ends with a whole line; the answer that did not fit is in the output"
if [ "$(id -u)" != 0 ]; then
    cp whole.ndjson read-only.ndjson
    chmod 400 read-only.ndjson
    is_rc 0 "a read-only journal" -- groq-reason --base-url "$url" --journal read-only.ndjson few
    is_rc 1 "a read-only journal that lacks answers" -- groq-reason --base-url "$url" --journal read-only.ndjson rows
else
    tap_skip "a read-only journal" "root may write everything"
fi
stop_teacher

# ---- failed rows ----
echo '{"sentence":"number 3","status":400,"body":{"error":{"message":"bad field"}}}' >faults
start_teacher failed --faults faults
is_rc 3 "a row that fails" -- groq-reason --base-url "$url" --journal failed.ndjson --concurrency 1 few
cp out with-error
like "$(cat err)" "to go on, run the same command again: answers so far are in failed.ndjson" "how to go on is said"
: >failed.log
is_rc 3 "--keep-errors" -- groq-reason --base-url "$url" --journal failed.ndjson --keep-errors few
is "$(requests failed)$(cmp out with-error)" 0 "keeps the failure"
: >faults
is_rc 0 "the same again" -- groq-reason --base-url "$url" --journal failed.ndjson few
is "$(requests failed)$(cmp out expected)" 1 "asks for the failed row alone"
is_rc 0 "--keep-errors" -- groq-reason --base-url "$url" --journal failed.ndjson --keep-errors few
same_bytes out expected "does not outlive an answer"
stop_teacher

# ---- kill -9 ----
start_teacher calm
is_rc 0 "an uninterrupted run" -- groq-reason --base-url "$url" --no-journal rows
cp out uninterrupted
stop_teacher
start_teacher killed --delay 0.02
kills=0
while [ $kills -lt 12 ]; do
    before=$(requests killed)
    groq-reason --base-url "$url" --journal killed.ndjson --concurrency 4 rows >killed.out 2>/dev/null &
    tool=$!
    wait_requests killed $((before + 10))
    kill -9 $tool
    wait $tool 2>/dev/null
    kills=$((kills + 1))
    head -c "$(stat -c %s killed.out)" uninterrupted | cmp -s - killed.out || echo "kill $kills: the output is no beginning" >>wrong
done
ok "$([ -e wrong ]; echo $((! $?)))" "what a killed run wrote is a beginning of the result"
is_rc 0 "a run after twelve kills" -- groq-reason --base-url "$url" --journal killed.ndjson --concurrency 4 rows
same_bytes out uninterrupted "gives what an uninterrupted one gives"
is "$(sed -n 's/^{"key":"\([0-9a-f]*\)".*/\1/p' killed.ndjson | sort | uniq -d | wc -l)" 0 "no answer is there twice"
asked=$(requests killed)
ok "$(test "$asked" -le $((300 + 12 * 4)); echo $?)" "at most what was in flight was asked twice ($asked questions for 300 rows)"
stop_teacher

# ---- signals, locks, readers that leave ----
start_teacher signal --delay 0.2
for signal in TERM:143 INT:130 HUP:129; do
    name=${signal%:*}
    : >signal.log
    # A shell starts background jobs with SIGINT ignored, and then the tool leaves it so.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' groq-reason --base-url "$url" --journal "$name.ndjson" --concurrency 4 rows >out 2>err &
    tool=$!
    wait_requests signal 6
    if [ "$name" = TERM ]; then
        groq-reason --base-url "$url" --journal TERM.ndjson rows >other.out 2>other.err
        is $? 1 "a second run on one journal"
        like "$(cat other.err)" '^groq-reason: TERM.ndjson: another run is using this journal' "is told so at once"
    fi
    kill -s "$name" $tool
    wait $tool
    is $? "${signal#*:}" "SIG$name"
    head -n "$(wc -l <out)" uninterrupted | cmp - out
    ok $? "SIG$name: the output is an unbroken beginning"
    is "$(requests signal)" "$(($(wc -l <"$name.ndjson") - 1))" "SIG$name: what was under way is finished and kept"
    like "$(cat err)" "run the same command again: answers so far are in $name.ndjson" "SIG$name: how to go on is said"
done
stop_teacher
start_teacher slow --delay 3
groq-reason --base-url "$url" --no-journal few >out 2>err &
tool=$!
wait_requests slow 1
kill -s TERM $tool
sleep 0.3
kill -s TERM $tool
wait $tool
is $? 143 "a second signal ends it at once"
stop_teacher
start_teacher lost --delay 0.05
groq-reason --base-url "$url" --journal lost.ndjson --max-wait 1 rows >out 2>err &
tool=$!
wait_requests lost 20
stop_teacher
wait $tool
is $? 4 "a server that is lost in the middle"
head -n "$(wc -l <out)" uninterrupted | cmp - out
ok $? "the output is an unbroken beginning"
is "$(grep -c error out)" 0 "and no row failed for it"
like "$(sed 1q err)" "[Cc]onnect" "a server that is lost in the middle: says so"
start_teacher reader
is_rc 0 "once it is back" -- groq-reason --base-url "$url" --journal lost.ndjson rows
same_bytes out uninterrupted "the rest is asked"
: >reader.log
(groq-reason --base-url "$url" --journal reader.ndjson rows 2>/dev/null; echo $? >rc) | head -n 5 >head.out
is "$(cat rc)" 141 "a reader that has left"
kept=$(($(wc -l <reader.ndjson) - 1))
sleep 1 # the server notes what was still in flight
: >reader.log
is_rc 0 "and another" -- groq-reason --base-url "$url" --journal reader.ndjson rows
same_bytes out uninterrupted "gets all"
is "$(requests reader)" $((300 - kept)) "without asking again for what was kept"
stop_teacher

# ---- the demo's recording ----
if [ -e "$TESTDATA/demo/journal.ndjson" ]; then
    cp "$TESTDATA/demo/journal.ndjson" demo.ndjson
    sed 's/,"teacher":.*/}/' "$TESTDATA/mini/teacher.ndjson" >mini.ndjson
    is_rc 0 "the demo's journal" -- env -u GROQ_API_KEY groq-reason --base-url http://localhost/v1 --model recorded --journal demo.ndjson mini.ndjson
    sed 's/,"usage":{[^}]*}//' out >answers
    same_bytes answers "$TESTDATA/mini/teacher.ndjson" "the demo's journal: gives its rows"
    same_bytes demo.ndjson "$TESTDATA/demo/journal.ndjson" "the demo's journal: stays as it is"
else
    ok 1 "the demo's journal is there"
fi

grep -rl "$key" . >leaks
is "$(cat leaks)" "" "the key is in nothing that the tool wrote"

done_testing
