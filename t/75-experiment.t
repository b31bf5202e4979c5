#!/bin/sh
# make experiment and distil-report: cells of a small experiment on the self-made corpus, from its rows to the report.
. "$(dirname "$0")/lib.sh"
for tool in sst2-dump wp-tokenize bert-train bert-infer sst2-score distil-report; do
    [ -x "$BUILD/bin/$tool" ] || skip_all "$tool is not built"
done
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs the tests

wp-tokenize -q -m "$TESTDATA/demo/vocab.txt" -o rows.st "$TESTDATA/mini/teacher.ndjson"
bert-train -q --init tiny --vocab "$TESTDATA/demo/vocab.txt" --max-steps 1 -o encoder rows.st 2>/dev/null

# The tools as they are, without building: the targets of the build are told to be old.
experiment() {
    make -s -C "$root" -o all BUILD="$BUILD" experiment EXPERIMENT="$PWD/experiment" \
        DATA="$TESTDATA/mini" TEACHER="$TESTDATA/mini/teacher.ndjson" EDITS="$TESTDATA/mini/teacher.ndjson" \
        ENCODER="$PWD/encoder" HOLDOUT=0.2 VALIDATION_ROWS=40 STEPS=4 BATCH=8 RATE=1e-3 SIZES=40 SEEDS=1 "$@"
}
is_rc 2 "an EXPERIMENT with a blank in its name is refused" -- \
    experiment ARMS=label TRACKS=T EXPERIMENT="$PWD/cells of mine/experiment"
like "$(cat err)" 'EXPERIMENT' "and named"
is_rc 2 "data that is not there" -- experiment ARMS=label TRACKS=T DATA="$PWD/nowhere" EXPERIMENT="$PWD/none"
like "$(cat err)" 'nowhere is not there; name it with DATA=' "is named with its cure"

is_rc 0 "three arms, two tracks" -- experiment ARMS="label counterfactual double" TRACKS="A T" TESTS=contrast
is "$(cd experiment/cells && echo */*/*/done)" \
    "A-40/counterfactual/1/done A-40/double/1/done A-40/label/1/done T-40/counterfactual/1/done T-40/double/1/done T-40/label/1/done" \
    "each cell is done"
is "$(cat experiment/cells/*/*/1/validation.ndjson | wc -l | tr -d ' ')" 240 "predictions for the validation rows"
is "$(wc -l <experiment/cells/T-40/label/1/contrast.ndjson | tr -d ' ')" 300 "and for the set of TESTS"
is "$(ls -d experiment/cells/*/*/1/model* 2>/dev/null)" "" "models do not stay"
is "$(grep -c '"label":-1' experiment/data/T-40-1/train.ndjson)" 40 "track T sees no gold label"
is "$(grep -c '"label":-1' experiment/data/A-40-1/train.ndjson)" 0 "track A sees all"
sed 's/.*"sentence":"//; s/","label.*//; s/ *$//' experiment/data/shared/validation.ndjson | sort -u >validation
sed 's/.*"sentence":"//; s/","label.*//; s/ *$//' experiment/data/*-1/train.ndjson | sort -u >train
is "$(comm -12 validation train)" "" "no validation row is trained on"
is "$(grep -h '"event":"start"' experiment/cells/T-40/*/1/metrics.ndjson | sed 's/.*"weights_fingerprint":"\([^"]*\)".*/\1/' | sort -u | wc -l | tr -d ' ')" 1 \
    "all arms begin with the same weights"

touch -d '2001-01-01' experiment/cells/T-40/label/1/metrics.ndjson
rm experiment/cells/T-40/double/1/done experiment/cells/T-40/double/1/validation.json
is_rc 0 "again, one cell unfinished" -- experiment ARMS="label counterfactual double" TRACKS="A T" TESTS=contrast
is "$(grep -c CELL out)" 1 "only that one is run"
is "$(find experiment/cells/T-40/label/1/metrics.ndjson -newermt 2002-01-01)" "" "what was done stays"

is_rc 2 "the same folder with another variable" -- experiment ARMS=label TRACKS=T TESTS=contrast STEPS=5
like "$(cat err)" "begun with STEPS='4', now it is '5'; name another folder with EXPERIMENT=" "is refused, with its cure"
cp "$TESTDATA/mini/teacher.ndjson" answers.ndjson
is_rc 0 "an experiment on a file" -- experiment ARMS=label TRACKS=T STEPS=1 TEACHER="$PWD/answers.ndjson" EXPERIMENT="$PWD/moved"
sed 1d "$TESTDATA/mini/teacher.ndjson" >answers.ndjson
is_rc 2 "that is another one now" -- experiment ARMS=label TRACKS=T STEPS=1 TEACHER="$PWD/answers.ndjson" EXPERIMENT="$PWD/moved"
like "$(cat err)" "teacher_sha256.*answers.ndjson has changed" "is refused too"

# The demo's vocabulary has no names of classes, which reason-label-sentence wants as words.
arms=$(awk -F '\t' '!/^#/ && !/reason-label-sentence/ { print $1 }' "$root/pipelines/arms.tsv")
is_rc 0 "every arm" -- experiment ARMS="$(echo $arms)" TRACKS=T STEPS=1 EXPERIMENT="$PWD/all"
is "$(ls all/cells/T-40/*/1/done | wc -l)" "$(echo "$arms" | wc -l)" "is run"
is "$(cat err)" "" "without a word"
is_rc 0 "track C" -- experiment ARMS="double label" TRACKS=C STEPS=1 EXPERIMENT="$PWD/all"
is "$(cat err)" "experiment-cell: C-40/double/1 is not run: there are not enough rows for double.st" \
    "leaves out what would need more rows than there are"
is "$(cd all/cells && echo C-40/*/1/done)" "C-40/label/1/done" "runs the rest"
is "$(grep -vc '"label":-1' all/data/C-40-1/train.ndjson)" 40 "sees so many gold labels"
is "$(grep -c . all/data/C-40-1/train.ndjson)" "$(cat all/data/shared/edits.ndjson all/data/shared/teacher.ndjson | wc -l | tr -d ' ')" \
    "and the teacher's for all else"
is_rc 0 "more rows than there are" -- experiment ARMS=label TRACKS=T SIZES=5000 STEPS=1 EXPERIMENT="$PWD/all"
like "$(cat err)" "T-5000-1: the pool has [0-9]+ rows, all are taken" "is said"

is_rc 0 "the report" -- distil-report -o report experiment
like "$(cat report/report.md)" '\| counterfactual \| arm \| 1 \| [01]\.[0-9]{4} \| – \| [-+][01]\.[0-9]{4} ' "has each arm beside label-only"
like "$(cat report/report.md)" '\| counterfactual \| contrast \| counterfactual-shuffled-others \| 0 \| – \| – \| not run \|' \
    "says which controls were not run"
like "$(cat report/report.md)" '\| T-40 \| keywords \| not run ' "and which arms"
is "$(grep -c '<script\|https\?://[^w]' report/report.html)" 0 "the page needs nothing else"
cp report/report.html before.html
is_rc 0 "the same again" -- distil-report -q -o report experiment
same_bytes report/report.html before.html "is the same page"
is_rc 0 "without sentences" -- distil-report -q --no-sentences -o bare experiment
first=$(sed -n '1s/.*"sentence":"\([^"]*\)".*/\1/p' experiment/data/shared/validation.ndjson)
ok "$(grep -Fq "$first" bare/report.md; echo $((! $?)))" "none is quoted"
is_rc 1 "a folder that is no experiment" -- distil-report -o report encoder
is_rc 2 "no folder" -- distil-report -o report
mkdir -p empty/cells
cp experiment/experiment.json experiment/arms.tsv empty
is_rc 1 "an experiment without cells" -- distil-report -o report empty
is "$(cat err)" "distil-report: empty: there is no finished cell; run make experiment" "is named with its cure"
done_testing
