#!/bin/sh
# bert-train --objective: every term alone and beside label, what the records say of it, that no result depends on how
# the rows came or on who computed, and what is refused. Formulas and gradients are t/unit's and t/oracle's; controls
# are 53-bert-train-controls.t's, kills 51-bert-train-resume.t's, mlm 52-bert-train-mlm.t's.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

frames=$BUILD/t/helper/frames
for program in "$frames" "$BUILD/bin/bert-train" "$BUILD/bin/bert-infer" "$BUILD/bin/wp-tokenize"; do
    [ -x "$program" ] || skip_all "${program##*/} is not built"
done

vocab=$TESTDATA/demo/vocab.txt
head -n 48 "$TESTDATA/mini/teacher.ndjson" >rows.ndjson
sed -n 49,120p "$TESTDATA/mini/teacher.ndjson" >more.ndjson
sed 's/,"teacher":{.*/}/' rows.ndjson >bare.ndjson
tokenize() {
    wp-tokenize -q -m "$vocab" "$@"
}
for name in rows more bare; do
    tokenize $name.ndjson >$name.tokens
done

# train NAME OBJECTIVE ARGUMENT...: a model NAME and NAME.metrics
train() {
    name=$1 objective=$2
    shift 2
    bert-train -f --init tiny --vocab "$vocab" -o "$name" --objective "$objective" --batch-size 8 --log-steps 1 \
        --metrics "$name.metrics" "$@"
}
refused() { # STATUS MESSAGE NAME -- ARGUMENT...: a pattern of the whole last line but for the pointer to --help
    status=$1 message=$2 name=$3
    shift 4
    is_rc "$status" "$name" -- train refused "$@"
    like "$(grep -v "^Try '" err | tail -n 1)" "^bert-train: $message\$" "$name: named"
}
loss() { # NAME STEP
    sed -n "s/.*\"event\":\"step\",\"step\":$2,.*\"loss\":\\([^,]*\\),.*/\\1/p" "$1.metrics"
}
found() { # NAME: what the terms found out, behind the last member of the recipe
    sed -n '1s/.*"steps":[0-9]*\(.*\)}$/\1/p' "$1.metrics"
}
tensors() { # FILE: the names but those of the encoder
    "$frames" map "$1" | grep -o '"[a-zA-Z0-9_.]*":{"dtype"' | cut -d '"' -f 2 | grep -v '^bert\.e' | sort | tr '\n' ' '
}
digest() { # FILE TENSOR
    "$frames" map "$1" | grep -o "\"$2\":{[^}]*}" | sed 's/.*sha256":"\([0-9a-f]*\).*/\1/'
}
near() { # A B NAME
    awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(a != "" && b != "" && (d < 0 ? -d : d) <= 2e-5) }'
    ok $? "$3: $1 is near $2"
}
another() { # FILE FILE NAME
    cmp -s "$1" "$2"
    is $? 1 "$3"
}

# ---- each term ----
# term TERM FOUND [OPTION...]: alone, and beside label with half its weight, whose first loss is the sum of both
train label label --max-steps 2 rows.tokens 2>err
term() {
    term=$1 pattern=$2
    shift 2
    is_rc 0 "$term alone" -- train alone "$term" --max-steps 2 "$@" rows.tokens
    like "$(tail -n 1 err)" '^bert-train: wrote alone: 2 steps, [0-9.]+ rows/s$' "$term alone: the last line"
    like "$(found alone)" "^$pattern\$" "$term alone: what it found out"
    is_rc 0 "$term beside label" -- train beside "label,$term=0.5" --max-steps 2 "$@" rows.tokens
    is "$(grep -c warning err)" 0 "$term beside label: nothing to warn of"
    is "$(found beside)" "$(found alone)" "$term beside label: it found out the same"
    near "$(loss beside 1)" "$(awk "BEGIN { printf \"%.9f\", $(loss label 1) + 0.5 * $(loss alone 1) }")" \
        "$term beside label: the loss is the weighted sum"
    cat alone.metrics beside.metrics >>all.ndjson
}
some='[1-9][0-9]*'
verdict='\["negative","positive"\]'
: >all.ndjson
term soft ',"soft_rows":48,"soft_rows_with_gold":48,"soft_rows_agreeing":48,"soft_teacher_accuracy":1'
term counterfactual ',"counterfactual_rows":48'
term pair ',"pair_rows":48'
term cue-swap ",\"cue-swap_rows\":$some,\"cue-swap_spans\":\\[$some,$some\\]"
term cue-text ",\"cue-text_rows\":$some"
term rationale-text ",\"rationale-text_rows\":48,\"rationale-text_verdict_words\":$verdict"
term keywords ",\"keywords_rows\":48,\"keywords_words\":$some,\"keywords_verdict_words\":$verdict"
term cues ",\"cues_rows\":48,\"cues_marked_tokens\":$some,\"cues_marked_weight\":[1-5](\\.[0-9]+)?"
term rationale ",\"rationale_rows\":48,\"rationale_verdict_words\":$verdict"
term align ",\"align_rows\":48,\"align_verdict_words\":$verdict"
term polarity ",\"polarity_lexicon_words\":$some,\"polarity_rows\":$some" --unlabelled more.tokens
term mlm ''
term rdrop ''
is "$(bert-train -h | grep -c -e --unlabelled -e --temperature)" 2 "the help names the options of terms"

if command -v python3 >/dev/null 2>&1; then
    is "$(
        python3 - <<'PYTHON' 2>&1
import json, math

def refuse(name):
    raise ValueError(name)

records = [json.loads(line, parse_constant=refuse) for line in open("all.ndjson")]
steps = [r for r in records if r["event"] == "step"]
print(len(steps), all(math.isfinite(r["loss"]) and r["loss"] > 0 and r["grad_norm"] > 0 for r in steps))
PYTHON
    )" "52 True" "the records are JSON, each loss and each gradient is finite and above 0"
else
    tap_skip "the records are JSON" "python3 is not here"
fi

# ---- all of them: the same bits ----
every=label,soft=0.3,counterfactual=0.5,cue-text=0.2,rationale-text=0.3,keywords=0.1@0.7,cues=0.2,rationale=0.1
every=$every,align=0.1,polarity=0.3,mlm=0.1@0.5,rdrop=0.1,pair=0.4,cue-swap=0.3
is_rc 0 "all terms" -- train every $every --max-steps 4 --unlabelled more.tokens rows.tokens
like "$(found every)" ',"soft_rows":48,.*,"keywords_words":.*,"polarity_rows":' "all of them tell"
same() { # NAME MORE ROWS OPTION...
    name=$1 further=$2 file=$3
    shift 3
    is_rc 0 "$name" -- train again $every --max-steps 4 --unlabelled "$further" "$@" "$file"
    same_bytes every/model.safetensors again/model.safetensors "$name: the same model"
    same_bytes every/auxiliary.safetensors again/auxiliary.safetensors "$name: the same heads"
}
same "2 threads" more.tokens rows.tokens --threads 2
tokenize --frame-rows 7 rows.ndjson >rows7.tokens
tokenize --frame-rows 5 more.ndjson >more5.tokens
another rows.tokens rows7.tokens "frames of 7 rows are another stream"
same "frames of 7 and 5 rows, 3 threads" more5.tokens rows7.tokens --threads 3
train again $every --max-steps 4 --unlabelled more.tokens --seed 7 rows.tokens 2>err
another every/auxiliary.safetensors again/auxiliary.safetensors "another seed: other heads"

# ---- the folder ----
is "$(tensors every/model.safetensors)" "bert.pooler.dense.bias bert.pooler.dense.weight classifier.bias classifier.weight " \
    "the model is a classifier without other heads"
is "$(tensors every/auxiliary.safetensors)" \
    "auxiliary.align.weight auxiliary.cues.bias auxiliary.cues.weight auxiliary.keywords.bias auxiliary.keywords.weight auxiliary.polarity.bias auxiliary.polarity.weight cls.predictions.bias cls.predictions.transform.LayerNorm.bias cls.predictions.transform.LayerNorm.weight cls.predictions.transform.dense.bias cls.predictions.transform.dense.weight " \
    "these lie in auxiliary.safetensors"
is_rc 0 "it classifies" -- bert-infer -m every rows.ndjson
is "$(grep -c '"probs":\[' out)" 48 "each row"
is_rc 0 "its cue head" -- bert-infer --attribution -m every rows.ndjson
is "$(grep -c '"attribution_method":"cues"' out)" 48 "tells which words decided"
is_rc 0 "heads without a classifier" -- train alone keywords --max-steps 2 rows.tokens
is_rc 2 "do not classify" -- bert-infer -m alone rows.ndjson
is "$(cat err)" "bert-infer: alone has no classifier: it is an encoder; train it with bert-train -m alone first" "as it says"

# ---- two stages ----
is_rc 0 "first the reasoning" -- train first rationale --max-steps 3 --learning-rate 1e-3 rows.tokens
words=bert.embeddings.word_embeddings.weight
is_rc 0 "then the labels" -- bert-train -q -m first -o second --objective label --max-steps 2 --learning-rate 0 rows.tokens
is "$(digest second/model.safetensors $words)" "$(digest first/model.safetensors $words)" "it starts from what was learnt"
another label/model.safetensors second/model.safetensors "which is another model than without the first stage"
is "$(tensors second/model.safetensors)" "bert.pooler.dense.bias bert.pooler.dense.weight classifier.bias classifier.weight " \
    "it is a classifier"
is_rc 0 "it answers" -- bert-infer -m second rows.ndjson
is "$(grep -c '"probs":\[' out)" 48 "each row"
is_rc 0 "both again" -- bert-train -q -m first -o both --objective label,rationale --max-steps 2 --learning-rate 0 rows.tokens
dense=cls.predictions.transform.dense.weight
is "$(digest both/auxiliary.safetensors $dense)" "$(digest first/model.safetensors $dense)" "take up the head of the first"

# ---- schedules ----
# Weights that stay, rows that stay: what changes from step to step is the factor alone.
still='--max-steps 8 --learning-rate 0 --dropout 0 --no-shuffle --batch-size 48'
# shellcheck disable=SC2086
train steady soft $still rows.tokens 2>err
# shellcheck disable=SC2086
train falling soft=2@0.5 $still rows.tokens 2>err
step=1
for factor in 1 1 1 1 1 0.75 0.5 0.25; do
    near "$(loss falling $step)" "$(awk "BEGIN { printf \"%.9f\", 2 * $factor * $(loss steady $step) }")" \
        "soft=2@0.5, step $step of 8: the factor is $factor"
    step=$((step + 1))
done
train steady label,soft --max-steps 6 rows.tokens 2>err
train falling label,soft@0.5 --max-steps 6 rows.tokens 2>err
another steady/model.safetensors falling/model.safetensors "a schedule: another model"
train falling label,soft@1 --max-steps 6 rows.tokens 2>err
same_bytes steady/model.safetensors falling/model.safetensors "@1: none"
train falling label,soft --temperature 2 --max-steps 6 rows.tokens 2>err
another steady/model.safetensors falling/model.safetensors "--temperature: another model"

# ---- whose labels ----
# The gold labels of 12 rows are turned round, and then are not there; the teacher's are those of rows.ndjson.
sed '1,12{s/,"label":0,"teacher"/,"label":2,"teacher"/;s/,"label":1,"teacher"/,"label":0,"teacher"/;s/,"label":2,"teacher"/,"label":1,"teacher"/;}' \
    rows.ndjson >turned.ndjson
sed '1,12s/,"label":[01],"teacher"/,"teacher"/' rows.ndjson >partly.ndjson
tokenize turned.ndjson >turned.tokens
tokenize partly.ndjson >partly.tokens
is "$(diff rows.ndjson turned.ndjson | grep -c '^>') $(diff rows.ndjson partly.ndjson | grep -c '^>')" "12 12" "12 rows differ"
train gold label --max-steps 6 rows.tokens 2>err
train source label --max-steps 6 turned.tokens 2>err
another gold/model.safetensors source/model.safetensors "--label-source gold: the rows' labels"
train source label --max-steps 6 --label-source teacher turned.tokens 2>err
same_bytes gold/model.safetensors source/model.safetensors "--label-source teacher: the teacher's"
like "$(head -n 1 source.metrics)" '"label_source":"teacher"' "the metrics tell"
train source label --max-steps 6 --label-source gold-or-teacher partly.tokens 2>err
same_bytes gold/model.safetensors source/model.safetensors "--label-source gold-or-teacher: the teacher's where there is none"
train source label --max-steps 6 --label-source gold-or-teacher turned.tokens 2>err
another gold/model.safetensors source/model.safetensors "and the gold one where there is one"
train source label,soft,counterfactual --max-steps 2 turned.tokens 2>err
like "$(found source)" \
    '"soft_rows_with_gold":48,"soft_rows_agreeing":36,"soft_teacher_accuracy":0\.75(,.*)?,"counterfactual_rows":36$' \
    "a teacher that contradicts the gold label: its edits are not used"

# ---- interrupted ----
# The files that it read are gone when it goes on.
objective=counterfactual,polarity
cp rows.tokens gone.tokens
cp more.tokens gone-too.tokens
options='--max-steps 240 --save-steps 10 --control edits-shuffled --unlabelled'
# shellcheck disable=SC2086
train whole $objective $options more.tokens rows.tokens 2>err
records() {
    cat "$1" 2>/dev/null | grep -c '"event":"step"'
}
killed() { # RECORDS COMMAND...: kills it when student.metrics has that many steps
    wanted=$1
    shift
    rm -f pid over
    (
        tries=0
        while [ ! -e over ] && [ $tries -lt 3000 ]; do
            if [ -e pid ] && [ "$(records student.metrics)" -ge "$wanted" ]; then
                kill -KILL "$(cat pid)" 2>/dev/null
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
# shellcheck disable=SC2086
killed 8 bert-train --init tiny --vocab "$vocab" -o student --objective $objective --batch-size 8 --log-steps 1 \
    --metrics student.metrics $options gone-too.tokens gone.tokens
is $rc 137 "killed"
rm gone.tokens gone-too.tokens
differ='but the run in student.state has'
cure='leave it out to go on, or start over with -f and without --resume'
is_rc 2 "another control" -- bert-train --resume -o student --control edits-repeat
is "$(cat err)" "bert-train: --control is edits-repeat, $differ edits-shuffled; $cure" "another control: named"
is_rc 2 "other text" -- bert-train --resume -o student --unlabelled bare.tokens
like "$(cat err)" "^bert-train: --unlabelled is bare\.tokens, $differ .*gone-too\.tokens; $cure\$" "other text: named"
is_rc 2 "another objective" -- bert-train --resume -o student --objective counterfactual
is "$(cat err)" "bert-train: --objective is counterfactual, $differ $objective; $cure" "another objective: named"
killed 100 bert-train --resume -o student --control edits-shuffled
is $rc 137 "killed once more"
is_rc 0 "resumed" -- bert-train --resume -o student
like "$(sed 1q err)" '^bert-train: going on after step [0-9]+, from student\.state/checkpoint-[0-9]+$' "from where it says"
same_bytes whole/model.safetensors student/model.safetensors "the same model"
same_bytes whole/auxiliary.safetensors student/auxiliary.safetensors "the same heads"
is "$(records student.metrics)" 240 "each step is recorded once"
is "$(found student)" "$(found whole)" "the same start record"

# ---- what is refused ----
cure='run groq-reason before wp-tokenize, or leave the term out of --objective'
refused 1 "bare\.tokens: no row has a teacher's answer, which the objective term 'soft' needs; $cure" "soft without a teacher" -- \
    label,soft bare.tokens
for term in rationale-text rationale align; do
    refused 1 "bare\.tokens: no row has a reasoning, which the objective term '$term' needs; $cure" "$term without a teacher" -- \
        label,$term bare.tokens
done
for term in cue-text cues; do
    refused 1 "bare\.tokens: no row has a cue of its teacher that stands in the sentence, which the objective term '$term' needs; $cure" \
        "$term without a teacher" -- label,$term bare.tokens
done
refused 1 "bare\.tokens: .*, which the objective term 'keywords' needs; .*groq-reason.*" "keywords without a teacher" -- \
    label,keywords bare.tokens
refused 1 "bare\.tokens: no row has a counterfactual .*, which the objective term 'counterfactual' needs; .*groq-reason.*" \
    "counterfactual without a teacher" -- label,counterfactual bare.tokens
refused 1 ".*the lexicon \(0 words, .*'polarity' needs; .*more rows with cues.*" "polarity without a teacher" -- \
    label,polarity --unlabelled more.tokens bare.tokens

refused 2 "rows\.tokens: the objective term 'polarity' needs text to learn from: --unlabelled FILE, a token stream" \
    "polarity without --unlabelled" -- label,polarity rows.tokens
wp-tokenize -q -m "$TESTDATA/bert/classifier" more.ndjson >other.tokens
refused 1 "other\.tokens was tokenised with another vocabulary \([0-9a-f]+\.\.\.\) than the model's .*; run wp-tokenize -m with this model" \
    "--unlabelled of another vocabulary" -- label,polarity --unlabelled other.tokens rows.tokens
tokenize </dev/null >empty.tokens
refused 1 "empty\.tokens: there are no rows" "--unlabelled without rows" -- label,polarity --unlabelled empty.tokens rows.tokens
refused 1 "more\.ndjson: looks like NDJSON; run wp-tokenize first" "--unlabelled of text" -- \
    label,polarity --unlabelled more.ndjson rows.tokens
head -c 3000 more.tokens >cut.tokens
refused 1 "cut\.tokens: stream ended early; an upstream stage failed" "--unlabelled that ends early" -- \
    label,polarity --unlabelled cut.tokens rows.tokens
refused 1 "nosuch\.tokens: No such file or directory" "--unlabelled that is not there" -- \
    label,polarity --unlabelled nosuch.tokens rows.tokens
echo "a table and a chair" | tokenize >plain.tokens
refused 1 ".*no unlabelled row has a word of the lexicon \($some words, from the teacher's cues\), .*; give more text .*" \
    "--unlabelled without a word of the lexicon" -- label,polarity --unlabelled plain.tokens rows.tokens

refused 2 "--temperature works on the objective term 'soft', which --objective label,keywords does not have" \
    "a temperature without soft" -- label,keywords --temperature 2 rows.tokens
for temperature in 0 101 -1; do
    refused 2 "--temperature must be between 0\.01 and 100, not $temperature" "the temperature $temperature" -- \
        soft --temperature $temperature rows.tokens
done
refused 2 "--control must be some of reason-shuffled, .* or soft-smoothing, not 'none'" "a control that is none" -- \
    label --control none rows.tokens
refused 2 "--label-source must be gold, teacher or gold-or-teacher, not 'mine'" "a source that is none" -- \
    label --label-source mine rows.tokens
for weight in 0 -1 nan inf 1x ''; do
    refused 2 "--objective: the weight of 'soft' must be a number above 0, not '$weight'" "the weight '$weight'" -- \
        "label,soft=$weight" rows.tokens
done
for share in 0 1.5 -0.5 x '' 0.5@0.6; do
    refused 2 "--objective: what follows '@' of 'soft' must be a share of the steps above 0 and at most 1, not '$share'" \
        "the share '$share'" -- "label,soft=1@$share" rows.tokens
done
refused 2 "--objective names the term 'soft' twice" "a term twice" -- soft,label,soft rows.tokens
refused 2 "--objective: there is no term ' soft'; the terms are: label, .*" "a blank" -- 'label, soft' rows.tokens

tokenize --labels negative,positive,neutral rows.ndjson >three.tokens
refused 1 "three\.tokens: the objective term 'counterfactual' needs two classes, because .*; there are 3, so leave it out of --objective" \
    "counterfactual with three classes" -- label,counterfactual three.tokens
for term in pair cue-swap; do
    refused 1 "three\.tokens: the objective term '$term' needs two classes, because .*; there are 3, so leave it out of --objective" \
        "$term with three classes" -- label,$term three.tokens
done
refused 1 "three\.tokens: the objective term 'polarity' needs two classes, because .*; there are 3, so leave it out of --objective" \
    "polarity with three classes" -- label,polarity --unlabelled more.tokens three.tokens
is_rc 0 "the others with three classes" -- train three label,soft,cue-text,rationale-text,keywords,cues,rationale,align,rdrop \
    --max-steps 1 three.tokens
is "$(for file in refused refused.state; do [ -e $file ] && echo $file; done)" "" "nothing is left of what was refused"

# ---- what is warned of ----
# At a temperature the loss stays above ln(classes) also where all was learnt. With fewer than 50 rows the teacher's label
# has the probability 0.75, of which the temperature 2 makes 0.634, whose entropy times 4 is 2.627, the least loss that
# there is; a guess has 4 ln 2 = 2.773.
guesses() { # NAME EXPECTED OBJECTIVE OPTION...
    name=$1 expected=$2
    shift 2
    is_rc 0 "$name" -- train warned "$@" rows.tokens
    is "$(grep -c 'no better than guessing' err)" "$expected" "$name: $expected warnings of guessing"
}
guesses "label that does not learn" 1 label --epochs 1 --learning-rate 0
guesses "soft that does not learn" 1 soft --epochs 1 --learning-rate 0
guesses "soft that learns at temperature 2" 0 soft --epochs 12 --learning-rate 1e-3 --temperature 2
final=$(tail -n 1 warned.metrics | sed 's/.*"loss":\([^,]*\),.*/\1/')
awk "BEGIN { exit !($final > 2.6 && $final < 2.68) }"
ok $? "which is near the least loss that there is: $final"

done_testing
