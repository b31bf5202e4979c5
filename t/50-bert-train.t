#!/bin/sh
# bert-train: what it writes and tells, what it refuses and with which words. Its arithmetic is t/unit/bert_model.c's,
# objectives.c's and trainer.c's. The models are those of testdata/bert, 24 wide, so that a run takes milliseconds.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

frames=$BUILD/t/helper/frames
for program in "$frames" "$BUILD/bin/bert-train" "$BUILD/bin/bert-infer" "$BUILD/bin/wp-tokenize"; do
    [ -x "$program" ] || skip_all "${program##*/} is not built"
done
model=$TESTDATA/bert/classifier # 2 classes, 40 positions
encoder=$TESTDATA/bert/encoder  # without a classifier

# 16 rows, of which "good", "great" and "fun" are the positive ones.
i=0
for subject in movie film plot acting; do
    for word in good bad great dull; do
        case $word in
        good | great) label=1 ;;
        *) label=0 ;;
        esac
        echo "{\"idx\":$i,\"sentence\":\"the $subject is very $word\",\"label\":$label}"
        i=$((i + 1))
    done
done >rows.ndjson
tokenize() {
    wp-tokenize -q -m "$model" "$@"
}
tokenize rows.ndjson >rows.tokens
head -n 6 rows.ndjson | tokenize >few.tokens

# refused STATUS MESSAGE NAME -- ARGUMENT...: the last line of stderr but for the pointer to --help
refused() {
    status=$1 message=$2 name=$3
    shift 4
    is_rc "$status" "$name" -- bert-train "$@"
    is "$(grep -v "^Try '" err | tail -n 1)" "bert-train: $message" "$name: named"
}
gone() { # NAME FILE...
    name=$1
    shift
    for file; do
        [ -e "$file" ] && echo "# there is $file"
    done >left
    is "$(cat left)" "" "$name"
}

# ---- usage ----
refused 2 "where the model goes is missing: -o DIR" "no -o" -- -m "$model" rows.tokens
refused 2 "give either -m MODEL or --init SIZE" "neither -m nor --init" -- -o student rows.tokens
refused 2 "give either -m MODEL or --init SIZE" "both -m and --init" -- -m "$model" --init tiny -o student rows.tokens
refused 2 "--init needs --vocab, the folder or vocab.txt that the rows were tokenised with" "--init alone" -- \
    --init tiny -o student rows.tokens
refused 2 "--vocab goes with --init; -m MODEL brings its own vocabulary" "--vocab with -m" -- \
    -m "$model" --vocab "$model" -o student rows.tokens
refused 2 "the training rows and --validation cannot both come from stdin; name a FILE for one of them" "stdin twice" -- \
    -m "$model" -o student --validation - -
for bad in '--epochs 0' '--epochs 1.5' '--max-steps 0' '--batch-size 0' '--batch-size 65537' '--learning-rate 1.5' \
    '--learning-rate nan' '--learning-rate -1' '--weight-decay -1' '--warmup-ratio 1.5' '--warmup-steps 0' \
    '--max-grad-norm -1' '--dropout 1' '--keep 0' '--threads 0' '--seed -1' '--init huge'; do
    # shellcheck disable=SC2086
    is_rc 2 "$bad" -- bert-train -m "$model" -o student $bad rows.tokens
    like "$(sed 1q err)" "^bert-train: ${bad%% *}:? .*[ ']${bad#* }('|\$)" "$bad: named"
done
refused 2 "--objective: there is no term 'labels'; the terms are: label, soft, counterfactual, pair, cue-text, cue-swap, rationale-text, keywords, cues, rationale, align, polarity, mlm, rdrop" "--objective labels" -- \
    -m "$model" -o student --objective labels rows.tokens
gone "a usage error makes nothing" student student.state

# ---- where the model goes ----
mkdir -p existing other
echo keep >other/file
is_rc 2 "an existing DIR" -- bert-train -m "$model" -o existing no-such-file
is "$(cat err)" "bert-train: existing exists; choose another name, or -f to replace it" "is refused before input is read"
refused 2 "other holds other things than a model (no config.json), so it is not replaced; remove it or choose another name" \
    "-f on a folder of other things" -- -m "$model" -f -o other rows.tokens
is "$(cat other/file)" keep "which stay"
refused 2 "no/such/student: there is no folder no/such; make it first" "a missing parent" -- \
    -m "$model" -o no/such/student rows.tokens

# ---- a run ----
is_rc 0 "a run" -- bert-train -m "$model" -o student/ --epochs 2 --batch-size 6 --validation few.tokens rows.tokens
is "$(cat out)" "" "nothing on stdout"
number='[0-9]+\.[0-9]{6}'
like "$(grep -v warning err | sed -n 1p)" "^Epoch 1: Training Loss - $number \| Validation Loss - $number \| Accuracy - [01]\.[0-9]{4}\$" \
    "a line an epoch"
like "$(grep -v warning err | sed -n 2p)" "^Epoch 2: Training Loss - $number " "and another"
like "$(tail -n 1 err)" '^bert-train: wrote student/: 6 steps, [0-9.]+ rows/s$' "and the end"
is "$(cd student && echo *)" \
    "README.md config.json model.safetensors special_tokens_map.json tokenizer_config.json vocab.txt" "the model folder"
gone "its working state is removed; DIR/ means DIR" student.state student/.state
same_bytes student/vocab.txt "$model/vocab.txt" "the vocabulary is the model's"
same_bytes student/tokenizer_config.json "$model/tokenizer_config.json" "and so is the tokenizer's configuration"
is "$(tr -d ' \n' <student/config.json | grep -o '"id2label":{[^}]*}')" '"id2label":{"0":"negative","1":"positive"}' \
    "the label names"
like "$(cat student/config.json)" '"BertForSequenceClassification"' "config.json names the architecture"
"$frames" map student/model.safetensors >map
"$frames" map "$model/model.safetensors" >map0
like "$(cat map)" '^\{"metadata":\{"format":"pt"\},' "the weights' metadata"
tensors() {
    grep -o '"[a-zA-Z0-9_.]*":{"dtype":"[A-Z0-9]*","shape":\[[0-9,]*\]' "$1" | sort
}
is "$(tensors map)" "$(tensors map0)" "the same tensors as in the model started from"
ok "$(grep -c "$(grep -o '"classifier.bias":[^}]*}' map0)" map)" "and the weights have changed"
like "$(cat student/README.md)" '^\| training rows \| 16 \|$' "the model card"
is_rc 0 "the result is a model" -- bert-infer -m student rows.ndjson
is "$(wc -l <out | tr -d ' ')" 16 "that answers"

is_rc 2 "the same again" -- bert-train -m "$model" -o student rows.tokens
is_rc 0 "-f replaces" -- bert-train -q -m "$model" -f -o student --max-steps 1 rows.tokens
is "$(cat err)" "" "-q says nothing"
"$frames" map student/model.safetensors >map1
cmp -s map map1
is $? 1 "it is another model now"
is "$(ls -d student*)" student "and nothing lies beside it"

# ---- input from a file, a pipe, - ----
run() { # DIR OPTION...
    dir=$1
    shift
    bert-train -q -m "$encoder" -f -o "$dir" --epochs 2 --batch-size 5 --learning-rate 1e-3 "$@"
}
same_model() { # DIR NAME
    same_bytes reference/model.safetensors "$1/model.safetensors" "$2"
}
run reference rows.tokens
run piped <rows.tokens
same_model piped "stdin"
run dashed - <rows.tokens
same_model dashed "-"
tokenize rows.ndjson | run streamed
same_model streamed "a pipe from wp-tokenize"
run reference rows.tokens --validation few.tokens
same_model piped "an evaluation changes nothing"

# ---- what does not matter, and what does ----
for threads in 1 2 3 8; do
    (unset OMP_NUM_THREADS && run other-threads --threads $threads rows.tokens)
    same_model other-threads "$threads threads: the same bytes"
done
for size in 1 7 1000; do
    tokenize --frame-rows $size rows.ndjson | run other-frames
    same_model other-frames "frames of $size rows: the same bytes"
done
# 43 rows in steps of 32, the last one shorter: whatever the batches are, within 1e-5 x max(1, |logit|).
i=0
while [ $i -lt 43 ]; do
    sed -n "$((i % 16 + 1))p" rows.ndjson
    i=$((i + 1))
done | sed 's/the/the the/' | tokenize >more.tokens
run whole --batch-size 32 --gradient-accumulation-steps 1 more.tokens
bert-infer -m whole --logits rows.ndjson >expected.logits
for parts in '8 4' '1 32' '5 7' '64 1'; do
    # shellcheck disable=SC2086
    set -- $parts
    run parts --batch-size "$1" --gradient-accumulation-steps "$2" more.tokens
    bert-infer -m parts --logits rows.ndjson >logits
    "$BUILD/t/helper/tdiff" 1e-5 expected.logits logits >tdiff.out 2>&1
    close=$?
    if [ $(($1 * $2)) = 32 ]; then
        is $close 0 "$2 batches of $1 are one of 32, with dropout, also in the last, shorter step"
        show tdiff.out
    else
        is $close 1 "$2 batches of $1 are not"
    fi
done
for option in '--seed 1' '--no-shuffle' '--dropout 0' '--weight-decay 0.5' '--max-grad-norm 0.01' '--warmup-ratio 0.5' \
    '--batch-size 4' '--epochs 1' '--learning-rate 2e-3' '--class-weights 1,2' '--label-smoothing 0.1' \
    '--layer-wise-lr-decay 0.5' '--freeze embeddings'; do
    # shellcheck disable=SC2086
    run changed $option rows.tokens
    cmp -s reference/model.safetensors changed/model.safetensors
    is $? 1 "$option: another model"
done
run warm --warmup-ratio 0.5 rows.tokens
run counted --warmup-ratio 0.1 --warmup-steps 4 rows.tokens
same_bytes warm/model.safetensors counted/model.safetensors "8 steps: --warmup-steps 4 is --warmup-ratio 0.5, and goes before"
run once --no-shuffle --dropout 0 rows.tokens
run twice --no-shuffle --dropout 0 --seed 42 rows.tokens
same_bytes once/model.safetensors twice/model.safetensors "the default seed is 42"

run once --class-weights 1,2 rows.tokens
run twice --class-weights 3,6 rows.tokens
bert-infer -m once --logits rows.ndjson >expected.logits
bert-infer -m twice --logits rows.ndjson >logits
"$BUILD/t/helper/tdiff" 1e-5 expected.logits logits >tdiff.out 2>&1
ok $? "class weights count by their ratio"
show tdiff.out
run once rows.tokens
run twice --class-weights balanced rows.tokens
same_bytes once/model.safetensors twice/model.safetensors "eight rows of each class are balanced"

# ---- parts that are not trained ----
is_rc 0 "--freeze" -- bert-train -m "$model" -f -o frozen --freeze embeddings,layers:0 --max-steps 4 --learning-rate 1e-2 rows.tokens
like "$(sed 1q err)" '^bert-train: [0-9]+ of [0-9]+ parameters are trained$' "says what is trained"
"$frames" map frozen/model.safetensors >map
"$frames" map "$model/model.safetensors" >map0
changed=$(for name in $(grep -o '"[a-zA-Z0-9_.]*":{"dtype"' map0 | cut -d '"' -f 2); do
    [ "$(grep -o "\"$name\":{[^}]*}" map)" = "$(grep -o "\"$name\":{[^}]*}" map0)" ] || echo "$name"
done)
is "$(echo "$changed" | grep -c 'embeddings\|layer\.0\.')" 0 "what is frozen is as it was"
is "$(echo "$changed" | grep -c 'layer\.1\.\|pooler\|classifier')" 20 "all else has changed"
refused 2 "--freeze: there is no layer 2; the model's are 0 to 1" "a layer that is not there" -- \
    -m "$model" -o unmade --freeze layers:1-2 rows.tokens
refused 2 "--freeze: 'bottom' is no part of a model; the parts are: embeddings, layers, layers:N, layers:N-M, encoder, pooler" \
    "a part that is none" -- -m "$model" -o unmade --freeze bottom rows.tokens
refused 2 "rows.tokens: --class-weights gives 3 numbers, but there are 2 classes" "a weight too many" -- \
    -m "$model" -o unmade --class-weights 1,2,3 rows.tokens
refused 2 "--class-weights must be 'balanced' or a number from 0 on for each class, as 1,2.5; not '1,-2'" "a weight below 0" -- \
    -m "$model" -o unmade --class-weights 1,-2 rows.tokens
gone "nothing is made of these" unmade unmade.state

# ---- each kind of folder can be started from ----
for folder in "$TESTDATA"/bert/*/; do
    kind=$(basename "$folder")
    labels=negative,positive
    [ "$kind" = relu ] && labels=$(tr -d ' \n' <"$folder/config.json" | sed 's/.*"id2label":{\([^}]*\)}.*/\1/; s/"[0-9]*"://g; s/"//g')
    tokenize --labels "$labels" rows.ndjson >kind.tokens
    is_rc 0 "$kind: a step" -- bert-train -q -m "$folder" -o "from-$kind" --max-steps 1 --dropout 0 kind.tokens
    is_rc 0 "$kind: classifies then" -- bert-infer -m "from-$kind" rows.ndjson
    is "$(grep -c '"probs":' out)" 16 "$kind: each row"
done

# ---- steps, rates, records ----
cat >expected.rates <<'END'
1 0
2 0.0005
3 0.001
4 0.00075
5 0.0005
6 0.00025
END
rates() {
    sed -n 's/^{"event":"step","step":\([0-9]*\),.*"learning_rate":\([^,]*\),.*/\1 \2/p' "$1"
}
is_rc 0 "records" -- bert-train -m "$model" -o recorded --max-steps 6 --batch-size 8 --warmup-steps 2 --learning-rate 1e-3 \
    --log-steps 1 --metrics metrics.ndjson --validation few.tokens rows.tokens
like "$(grep -c '^Epoch ' err) $(tail -n 1 err)" '^3 .* 6 steps' "16 rows in batches of 8: six steps are three epochs"
rates metrics.ndjson >rates
"$BUILD/t/helper/tdiff" 1e-15 expected.rates rates 2>tdiff.err
ok $? "the rates: s/w below w, else (N - s)/(N - w)"
show tdiff.err
is "$(sed 's/^{"event":"\([a-z]*\)".*/\1/' metrics.ndjson | tr '\n' ' ')" \
    "start step step eval step step eval step step eval end " "the order of events"
names() {
    sed -n "/\"event\":\"$1\"/{s/\"argv\":\[[^]]*\]/\"argv\":0/; s/\"[a-z0-9_]*\":\"[^\"]*\"/&/; p;}" metrics.ndjson | sed -n 1p |
        grep -o '"[a-z0-9_]*":' | tr -d '":' | tr '\n' ' '
}
is "$(names start)" "event version argv device library kernels precision threads seed model \
weights_fingerprint parameters_trained classes rows train_sha256 validation_rows validation_sha256 objective label_source label_smoothing \
hidden_dropout attention_dropout classifier_dropout shuffle batch_size gradient_accumulation_steps optimizer adam_beta1 \
adam_beta2 adam_epsilon weight_decay max_grad_norm learning_rate lr_scheduler_type layer_wise_lr_decay warmup_steps steps " "members of start"
is "$(names step)" "event step epoch loss learning_rate grad_norm " "members of step"
is "$(names eval)" "event step epoch loss accuracy macro_f1 mcc brier ece rows " "members of eval"
is "$(names end)" "event step loss validation_loss accuracy seconds rows_per_second " "members of end"
like "$(sed -n 1p metrics.ndjson)" '"argv":\["bert-train","-m",.*"--warmup-steps","2",.*"classes":2,"rows":16,"train_sha256":"[0-9a-f]{64}","validation_rows":6,"validation_sha256":"[0-9a-f]{64}",.*"batch_size":8,.*"warmup_steps":2,"steps":6}$' \
    "what they say"
like "$(sed -n 5p metrics.ndjson)" '^\{"event":"step","step":3,"epoch":1.5,' "a step's epoch is a fraction"
loss=$(sed -n 's/.*"event":"eval","step":2,.*"loss":\([0-9]*\.[0-9]*\).*/\1/p' metrics.ndjson)
like "$(grep '^Epoch 1:' err)" "Validation Loss - $(printf %.6f "$loss") " "the epoch line's loss is the record's"

is_rc 0 "every other step" -- bert-train -q -m "$model" -f -o recorded --max-steps 5 --log-steps 2 --metrics metrics.ndjson \
    rows.tokens
is "$(rates metrics.ndjson | sed 's/ .*//' | tr '\n' ' ')" "2 4 " "--log-steps 2"
is_rc 0 "no steps" -- bert-train -m "$model" -f -o recorded --max-steps 2 --metrics metrics.ndjson rows.tokens
is "$(sed 's/^{"event":"\([a-z]*\)".*/\1/' metrics.ndjson | tr '\n' ' ')" "start end " "without --log-steps none is recorded"
like "$(grep '^Epoch 2' err)" '^Epoch 2: Training Loss - [0-9.]+ \| Validation Loss - n/a \| Accuracy - n/a$' \
    "without --validation the line says n/a"
is_rc 0 "an evaluation every 3 steps" -- bert-train -q -m "$model" -f -o recorded --max-steps 7 --eval-steps 3 \
    --validation few.tokens --metrics - rows.tokens
is "$(sed -n 's/^{"event":"eval","step":\([0-9]*\).*/\1/p' out | tr '\n' ' ')" "3 6 7 " "--eval-steps 3, and the last"
is_rc 0 "a ratio of steps" -- bert-train -q -m "$model" -f -o recorded --max-steps 5 --warmup-ratio 0.3 --metrics - rows.tokens
like "$(sed -n 1p out)" '"warmup_steps":2,"steps":5}$' "ceil(0.3 x 5) = 2"
refused 1 "no/metrics: No such file or directory" "records into a folder that is not there" -- \
    -m "$model" -o unmade --metrics no/metrics rows.tokens
if [ -w /dev/full ]; then
    refused 1 "/dev/full: cannot write: No space left on device" "records to a full disk" -- \
        -m "$model" -o unmade --metrics /dev/full rows.tokens
fi
gone "no model then" unmade unmade.state

is_rc 0 "all options" -- bert-train -q -m "$model" -f -o recorded --max-steps 2 --class-weights balanced --label-smoothing 0.1 \
    --layer-wise-lr-decay 0.9 --freeze pooler --validation few.tokens --load-best-model-at-end --patience 7 --metrics - few.tokens
like "$(sed -n 1p out)" '"class_weights":\[(1|0\.75|1\.5),[0-9.]+\],"label_smoothing":0\.1,' "weights as numbers"
like "$(sed -n 1p out)" '"layer_wise_lr_decay":0\.9,"freeze":"pooler","metric_for_best_model":"loss","load_best_model_at_end":true,"patience":7,' \
    "and the others"
digest() {
    bert-train -q -m "$model" -f -o recorded --max-steps 1 --metrics - "$1" | sed -n 's/.*"train_sha256":"\([^"]*\)".*/\1/p'
}
tokenize --frame-rows 3 rows.ndjson >other-frames.tokens
is "$(digest other-frames.tokens)" "$(digest rows.tokens)" "the rows' hash does not depend on frames"
[ "$(digest few.tokens)" != "$(digest rows.tokens)" ]
ok $? "but on rows"

# ---- warnings, each with its cure ----
warned() { # PATTERN NAME -- ARGUMENT...
    pattern=$1 name=$2
    shift 3
    is_rc 0 "$name" -- bert-train "$@"
    is "$(grep -Ec "^bert-train: warning: $pattern" err)" 1 "$name: warned of once"
}
warned 'after step [0-9]+ all 6 validation rows are predicted as class [01]; if that stays so, train longer, with --warmup-ratio 0\.1 or another --learning-rate$' \
    "one class for all rows" -- -m "$encoder" -f -o warned --max-steps 6 --eval-steps 1 --learning-rate 0 --validation few.tokens \
    rows.tokens
warned 'after epoch [0-9]+ the training loss is 0\.[67][0-9]+, no better than guessing \(0\.6931\): nothing was learnt; check that labels belong to their sentences, or try more epochs, another --learning-rate or a pretrained -m MODEL$' \
    "a loss of guessing" -- -m "$encoder" -f -o warned --epochs 3 --learning-rate 0 rows.tokens
tokenize --max-len 6 rows.ndjson >cut.tokens
warned 'cut\.tokens: 16 of 16 rows are as long as wp-tokenize.s --max-len 6 allows, so most of them were cut; tokenise with a larger --max-len$' \
    "rows that were cut" -- -m "$model" -f -o warned --max-steps 1 cut.tokens
sed 's/"label":\([01]\)}$/"label":\1,"teacher":{"status":"ok","label":\1,"confidence":0.9}}/' rows.ndjson | tokenize >taught.tokens
warned "a random encoder learns from the teacher.s answers alone; start from a pretrained -m MODEL, or add the gold labels \\(--objective label=0\\.7,soft=0\\.3\\)\$" \
    "a random encoder without gold labels" -- --init tiny --vocab "$model" -f -o warned --objective soft --max-steps 1 taught.tokens
is_rc 0 "with gold labels" -- bert-train --init tiny --vocab "$model" -f -o warned --objective soft,label --max-steps 1 taught.tokens
is "$(grep -c 'random encoder' err)" 0 "there is no such warning"
refused 2 "--class-weights works on the objective term 'label', which --objective soft does not have" \
    "class weights without the term" -- -m "$model" -o unmade --objective soft --class-weights 1,2 taught.tokens
refused 2 "--label-smoothing works on the objective term 'label', which --objective soft does not have" \
    "smoothing without the term" -- -m "$model" -o unmade --objective soft --label-smoothing 0.1 taught.tokens

# ---- checkpoints ----
bert-train -q -m "$model" -o kept --keep-state --epochs 3 --batch-size 4 rows.tokens
is "$(ls kept.state)" "checkpoint-12" "--keep-state leaves the newest checkpoint"
same_bytes kept.state/checkpoint-12/model.safetensors kept/model.safetensors "which is the model"
mkdir kept.state/mine
is_rc 0 "the next run" -- bert-train -m "$model" -f -o kept --keep-state --keep 2 --max-steps 5 --save-steps 2 --batch-size 4 \
    rows.tokens
like "$(cat err)" '^bert-train: removed 1 checkpoints of an earlier run from kept.state$' "says what it removes"
is "$(cd kept.state && echo *)" "checkpoint-2 checkpoint-4 mine" "--save-steps 2 --keep 2"
is_rc 0 "a checkpoint is a model" -- bert-infer -m kept.state/checkpoint-2 rows.ndjson
bert-infer -m kept rows.ndjson >final
cmp -s out final
is $? 1 "of an earlier step"
is_rc 0 "one can go on from it" -- bert-train -q -m kept.state/checkpoint-2 -o further --max-steps 1 rows.tokens
is_rc 0 "without --keep-state" -- bert-train -q -m "$model" -f -o kept --max-steps 2 --save-steps 1 rows.tokens
is "$(cd kept.state && echo *)" mine "checkpoints go, what is not ours stays"

# ---- it learns ----
is_rc 0 "16 rows by heart" -- bert-train -m "$encoder" -o learnt --epochs 30 --batch-size 8 --learning-rate 5e-3 --dropout 0 \
    --validation rows.tokens rows.tokens
like "$(tail -n 2 err)" '^Epoch 30: .*Accuracy - 1\.0000$' "all right in the end"
bert-infer -m learnt rows.ndjson | sed -n 's/.*"label":\([01]\),"pred":{"label":\([01]\),.*/\1\2/p' | sort | uniq -c >agreement
is "$(tr -s ' \n' ' ' <agreement)" " 8 00 8 11 " "bert-infer says the same"

# ---- classes ----
sed 's/"label":0/"label":2/' rows.ndjson | tokenize --labels good,so-so,bad >three.tokens
is_rc 0 "three classes" -- bert-train -m "$model" -o three --epochs 1 three.tokens
like "$(cat err)" "^bert-train: warning: $model tells 2 classes apart, the rows 3; its classifier is replaced by a new one\$" \
    "a warning"
is "$(tr -d ' \n' <three/config.json | grep -o '"id2label":{[^}]*}')" '"id2label":{"0":"good","1":"so-so","2":"bad"}' \
    "their names"
like "$("$frames" map three/model.safetensors)" '"classifier.weight":\{"dtype":"F32","shape":\[3,24\]' "a classifier of three"
is "$(bert-infer -m three rows.ndjson | sed -n '1s/.*"probs":\[\([^]]*\)\].*/\1/p' | tr -cd ,)" ",," "three probabilities"
tokenize --labels bad,good rows.ndjson >renamed.tokens
is_rc 0 "classes with other names" -- bert-train -q -m "$model" -o renamed --max-steps 1 renamed.tokens
is "$(tr -d ' \n' <renamed/config.json | grep -o '"label2id":{[^}]*}')" '"label2id":{"bad":0,"good":1}' "take the rows' names"
tokenize --labels positive,negative rows.ndjson >turned.tokens
refused 2 "turned.tokens: its classes are positive,negative, those of the model are negative,positive; run wp-tokenize with --labels negative,positive" \
    "classes in another order" -- -m "$model" -o unmade turned.tokens
is_rc 0 "which a new classifier does not mind" -- bert-train -q -m "$encoder" -o turned --max-steps 1 turned.tokens
refused 2 "turned.tokens: its classes are positive,negative, those of the training rows are negative,positive; run wp-tokenize with --labels negative,positive" \
    "validation rows with other classes" -- -m "$model" -o unmade --validation turned.tokens rows.tokens
LC_ALL=C sed 's/\\"so-so\\",\\"bad\\"/\\"much,much,bad\\"/; s/\\"good\\",\\"so-so\\",\\"bad\\"/\\"good\\",\\"so-so-or-ba\\"/' three.tokens >outside.tokens
refused 1 "outside.tokens: row 2: label 2, but there are 2 classes (0 to 1); name all of them in wp-tokenize --labels" \
    "a label outside the classes" -- -m "$encoder" -o unmade outside.tokens
sed 's/,"label":[01]//' rows.ndjson | tokenize >unlabelled.tokens
refused 1 "unlabelled.tokens: no row has a gold label (0, 1, ...), which the objective term 'label' needs; label some rows, or leave the term out of --objective" \
    "no labelled row" -- -m "$model" -o unmade unlabelled.tokens
refused 1 "unlabelled.tokens: no row has a gold label (0, 1, ...), so there is nothing to evaluate on" \
    "validation rows without labels" -- -m "$model" -o unmade --validation unlabelled.tokens rows.tokens
is "$(wc -l <err | tr -d ' ')" 1 "before the first epoch"

# ---- the teacher ----
refused 1 "rows.tokens: no row has a teacher's answer, which the objective term 'soft' needs; run groq-reason before wp-tokenize, or leave the term out of --objective" \
    "--objective soft without a teacher" -- -m "$model" -o unmade --objective soft rows.tokens
sed 's/"label":\([01]\)}$/"label":\1,"teacher":{"status":"ok","label":\1,"confidence":0.9}}/' rows.ndjson >teacher.ndjson
tokenize teacher.ndjson >teacher.tokens
is_rc 0 "--objective soft" -- bert-train -m "$encoder" -o soft --objective soft --epochs 40 --batch-size 8 --learning-rate 5e-3 \
    --dropout 0 teacher.tokens
like "$(grep '^Epoch 40' err)" 'Training Loss - 0\.5[67]' "16 rows: q is 0.75, whose entropy 0.5623 is the least loss"
sed 's/,"label":[01],"teacher"/,"teacher"/' teacher.ndjson | tokenize >teacher-only.tokens
is_rc 0 "--objective soft needs no gold labels" -- bert-train -q -m "$model" -o soft-only --objective soft --max-steps 1 \
    teacher-only.tokens
is_rc 0 "both" -- bert-train -q -m "$model" -o both --objective label=0.7,soft=0.3 --max-steps 1 teacher.tokens
like "$(cat both/README.md)" '`label=0\.7,soft=0\.3`' "the model card says so"

# ---- input that is none ----
refused 1 "rows.ndjson: looks like NDJSON; run wp-tokenize first" "NDJSON" -- -m "$model" -o unmade rows.ndjson
: >empty
refused 1 "empty: empty input: stream ended early; an upstream stage failed" "an empty file" -- -m "$model" -o unmade empty
tokenize empty >no-rows.tokens
refused 1 "no-rows.tokens: there are no rows to train on" "a stream without rows" -- -m "$model" -o unmade no-rows.tokens
size=$(wc -c <rows.tokens)
for cut in 4 200 $((size / 2)) $((size - 1)); do
    head -c "$cut" rows.tokens >cut.tokens
    refused 1 "cut.tokens: stream ended early; an upstream stage failed" "a stream cut after $cut bytes" -- \
        -m "$model" -o unmade cut.tokens
done
{ cat rows.tokens; echo; } >long.tokens
refused 1 "long.tokens: more data after the end frame" "a stream with something behind it" -- -m "$model" -o unmade long.tokens
{ sed 3q rows.ndjson; echo '{"sentence":'; } >broken.ndjson
{ wp-tokenize -q -m "$model" broken.ndjson 2>/dev/null || :; } | bert-train -m "$model" -o unmade 2>err
is $? 1 "when wp-tokenize fails"
is "$(cat err)" "bert-train: <stdin>: stream ended early; an upstream stage failed" "bert-train knows"
sed '$d' "$model/vocab.txt" >other-vocab.txt
wp-tokenize -q -m other-vocab.txt rows.ndjson >other.tokens
is_rc 1 "another vocabulary" -- bert-train -m "$model" -o unmade other.tokens
like "$(cat err)" "^bert-train: other.tokens was tokenised with another vocabulary \([0-9a-f]{12}\.\.\.\) than the model's \([0-9a-f]{12}\.\.\.\); run wp-tokenize -m with this model\$" \
    "is named"
is_rc 1 "a validation file with another vocabulary" -- bert-train -m "$model" -o unmade --validation other.tokens rows.tokens
like "$(cat err)" '^bert-train: other.tokens was tokenised with another vocabulary' "is named, too"
awk 'BEGIN { printf "{\"sentence\":\""; for (i = 0; i < 50; i++) printf "film "; print "\",\"label\":1}" }' >long.ndjson
cat rows.ndjson long.ndjson | tokenize --max-len 60 >long.tokens
refused 1 "long.tokens: row 17: 52 tokens, but the model has 40 positions; run wp-tokenize with --max-len 40" "a row too long" -- \
    -m "$model" -o unmade long.tokens
refused 1 "long.tokens: row 17: 52 tokens, but the model has 40 positions; run wp-tokenize with --max-len 40" \
    "a validation row too long" -- -m "$model" -o unmade --validation long.tokens rows.tokens
bert-train -m "$model" -o unmade <&- 2>err
is $? 1 "a closed stdin"
is "$(cat err)" "bert-train: standard input is closed" "is named"
gone "nothing of all that made a model" unmade unmade.state

# ---- a model that is none ----
broken_copy() { # NAME
    rm -rf broken
    cp -R "$model" broken
}
broken_copy
rm broken/config.json
refused 2 "broken: no config.json; a Hugging Face model folder is expected" "no config.json" -- -m broken -o unmade rows.tokens
broken_copy
echo '{"hidden_size": "wide"' >broken/config.json
is_rc 1 "a config.json that is no JSON" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken/config.json: not valid JSON at byte [0-9]+' "is named"
broken_copy
sed -i 's/"hidden_size": 24/"hidden_size": "wide"/' broken/config.json
is_rc 2 "a hidden_size in words" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken/config.json: hidden_size is "wide"; it has to be a whole number' "is named"
broken_copy
sed -i 's/"model_type": "bert"/"model_type": "roberta"/' broken/config.json
is_rc 2 "another kind of model" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken/config.json: model_type is "roberta"; only "bert" is read' "is named"
broken_copy
sed -i 's/"intermediate_size": 40/"intermediate_size": 48/' broken/config.json
is_rc 1 "a config.json of another model" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken/model.safetensors: .*intermediate.dense.weight is \[40, 24\], expected \[48, 24\]' "is named"
broken_copy
head -c 5000 "$model/model.safetensors" >broken/model.safetensors
is_rc 1 "weights cut short" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken/model.safetensors: ' "are named"
broken_copy
rm broken/model.safetensors
is_rc 2 "no weights" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken: no model.safetensors' "are named"
broken_copy
rm broken/vocab.txt
is_rc 2 "no vocabulary" -- bert-train -m broken -o unmade rows.tokens
like "$(cat err)" '^bert-train: broken' "is named"
gone "no model then, either" unmade unmade.state

# ---- from random weights ----
is_rc 0 "--init tiny" -- bert-train --init tiny --vocab "$model" -o random --max-steps 2 rows.tokens
like "$(cat random/config.json)" '"hidden_size": 128' "is 128 wide"
like "$(cat random/config.json)" '"vocab_size": 96' "with the vocabulary's size"
is "$(cd random && echo *)" \
    "README.md config.json model.safetensors special_tokens_map.json tokenizer_config.json vocab.txt" "a whole folder"
wp-tokenize -q -m "$model/vocab.txt" rows.ndjson | bert-train -q --init tiny --vocab "$model/vocab.txt" -o random-2 --max-steps 2
is $? 0 "from a bare vocab.txt"
same_bytes random/model.safetensors random-2/model.safetensors "the same weights"
is_rc 0 "it answers" -- bert-infer -m random-2 rows.ndjson
done_testing
