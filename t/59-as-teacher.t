#!/bin/sh
# bert-infer as a teacher: --as-teacher, --temperature and --pair, and the pipeline that is made of them,
# pipelines/privileged, with encoders of random weights.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
for program in bin/wp-tokenize bin/bert-train bin/bert-infer bin/sst2-score t/helper/frames; do
    [ -x "$BUILD/$program" ] || skip_all "${program##*/} is not built"
done
model=$TESTDATA/bert/classifier # 2 classes, 40 positions
frames=$BUILD/t/helper/frames

infer() {
    bert-infer -m "$model" "$@"
}
cat >rows.ndjson <<'END'
{"idx":7,"sentence":"the film is good","label":1,"teacher":{"status":"ok","reasoning":"fun to watch","label":0,"label_text":"negative","confidence":0.9,"cues":["good"],"cue_polarity":[1],"counterfactual":"the film is bad","model":"large"},"x":[1]}
{"idx":8,"sentence":"a bad, bad movie!","label":0,"teacher":{"status":"failed","reason":"refused","reasoning":"not to be read"}}
{"idx":9,"sentence":"fun","label":-1}
END
sed 's/,"teacher":{[^}]*}//' rows.ndjson >bare.ndjson

# ---- the member ----
is_rc 0 "--as-teacher" -- infer --as-teacher rows.ndjson
cp out taught.ndjson
is "$(sed 's/,"teacher":{.*//' taught.ndjson)" "$(sed 's/}$//' bare.ndjson)" "all other members stay, the teacher comes last"
is "$(grep -o '"teacher":' taught.ndjson | wc -l | tr -d ' ')" 3 "a teacher that was there is replaced"
is "$(grep -cE '"cues"|"counterfactual"|watch|refused' taught.ndjson)" 0 "with all that it said"
infer bare.ndjson | sed 's/.*"pred":{\(.*\)}}/\1/; s/"score"/"confidence"/' >pred
sed 's/.*"teacher":{"status":"ok","reasoning":"",\(.*\),"model":"[^"]*"}}/\1/' taught.ndjson >teacher
same_bytes teacher pred "label, confidence and probs are those of pred"
is "$(sed 's/.*"model":"\([^"]*\)".*/\1/' taught.ndjson | sort -u)" "$model" "the model is named as -m names it"
infer --as-teacher taught.ndjson >again
same_bytes again taught.ndjson "twice is once"
echo "the film is good" | infer --as-teacher >text.out
like "$(cat text.out)" '^\{"sentence":"the film is good","teacher":\{"status":"ok","reasoning":"","label":[01],.*\}\}$' "of text"
wp-tokenize -q -m "$model" rows.ndjson | infer --as-teacher >stream.out
is "$(sed -n 's/"label_text".*//; 2p' stream.out | sed 's/"label":[01],$/L/')" '{"idx":8,"label":0,"teacher":{"status":"ok","reasoning":"",L' \
    "of a stream"
sst2-score -q --member teacher taught.ndjson >score.out
is "$(sed -n 1p score.out)" "taught.ndjson: 2 rows scored, 1 without a gold label" "sst2-score judges it"

# ---- what the next stages make of it ----
wp-tokenize -q -m "$model" taught.ndjson >taught.tokens
is "$("$frames" rows taught.tokens teacher_label | sed 's/[^0-9]*\([0-9]\).*/\1/' | tr '\n' ' ')" \
    "$(sed 's/.*"reasoning":"","label":\([01]\).*/\1/' taught.ndjson | tr '\n' ' ')" "wp-tokenize: teacher_label"
"$frames" rows taught.tokens teacher_probs | grep -o '\[.*\]' >probs
sed 's/.*"probs":\(\[[^]]*\]\).*/\1/' taught.ndjson >expected
same_bytes probs expected "wp-tokenize: teacher_probs"
is "$("$frames" list taught.tokens | grep -c reason_ids)" 0 "wp-tokenize: an empty reasoning is none"
is_rc 0 "bert-train learns from it" -- bert-train -q -m "$TESTDATA/bert/encoder" -o soft --objective soft --max-steps 2 taught.tokens

# ---- --temperature ----
infer --logits bare.ndjson | sed 's/.*"logits":\[\([^]]*\)\].*/\1/' >logits
for t in 0.5 1 3; do
    infer --temperature $t --logits bare.ndjson >warm.out
    paste -d ' ' logits warm.out | awk -v t=$t '
        function value(name) { match($0, "\"" name "\":\\[?[^],]*"); s = substr($0, RSTART, RLENGTH); sub(/.*[:\[]/, "", s); return s + 0 }
        { split($1, z, ","); p = 1 / (1 + exp((z[2] - z[1]) / t)); d = p - value("probs"); if (d < -1e-6 || d > 1e-6) print "probs", $0
          if (value("label") != -1 && $0 !~ (z[2] > z[1] ? "\"pred\":{\"label\":1" : "\"pred\":{\"label\":0")) print "label", $0 }' >wrong
    is "$(cat wrong)" "" "--temperature $t: the softmax of logits / $t, the same label"
    sed 's/.*"logits":\[\([^]]*\)\].*/\1/' warm.out >logits.warm
    same_bytes logits.warm logits "--temperature $t: logits are as they were"
done
is "$(infer --temperature 3 bare.ndjson | sed 's/.*"probs"://; s/}}//')" \
    "$(infer --temperature 3 --as-teacher bare.ndjson | sed 's/.*"probs"://; s/,"model".*//')" "a teacher's too"
for t in 0 -1 x; do
    is_rc 2 "--temperature $t" -- infer --temperature "$t" bare.ndjson
done

# ---- --pair ----
is_rc 0 "--pair" -- infer --pair teacher.reasoning rows.ndjson
like "$(cat err)" "^bert-infer: warning: 2 rows have no 'teacher.reasoning'; their sentences were read alone\$" "rows without it are counted"
sed 's/.*\("pred":{.*}\)}$/\1/' out >pair.pred
wp-tokenize -q -m "$model" --pair teacher.reasoning rows.ndjson | infer | sed 's/.*\("pred":{.*}\)}$/\1/' >pair.expected
same_bytes pair.pred pair.expected "reads what wp-tokenize --pair makes"
infer bare.ndjson | sed 's/.*\("pred":{.*}\)}$/\1/' >alone.pred
is "$(diff pair.pred alone.pred | grep -c '^<')" 1 "where there is a second text the answer is another one"
sed 's/"reasoning":"fun to watch"/"reasoning":7/' rows.ndjson >seven.ndjson
is_rc 1 "a second text that is a number" -- infer --pair teacher.reasoning seven.ndjson
is "$(cat err)" "bert-infer: seven.ndjson:1: 'teacher.reasoning' is number, not a string" "is named"
is_rc 2 "--pair for text" -- infer --pair x --input-format text rows.ndjson
echo "some text" >text
is_rc 2 "--pair for what turns out to be text" -- infer --pair x text
is "$(cat err)" "bert-infer: text: --pair 'x': text lines have no members; NDJSON is needed" "is named"
is_rc 2 "--pair for a stream" -- infer --pair x taught.tokens
like "$(cat err)" '^bert-infer: taught.tokens: a token stream has no text for --pair; ' "is named"
is_rc 2 "--as-teacher --logits" -- infer --as-teacher --logits rows.ndjson
is_rc 2 "--as-teacher --attribution" -- infer --as-teacher --attribution rows.ndjson

# ---- pipelines/privileged ----
privileged=$root/pipelines/privileged
is_rc 0 "privileged --help" -- "$privileged" --help
is "$(awk 'length > 80' out)" "" "fits into 80 columns"
is_rc 2 "privileged: an unknown option" -- "$privileged" --no-such-option
is "$(head -n 1 err)" "privileged: unknown option '--no-such-option'" "is named"
is_rc 2 "privileged: an option without its value" -- "$privileged" -m
is_rc 2 "privileged without a file" -- "$privileged"
is_rc 2 "privileged: two files" -- "$privileged" a b
is_rc 2 "privileged: one fold" -- "$privileged" --folds 1 a
is_rc 1 "privileged: a file that is not there" -- "$privileged" absent.ndjson
is "$(cat err)" "privileged: absent.ndjson: cannot be read" "is named"
if command -v shellcheck >/dev/null 2>&1; then
    is_rc 0 "privileged is clean for shellcheck" -- shellcheck -x --source-path="$root" "$privileged"
else
    tap_skip "privileged is clean for shellcheck" "shellcheck is not here"
fi

encoder=$TESTDATA/bert/encoder
sed -n 1,40p "$TESTDATA/mini/teacher.ndjson" >answers.ndjson
sed -n 3p answers.ndjson | sed 's/"idx":2/"idx":900/; s/ "/  "/' >>answers.ndjson # the third sentence once more
sed -n 41,60p "$TESTDATA/mini/teacher.ndjson" | sed 's/,"teacher":.*/}/' >validation.ndjson
run() { # DIR OPTION...
    out_dir=$1
    shift
    "$privileged" -m "$encoder" -o "$out_dir" --folds 3 --max-steps 2 --labels negative,positive "$@" answers.ndjson
}
is_rc 0 "privileged" -- run read --validation validation.ndjson
sed 's/,"teacher":.*//' answers.ndjson >expected
sed 's/,"teacher":.*//' read/taught.ndjson >order
same_bytes order expected "the taught rows are the answers' in their order"
is "$(cut -f 1 read/folds.tsv | sed -n '3p; $p' | sort -u | wc -l | tr -d ' ')" 1 "equal sentences are in one fold"
is "$(cut -f 1 read/folds.tsv | sort | uniq -c | awk '{ printf "%s ", $1 }')" "14 13 14 " "the folds are of equal size"
cat read/fold-*/rows.ndjson | sort >all
sort answers.ndjson >expected
same_bytes all expected "each row is in one fold"
for i in 1 2 3; do
    sort read/fold-$i/rows.ndjson read/fold-$i/others.ndjson >all
    same_bytes all expected "and is learnt by the teachers of the others ($i)"
    bert-infer -q -m read/fold-$i/teacher --pair teacher.reasoning read/fold-$i/rows.ndjson | sed 's/.*"probs"://; s/}}//' >probs
    sed 's/.*"probs"://; s/,"model".*//' read/fold-$i/taught.ndjson >taught
    same_bytes taught probs "its teacher reads sentence and reasoning ($i)"
done
[ -f read/student/model.safetensors ] && [ "$(wc -l <read/predictions.ndjson)" = 20 ]
ok $? "the student and its predictions"
like "$(cat read/student.log)" '^\$ bert-train .* --objective label=0.5,soft=0.5 --temperature 2 ' "learns from labels and probabilities"
is_rc 0 "privileged once more" -- run read --validation validation.ndjson
is "$(grep -c ' writes ' err)" 0 "does nothing twice"
is_rc 2 "other options in the same folder" -- run read --seed 3
is_rc 0 "privileged --text-only" -- run alone --text-only -q
bert-infer -q -m alone/fold-1/teacher alone/fold-1/rows.ndjson | sed 's/.*"probs"://; s/}}//' >probs
sed 's/.*"probs"://; s/,"model".*//' alone/fold-1/taught.ndjson >taught
same_bytes taught probs "its teachers read the sentence alone"
cmp -s alone/fold-1/others.tokens read/fold-1/others.tokens
is $? 1 "and learnt from it alone"
is_rc 0 "privileged --teacher-model" -- run other --teacher-model "$model" -q
is "$(sed -n 's/.*"hidden_act": //p' other/fold-1/teacher/config.json)" "$(sed -n 's/.*"hidden_act": //p' "$model/config.json")" \
    "another encoder teaches"
cat >mixed.ndjson <<'END'
{"idx":1,"sentence":"say \"x\",\"label\":0","label":1,"label_text":"positive","x":{"y":[2]},"teacher":{"status":"ok","reasoning":"\"label\":1,\"label\":1","label":0,"label_text":"negative"}}
{"idx":2,"sentence":"no gold","label":-1,"teacher":{"status":"ok","label":1}}
{"idx":3,"sentence":"no answer","label":0,"teacher":{"status":"failed","label":1}}
{"idx":4,"sentence":"no teacher","label":1}
{"idx":5,"sentence":"no label","teacher":{"status":"ok","label":0}}
END
labels() {
    "$privileged" -q -m "$encoder" -o "by-$1" --folds 2 --max-steps 1 --labels negative,positive --label-source "$1" mixed.ndjson &&
        wp-tokenize -q -m "$model" "by-$1/taught.ndjson" | "$frames" rows - label | sed 's/[^-0-9]*\(-*[0-9]*\).*/\1/' | tr '\n' ' '
}
is "$(labels teacher)" "0 1 -1 -1 0 " "--label-source teacher: the teacher's labels become the rows'"
is "$(labels gold-or-teacher)" "1 1 0 1 0 " "--label-source gold-or-teacher: the gold ones first"
is "$(sed 's/,"teacher":.*//; q' by-teacher/taught.ndjson)" '{"idx":1,"sentence":"say \"x\",\"label\":0","x":{"y":[2]},"label":0' \
    "all else stays"
is_rc 2 "--label-source silver" -- run silver --label-source silver
is_rc 1 "more folds than sentences" -- "$privileged" -m "$encoder" -o few --folds 99 answers.ndjson
done_testing
