#!/bin/sh
# bert-train --resume: whenever a run is killed, it goes on to the same bytes, in the model and in its records; and what
# it says and refuses. Kills wait for a number of records, not for a time, so a slow machine changes nothing.
# t/long/kill-loop does the same with many more kills.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

for tool in bert-train bert-infer wp-tokenize; do
    [ -x "$BUILD/bin/$tool" ] || skip_all "$tool is not built"
done
cp -R "$TESTDATA/bert/classifier" model
model=$PWD/model

i=0
while [ $i -lt 90 ]; do
    for word in good bad; do
        [ $word = good ] && label=1 || label=0
        echo "{\"idx\":$i,\"sentence\":\"the $(echo movie film plot acting fun | cut -d ' ' -f $((i % 5 + 1))) is $word\",\"label\":$label}"
        i=$((i + 1))
    done
done >rows.ndjson
wp-tokenize -q -m "$model" rows.ndjson >rows.tokens
head -n 12 rows.ndjson >few.ndjson
wp-tokenize -q -m "$model" few.ndjson >few.tokens
rows=$PWD/rows.tokens

records() { # FILE: how many records of steps
    cat "$1" 2>/dev/null | grep -c '"event":"step"'
}
# interrupt SIGNAL RECORDS COMMAND...: sends the signal when metrics.ndjson has that many steps; status in $rc
interrupt() {
    sent=$1 wanted=$2
    shift 2
    rm -f pid over
    (
        tries=0
        while [ ! -e over ] && [ $tries -lt 3000 ]; do
            if [ -e pid ] && [ "$(records metrics.ndjson)" -ge "$wanted" ]; then
                kill -"$sent" "$(cat pid)" 2>/dev/null
                break
            fi
            tries=$((tries + 1))
            sleep 0.02
        done
    ) &
    # shellcheck disable=SC2016
    { sh -c 'echo $$ >pid; exec "$@"' sh "$@" >out 2>err; } 2>/dev/null
    rc=$?
    : >over
    wait
}
# The records without what a clock says.
untimed() {
    sed 's/,"seconds":[^,]*,"rows_per_second":[^,}]*//' "$1"
}
gone() { # NAME FILE...
    name=$1
    shift
    for file; do
        [ -e "$file" ] && echo "# there is $file"
    done >left
    is "$(cat left)" "" "$name"
}
last() { # what bert-train said last; the shell may say Terminated after it
    grep -a '^bert-train: ' err | tail -n 1
}

# ---- killed ----
# 90 rows: 7 batches an epoch, the last one of 6 rows; 4 steps, the last one of one batch.
base="bert-train -m ../model --validation ../few.tokens -o student --batch-size 14 --gradient-accumulation-steps 2
    --learning-rate 1e-3 --metrics metrics.ndjson --log-steps 1 ../rows.tokens"
# killed NAME OPTIONS COUNT...: a run of $base with OPTIONS, killed at each COUNT of records, ends as one that is not
killed() {
    name=$1 options=$2
    shift 2
    rm -rf whole killed
    mkdir whole killed
    # shellcheck disable=SC2086
    (cd whole && $base $options >../whole.out 2>../whole.err)
    ok $? "$name: a run that nobody interrupts"
    cd killed || exit 1
    command="$base $options" kills=0
    for count; do
        # shellcheck disable=SC2086
        interrupt KILL "$count" $command
        command="bert-train --resume -o student"
        [ $rc = 137 ] && kills=$((kills + 1))
    done
    is $kills $# "$name: killed $# times"
    mkdir student.state/checkpoint-1000.tmp-1 student.state/checkpoint-1.old-1 # as a kill leaves them
    echo torn >student.state/checkpoint-1000.tmp-1/model.safetensors
    cp ../model/config.json student.state/checkpoint-1.old-1
    $command >../out 2>../err
    ok $? "$name: it goes on"
    rm -f pid over out err
    cd ..
    like "$(sed 1q err)" '^bert-train: going on after step [0-9]+, from student\.state/checkpoint-[0-9]+$' "$name: from where it says"
    # A kill may come as late as after the last step's checkpoint; then that line was told before.
    line=$(grep '^Epoch' whole.err | tail -n 1)
    [ "$(sed -n '1s/.* after step \([0-9]*\),.*/\1/p' err)" != "$(records whole/metrics.ndjson)" ] || line=
    is "$(grep '^Epoch' err | tail -n 1)" "$line" "$name: the same last epoch line"
    same_bytes whole/student/model.safetensors killed/student/model.safetensors "$name: the same weights"
    diff -r whole/student killed/student >diff.out 2>&1
    ok $? "$name: the same folder"
    show diff.out
    untimed whole/metrics.ndjson >expected.records
    untimed killed/metrics.ndjson >records
    same_bytes expected.records records "$name: the same records"
    is "$(ls killed)" "$(ls whole)" "$name: nothing is left over"
}
killed "every 3 steps" "--epochs 30 --save-steps 3 --eval-steps 7" 1 8 20 45 70 85
is "$(records whole/metrics.ndjson)" 120 "that were 120 steps"
# Nearly all the time is spent in writing checkpoints, so kills hit that.
killed "while checkpoints are written" "--epochs 8 --save-steps 1 --eval-steps 5" 2 6 11 16 21
# An epoch's end brings evaluation, epoch line and checkpoint.
killed "every epoch" "--epochs 10" 3 9 17 25
killed "masked language modelling" "--objective mlm --epochs 10 --save-steps 3 --eval-steps 7" 4 13 22
killed "with the best one, patience, class weights and frozen parts" "--max-steps 300 --eval-steps 4 --save-steps 3
    --patience 6 --metric-for-best-model brier --load-best-model-at-end --class-weights balanced --label-smoothing 0.1
    --freeze embeddings,layers:0 --layer-wise-lr-decay 0.9" 3 11 19

# ---- asked to end ----
long="bert-train -m model -o student --max-steps 1000000 --batch-size 14 --metrics metrics.ndjson --log-steps 1 --save-steps 1000000"
for signal in INT:130 TERM:143 HUP:129; do
    rm -rf student student.state metrics.ndjson
    # shellcheck disable=SC2086
    interrupt "${signal%:*}" 4 $long "$rows"
    is $rc "${signal#*:}" "SIG${signal%:*} ends it as it ends others"
    like "$(last)" '^bert-train: interrupted after step [0-9]+; go on with: bert-train --resume -o student$' "it says how to go on"
    step=$(last | sed 's/.*step \([0-9]*\);.*/\1/')
    is "$(ls student.state)" "checkpoint-$step
run.json
train.tokens" "and has written a checkpoint"
    is "$(records metrics.ndjson)" "$step" "after the step that it was at"
done
is_rc 0 "a checkpoint is a model" -- bert-infer -m "student.state/checkpoint-$step" rows.ndjson
is "$(ls "student.state/checkpoint-$step")" "README.md
config.json
model.safetensors
special_tokens_map.json
tokenizer_config.json
trainer_state.json
trainer_state.safetensors
vocab.txt" "with what it takes to go on beside it"

# ---- what is refused, and what is not ----
refused() { # STATUS MESSAGE NAME -- ARGUMENT...
    status=$1 message=$2 name=$3
    shift 4
    is_rc "$status" "$name" -- bert-train "$@"
    is "$(last)" "bert-train: $message" "$name: named"
}
refused 2 "student.state holds a run that was interrupted; go on with it by bert-train --resume -o student, or start over with -f" \
    "an interrupted run is not started over by mistake" -- -m "$model" -o student rows.tokens
differ='but the run in student.state has'
cure='leave it out to go on, or start over with -f and without --resume'
refused 2 "--batch-size is 16, $differ 14; $cure" "another number" -- --resume -o student --batch-size 16
refused 2 "--dropout is 0.5, $differ -1; $cure" "another share" -- --resume -o student --dropout 0.5
refused 2 "--no-shuffle is true, $differ false; $cure" "another flag" -- --resume -o student --no-shuffle
refused 2 "--model is x, $differ model; $cure" "another model" -- --resume -o student -m x
refused 2 "--class-weights is balanced, $differ nothing; $cure" "an option more" -- --resume -o student --class-weights balanced
refused 2 "FILE is few.tokens, $differ $rows; $cure" "another file" -- --resume -o student few.tokens
ls student.state >before
sed 's/"library": "/&Another/' student.state/run.json >other.json
cp student.state/run.json this.json
cp other.json student.state/run.json
is_rc 2 "another matrix library" -- bert-train --resume -o student
like "$(last)" '^bert-train: the run in student\.state was computed with another matrix library, Another.*, than there is here, .*; resume it where it began, or start over with -f$' \
    "is named"
sed 's/"kernels": "/&un/' this.json >student.state/run.json
is_rc 2 "other kernels" -- bert-train --resume -o student
like "$(last)" 'computed with another kernels, un' "are named"
echo '{' >student.state/run.json
is_rc 1 "a record that is none" -- bert-train --resume -o student
like "$(last)" '^bert-train: student\.state/run\.json: not valid JSON' "is named"
cp this.json student.state/run.json
cp few.tokens student.state/train.tokens
is_rc 1 "rows that are others" -- bert-train --resume -o student
like "$(last)" '^bert-train: student\.state/train\.tokens changed since the run began' "are named"
cp rows.tokens student.state/train.tokens
is "$(ls student.state)" "$(cat before)" "all that leaves the state alone"

refused 2 "none.state holds no run that could go on; start one without --resume" "nothing to go on with" -- --resume -o none
is_rc 0 "with all that a run needs it starts afresh" -- bert-train --resume -m "$model" -o fresh --max-steps 2 rows.tokens
is "$(sed 1q err)" "bert-train: fresh.state holds no run that could go on; training starts afresh" "and says so"
is_rc 0 "a finished model" -- bert-train --resume -o fresh
is "$(cat err)" "bert-train: fresh is finished; there is nothing to resume" "is named"
gone "nothing is made" none none.state fresh.state
mkdir fresh.state
cp rows.tokens fresh.state/train.tokens
echo '{}' >fresh.state/removing.json
is_rc 0 "one killed when it had written its model" -- bert-train --resume -o fresh
is "$(cat err)" "bert-train: fresh is finished; there is nothing to resume" "is finished"
gone "and its state goes" fresh.state
mkfifo rows.fifo
bert-train -m "$model" -f -o fresh <rows.fifo 2>err &
pid=$!
{
    tries=0
    while [ ! -e fresh.state/reading ] && [ $tries -lt 1000 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
    kill -KILL $pid
    wait $pid 2>/dev/null
} 3>rows.fifo
refused 2 "fresh.state holds no run that could go on; start one without --resume" "one killed while it read its rows" -- \
    --resume -o fresh
is_rc 0 "is begun again" -- bert-train -q -m "$model" -f -o fresh --max-steps 2 rows.tokens
gone "and ends" fresh.state

# Without a checkpoint yet, and the rows came through a pipe.
mkdir early
cd early || exit 1
# shellcheck disable=SC2016
interrupt KILL 3 sh -c 'exec bert-train -m "$1" -o student --max-steps 400 --batch-size 14 --save-steps 300 --metrics metrics.ndjson --log-steps 1 <"$2"' \
    sh "$model" "$rows"
is "$(ls student.state)" "run.json
train.tokens" "killed before the first checkpoint"
is_rc 0 "it starts afresh" -- bert-train --resume -o student </dev/null
is "$(sed 1q err)" "bert-train: student.state holds no checkpoint yet; training starts afresh with its rows" "and says so"
bert-train -q -m "$model" -o whole --max-steps 400 --batch-size 14 --save-steps 300 <"$rows"
same_bytes whole/model.safetensors student/model.safetensors "to the same bytes"
is "$(sed 's/"event":"\([a-z]*\)".*/\1/' metrics.ndjson | sort | uniq -c | tr -s ' \n' ' ')" " 1 {end 1 {start 400 {step " \
    "with one set of records"
cd ..

# The same options again are accepted; the rows are those of the state.
rm -rf student student.state metrics.ndjson
interrupt TERM 5 bert-train -m "$model" -o student --max-steps 300 --batch-size 14 --metrics metrics.ndjson --log-steps 1 rows.tokens
is_rc 0 "the same options again, other threads" -- bert-train --resume -m "$model" -o student --max-steps 300 --batch-size 14 \
    --metrics metrics.ndjson --log-steps 1 --threads 3 rows.tokens
bert-train -q -m "$model" -o other --max-steps 300 --batch-size 14 rows.tokens
same_bytes other/model.safetensors student/model.safetensors "the same bytes"
gone "the state goes with the last step" student.state

# From another folder, with what it started from gone.
mkdir moved
cp -R "$model" moved/model
(cd moved && interrupt TERM 5 bert-train -m model -o student --max-steps 300 --batch-size 14 --metrics metrics.ndjson --log-steps 1 "$rows")
rm -r moved/model
is_rc 0 "from another folder, without the model" -- bert-train --resume -o moved/student
same_bytes other/model.safetensors moved/student/model.safetensors "the same bytes"
same_bytes other/vocab.txt moved/student/vocab.txt "and the tokenizer"
is "$(records moved/metrics.ndjson)" 300 "the records are where they were"

# -f starts over.
rm -rf student student.state metrics.ndjson
interrupt TERM 5 bert-train -m "$model" -o student --max-steps 300 --metrics metrics.ndjson --log-steps 1 rows.tokens
is_rc 0 "-f" -- bert-train -m "$model" -f -o student --max-steps 2 rows.tokens
like "$(sed 1q err)" '^bert-train: removed 1 checkpoints of an earlier run from student\.state$' "starts over"
gone "with its state" student.state

# ---- two at once ----
rm -rf student student.state metrics.ndjson
# shellcheck disable=SC2086
$long "$rows" >first.out 2>first.err &
pid=$!
tries=0
while [ "$(records metrics.ndjson)" -lt 2 ] && [ $tries -lt 1000 ]; do
    tries=$((tries + 1))
    sleep 0.02
done
refused 1 "student.state: another bert-train is at work there; wait for it or end it" "another one at work" -- --resume -o student
kill -TERM $pid
wait $pid
is $? 143 "the first one does not mind"

# ---- a full disk, played by the largest size that files may have ----
slab=$(wc -c <"$model/model.safetensors")
limit() { # BYTES COMMAND...
    blocks=$(($1 / 512))
    shift
    # shellcheck disable=SC2016
    sh -c 'ulimit -f "$1"; shift; exec "$@"' sh "$blocks" "$@"
}
if [ "$(sh -c 'ulimit -f 1; head -c 2000 /dev/zero >limited 2>/dev/null; wc -c <limited' | tr -d ' ')" = 512 ]; then
    rm -rf student student.state metrics.ndjson
    bert-train -q -m "$model" -o unlimited --max-steps 60 --batch-size 14 rows.tokens
    interrupt TERM 5 bert-train -m "$model" -o student --max-steps 60 --batch-size 14 --save-steps 20 --metrics metrics.ndjson \
        --log-steps 1 rows.tokens
    first=$(ls -d student.state/checkpoint-*)
    is_rc 0 "checkpoints that find no room" -- limit $((slab * 3 / 2)) bert-train --resume -o student --keep-state
    like "$(cat err)" '^bert-train: warning: after step [246]0 no checkpoint could be written: student\.state/.*: File too large; training goes on$' \
        "are warned of"
    is "$(ls -d student.state/checkpoint-*)" "$first" "the last good one stays, and no torn one"
    same_bytes unlimited/model.safetensors student/model.safetensors "the run ends as it would"

    rm -rf student student.state metrics.ndjson
    interrupt TERM 5 bert-train -m "$model" -o student --max-steps 60 --batch-size 14 --save-steps 20 --metrics metrics.ndjson \
        --log-steps 1 rows.tokens
    first=$(ls -d student.state/checkpoint-*)
    is_rc 1 "a model that finds no room" -- limit $((slab / 2)) bert-train --resume -o student
    like "$(last)" "^bert-train: .*model\.safetensors: cannot write: File too large; the trained model lies in $first, and bert-train --resume -o student goes on from it\$" \
        "names the checkpoint"
    is "$(ls -d student*)" "student.state" "and leaves no half model"
    is_rc 0 "with room again" -- bert-train -q --resume -o student
    same_bytes unlimited/model.safetensors student/model.safetensors "it ends as it would"
else
    tap_skip "a full disk" "ulimit -f does not count in blocks of 512 bytes here"
fi

# ---- rotation, the best one ----
is_rc 0 "--keep 3" -- bert-train -q -m "$model" -o kept --keep-state --keep 3 --max-steps 12 --save-steps 2 rows.tokens
is "$(cd kept.state && echo *)" "checkpoint-10 checkpoint-12 checkpoint-8" "the three newest stay"
is_rc 0 "the best by ece" -- bert-train -m "$model" -o best --keep-state --max-steps 40 --eval-steps 4 --learning-rate 5e-3 \
    --validation few.tokens --metric-for-best-model loss --load-best-model-at-end --metrics best.ndjson rows.tokens
like "$(last)" '^bert-train: wrote best: 40 steps, [0-9.]+ rows/s; kept the best, step [0-9]+: loss [0-9.e-]+$' "the last line"
step=$(last | sed 's/.*step \([0-9]*\):.*/\1/')
same_bytes "best.state/checkpoint-$step/model.safetensors" best/model.safetensors "is the model of step $step"
wanted=$(sed -n 's/.*"event":"eval","step":\([0-9]*\),.*"loss":\([^,]*\),.*/\2 \1/p' best.ndjson | sort -g | sed -n '1s/.* //p')
is "$step" "$wanted" "whose record has the least loss"
like "$(tail -n 1 best.ndjson)" "\"best_step\":$step,\"best_metric\":[^,]*,\"kept_step\":$step," "the end says so"
loss=$(sed -n "s/.*\"event\":\"eval\",\"step\":$step,.*\"loss\":\\([^,]*\\),.*/\\1/p" best.ndjson)
like "$(tail -n 1 best.ndjson)" "\"validation_loss\":$loss," "and its scores are that model's"

is_rc 0 "--patience" -- bert-train -m "$model" -o patient --max-steps 400 --eval-steps 2 --learning-rate 0 --dropout 0 \
    --validation few.tokens --patience 3 --metrics patient.ndjson rows.tokens
like "$(cat err)" '^bert-train: 3 evaluations without a better loss than that of step 2: training stops after step 8$' "stops"
like "$(last)" '^bert-train: wrote patient: 8 steps, [0-9.]+ rows/s; the best was step 2: loss [0-9.]+$' "after 1 + 3 evaluations"
like "$(grep early_stopping patient.ndjson)" '^\{"event":"early_stopping","step":8,"evaluations_without_improvement":3,"metric_for_best_model":"loss","best_step":2,' \
    "its record"
refused 2 "--metric-for-best-model: there is no metric 'f1'; the metrics are: loss, accuracy, macro_f1, mcc, brier, ece" \
    "a metric that is none" -- -m "$model" -o unmade --validation few.tokens --metric-for-best-model f1 rows.tokens
for option in '--load-best-model-at-end' '--patience 2' '--metric-for-best-model loss'; do
    # shellcheck disable=SC2086
    refused 2 "${option%% *} needs evaluations: --validation FILE" "${option%% *} without rows to evaluate on" -- \
        -m "$model" -o unmade $option rows.tokens
done

# ---- a loss that is not finite ----
diverge="-m $model -o diverged --batch-size 1 --no-shuffle --dropout 0 --learning-rate 1 --weight-decay 10 --max-steps 100"
# shellcheck disable=SC2086
is_rc 1 "a run that diverges" -- bert-train $diverge --save-steps 5 rows.tokens
like "$(last)" '^bert-train: step [0-9]+: the loss is -?(nan|inf) and the gradients. norm -?(nan|inf); try a smaller --learning-rate; the last good checkpoint is diverged\.state/checkpoint-[0-9]+$' \
    "names step, cure and the last good checkpoint"
checkpoint=$(last | sed 's/.* //')
[ -s "$checkpoint/model.safetensors" ] && [ -s "$checkpoint/trainer_state.safetensors" ]
ok $? "which is there"
rm -r diverged.state
# shellcheck disable=SC2086
is_rc 1 "without a checkpoint" -- bert-train $diverge rows.tokens
like "$(last)" '; try a smaller --learning-rate$' "there is none to name"
gone "and nothing to go on from" diverged.state
done_testing
