#!/bin/sh
# --gemm, --precision and --weights of bert-train and bert-infer: every matrix library that is there trains the same
# student up to rounding, with the same bits for any number of threads; also each of Debian's builds of OpenBLAS, of which
# one starts threads of its own. The products themselves are t/unit/gemm.c's.
. "$(dirname "$0")/lib.sh"
unset OMP_NUM_THREADS

for program in "$BUILD/t/helper/tdiff" "$BUILD/bin/bert-train" "$BUILD/bin/bert-infer" "$BUILD/bin/wp-tokenize"; do
    [ -x "$program" ] || skip_all "${program##*/} is not built"
done
tdiff=$BUILD/t/helper/tdiff
vocab=$TESTDATA/bert/classifier/vocab.txt
awk 'BEGIN { split("good bad great dull fun boring", w); for (i = 0; i < 96; i++)
    printf "{\"idx\":%d,\"sentence\":\"the movie is %s and the plot is %s\",\"label\":%d}\n", i, w[i % 6 + 1], w[i % 3 + 1], i % 2 }' \
    >rows.ndjson
wp-tokenize -q -m "$vocab" -o rows.tokens rows.ndjson
cut -d '"' -f 6 rows.ndjson | head -n 40 >text

train() { # DIR OPTION...
    dir=$1
    shift
    bert-train -q --init tiny --vocab "$vocab" --epochs 1 --batch-size 16 --learning-rate 1e-3 -o "$dir" "$@" rows.tokens
}
logits() { # DIR
    bert-infer -q -m "$1" --gemm openblas --threads 1 --logits text >"$1.logits"
}
near() { # DIR OTHER TOLERANCE NAME
    logits "$1" && logits "$2" && "$tdiff" "$3" "$1.logits" "$2.logits" >tdiff.out 2>&1
    ok $? "$4" || show tdiff.out
}

train reference --gemm openblas --threads 1
for library in builtin openblas onednn; do
    if ! train "$library" --gemm "$library" --threads 1 2>err; then
        tap_skip "$library trains" "$(tail -n 1 err)"
        continue
    fi
    near reference "$library" 2e-3 "$library: the student of OpenBLAS up to rounding"
    for threads in 2 3 8; do
        train "$library-$threads" --gemm "$library" --threads $threads
        same_bytes "$library/model.safetensors" "$library-$threads/model.safetensors" "$library: $threads threads, the same bytes"
    done
done

# ---- Debian's builds of OpenBLAS ----
found=0
for folder in /usr/lib/*/openblas-pthread /usr/lib/*/openblas-openmp /usr/lib/*/openblas-serial; do
    [ -e "$folder/libopenblas.so.0" ] || continue
    found=$((found + 1))
    name=${folder##*/}
    for threads in 1 2 3; do
        (
            export LD_LIBRARY_PATH="$folder"
            train "$name-$threads" --gemm openblas --threads $threads
        )
        same_bytes reference/model.safetensors "$name-$threads/model.safetensors" "$name, $threads threads: the same bytes"
    done
    # OpenMP's own number of threads must have been read before OpenBLAS was asked to use one.
    (
        export LD_LIBRARY_PATH="$folder" OMP_NUM_THREADS=3
        train "$name-own" --gemm openblas --metrics "$name.metrics"
    )
    like "$(head -n 1 "$name.metrics")" '"threads":3,' "$name: OMP_NUM_THREADS counts"
done
[ $found -gt 1 ] || tap_skip "both builds of OpenBLAS" "only $found is installed"

# ---- bf16 and int8 ----
train half --precision bf16 --gemm openblas
near reference half 0.05 "bf16: near the student of float32"
cmp -s reference.logits half.logits
is $? 1 "but not the same"
train half-builtin --precision bf16 --gemm builtin --metrics half.metrics 2>err && {
    near half half-builtin 0.05 "bf16: another library, another rounding"
    like "$(head -n 1 half.metrics)" '"precision":"bf16"' "the first record tells the precision"
}
for weights in f32 bf16 int8; do
    is_rc 0 "weights $weights" -- bert-infer -q -m reference --weights $weights --logits text
    mv out "$weights.out"
    is "$(wc -l <"$weights.out")" 40 "weights $weights: an answer for each line"
    for threads in 1 3; do
        bert-infer -q -m reference --weights $weights --logits --threads $threads text >again
        same_bytes "$weights.out" again "weights $weights: the same answers from $threads threads"
    done
done
cmp -s f32.out bf16.out
is $? 1 "bf16 is rounded"
cmp -s f32.out int8.out
is $? 1 "so is int8"
if bert-infer -q -m reference --gemm builtin text >whole 2>err; then
    head -n 5 text | while read -r line; do
        echo "$line" | bert-infer -q -m reference --gemm builtin
    done >single
    head -n 5 whole >first
    same_bytes first single "builtin: a row's answer does not depend on what it is batched with"
fi
is_rc 2 "an unknown library" -- bert-infer -m reference --gemm mkl text
like "$(head -n 1 err)" '--gemm' "is named"

done_testing
