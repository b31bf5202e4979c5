#!/bin/sh
# bert-train --objective mlm: an encoder from text alone, what it writes and tells, what it refuses, and the second stage
# that starts from it. Its arithmetic is t/unit/mlm.c's. Vocabulary and models are those of testdata/bert.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

frames=$BUILD/t/helper/frames
for program in "$frames" "$BUILD/bin/bert-train" "$BUILD/bin/bert-infer" "$BUILD/bin/wp-tokenize"; do
    [ -x "$program" ] || skip_all "${program##*/} is not built"
done
vocab=$TESTDATA/bert/classifier/vocab.txt

for subject in movie film plot acting heart mind; do
    for word in good bad great dull boring fun; do
        echo "the $subject is very $word and it was not $word"
    done
done >text
sed -n '1~3p' text >held-out
wp-tokenize -q -m "$vocab" -o text.tokens text
wp-tokenize -q -m "$vocab" -o held-out.tokens held-out
awk '{ printf "{\"idx\":%d,\"sentence\":\"%s\",\"label\":%d}\n", NR, $0, NR % 2 }' text >rows.ndjson
wp-tokenize -q -m "$vocab" -o rows.tokens rows.ndjson

mlm() { # DIR OPTION...
    dir=$1
    shift
    bert-train --init tiny --vocab "$vocab" --objective mlm --learning-rate 1e-3 --batch-size 6 -o "$dir" "$@" text.tokens
}
refused() { # STATUS MESSAGE NAME -- ARGUMENT...
    status=$1 message=$2 name=$3
    shift 4
    is_rc "$status" "$name" -- bert-train "$@"
    is "$(grep -v "^Try '" err | tail -n 1)" "bert-train: $message" "$name: named"
}
tensors() { # FILE: the names
    "$frames" map "$1" | grep -o '"[a-zA-Z0-9_.]*":{"dtype"' | cut -d '"' -f 2 | sort
}
digest() { # FILE TENSOR
    "$frames" map "$1" | grep -o "\"$2\":{[^}]*}" | sed 's/.*sha256":"\([0-9a-f]*\).*/\1/'
}
words=bert.embeddings.word_embeddings.weight

# ---- a run ----
is_rc 0 "rows without labels" -- mlm encoder --epochs 6 --validation held-out.tokens --metrics metrics.ndjson
number='[0-9]+\.[0-9]{6}'
like "$(sed -n 6p err)" "^Epoch 6: Training Loss - $number \| Validation Loss - $number \| Accuracy - [01]\.[0-9]{4}\$" \
    "the epoch line"
like "$(tail -n 1 err)" '^bert-train: wrote encoder: 36 steps, [0-9.]+ rows/s$' "and the last one"
is "$(cd encoder && echo *)" \
    "README.md config.json model.safetensors special_tokens_map.json tokenizer_config.json vocab.txt" "the folder"
is "$(tr -d ' \n' <encoder/config.json | grep -o '"architectures":\[[^]]*\]')" '"architectures":["BertForMaskedLM"]' \
    "config.json names the architecture"
is "$(grep -cE 'id2label|label2id|problem_type' encoder/config.json)" 0 "and no classes"
tensors encoder/model.safetensors >names
is "$(grep -v '^bert\.e' names | tr '\n' ' ')" \
    "cls.predictions.bias cls.predictions.transform.LayerNorm.bias cls.predictions.transform.LayerNorm.weight cls.predictions.transform.dense.bias cls.predictions.transform.dense.weight " \
    "the head of BertForMaskedLM, no pooler, no classifier"
like "$(cat encoder/README.md)" '^pipeline_tag: fill-mask$' "the model card"
like "$(cat encoder/README.md)" '^\| perplexity \| [0-9.]+ \|$' "with the perplexity"

eval_of() { # N NAME: a member of the Nth evaluation
    grep '"event":"eval"' metrics.ndjson | sed -n "${1}p" | grep -o "\"$2\":[^,}]*" | cut -d : -f 2
}
less() { # A B NAME
    awk "BEGIN { exit !($1 < $2) }"
    ok $? "$3: $1 < $2"
}
less "$(eval_of 6 loss)" "$(eval_of 1 loss)" "it learns"
less "$(eval_of 6 perplexity)" "$(eval_of 6 tokens)" "perplexity and tokens are there"
less 0 "$(eval_of 6 accuracy)" "some tokens are found"
is "$(eval_of 6 tokens)" "$(eval_of 1 tokens)" "each evaluation masks the same tokens"
is "$(eval_of 6 rows)" 12 "of all validation rows"

is_rc 0 "a rate of 0" -- mlm still --learning-rate 0 --epochs 2 --validation held-out.tokens --metrics metrics.ndjson
is "$(eval_of 2 loss)" "$(eval_of 1 loss)" "the evaluation is a function of weights and rows"

# ---- the same bits ----
same() { # NAME OPTION...
    name=$1
    shift
    is_rc 0 "$name" -- mlm again -f --epochs 6 --validation held-out.tokens "$@"
    same_bytes encoder/model.safetensors again/model.safetensors "$name: the same model"
}
same "once more"
for threads in 2 3 8; do
    same "$threads threads" --threads $threads
done
wp-tokenize -q -m "$vocab" --frame-rows 5 -o text.tokens text
same "small frames"
different() { # NAME OPTION...
    name=$1
    shift
    is_rc 0 "$name" -- mlm again -f --epochs 6 "$@"
    cmp -s encoder/model.safetensors again/model.safetensors
    is $? 1 "$name: another model"
}
different "another seed" --seed 7
different "--mlm-probability" --mlm-probability 0.3
different "--whole-word-masking" --whole-word-masking

# A run that ends after a checkpoint and goes on from there.
rm -rf again metrics.ndjson
steps() {
    cat metrics.ndjson 2>/dev/null | grep -c '"event":"step"'
}
(
    tries=0
    while [ $tries -lt 3000 ] && [ "$(steps)" -lt 9 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
    kill -KILL "$(cat pid)" 2>/dev/null
) &
# shellcheck disable=SC2016
{ sh -c 'echo $$ >pid; exec "$@"' sh bert-train --init tiny --vocab "$vocab" --objective mlm --learning-rate 1e-3 \
    --batch-size 6 -o again --epochs 6 --save-steps 7 --validation held-out.tokens --metrics metrics.ndjson \
    --log-steps 1 text.tokens >out 2>err; } 2>/dev/null
wait
is_rc 0 "killed and resumed" -- bert-train --resume -o again
same_bytes encoder/model.safetensors again/model.safetensors "killed and resumed: the same model"

# ---- what is refused ----
for bad in '--mlm-probability 0' '--mlm-probability 1.5'; do
    # shellcheck disable=SC2086
    is_rc 2 "$bad" -- mlm no $bad
    like "$(sed 1q err)" "^bert-train: --mlm-probability:? .*[ ']${bad#* }('|\$)" "$bad: named"
done
grep -vF '[MASK]' "$vocab" >maskless.txt
wp-tokenize -q -m maskless.txt -o maskless.tokens text
refused 2 "maskless.tokens: the vocabulary has no [MASK] token, which a masked language model needs; use another one, or make one with wp-tokenize --train-vocab" \
    "no [MASK]" -- --init tiny --vocab maskless.txt --objective mlm -o no maskless.tokens
refused 1 "text.tokens: no row has a gold label (0, 1, ...), which the objective term 'label' needs; label some rows, or leave the term out of --objective" \
    "another term that needs labels" -- --init tiny --vocab "$vocab" --objective label,mlm -o no text.tokens
is_rc 2 "an encoder is no classifier" -- bert-infer -m encoder text
is "$(cat err)" "bert-infer: encoder has no classifier: it is an encoder; train it with bert-train -m encoder first" \
    "which bert-infer says"
is "$(echo no*)" "no*" "nothing is left of them"

# ---- the second stage ----
is_rc 0 "a classifier on it" -- bert-train -q -m encoder --learning-rate 0 --max-steps 1 -o student rows.tokens
is "$(cat err)" "" "without a warning"
is "$(digest student/model.safetensors $words)" "$(digest encoder/model.safetensors $words)" "it starts from the encoder"
is "$(tensors student/model.safetensors | grep -v '^bert\.e' | tr '\n' ' ')" \
    "bert.pooler.dense.bias bert.pooler.dense.weight classifier.bias classifier.weight " \
    "with a pooler and a classifier, without the head"
is_rc 0 "the student answers" -- bert-infer -m student text
is "$(wc -l <out | tr -d ' ')" 36 "each row"

# ---- beside another term ----
is_rc 0 "label and mlm" -- bert-train -q -m encoder --objective label=1,mlm=0.5 --learning-rate 0 --max-steps 1 \
    -o both rows.tokens
is "$(tensors both/model.safetensors | tr '\n' ' ')" "$(tensors student/model.safetensors | tr '\n' ' ')" \
    "the model is a classifier"
is "$(tensors both/auxiliary.safetensors | tr '\n' ' ')" "$(grep '^cls' names | tr '\n' ' ')" "the head lies beside it"
dense=cls.predictions.transform.dense.weight
is "$(digest both/auxiliary.safetensors $dense)" "$(digest encoder/model.safetensors $dense)" "and is the encoder's"
is_rc 0 "mlm once more" -- bert-train -q -m both --objective mlm --learning-rate 0 --max-steps 1 -o back rows.tokens
is "$(digest back/model.safetensors $dense)" "$(digest encoder/model.safetensors $dense)" "takes the head from there"
pooler=bert.pooler.dense.weight
is "$(tensors back/auxiliary.safetensors | tr '\n' ' ')" "bert.pooler.dense.bias $pooler " "and keeps the pooler"
is "$(digest back/auxiliary.safetensors $pooler)" "$(digest both/model.safetensors $pooler)" "as it was"
is_rc 0 "a classifier again" -- bert-train -q -m back --learning-rate 0 --max-steps 1 -o student -f rows.tokens
is "$(digest student/model.safetensors $pooler)" "$(digest both/model.safetensors $pooler)" "has it back"

done_testing
