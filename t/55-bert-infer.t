#!/bin/sh
# bert-infer: its three kinds of input, what leaves for what comes in and when, and what is refused. That the numbers are
# transformers' is t/unit/bert_model.c's.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

for program in bin/bert-infer bin/wp-tokenize bin/sst2-score t/helper/tdiff; do
    [ -x "$BUILD/$program" ] || skip_all "${program##*/} is not built"
done
model=$TESTDATA/bert/classifier # 2 classes, 40 positions

infer() {
    bert-infer -m "$model" "$@"
}
# Batches that end elsewhere change the last digit, no more.
alike() { # FILE FILE NAME
    "$BUILD/t/helper/tdiff" 1e-6 "$1" "$2" 2>tdiff.err
    ok $? "$3"
    show tdiff.err
}
predictions() { # of records on stdin
    sed 's/.*\("pred":{.*}\)}$/\1/'
}
cat >lines.txt <<'END'
the film is good
a bad, bad movie!
acting "with" a \ heart	and a mind
fun
END
awk '{ gsub(/[\\"]/, "\\\\&"); gsub(/\t/, "\\t"); printf "{\"idx\":%d,\"sentence\":\"%s\",\"label\":%d}\n", NR + 100, $0, NR % 2 }' \
    lines.txt >rows.ndjson
wp-tokenize -q -m "$model" rows.ndjson >rows.tokens

# ---- text ----
float='[0-9.e-]+'
is_rc 0 "text" -- infer lines.txt
is "$(cat err)" "" "nothing on stderr"
cp out text.out
is "$(wc -l <out | tr -d ' ')" 4 "a record a line"
like "$(sed -n 1p out)" "^\{\"sentence\":\"the film is good\",\"pred\":\{\"label\":[01],\"label_text\":\"(negative|positive)\",\"score\":$float,\"probs\":\[$float,$float\]\}\}\$" \
    "sentence and prediction"
is "$(sed -n '3s/,"pred".*//p' out)" '{"sentence":"acting \"with\" a \\ heart\tand a mind"' "the sentence is a JSON string"
awk -F '[][,:{}]' '{
    for (i = 1; i <= NF; i++) {
        if ($i == "\"label\"") label = $(i + 1)
        if ($i == "\"label_text\"") text = $(i + 1)
        if ($i == "\"score\"") score = $(i + 1)
        if ($i == "\"probs\"") { p[0] = $(i + 2); p[1] = $(i + 3) }
    }
    sum = p[0] + p[1]
    if (sum < 0.9999999 || sum > 1.0000001 || p[label] != score || p[1 - label] > score) print "probabilities", $0
    if (text != (label ? "\"positive\"" : "\"negative\"")) print "label_text", $0
}' out >wrong
is "$(cat wrong)" "" "probabilities add up to 1, score is the largest, label_text names its class"
infer <lines.txt >stdin.out
same_bytes stdin.out text.out "stdin"
infer - <lines.txt >stdin.out
same_bytes stdin.out text.out "-"
printf %s "$(cat lines.txt)" | infer >stdin.out
alike stdin.out text.out "the last line counts without its newline"
sed 's/$/\r/' lines.txt | infer >stdin.out
alike stdin.out text.out "carriage returns at the end are dropped"
printf fun | infer >one.out
sed -n 4p text.out >fourth.out
alike one.out fourth.out "one row without newline, and what it is batched with is no matter"
printf '\n' | infer >empty-line.out
like "$(cat empty-line.out)" '^\{"sentence":"","pred":\{"label":' "an empty line is an empty sentence"
printf 'fun\n\nfun\n' | infer | sed 's/,"pred".*//' >blank.out
is "$(cat blank.out)" '{"sentence":"fun"
{"sentence":""
{"sentence":"fun"' "also between others"
printf 'fun\0film\n' | infer >nul.out
like "$(cat nul.out)" '^\{"sentence":"fun\\u0000film","pred":' "a NUL byte is a character"
printf 'na\303\257ve \360\237\230\200\n' | infer >utf8.out
is "$(sed 's/,"pred".*//' utf8.out)" "$(printf '{"sentence":"na\303\257ve \360\237\230\200"')" "UTF-8 stays"

# ---- NDJSON ----
is_rc 0 "NDJSON" -- infer rows.ndjson
is "$(sed 's/,"pred":.*/}/' out)" "$(cat rows.ndjson)" "members stay as they were"
is "$(predictions <out)" "$(predictions <text.out)" "predictions are those of the text"
cp out ndjson.out
infer ndjson.out >again.out
same_bytes again.out ndjson.out "an earlier prediction is replaced"
cat >odd.ndjson <<'END'
{ "x" : 1.50e+00 , "sentence" : "\u0066un" , "pred" : {"label":9} , "big":123456789012345678901234567890, "n":null,"t":[ 1 , {"sentence":"no"} ] }
END
infer odd.ndjson >odd.out
is "$(sed 's/,"pred":.*}} *}$/}/; s/"pred":.*/PRED/' odd.out)" \
    '{ "x" : 1.50e+00 , "sentence" : "\u0066un" , "big":123456789012345678901234567890, "n":null,"t":[ 1 , {"sentence":"no"} ],PRED' \
    "other members byte for byte, pred at the end"
sed 's/.*\("pred":{.*}\) }$/\1/' odd.out >odd.pred
predictions <fourth.out >fourth.pred
alike odd.pred fourth.pred "escapes are read"
infer rows.ndjson | sst2-score -q >score.out
is "$?$(sed -n 1p score.out)" "0<stdin>: 4 rows scored" "sst2-score reads it"

# ---- token streams ----
is_rc 0 "a token stream" -- infer rows.tokens
is "$(sed 's/,"pred".*//' out)" '{"idx":101,"label":1
{"idx":102,"label":0
{"idx":103,"label":1
{"idx":104,"label":0' "idx and label of each row"
is "$(predictions <out)" "$(predictions <text.out)" "predictions are those of the text"
cp out stream.out
wp-tokenize -q -m "$model" rows.ndjson | infer >piped.out
alike piped.out stream.out "from a pipe"
for size in 1 3; do
    wp-tokenize -q -m "$model" --frame-rows $size rows.ndjson >framed.tokens
    infer framed.tokens >framed.out
    same_bytes framed.out stream.out "in frames of $size the same bytes"
done
infer rows.tokens | sst2-score -q >/dev/null
is $? 0 "sst2-score reads it"

# ---- which of the three ----
is "$(printf ' \t{"sentence":"fun"}\n' | infer | sed 's/,"pred".*//')" '{"sentence":"fun"' "blanks before the brace"
is "$(printf '\357\273\277{"sentence":"fun"}\n' | infer | sed 's/,"pred".*//')" '{"sentence":"fun"' "a byte order mark"
is_rc 1 "text that begins with a brace" -- sh -c 'echo "{a film}" | bert-infer -m "$1"' - "$model"
like "$(cat err)" '^bert-infer: <stdin>:1: not valid JSON at byte 2: ' "is taken for NDJSON"
is "$(echo '{a film}' | infer --input-format text | sed 's/,"pred".*//')" '{"sentence":"{a film}"' "unless --input-format says text"
is_rc 1 "--input-format ndjson for text" -- infer --input-format ndjson lines.txt
like "$(cat err)" '^bert-infer: lines.txt:1: not valid JSON at byte ' "is named"
is_rc 1 "--input-format stream for NDJSON" -- infer --input-format stream rows.ndjson
like "$(cat err)" '^bert-infer: rows.ndjson: looks like NDJSON' "is named"
is_rc 0 "--input-format ndjson" -- infer --input-format ndjson rows.ndjson
same_bytes out ndjson.out "for NDJSON"
is_rc 0 "--input-format stream" -- infer --input-format stream rows.tokens
same_bytes out stream.out "for a stream"
is_rc 2 "--input-format tsv" -- infer --input-format tsv rows.ndjson

# ---- nothing ----
: >empty
for format in auto text ndjson; do
    is_rc 0 "empty input, --input-format $format" -- infer --input-format $format empty
    is "$(cat out err)" "" "no records"
done
wp-tokenize -q -m "$model" empty >no-rows.tokens
is_rc 0 "a stream without rows" -- infer no-rows.tokens
is "$(cat out err)" "" "no records"
is_rc 1 "no stream at all" -- infer --input-format stream empty
is "$(cat err)" "bert-infer: empty: empty input: stream ended early; an upstream stage failed" "is named"

# ---- much ----
awk 'BEGIN { split("the film is good bad dull acting plot with and not very", w, " ")
    for (i = 1; i <= 3000; i++) {
        line = "n" i
        for (k = 0; k < (i * 7) % 23; k++) line = line " " w[(i * k) % 12 + 1]
        print line
    } }' >many.txt
is_rc 0 "3000 lines" -- infer many.txt
sed 's/^{"sentence":"\(.*\)","pred":.*/\1/' out | cmp -s - many.txt
is $? 0 "in their order"
cp out many.out
sed 's/.*/{"sentence":"&"}/' many.txt >many.ndjson
infer many.ndjson >many-ndjson.out
same_bytes many-ndjson.out many.out "as NDJSON the same bytes"
infer <many.ndjson >many-ndjson.out
same_bytes many-ndjson.out many.out "also from stdin"
wp-tokenize -q -m "$model" --frame-rows 700 many.txt >many.tokens
infer many.tokens | predictions >many-stream.out
predictions <many.out >many-text.out
same_bytes many-stream.out many-text.out "as a stream the same bytes"
infer <many.tokens | predictions >many-stream.out
same_bytes many-stream.out many-text.out "also from stdin"
cat many.ndjson | infer >many-pipe.out
alike many-pipe.out many.out "from a pipe the same, but for rounding"
for threads in 2 3; do
    infer --threads $threads many.txt >threads.out
    same_bytes threads.out many.out "$threads threads: the same bytes"
done
awk 'BEGIN { for (i = 0; i < 262144; i++) printf "fun "; print "" }' >long.txt
is_rc 0 "a line of 1 MiB" -- infer long.txt
is "$(cat err)" "bert-infer: warning: 1 sentences were cut to 40 tokens" "is cut, and that is said"
is "$(sed 's/^{"sentence":"\(.*\)","pred":.*/\1/' out | wc -c | tr -d ' ')" 1048577 "the sentence leaves whole"
is_rc 0 "the same as NDJSON, with -q" -- sh -c 'sed "s/.*/{\"sentence\":\"&\"}/" long.txt | bert-infer -q -m "$1"' - "$model"
is "$(cat err)" "" "is not said"
is "$(infer -q --max-len 3 lines.txt | sed -n '4s/,"pred".*//p')" '{"sentence":"fun"' "--max-len 3"
infer -q --max-len 3 lines.txt >cut.out
sed -n 4p cut.out >cut-fourth.out
alike cut-fourth.out fourth.out "leaves a short sentence as it is"
sed 1q cut.out >cut-first.out
sed 1q text.out >first.out
"$BUILD/t/helper/tdiff" 1e-3 cut-first.out first.out 2>tdiff.err
is $? 1 "and cuts a longer one"
is_rc 2 "--max-len 1" -- infer --max-len 1 lines.txt

# ---- one after another ----
converse() { # NAME LINE...: writes a line and waits for its answer before the next
    name=$1
    shift
    rm -f to from
    mkfifo to from
    # The limit is no measure of anything: an answer that never comes must not hang the tests.
    timeout 120 bert-infer -m "$model" <to >from 2>err &
    exec 3>to 4<from
    for line; do
        printf '%s\n' "$line" >&3
        IFS= read -r answer <&4 || answer=none
        like "$answer" '"pred":\{"label":[01],' "$name: '$line' is answered while the input is open"
    done
    printf fun >&3
    exec 3>&-
    IFS= read -r answer <&4 || answer=none
    like "$answer" '"pred":|^none$' "$name: the rest when it is closed"
    exec 4<&-
    wait $!
    is $? "$expected_end" "$name: exit status"
}
expected_end=0
converse "text" ok "a bad movie" "" "the plot is dull"
expected_end=1
converse "NDJSON" '{"sentence":"ok"}' '{"idx":1,"sentence":"a bad movie"}'

# ---- where it goes ----
is_rc 0 "-o FILE" -- infer -o answers.ndjson lines.txt
same_bytes answers.ndjson text.out "is written"
is "$(cat out)" "" "nothing on stdout"
printf 'fun\nf\377n\n' >invalid.txt
rm answers.ndjson
is_rc 1 "-o FILE and a failure" -- infer -o answers.ndjson invalid.txt
is "$(ls answers.ndjson* 2>/dev/null)" "" "leaves no half file"
if [ -w /dev/full ]; then
    infer lines.txt >/dev/full 2>err
    is $? 1 "a full disk"
    is "$(cat err)" "bert-infer: <stdout>: cannot write: No space left on device" "is named"
fi
infer lines.txt >&- 2>err
is $? 1 "a closed stdout"
is "$(cat err)" "bert-infer: standard output is closed" "is named"
infer <&- 2>err
is $? 1 "a closed stdin"
is "$(cat err)" "bert-infer: standard input is closed" "is named"
(infer many.txt 2>err; echo $? >rc) | sed 1q >first.out
is "$(cat rc)" 141 "a reader that leaves ends it as SIGPIPE does"
is "$(cat err)" "" "in silence"

# ---- rows that cannot be read ----
is_rc 1 "invalid UTF-8" -- infer invalid.txt
is "$(cat err)" "bert-infer: invalid.txt:2: byte 2 is not UTF-8 (0xff); convert the text, as with iconv(1)" "is named"
alike out fourth.out "the rows before it are answered"
printf 'fun\nf\377n\nfun\n\300\200\n' >invalid.txt
is_rc 3 "invalid UTF-8 with --keep-going" -- infer --keep-going invalid.txt
is "$(wc -l <out | tr -d ' ')" 2 "is skipped"
is "$(tail -n 2 err)" "bert-infer: invalid.txt:4: byte 1 is not UTF-8 (0xc0); convert the text, as with iconv(1)
bert-infer: warning: 2 rows were skipped, 2 answered" "each is named, and their number"
refused_row() { # ROW MESSAGE NAME
    { sed 1q rows.ndjson; printf '%s\n' "$1"; sed -n 2p rows.ndjson; } >bad.ndjson
    is_rc 1 "$3" -- infer bad.ndjson
    like "$(cat err)" "^bert-infer: bad.ndjson:2: $2" "$3: named"
    alike out ndjson1.out "$3: the row before it is answered"
    is_rc 3 "$3 with --keep-going" -- infer --keep-going bad.ndjson
    alike out ndjson2.out "$3: skipped"
}
sed 1q ndjson.out >ndjson1.out
sed 2q ndjson.out >ndjson2.out
refused_row '' 'not valid JSON at byte 1: ' "an empty line"
refused_row '{"sentence":"fun"' 'not valid JSON at byte [0-9]+: ' "a cut row"
refused_row '{"text":"fun"}' 'no member "sentence"$' "no sentence"
refused_row '{"sentence":["fun"]}' 'sentence is array, not a string$' "a sentence that is a list"
refused_row '["fun"]' 'array where a JSON object is due$' "a list"
refused_row '{"sentence":"a","sentence":"b"}' 'not valid JSON|.*sentence' "a member given twice"

# ---- streams that are not right ----
size=$(wc -c <rows.tokens)
for cut in 4 200 $((size / 2)) $((size - 1)); do
    head -c "$cut" rows.tokens >cut.tokens
    is_rc 1 "a stream cut after $cut bytes" -- infer --input-format stream cut.tokens
    is "$(cat err)" "bert-infer: cut.tokens: stream ended early; an upstream stage failed" "is known"
done
head -c $(($(wc -c <framed.tokens) - 10)) framed.tokens >cut.tokens
is_rc 1 "a stream without its end" -- infer cut.tokens
same_bytes out stream.out "the rows that came are answered"
sed '$d' "$model/vocab.txt" >other-vocab.txt
wp-tokenize -q -m other-vocab.txt rows.ndjson >other.tokens
is_rc 1 "another vocabulary" -- infer other.tokens
like "$(cat err)" '^bert-infer: other.tokens was tokenised with another vocabulary .*; run wp-tokenize -m with this model$' "is named"
wp-tokenize -q -m "$model" --labels positive,negative rows.ndjson >turned.tokens
is_rc 2 "classes in another order" -- infer turned.tokens
is "$(cat err)" "bert-infer: turned.tokens: its classes are positive,negative, those of the model are negative,positive; run wp-tokenize with --labels negative,positive" \
    "are named"
{ sed 1q rows.ndjson; awk 'BEGIN { printf "{\"sentence\":\""; for (i = 0; i < 50; i++) printf "film "; print "\"}" }'; sed -n 2p rows.ndjson; } |
    wp-tokenize -q -m "$model" --max-len 60 >long.tokens
is_rc 1 "a row that is too long" -- infer long.tokens
is "$(cat err)" "bert-infer: long.tokens: row 2: 52 tokens, but the model has 40 positions; run wp-tokenize with --max-len 40" "is named"
sed 1q stream.out >stream1.out
sed 2q stream.out >stream2.out
alike out stream1.out "the row before it is answered"
is_rc 3 "the same with --keep-going" -- infer --keep-going long.tokens
alike out stream2.out "is skipped"

# ---- --logits ----
infer --logits lines.txt >logits.out
like "$(sed 1q logits.out)" "\"probs\":\[$float,$float\],\"logits\":\[-?$float,-?$float\]\}\}\$" "--logits adds them"
is "$(sed 's/,"logits":\[[^]]*\]//' logits.out)" "$(cat text.out)" "and changes nothing else"
awk -F '[][,]' '{
    for (i = 1; i <= NF; i++) {
        if ($i ~ /"probs":$/) p = $(i + 2)
        if ($i ~ /"logits":$/) { a = $(i + 1); b = $(i + 2) }
    }
    q = 1 / (1 + exp(a - b))
    if (q - p > 1e-6 || p - q > 1e-6) print
}' logits.out >wrong
is "$(cat wrong)" "" "the probabilities are their softmax"

# ---- models ----
for folder in "$TESTDATA"/bert/*/; do
    kind=$(basename "$folder")
    wp-tokenize -q -m "$folder" rows.ndjson >kind.tokens
    case $kind in
    encoder | pretraining | no-pooler)
        is_rc 2 "$kind: no classifier" -- bert-infer -m "$folder" rows.ndjson
        like "$(cat err)" "^bert-infer: .*/$kind/? has no classifier: it is an encoder; train it with bert-train -m .*/$kind/? first\$" \
            "$kind: the cure"
        ;;
    *)
        is_rc 0 "$kind: text" -- bert-infer -m "$folder" lines.txt
        is "$(grep -c '"pred":{"label":[012],"label_text":"[^"]*","score":' out)" 4 "$kind: answers"
        predictions <out >kind.out
        is "$(bert-infer -m "$folder" --input-format stream kind.tokens | predictions)" "$(cat kind.out)" "$kind: a stream"
        ;;
    esac
done
is_rc 2 "no -m" -- bert-infer lines.txt
is "$(sed 1q err)" "bert-infer: which model is missing: -m MODEL" "is named"
is_rc 2 "a folder that is no model" -- bert-infer -m . lines.txt
like "$(cat err)" '^bert-infer: \.' "is named"

cp -R "$model" unnamed
tr -d '\n' <"$model/config.json" | sed 's/"id2label": {[^}]*},//; s/"label2id": {[^}]*},//' >unnamed/config.json
is "$(bert-infer -m unnamed lines.txt | sed -n '4s/.*"label":\(.\),"label_text":"\([^"]*\)".*/\1 \2/p')" \
    "$(sed -n '4s/.*"label":\(.\),.*/\1 LABEL_\1/p' text.out)" "a model that names no classes"
cp -R "$model" longer
echo more >>longer/vocab.txt
is_rc 2 "a vocabulary larger than the embeddings" -- bert-infer -m longer lines.txt
like "$(cat err)" "^bert-infer: longer: the vocabulary has 97 tokens, the model's embeddings only 96" "is named"
cp -R "$model" broken
head -c 3000 "$model/model.safetensors" >broken/model.safetensors
is_rc 1 "weights cut short" -- bert-infer -m broken lines.txt
like "$(cat err)" '^bert-infer: broken/model.safetensors: ' "are named"
cp -R "$model" misfit
sed -i 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' misfit/config.json
is_rc 1 "a layer that is not there" -- bert-infer -m misfit lines.txt
like "$(cat err)" '^bert-infer: misfit: the weights lack bert.encoder.layer.2.attention.self.query.weight' "is named"

# NaN in the embedding of "dull", so that only rows with that word are touched
cp -R "$model" nan
weights=$(wc -c <"$model/model.safetensors")
header=$(od -An -tu8 -N8 "$model/model.safetensors" | tr -d ' ')
begin=$(head -c $((header + 8)) "$model/model.safetensors" | tail -c "$header" |
    grep -ao '"bert.embeddings.word_embeddings.weight":{[^}]*}' | sed 's/.*"data_offsets":\[\([0-9]*\),.*/\1/')
token=$(($(grep -nx dull "$model/vocab.txt" | sed 's/:.*//') - 1))
printf '\377\377\377\377' | dd of=nan/model.safetensors bs=1 seek=$((8 + header + begin + token * 24 * 4)) conv=notrunc 2>/dev/null
is "$(wc -c <nan/model.safetensors)" "$weights" "a weight that is NaN"
printf 'fun\na film\ndull\nfun\n' >dull.txt
is_rc 1 "a row that meets it" -- bert-infer -m nan dull.txt
is "$(cat err)" "bert-infer: dull.txt:3: the model's logits are not finite; its weights are damaged, train or fetch it again" "is named"
is "$(sed 's/,"pred".*//' out)" '{"sentence":"fun"
{"sentence":"a film"' "the rows before it are answered, nothing is written for it"
is_rc 1 "--keep-going does not pass over it" -- bert-infer -m nan --keep-going dull.txt
wp-tokenize -q -m nan dull.txt >dull.tokens
is_rc 1 "in a stream" -- bert-infer -m nan dull.tokens
is "$(cat err)" "bert-infer: dull.tokens: row 3: the model's logits are not finite; its weights are damaged, train or fetch it again" \
    "the row is named"
done_testing
