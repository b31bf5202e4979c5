#!/bin/sh
# bert-infer --attribution: its words, completeness, what must not change it and what is refused; sst2-score
# --attribution: which words people marked, the areas, matching, and what is refused. That the scores are PyTorch's is
# t/oracle/attribution.py's, that the gradient is right t/unit/attribution.c's.
. "$(dirname "$0")/lib.sh"
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
for program in bin/wp-tokenize bin/bert-train bin/bert-infer bin/sst2-score; do
    [ -x "$BUILD/$program" ] || skip_all "${program##*/} is not built"
done
model=$TESTDATA/bert/classifier # 2 classes, 40 positions

infer() {
    bert-infer -m "$model" "$@"
}
words() { # the words of each record on stdin, with their places
    sed 's/.*"attribution":\[//; s/,"score":[^}]*//g; s/}\]}}$/}/; s/\]}}$//'
}
scores() { # the sum of each record's scores
    sed 's/.*"attribution":\[//' | awk '{ s = 0; while (match($0, /"score":[-+.0-9e]+/)) { s += substr($0, RSTART + 8, RLENGTH - 8); $0 = substr($0, RSTART + RLENGTH) } printf "%.9g\n", s }'
}
member() { # NAME: of each record
    sed "s/.*\"$1\":\\([-+.0-9e]*\\).*/\\1/"
}
difference() { # logit of class 1 minus that of class 0
    sed 's/.*"logits":\[\([^]]*\)\].*/\1/' | awk -F , '{ printf "%.9g\n", $2 - $1 }'
}
cat >lines.txt <<'END'
the film is good, not bad
a bad, bad movie!
fun
END

# ---- the members ----
is_rc 0 "--attribution" -- infer --attribution lines.txt
cp out lines.out
is "$(sed 's/,"attribution_method".*/}}/' lines.out)" "$(infer lines.txt)" "the prediction is the same as without"
is "$(sed -n 2p lines.out | words)" \
    '{"word":"a","begin":0,"end":1},{"word":"bad,","begin":2,"end":6},{"word":"bad","begin":7,"end":10},{"word":"movie!","begin":11,"end":17}' \
    "words are what stands between white space"
is "$(grep -c '"attribution_method":"integrated_gradients","completeness_error":[0-9.e-]*,"attribution":\[' lines.out)" 3 \
    "without a head for cues, by gradient"
infer --attribution --attribution-method gradient --attribution-steps 32 lines.txt >named.out
same_bytes named.out lines.out "which is what auto means here, in 32 steps"

# ---- completeness ----
# The line starts from the sentence with [MASK] for each token.
wp-tokenize -q -m "$model" --output-format ndjson lines.txt | sed 's/.*"input_ids":\[//; s/\].*//' |
    awk -F , '{ line = ""; for (i = 3; i < NF; i++) line = line "[MASK] "; print line "[MASK]" }' >masked.txt
infer --logits lines.txt | difference >of_sentence
infer --logits masked.txt | difference >of_masked
scores <lines.out >sums
member completeness_error <lines.out >errors
paste of_sentence of_masked sums errors | awk '{ d = $3 - ($1 - $2); d = d < 0 ? -d : d; if (d > $4 + 2e-6) print "incomplete", $0; if ($4 > 1e-4) print "large error", $0 }' >wrong
is "$(cat wrong)" "" "the scores add up to what the logits differ from those of [MASK] alone"
infer --attribution --attribution-steps 2 lines.txt >coarse.out
paste of_sentence of_masked errors - <<END | awk '{ e = $4; if (e < 4 * $3) print "not coarser", $0 }' >wrong
$(member completeness_error <coarse.out)
END
is "$(cat wrong)" "" "two steps leave a larger error"
scores <coarse.out >sums
member completeness_error <coarse.out >errors
paste of_sentence of_masked sums errors | awk '{ d = $3 - ($1 - $2); d = (d < 0 ? -d : d) - $4; if (d > 2e-6 || d < -2e-6) print }' >wrong
is "$(cat wrong)" "" "and tell it"

# ---- what must not change it ----
for n in 1 2 3; do
    sed -n ${n}p lines.txt | infer --attribution | sed 's/.*"attribution_method"//' >alone
    sed -n ${n}p lines.out | sed 's/.*"attribution_method"//' >among
    same_bytes alone among "row $n by itself has the same bytes"
done
for threads in 2 3; do
    infer --attribution --threads $threads lines.txt >threads.out
    same_bytes threads.out lines.out "$threads threads: the same bytes"
done
awk '{ print "{\"sentence\":\"" $0 "\",\"pred\":{\"attribution\":[]},\"x\":1}" }' lines.txt | infer --attribution >rows.out
is "$(sed 's/.*"pred"//' rows.out)" "$(sed 's/.*"pred"//' lines.out)" "NDJSON: the same"
infer --attribution --temperature 2 lines.txt | sed 's/.*"attribution_method"//' >warm
sed 's/.*"attribution_method"//' lines.out >cold
same_bytes warm cold "a temperature changes probabilities alone"

# ---- words ----
printf 'a\302\240film\tfun  ,\r\n' | infer --attribution | words >out
is "$(cat out)" "$(printf '{"word":"a","begin":0,"end":1},{"word":"film","begin":3,"end":7},{"word":"fun","begin":8,"end":11},{"word":",","begin":13,"end":14}')" \
    "white space of Unicode parts words, places are bytes"
printf '\n' | infer --attribution >out
like "$(cat out)" '"completeness_error":0(\.0)?,"attribution":\[\]\}\}$' "an empty sentence has none"
printf 'fun [SEP] \302\205 film\n' | infer --attribution | words >out
is "$(cat out)" '{"word":"fun","begin":0,"end":3},{"word":"[SEP]","begin":4,"end":9},{"word":"film","begin":13,"end":17}' \
    "a special token of the text is a word, what has no token is none"
awk 'BEGIN { for (i = 0; i < 60; i++) printf "fun "; print "film" }' | infer -q --attribution --max-len 12 >out
is "$(grep -o '"word"' out | wc -l | tr -d ' ')" 10 "what was cut off is missing"
cat >pair.ndjson <<'END'
{"sentence":"the film","second":"is good fun"}
END
infer --pair second --attribution pair.ndjson >pair.out
is "$(words <pair.out)" '{"word":"the","begin":0,"end":3},{"word":"film","begin":4,"end":8}' "of a pair the words of the sentence"
printf '{"sentence":"[MASK] [MASK]","second":"is good fun"}\n' >pair-masked.ndjson
infer --pair second --logits pair.ndjson | difference >of_sentence
infer --pair second --logits pair-masked.ndjson | difference >of_masked
scores <pair.out | paste of_sentence of_masked - | awk '{ d = $3 - ($1 - $2); if (d > 1e-4 || d < -1e-4) print }' >wrong
is "$(cat wrong)" "" "while the second text stays"

# ---- the head that tags cues ----
encoder=$TESTDATA/bert/encoder
wp-tokenize -q -m "$encoder" --max-len 40 "$TESTDATA/mini/teacher.ndjson" >mini.tokens
for dtype in f32 bf16; do
    is_rc 0 "a student that tags cues, saved as $dtype" -- bert-train -q -m "$encoder" -o cues-$dtype --save-dtype $dtype \
        --objective label=1,cues=1 --max-steps 5 --learning-rate 1e-3 mini.tokens
    bert-infer -m cues-$dtype --attribution lines.txt >cues-$dtype.out
    is "$(grep -c '"attribution_method":"cues","attribution":\[{"word":"' cues-$dtype.out)" 3 "auto takes its head ($dtype)"
done
is "$(words <cues-f32.out)" "$(words <lines.out)" "the words are the same"
sed 's/.*"attribution":\[//' cues-f32.out cues-bf16.out | grep -o '"score":[^}]*' |
    awk -F : '{ if ($2 < -1 || $2 > 1 || $2 == 0) print }' >wrong
is "$(cat wrong)" "" "a score is a difference of two probabilities"
echo 'fun ... !? fun' | bert-infer -m cues-f32 --attribution | grep -o '"score":[^}]*' >out
is "$(sed -n '2p; 3p' out | sort -u)" '"score":0' "punctuation has none"
is "$(sed -n 1p out | grep -c ':0$')$(sed -n 4p out | grep -c ':0$')" 00 "what stands around it has"
bert-infer -m cues-f32 lines.txt | sed 's/.*"probs":\[\([^],]*\).*/\1/' >plain
sed 's/.*"probs":\[\([^],]*\).*/\1/' cues-f32.out | paste plain - | awk '{ d = $1 - $2; if (d > 1e-6 || d < -1e-6) print }' >wrong
is "$(cat wrong)" "" "the prediction is the same"
bert-infer -m cues-f32 --attribution --attribution-method gradient lines.txt >out
is "$(grep -c '"attribution_method":"integrated_gradients"' out)" 3 "the gradient can be asked for"
is_rc 0 "int8 goes with the head" -- bert-infer -q -m cues-f32 --weights int8 --attribution lines.txt

# ---- refused ----
wp-tokenize -q -m "$model" lines.txt >tokens
is_rc 2 "--attribution of a stream" -- infer --attribution tokens
is "$(cat err)" "bert-infer: tokens: a token stream has no text for --attribution; give the rows as NDJSON" "is named"
is_rc 2 "--attribution-method cues without such a head" -- infer --attribution --attribution-method cues lines.txt
like "$(cat err)" 'has no head that tags decisive words; train with the objective cues, or use gradient$' "is named"
is_rc 2 "int8" -- infer --attribution --weights int8 lines.txt
is_rc 0 "bf16" -- infer -q --attribution --weights bf16 lines.txt
is_rc 2 "--attribution-steps alone" -- infer --attribution-steps 4 lines.txt
is_rc 2 "--attribution-method alone" -- infer --attribution-method gradient lines.txt
is_rc 2 "--attribution-steps 0" -- infer --attribution --attribution-steps 0 lines.txt
is_rc 1 "half a surrogate pair" -- sh -c 'printf "{\"sentence\":\"\\\\ud800\"}\n" | bert-infer -m "$1" --attribution' - "$model"

# ---- sst2-score: which words are marked ----
cat >trees.txt <<'END'
(1 (2 It) (1 (1 (2 is) (1 (2 not) (3 good))) (2 .)))
(3 (2 A) (3 (3 lovely) (2 film)))
(1 (2 (2 far) (2 (2 too) (2 long))) (1 (2 and) (0 bad)))
(4 (4 (2 holds) (2 together)) (2 (2 the) (2 (2 whole) (2 way))))
(2 (2 Just) (2 words))
(1 (1 (2 no) (2 (2 real) (2 point))) (2 here))
END
# idx: score of each word; decisive and polarity as a person reckons them
attributed() { # SENTENCE SCORE...
    awk -v sentence="$1" -v scores="$2" 'BEGIN {
        n = split(sentence, word, " "); split(scores, score, " "); at = 0
        printf "{\"sentence\":\"%s\",\"pred\":{\"label\":1,\"attribution_method\":\"cues\",\"attribution\":[", sentence
        for (i = 1; i <= n; i++) { printf "%s{\"word\":\"%s\",\"begin\":%d,\"end\":%d,\"score\":%s}", (i > 1 ? "," : ""), word[i], at, at + length(word[i]), score[i]; at += length(word[i]) + 1 }
        print "]}}" }'
}
areas() { # of the only row on stdin
    sst2-score --json --attribution trees.txt | sed 's/.*"decisive":{"area":\([^,]*\),.*"polarity":{"area":\([^,]*\),.*/\1 \2/'
}
# "not good" is unfavourable and "good" does not explain it: both are marked, "not" as unfavourable
is "$(attributed "It is not good ." "0.1 0.2 -0.9 0.8 0" | areas)" "1 1" "not good: two marked words of either sign"
is "$(attributed "It is not good ." "0.1 0.2 0.9 0.8 0" | areas)" "1 0" "polarity looks at the sign"
is "$(attributed "It is not good ." "0.85 0.2 -0.9 0.8 0" | areas)" "0.8333333333333334 1" "decisive at the magnitude"
is "$(attributed "It is not good ." "0.8 0.2 -0.8 0.8 0" | areas)" "0.8333333333333334 1" "ties count one half"
# "lovely film" is explained by "lovely"
is "$(attributed "A lovely film" "0 0.5 0.5" | areas)" "0.75 null" "a lovely film: one marked word"
# "bad" is marked; "and bad" is explained by it, and the phrase of five words is too long
is "$(attributed "far too long and bad" "0 0 0 0 1" | areas)" "1 null" "what is neutral up to three words is not marked"
is "$(attributed "holds together the whole way" "3 2 1 0 0" | areas)" "1 null" "a phrase marks words that are neutral alone"
is "$(attributed "no real point here" "1 1 1 0" | areas)" "1 null" "also one of three words"
is "$(attributed "JUST words" "1 1" | areas)" "null null" "a neutral sentence has no area"
is "$(printf '{"sentence":" a LOVELY\\tfilm ","pred":{"attribution":[{"begin":3,"end":9,"score":-2},{"begin":10,"end":14,"score":1}]}}\n' | areas)" \
    "1 null" "case and white space aside; a word without a score is left out"
is "$(printf '{"sentence":"alovely film","pred":{"attribution":[{"begin":0,"end":7,"score":2},{"begin":8,"end":12,"score":1}]}}\n' | areas)" \
    "0.75 null" "a word of the row that is two of the tree's counts for both"

# ---- the table ----
{
    attributed "It is not good ." "0.1 0.2 -0.9 0.8 0"
    attributed "A lovely film" "0 0.5 0.5"
    attributed "far too long and bad" "0 0 0 0 1"
    attributed "no such sentence" "0 0 0"
    attributed "a lovely film" "9 0 0"
} >a.ndjson
{
    attributed "A lovely film" "0 1 0"
    attributed "It is not good ." "1 1 0.5 0 0"
} | sed 's/cues/integrated_gradients","completeness_error":0.25,"x":"/' >b.ndjson
is_rc 0 "one file" -- sst2-score --attribution trees.txt a.ndjson
cat >expected <<'END'
a.ndjson: 3 rows with a tree of trees.txt, 1 without, 1 repeated
scores: cues

           sentences      area       95% interval
decisive           3    0.9167   0.7500 to 1.0000
polarity           1    1.0000   1.0000 to 1.0000
END
head -n 6 out >table
same_bytes table expected "its table"
is "$(awk 'length > 80' out)" "" "in 80 columns"
is_rc 0 "two files" -- sst2-score --attribution trees.txt a.ndjson b.ndjson
cat >expected <<'END'
A  a.ndjson: 3 rows with a tree of trees.txt, 1 without, 1 repeated
   scores: cues
B  b.ndjson: 2 rows with a tree of trees.txt
   scores: integrated_gradients, mean completeness error 0.25

           sentences         A         B     B - A         95% interval
decisive           2    0.8750    0.6250   -0.2500   -0.7500 to +0.2500
polarity           1    1.0000    0.0000   -1.0000   -1.0000 to -1.0000
END
head -n 8 out >table
same_bytes table expected "of the sentences that both have"
sst2-score --json --attribution trees.txt a.ndjson b.ndjson >out
is "$(sed 's/.*"comparison"/"comparison"/; s/"interval":\[[^]]*\],//g' out)" \
    '"comparison":{"matched_by":"sentence","decisive":{"area_difference":-0.25,"sentences":2},"polarity":{"area_difference":-1,"sentences":1}}}' \
    "and in JSON"
cat a.ndjson b.ndjson >mixed.ndjson
like "$(sst2-score --attribution trees.txt mixed.ndjson)" '3 rows with a tree of trees.txt, 1 without, 3 repeated' "a sentence counts once"

# ---- refused ----
refused() { # ROW MESSAGE NAME
    printf '%s\n' "$1" >bad.ndjson
    is_rc 1 "$3" -- sst2-score --attribution trees.txt bad.ndjson
    is "$(cat err)" "sst2-score: bad.ndjson:1: $2" "$3: named"
}
refused '{"sentence":"a lovely film","pred":{"label":1}}' 'no list pred.attribution; run bert-infer --attribution first' "no words"
refused '{"idx":1,"pred":{"label":1}}' 'no string "sentence"; give bert-infer NDJSON or text, not a stream' "no sentence"
refused '{"sentence":"a film","pred":{"attribution":[{"begin":0,"end":1}]}}' 'pred.attribution[0] has no numbers begin, end and score' "no score"
refused '{"sentence":"a film","pred":{"attribution":[{"begin":2,"end":7,"score":1}]}}' \
    'pred.attribution[0] is at 2 to 7: words must follow each other inside the sentence' "a word outside the sentence"
refused '{"sentence":"a film","pred":{"attribution":[{"begin":2,"end":6,"score":1},{"begin":0,"end":1,"score":1}]}}' \
    'pred.attribution[1] is at 0 to 1: words must follow each other inside the sentence' "words in disorder"
cat a.ndjson >>bad.ndjson
is_rc 3 "--keep-going" -- sst2-score --keep-going --attribution trees.txt bad.ndjson
like "$(cat out)" '^bad.ndjson: 3 rows with a tree of trees.txt, 1 without, 1 repeated, 1 skipped$' "counts what it skips"
attributed "no such sentence" "0 0 0" >other.ndjson
is_rc 1 "no sentence has a tree" -- sst2-score --attribution trees.txt other.ndjson
is "$(cat err)" "sst2-score: other.ndjson: none of its 1 sentences stands in trees.txt" "is named"
: >empty
is_rc 1 "no rows" -- sst2-score --attribution trees.txt empty
is_rc 1 "no trees" -- sst2-score --attribution empty a.ndjson
is_rc 1 "a broken tree" -- sst2-score --attribution a.ndjson a.ndjson
is_rc 2 "--attribution --member teacher" -- sst2-score --attribution trees.txt --member teacher a.ndjson
is_rc 2 "--attribution --labels" -- sst2-score --attribution trees.txt --labels a,b a.ndjson
is_rc 0 "bert-infer's own output" -- sh -c 'printf "It is not good .\na lovely film\n" | bert-infer -m "$1" --attribution | sst2-score --attribution trees.txt' - "$model"
like "$(cat out)" '^decisive +2 +[01]\.[0-9]{4} ' "is read"
done_testing
