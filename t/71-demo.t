#!/bin/sh
# pipelines/demo: the stages up to the tokens as they are, and the rest with trainings of few steps.
. "$(dirname "$0")/lib.sh"
for tool in sst2-dump groq-reason wp-tokenize bert-train bert-infer sst2-score; do
    [ -x "$BUILD/bin/$tool" ] || skip_all "$tool is not built"
done
export OMP_NUM_THREADS=1
demo=$root/pipelines/demo

is_rc 0 "demo --help" -- "$demo" --help
is "$(awk 'length > 80' out)" "" "demo --help fits into 80 columns"
is_rc 2 "demo: an unknown option" -- "$demo" --no-such-option
is_rc 2 "demo: an unknown stage" -- "$demo" --until morning
is_rc 2 "demo: two sentences" -- "$demo" I am
is "$(head -n 1 err)" "demo: one SENTENCE, please; put it in quotes" "the cure is named"
if command -v shellcheck >/dev/null 2>&1; then
    is_rc 0 "demo is clean for shellcheck" -- shellcheck -x --source-path="$root" "$demo"
else
    tap_skip "demo is clean for shellcheck" "shellcheck is not here"
fi

# Lines that name the folder are as long as its name.
is_rc 0 "demo up to the tokens" -- "$demo" -o part --until tokens
is "$(grep -Fv "$PWD" out | awk 'length > 80')" "" "its output fits into 80 columns"
is "$(cat err)" "" "and is silent on stderr"
is "$(cat part/rows.ndjson | grep -c '"label":-1')" 600 "600 rows lose their gold label"
sed 's/,"usage":{[^}]*}//; s/"label":-1,"teacher"/"label":X,"teacher"/' part/answers.ndjson >replayed
sed '201,$s/"label":[01],"teacher"/"label":X,"teacher"/' "$TESTDATA/mini/teacher.ndjson" >expected
same_bytes replayed expected "the journal answers all 800 rows, without a server and a key"
same_bytes part/journal.ndjson "$TESTDATA/demo/journal.ndjson" "nothing is added to it"
python3 "$TESTDATA/gen/demo_vocab.py" "$TESTDATA/mini/train.tsv" >vocab.txt 2>err
same_bytes vocab.txt "$TESTDATA/demo/vocab.txt" "the vocabulary is what its generator makes"

is_rc 0 "the whole demo, few steps" -- env DEMO_DIR="$PWD/a folder/demo" "$demo" --steps 8 "A sentence of mine"
is "$(grep -Fv "$PWD" out | awk 'length > 80')" "" "its output fits into 80 columns"
is "$(grep -c ' $' out)" 0 "no line ends in a blank"
like "$(cat out)" '^ +accuracy +0\.[0-9]+ +0\.[0-9]+ +[-+]0\.[0-9]+ ' "two students' scores side by side"
is "$(grep -Ec '^   [ABC]: .* 0\.[0-9]{4} 0\.[0-9]{4} 0\.[0-9]{4} \| 0\.[0-9]{4}  [0-9.]+$' out)" 3 \
    "each student's accuracy for three seeds, and the means"
is "$(grep -Ec '^   (negative|positive) 0\.[0-9]{4}$' out)" 3 "all judge the sentence"
like "$(tr -s ' \n' ' ' <out)" '"A sentence of mine"' "that was given" # long commands are folded
like "$(cat out)" '^    GROQ_API_KEY=\.\.\. pipelines/distil ' "the end tells how to go on with real data"
ok "$([ -s "a folder/demo/reasoned-42/model.safetensors" ]; echo $?)" "DEMO_DIR holds the results"
done_testing
