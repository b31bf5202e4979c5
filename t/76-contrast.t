#!/bin/sh
# testdata/contrast: the shape of the contrast set, which nothing else would notice if it broke.
. "$(dirname "$0")/lib.sh"
pairs=$TESTDATA/contrast/pairs.ndjson

is "$(wc -l <"$pairs" | tr -d ' ')" 300 "300 rows"
is "$(sed -n 's/.*"kind":"\([a-z]*\)".*/\1/p' "$pairs" | sort | uniq -c | awk '{ print $2, $1 }' | tr '\n' ' ')" \
    "antonym 60 contrast 60 degree 60 irony 60 negation 60 " "30 pairs of each kind"
is "$(sed -n 's/.*"label":\([01]\),"pair":\([0-9]*\).*/\2 \1/p' "$pairs" | awk '{ sum[$1] += $2; n[$1]++ }
    END { for (p in n) if (n[p] != 2 || sum[p] != 1) print p }')" "" "each pair has both labels"
is "$(sed -n 's/.*"label":\([01]\).*/\1/p' "$pairs" | awk 'NR % 2 { first += $1 } END { print first }')" 75 \
    "the favourable sentence comes first in half of the pairs"
is "$(sed 's/.*"sentence":"//; s/","label.*//' "$pairs" | sort | uniq -d)" "" "no sentence stands twice"
sed 's/.*"sentence":"//; s/","label.*//' "$pairs" | sort >sentences
cut -f 1 "$TESTDATA"/mini/train.tsv "$TESTDATA"/mini/validation.tsv "$TESTDATA"/mini/test.tsv | sort -u >mini
is "$(comm -12 sentences mini)" "" "none is in testdata/mini"
is "$(sed 's/.*"sentence":"//; s/","label.*//' "$pairs" | awk 'NR % 2 { split("", have); n = split($0, w, " ")
    for (i = 1; i <= n; i++) have[w[i]]++; first = n; next }
    { n = split($0, w, " "); for (i = 1; i <= n; i++) if (have[w[i]]-- > 0) same++; shared += 2 * same / (n + first); same = 0 }
    END { print (shared / (NR / 2) > 0.6) ? "yes" : "no " shared / (NR / 2) }')" yes "two sentences of a pair share most of their words"
if [ -x "$BUILD/bin/sst2-dump" ]; then
    is_rc 0 "sst2-dump reads it" -- "$BUILD/bin/sst2-dump" -o rows.ndjson "$pairs"
    is "$(wc -l <rows.ndjson | tr -d ' ')" 300 "every row"
else
    tap_skip "sst2-dump reads it" "it is not built"
fi
done_testing
