#!/bin/sh
# sst2-score: the tables, the JSON, what is refused and with which words. The formulas are t/unit/score.c's.
. "$(dirname "$0")/lib.sh"

# Reads a JSON object on stdin and prints a Python expression of it (d) as JSON; floats rounded to 9 digits.
json() {
    python3 -c 'import json, sys
def rounded(x):
    return [rounded(y) for y in x] if isinstance(x, (list, tuple)) else round(x, 9) if isinstance(x, float) else x
d = json.load(sys.stdin)
print(json.dumps(rounded(eval(sys.argv[1])), separators=(",", ":")))' "$1"
}

# row IDX GOLD PRED PROBABILITY-OF-1
row() {
    awk -v i="$1" -v g="$2" -v l="$3" -v p="$4" 'BEGIN {
        printf "{\"idx\":%d,\"sentence\":\"s %d\",\"label\":%d,\"pred\":{\"label\":%d,\"label_text\":\"%s\",\"score\":%g,\"probs\":[%g,%g]}}\n",
               i, i, g, l, l ? "positive" : "negative", l ? p : 1 - p, 1 - p, p }'
}

row 0 0 0 0.1 >a.ndjson
row 1 1 1 0.8 >>a.ndjson
row 2 1 0 0.4 >>a.ndjson
row 3 1 1 0.9 >>a.ndjson
row 4 0 1 0.7 >>a.ndjson
row 0 0 0 0.2 >b.ndjson
row 1 1 1 0.9 >>b.ndjson
row 2 1 1 0.6 >>b.ndjson
row 3 1 1 0.9 >>b.ndjson
row 4 0 1 0.6 >>b.ndjson

# ---- one file ----
is_rc 0 "one file" -- sst2-score a.ndjson
cat >expected <<'END'
a.ndjson: 5 rows scored

                           95% interval
accuracy     0.6000    0.2000 to 1.0000
macro-F1     0.5833    0.1667 to 1.0000
MCC          0.1667   -0.6667 to 1.0000   -1 to 1; 0 is chance
NLL          0.5108    0.1289 to 0.9267   nats a row; lower is better
Brier        0.3640                       0 to 2; lower is better
ECE          0.3400                       0 to 1; 0 is calibrated

class       precision   recall       F1   support  predicted
negative       0.5000   0.5000   0.5000         2          2
positive       0.6667   0.6667   0.6667         3          3

gold \ predicted  negative  positive
negative                 1         1
positive                 1         2
END
same_bytes out expected "the table"
is "$(cat err)" "" "nothing on stderr"

is_rc 0 "JSON" -- sst2-score --json a.ndjson
is "$(wc -l <out | tr -d ' ')" 1 "one line"
is "$(json '[d[x] for x in "file rows unlabelled unanswered skipped accuracy confusion draws level seed".split()]' <out)" \
    '["a.ndjson",5,0,0,0,0.6,[[1,1],[1,2]],10000,0.95,0]' "JSON: counts and options"
is "$(json '[[c[x] for x in "label label_text support predicted precision".split()] for c in d["classes"]]' <out)" \
    '[[0,"negative",2,2,0.5],[1,"positive",3,3,0.666666667]]' "JSON: classes"
# -(ln .9 + ln .8 + ln .4 + ln .9 + ln .3) / 5
is "$(json 'd["nll"]' <out)" 0.510825624 "JSON: NLL"
is "$(json 'd["brier"]' <out)" 0.364 "JSON: Brier"
is "$(json 'd["accuracy_interval"]' <out)" '[0.2,1]' "JSON: interval"

sst2-score --json a.ndjson | sed 's/"file":"[^"]*",//' >from-file
sst2-score --json <a.ndjson | sed 's/"file":"[^"]*",//' >from-stdin
sst2-score --json - <a.ndjson | sed 's/"file":"[^"]*",//' >from-dash
same_bytes from-stdin from-file "stdin gives the same"
same_bytes from-dash from-file "and so does -"
printf %s "$(cat a.ndjson)" | sst2-score --json | sed 's/"file":"[^"]*",//' >unended
same_bytes unended from-file "the last row counts without its newline"
invariant='[d[x] for x in "accuracy nll brier ece accuracy_interval".split()]'
sort -r a.ndjson | sst2-score --json | json "$invariant" >reversed
is "$(cat reversed)" "$(json "$invariant" <from-file)" "order of rows is no matter"
for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
    row $i $((i % 2)) $((i % 3 > 0)) 0.$((i + 11))
done >spread.ndjson
sst2-score --json --seed 1 spread.ndjson | json 'd["nll_interval"]' >seed1
sst2-score --json --seed 1 spread.ndjson | json 'd["nll_interval"]' >seed1-again
sst2-score --json --seed 2 spread.ndjson | json 'd["nll_interval"]' >seed2
same_bytes seed1 seed1-again "the same seed gives the same interval"
cmp -s seed1 seed2
is $? 1 "another seed gives another one"
is "$(sst2-score --json --level 0.5 a.ndjson | json 'd["nll_interval"][1] < 0.7')" true "--level narrows the interval"

# ---- what is left out ----
{ cat a.ndjson; row 5 -1 1 0.9; } >unlabelled.ndjson
is_rc 0 "an unknown gold label is no failure" -- sst2-score unlabelled.ndjson
is "$(head -n 1 out)" "unlabelled.ndjson: 5 rows scored, 1 without a gold label" "but it is counted"
row 5 -1 1 0.9 >none.ndjson
is_rc 1 "only unknown gold labels" -- sst2-score none.ndjson
is "$(cat err)" "sst2-score: none.ndjson: no row has a gold label; nothing to score" "are named"
sed 's/,"probs":[^}]*//' a.ndjson >no-probs.ndjson
is_rc 0 "no probabilities" -- sst2-score no-probs.ndjson
like "$(cat out)" '^NLL, Brier, ECE: n/a, because' "NLL is n/a"
is "$(sst2-score --json no-probs.ndjson | json '[d[x] for x in "accuracy nll nll_interval brier ece".split()]')" '[0.6,null,null,null,null]' \
    "and null in JSON"
{ cat no-probs.ndjson; cat a.ndjson; } >mixed.ndjson
is_rc 0 "some rows without probabilities" -- sst2-score mixed.ndjson
is "$(cat err)" "sst2-score: warning: mixed.ndjson: 5 of 10 rows have no probs; NLL, Brier and ECE are not computed" "is a warning"
grep '"label":1,"label_text"' a.ndjson >collapsed.ndjson
is_rc 0 "a model that knows one answer" -- sst2-score collapsed.ndjson
is "$(cat err)" "sst2-score: warning: collapsed.ndjson: every row is predicted as 'positive'" "is warned about"
is "$(sst2-score -q --json collapsed.ndjson | json '[d["mcc"], d["classes"][0]["precision"]]')" '[0,null]' "MCC 0, precision undefined"

# ---- the teacher ----
cat >teacher.ndjson <<'END'
{"idx":0,"sentence":"a","label":0,"teacher":{"status":"ok","reasoning":"r","label":0,"label_text":"negative","confidence":0.9}}
{"idx":1,"sentence":"b","label":1,"teacher":{"status":"ok","reasoning":"r","label":0,"label_text":"negative","confidence":0.6}}
{"idx":2,"sentence":"c","label":1,"teacher":{"status":"failed","reason":"refused"}}
{"idx":3,"sentence":"d","label":1}
END
is_rc 1 "a teacher's rows are no predictions" -- sst2-score teacher.ndjson
is "$(cat err)" 'sst2-score: teacher.ndjson:1: no member "pred"; run bert-infer first, or score the teacher with --member teacher' \
    "and the cure is named"
is_rc 0 "--member teacher" -- sst2-score -q --member teacher teacher.ndjson
is "$(head -n 1 out)" "teacher.ndjson: 2 rows scored, 2 without an answer" "counts the rows without an answer"

# ---- names ----
sed 's/,"label_text":"[a-z]*"//' a.ndjson >unnamed.ndjson
is "$(sst2-score --json unnamed.ndjson | json '[c["label_text"] for c in d["classes"]]')" '["0","1"]' "classes without a name are numbers"
is "$(sst2-score --json --labels bad,good unnamed.ndjson | json '[c["label_text"] for c in d["classes"]]')" '["bad","good"]' \
    "--labels names them"
is_rc 2 "names that contradict --labels" -- sst2-score --labels bad,good a.ndjson
is "$(cat err)" "sst2-score: a.ndjson:1: label 0 is named 'negative' here and 'bad' by --labels" "are named"
is_rc 2 "fewer names than classes" -- sst2-score --labels a,b,c a.ndjson
is_rc 2 "an empty name" -- sst2-score --labels a,,c a.ndjson
awk 'BEGIN { for (i = 0; i < 60; i++) printf "{\"label\":%d,\"label_text\":\"a rather long name of class %02d\",\"pred\":{\"label\":%d}}\n", i % 20, i % 20, (i * 7) % 20 }' >wide.ndjson
is_rc 0 "twenty classes" -- sst2-score wide.ndjson
awk 'length > 80 { print; bad = 1 } END { exit bad }' out
ok $? "are shown in 80 columns"
like "$(cat out)" '^a rather long name of class 03  +a rather long name of class 01 +3$' "with their mistakes as a list"
is "$(sst2-score --json wide.ndjson | json 'len(d["confusion"])')" 20 "and whole in JSON"
printf '{"label":0,"label_text":"h\303\244sslich\\u001b[31m","pred":{"label":0}}\n{"label":1,"pred":{"label":0}}\n' >odd.ndjson
is "$(sst2-score -q odd.ndjson | sed -n '/^gold/s/.*  \(h.*31m\).*/\1/p')" "$(printf 'h\303\244sslich?[31m')" \
    "control bytes in a name are not sent to the terminal"

# ---- two files ----
is_rc 0 "two files" -- sst2-score a.ndjson b.ndjson
cat >expected <<'END'
A  a.ndjson: 5 rows scored
B  b.ndjson: 5 rows scored
matched by idx

                  A         B      B - A         95% interval
accuracy     0.6000    0.8000    +0.2000   +0.0000 to +0.6000
macro-F1     0.5833    0.7619    +0.1786
MCC          0.1667    0.6124    +0.4457
NLL          0.5108    0.3722    -0.1386   -0.3008 to +0.0236
Brier        0.3640    0.2320    -0.1320
ECE          0.3400    0.1200    -0.2200

            B right   B wrong
A right           3         0
A wrong           1         1

McNemar's test: exact p = 1.0000, mid-p = 0.5000.
At the 95% level the difference in accuracy may be chance.
END
same_bytes out expected "the table of a comparison"
is_rc 0 "two files, JSON" -- sst2-score --json a.ndjson b.ndjson
is "$(json 'd["comparison"]["mcnemar"]' <out)" '{"both_right":3,"b":0,"c":1,"both_wrong":1,"p":1,"mid_p":0.5}' "McNemar's table"
is "$(json '[d["file"], d["accuracy"], d["other"]["file"], d["other"]["accuracy"], d["comparison"]["matched_by"]]' <out)" '["a.ndjson",0.6,"b.ndjson",0.8,"idx"]' \
    "both files' scores"
sort -r b.ndjson >shuffled.ndjson
is "$(sst2-score --json a.ndjson shuffled.ndjson | json 'd["comparison"]')" "$(json 'd["comparison"]' <out)" "rows are matched by idx"
sed 's/"idx":[0-9]*,//' a.ndjson >a-no-idx.ndjson
sed 's/"idx":[0-9]*,//' b.ndjson >b-no-idx.ndjson
is "$(sst2-score --json a-no-idx.ndjson b-no-idx.ndjson | json '[d["comparison"]["matched_by"], d["comparison"]["accuracy_difference"]]')" \
    '["order",0.2]' "and by order where idx is absent"
sed 1d b.ndjson >short.ndjson
is_rc 1 "a missing row" -- sst2-score a.ndjson short.ndjson
is "$(cat err)" "sst2-score: short.ndjson: no labelled row with idx 0, which a.ndjson:1 has" "is named"
is_rc 3 "a missing row with --keep-going" -- sst2-score --keep-going a.ndjson short.ndjson
like "$(cat out)" '^A  a.ndjson: 4 rows scored, 1 skipped$' "is left out and counted"
{ cat b.ndjson; row 3 1 0 0.1; } >twice.ndjson
is_rc 1 "an idx that occurs twice" -- sst2-score a.ndjson twice.ndjson
is "$(cat err)" "sst2-score: twice.ndjson:6: idx 3 stands in line 4 already" "is named"
is_rc 3 "an idx that occurs twice with --keep-going" -- sst2-score --json --keep-going a.ndjson twice.ndjson
is "$(json 'd["comparison"]["mcnemar"]["c"]' <out)" 1 "the first row stays"
sed 's/"s 2","label":1/"s 2","label":0/; s/"label_text":"[a-z]*",//' b.ndjson >relabelled.ndjson
is_rc 1 "gold labels that differ" -- sst2-score a.ndjson relabelled.ndjson
like "$(cat err)" '^sst2-score: a.ndjson:3: gold label 1, but 0 in relabelled.ndjson:3; ' "are named"
sed 1d b-no-idx.ndjson >short-no-idx.ndjson
is_rc 1 "files of different length without idx" -- sst2-score a-no-idx.ndjson short-no-idx.ndjson
is "$(cat err)" "sst2-score: a-no-idx.ndjson has 5 labelled rows and short-no-idx.ndjson has 4; rows without idx are matched by order" \
    "are named"
{ head -n 2 a.ndjson; tail -n 3 a-no-idx.ndjson; } >half.ndjson
is_rc 1 "an idx in some rows only" -- sst2-score half.ndjson b.ndjson
like "$(cat err)" 'some rows have an idx and some have none' "is named"
sed 's/positive/good/' b.ndjson >renamed.ndjson
is_rc 1 "other label names" -- sst2-score a.ndjson renamed.ndjson
is "$(cat err)" "sst2-score: label 1 is named 'positive' in a.ndjson and 'good' in renamed.ndjson" "are named"
is_rc 0 "names in one file only" -- sst2-score unnamed.ndjson b.ndjson
is_rc 0 "probabilities in one file only" -- sst2-score no-probs.ndjson b.ndjson
like "$(cat out)" '^NLL +n/a +0.3722 +n/a$' "their difference is n/a"
is_rc 0 "stdin against a file" -- sh -c 'sst2-score - b.ndjson <a.ndjson'
is_rc 2 "stdin against itself" -- sst2-score - - </dev/null

# ---- malformed rows ----
refused() { # ROW MESSAGE-AFTER-THE-PLACE NAME
    { head -n 1 a.ndjson; printf '%s\n' "$1"; } >bad.ndjson
    is_rc 1 "$3" -- sst2-score bad.ndjson
    is "$(cat err)" "sst2-score: bad.ndjson:2: $2" "$3: named"
    [ -s out ]
    is $? 1 "$3: nothing on stdout"
}
refused '{"idx":1,"pred":{"label":1}}' 'no gold label: add "label" to the rows before bert-infer (sst2-dump does)' "no gold label"
refused '{"label":"x","pred":{"label":1}}' 'label is no class number (0, 1, ..., or -1 where it is unknown)' "a label in words"
refused '{"label":1,"pred":{"label":-1}}' 'pred.label is no class number (0, 1, ...)' "a prediction of -1"
refused '{"label":1,"pred":[]}' 'pred is array, not an object' "pred is no object"
refused '{"label":1,"pred":{"label":1,"probs":[0.1,0.8]}}' 'pred.probs sum to 0.9, not to 1' "probs that do not sum to 1"
refused '{"label":1,"pred":{"label":1,"probs":[-0.5,1]}}' 'pred.probs[0] is -0.5, not a probability' "a negative probability"
refused '{"label":1,"pred":{"label":1,"probs":[0,1e999]}}' 'pred.probs[1] is not a finite number' "an infinite probability"
refused '{"label":1,"pred":{"label":1,"probs":[0.5,0.25,0.25]}}' 'pred.probs has 3 members, and 2 in earlier rows' "probs of another length"
refused '{"label":2,"pred":{"label":1,"probs":[0.5,0.5]}}' 'label is 2, but pred.probs has 2 members' "a label beyond the probs"
refused '{"label":1000,"pred":{"label":1}}' 'label is 1000; at most 1000 classes are scored' "a label beyond all bounds"
refused '{"idx":"x","label":1,"pred":{"label":1}}' 'idx is no integer' "an idx in words"
refused '[]' 'array where a JSON object is due' "an array"
refused '' 'an empty line where a JSON object is due' "an empty line"
printf '{"label":0,"pred":{"label":0,"probs":[NaN,1]}}\n' >nan.ndjson
is_rc 1 "NaN" -- sst2-score nan.ndjson
like "$(cat err)" '^sst2-score: nan.ndjson:1: not valid JSON' "is no JSON"

{ printf '%s\n' '{"label":7,"pred":{"label":1,"probs":[0.5,0.5]}}' '{"label":1'; cat a.ndjson; } >broken.ndjson
is_rc 3 "--keep-going" -- sst2-score --keep-going broken.ndjson
is "$(head -n 1 out)" "broken.ndjson: 5 rows scored, 2 skipped" "skips and counts"
is "$(wc -l <err | tr -d ' ')" 2 "and names each row"

# ---- files ----
: >empty.ndjson
is_rc 1 "empty input" -- sst2-score empty.ndjson
is "$(cat err)" "sst2-score: empty.ndjson: no rows; an upstream stage may have failed" "is named"
printf '\020\0\0\0\0\0\0\0{}              ' >stream
is_rc 1 "a token stream" -- sst2-score stream
is "$(cat err)" "sst2-score: stream: looks like a token stream or a model; run bert-infer first" "is named"
printf 'sentence\tlabel\n' >table.tsv
is_rc 1 "a table" -- sst2-score table.tsv
like "$(cat err)" '^sst2-score: table.tsv: no NDJSON' "is named"
is_rc 1 "a file that is not there" -- sst2-score absent.ndjson
is_rc 2 "three files" -- sst2-score a.ndjson a.ndjson a.ndjson
is_rc 2 "--level 2" -- sst2-score --level 2 a.ndjson
is_rc 2 "--draws 1" -- sst2-score --draws 1 a.ndjson
is_rc 2 "--member other" -- sst2-score --member other a.ndjson
is_rc 0 "-o" -- sst2-score -o scores.txt a.ndjson
sst2-score a.ndjson >expected
same_bytes scores.txt expected "-o FILE"
if [ -w /dev/full ]; then
    sst2-score a.ndjson >/dev/full 2>err
    is $? 1 "a full disk"
    like "$(cat err)" 'No space left on device' "is named"
fi
awk 'BEGIN { printf "{\"label\":1,\"sentence\":\""; for (i = 0; i < 1048576; i++) printf "x"; print "\",\"pred\":{\"label\":1}}" }' >long.ndjson
is_rc 0 "a row of 1 MiB" -- sst2-score -q long.ndjson
printf '{"label":0,"pred":{"label":0}}\0\n' >nul.ndjson
is_rc 1 "a NUL byte" -- sst2-score nul.ndjson
done_testing
