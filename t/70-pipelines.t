#!/bin/sh
# pipelines/predict, distil and notebook-recipe: with a small encoder of random weights and a teacher on 127.0.0.1.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
for tool in sst2-dump groq-reason wp-tokenize bert-train bert-infer sst2-score; do
    [ -x "$BUILD/bin/$tool" ] || skip_all "$tool is not built"
done
export OMP_NUM_THREADS=1
encoder=$TESTDATA/bert/encoder
pipelines=$root/pipelines

# ---- all scripts: help and misuse ----
for script in predict distil notebook-recipe; do
    is_rc 0 "$script --help" -- "$pipelines/$script" --help
    cp out help.txt
    is "$(awk 'length > 80' help.txt)" "" "$script --help fits into 80 columns"
    is "$(grep -c "^Usage: $script " help.txt)" 1 "$script --help has a usage line"
    ok "$([ -s err ]; echo $((! $?)))" "$script --help is silent on stderr"
    is_rc 0 "$script -h" -- "$pipelines/$script" -h
    same_bytes out help.txt "$script -h is --help"
    is_rc 2 "$script: an unknown option" -- "$pipelines/$script" --no-such-option
    is "$(cat err)" "$script: unknown option '--no-such-option'
Try '$script --help'." "$script names it"
    is_rc 2 "$script: an option without its value" -- "$pipelines/$script" -m
    is "$(head -n 1 err)" "$script: -m needs a value" "$script names that, too"
    if command -v shellcheck >/dev/null 2>&1; then
        is_rc 0 "$script is clean for shellcheck" -- shellcheck -x --source-path="$root" "$pipelines/$script"
    else
        tap_skip "$script is clean for shellcheck" "shellcheck is not here"
    fi
done
is_rc 2 "distil without a file" -- "$pipelines/distil"
is_rc 2 "distil from stdin" -- "$pipelines/distil" -
is_rc 1 "distil: a file that is not there" -- "$pipelines/distil" absent.csv
is "$(cat err)" "distil: absent.csv: cannot be read" "is named"
is_rc 2 "notebook-recipe: epochs in words" -- "$pipelines/notebook-recipe" --epochs two

# ---- predict ----
model=$TESTDATA/bert/classifier
is_rc 0 "predict" -- "$pipelines/predict" -m "$model" "a warm film"
like "$(cat out)" '^(negative|positive) 0\.[0-9]{4}$' "prints label and probability"
echo "a warm film" | bert-infer -m "$model" >record
label=$(sed 's/.*"label_text":"\([a-z]*\)".*/\1/' record)
score=$(sed 's/.*"score":\([0-9.]*\).*/\1/' record)
is "$(cat out)" "$(printf '%s %.4f' "$label" "$score")" "they are bert-infer's"
is_rc 0 "predict --model=" -- "$pipelines/predict" --model="$model" "a warm film"
is_rc 0 "predict: several sentences" -- "$pipelines/predict" -m "$model" 'say "x" \ y' '{"sentence":"no JSON"}' ''
is "$(cut -f 2 out)" "say \"x\" \\ y
{\"sentence\":\"no JSON\"}
$(sed -n 3p out | cut -f 2)" "each with its sentence"
is "$(wc -l <out | tr -d ' ')" 3 "an empty one counts"
printf 'a warm film\n--help\n' >lines
is_rc 0 "predict: lines from stdin" -- sh -c '"$0" -m "$1" <lines' "$pipelines/predict" "$model"
is "$(cut -f 2 out)" "$(cat lines)" "are classified one by one"
is_rc 0 "predict: a sentence that looks like an option" -- "$pipelines/predict" -m "$model" -- --help
is "$(wc -l <out | tr -d ' ')" 1 "is one behind --"
is_rc 0 "predict: DISTIL_MODEL" -- env DISTIL_MODEL="$model" "$pipelines/predict" "a warm film"
is_rc 2 "predict: no such model" -- "$pipelines/predict" -m no-such-model x
like "$(cat err)" '^bert-infer: no-such-model: .*pipelines/fetch-model no-such-model$' "the cure is named"

# ---- distil ----
sed 's/"label_text":"negative"/"label_text":"bad"/; s/"label_text":"positive"/"label_text":"good"/' \
    "$TESTDATA/mini/teacher.ndjson" >teacher.rows
start_teacher teacher --rows teacher.rows
GROQ_API_KEY=gsk_pipelines0123456789
export GROQ_API_KEY
python3 - "$TESTDATA/mini/train.tsv" <<'END'
import csv, sys
rows = [line.rstrip("\n").rsplit("\t", 1) for line in list(open(sys.argv[1], encoding="utf-8"))[1:61]]
with open("reviews.csv", "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["stars", "review"])
    table.writerows(["good" if label == "1" else "bad", text] for text, label in rows)
with open("bare.csv", "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["text"])
    table.writerows([text] for text, _ in rows[:20])
END
distil="$pipelines/distil -m $encoder --base-url $url --teacher-model recorded --epochs 1"
of_reviews="--text-column review --label-column stars --labels bad,good --holdout 0.2"

# shellcheck disable=SC2086
is_rc 2 "distil: a model that is not there" -- $distil -m ./absent -o early $of_reviews reviews.csv
is "$(requests teacher)" 0 "is noticed before the teacher is asked"
# shellcheck disable=SC2086
is_rc 0 "distil" -- $distil -o run $of_reviews reviews.csv
cp out first-out
for file in train.ndjson validation.ndjson answers.ndjson train.tokens validation.tokens student/model.safetensors \
    student/config.json student.log metrics.ndjson predictions.ndjson scores.txt journal.ndjson; do
    ok "$([ -s run/$file ]; echo $?)" "run/$file is there"
done
is "$(find run -name '*.part')" "" "nothing unfinished is left"
is "$(($(wc -l <run/train.ndjson) + $(wc -l <run/validation.ndjson)))" 60 "each row is in one part"
is "$(grep -c '"teacher":{"status":"ok"' run/answers.ndjson)" "$(wc -l <run/train.ndjson | tr -d ' ')" "the teacher said something of each"
is "$(requests teacher)" "$(wc -l <run/train.ndjson | tr -d ' ')" "and was asked once for each"
same_bytes out run/scores.txt "the scores are printed"
like "$(cat out)" '^bad  .*[0-9]$' "under the user's names"
like "$(cat run/student.log)" '^Epoch 1: Training Loss - [0-9.]* \| Validation Loss - [0-9.]* \| Accuracy - [0-9.]*$' "the log has the epoch line"
like "$(cat run/student.log)" 'bert-train.*label=0\.7,soft=0\.3' "and the command"
is "$(tail -n 1 err)" "distil: done; try: pipelines/predict -m run/student \"a sentence of yours\"" "the last line tells how to use it"
is_rc 0 "the student answers" -- "$pipelines/predict" -m run/student "a warm film"
like "$(cat out)" '^(bad|good) ' "with the user's names"
is "$(grep -rl gsk_ run)" "" "the key is in no file"

asked=$(requests teacher)
cksum run/*.* run/student/* >before
# shellcheck disable=SC2086
is_rc 0 "distil again" -- $distil -o run $of_reviews reviews.csv
cksum run/*.* run/student/* >after
same_bytes after before "changes nothing"
same_bytes out first-out "prints the scores again"
is "$(requests teacher)" "$asked" "asks nothing"
is "$(grep -c 'is there already$' err)" 8 "and says so"

rm run/answers.ndjson
# shellcheck disable=SC2086
is_rc 0 "distil without the answers' file" -- $distil -o run $of_reviews reviews.csv
is "$(requests teacher)" "$asked" "takes them from the journal"
like "$(cat err)" '^distil: bert-train writes run/student$' "and does what depends on them anew"

# shellcheck disable=SC2086
is_rc 2 "distil with other options in the same folder" -- $distil -o run $of_reviews --learning-rate 1e-4 reviews.csv
is "$(tail -n 1 err)" "distil: run/student was made with other options; remove it, or choose another folder with -o" "is refused"

# a stage that fails leaves no file of its name
printf 'stars,review\ngood\n' >broken.csv
# shellcheck disable=SC2086
is_rc 1 "distil: a malformed table" -- $distil -o broken $of_reviews broken.csv
ok "$([ ! -e broken/train.ndjson ]; echo $?)" "leaves no rows"
like "$(cat err)" '^sst2-dump: broken.csv:2: ' "and names the line"

# no gold labels
# shellcheck disable=SC2086
is_rc 0 "distil without gold labels" -- $distil -o bare --labels bad,good --holdout=0 bare.csv
like "$(cat bare/student.log)" 'objective soft' "learns from the teacher alone"
ok "$([ ! -e bare/scores.txt ]; echo $?)" "and scores nothing"
like "$(cat err)" 'no held-out row has a gold label, so nothing was scored' "and says so"

# rows that fail, and a teacher that stops
stop_teacher
printf '%s\n' '{"sentence":"trap","status":400,"body":{"error":{"message":"no","type":"invalid_request_error"}}}' >faults
start_teacher failing --rows teacher.rows --faults faults
distil="$pipelines/distil -m $encoder --base-url $url --teacher-model recorded --epochs 1"
# shellcheck disable=SC2086
is_rc 3 "distil: rows on which the teacher fails" -- $distil -o some $of_reviews reviews.csv
ok "$([ -s some/scores.txt ]; echo $?)" "goes on, and ends with 3"
stop_teacher
printf '%s\n' '{"times":5,"mode":"slow","seconds":0}' '{"status":429,"headers":{"Retry-After":"90000"},"body":{"error":{"message":"daily limit"}}}' >faults
start_teacher limited --rows teacher.rows --faults faults
distil="$pipelines/distil -m $encoder --base-url $url --teacher-model recorded --epochs 1"
# shellcheck disable=SC2086
is_rc 4 "distil: a teacher that stops early" -- $distil -o stopped $of_reviews reviews.csv
is "$(tail -n 1 err)" "distil: the teacher stopped early; its answers so far are in stopped/journal.ndjson. Run the same command again to go on" \
    "tells how to go on"
ok "$([ ! -e stopped/answers.ndjson ]; echo $?)" "leaves no answers' file"
kept=$(grep -c '"status":"ok"' stopped/journal.ndjson)
stop_teacher
start_teacher resumed --rows teacher.rows
distil="$pipelines/distil -m $encoder --base-url $url --teacher-model recorded --epochs 1"
sed -i "s|http://127.0.0.1:[0-9]*|http://127.0.0.1:$port|" stopped/*.command
# shellcheck disable=SC2086
is_rc 0 "distil goes on" -- $distil -o stopped $of_reviews reviews.csv
is "$((kept + $(requests resumed)))" "$(wc -l <stopped/train.ndjson | tr -d ' ')" "and asks for the rest alone"

# ---- notebook-recipe ----
head -n 20 run/answers.ndjson | wp-tokenize -q -m "$TESTDATA/demo/vocab.txt" --labels bad,good |
    bert-train -q --init tiny --vocab "$TESTDATA/demo/vocab.txt" -o tiny --max-steps 1
ok $? "a small encoder with 512 positions"
mkdir few
head -n 25 "$TESTDATA/mini/train.tsv" >few/train.tsv
head -n 11 "$TESTDATA/mini/validation.tsv" >few/dev.tsv
is_rc 0 "notebook-recipe" -- "$pipelines/notebook-recipe" -m ./tiny --data few --epochs 2 -o recipe -- --dropout 0
like "$(cat recipe/model.log)" '--epochs 2 .*--batch-size 8 ' "batches of 8"
like "$(cat recipe/model.log)" ' --dropout 0 ' "what follows -- goes to bert-train"
like "$(cat recipe/train.tokens.command)" '--max-len 512' "512 tokens"
like "$(cat recipe/model.log)" '^Epoch 2: Training Loss' "a log with the epoch line"
is "$(find recipe/model.state -name model.safetensors | wc -l | tr -d ' ')" 2 "two checkpoints"
for file in model/model.safetensors model/README.md metrics.ndjson predictions.ndjson scores.txt; do
    ok "$([ -s recipe/$file ]; echo $?)" "recipe/$file is there"
done
same_bytes out recipe/scores.txt "the scores are printed"
done_testing
