#!/bin/sh
# sst2-dump on the real data: rows equal the tables byte for byte, by a reconstruction that shares nothing with the tool
# (awk); the trees have the published counts and, lower-cased, GLUE's sentences; the hold-out keeps its promise.
. "$(dirname "$0")/lib.sh"

glue=$REAL_DATA/SST-2
trees=$REAL_DATA/sst-trees
[ -r "$glue/train.tsv" ] || skip_all "no $glue"

# GLUE has no backslash, quote that needs escaping, or control byte; the test would fail if it had.
rebuild() { # TABLE: its rows as NDJSON
    awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    {
        text = $at["sentence"]
        gsub(/\\/, "\\\\", text)
        gsub(/"/, "\\\"", text)
        printf "{\"idx\":%d,\"sentence\":\"%s\",\"label\":%d}\n", NR - 2, text, "label" in at ? $at["label"] : -1
    }' "$1"
}
for split in "train train 67349" "validation dev 872" "test test 1821"; do
    set -- $split
    is_rc 0 "$1" -- sst2-dump --split "$1" "$glue"
    is "$(wc -l <out)$(cat err)" "$3" "$1: number of rows"
    cp out "$1.ndjson"
    rebuild "$glue/$2.tsv" >rebuilt
    same_bytes "$1.ndjson" rebuilt "$1: idx, sentence and label are the table's"
    sst2-dump "$glue/$2.tsv" >out
    same_bytes out "$1.ndjson" "$1: the file alone gives the same"
    sst2-dump "$1.ndjson" >out
    same_bytes out "$1.ndjson" "$1: a dump of the dump is the dump"
done
is "$(sed 's/.*"label"/"label"/' test.ndjson | sort -u)" '"label":-1}' "GLUE's test has no labels"
awk -F '\t' 'NR > 1 { print $1 }' "$glue/test.tsv" >index
sed 's/{"idx":\([0-9]*\).*/\1/' test.ndjson >idx
same_bytes idx index "the test rows' idx is the table's index column"

sst2-dump --holdout 0.1 "$glue" >train 2>err
sst2-dump --holdout 0.1 --part holdout "$glue" >held 2>/dev/null
is "$(cat train held | sort | cksum)" "$(sort train.ndjson | cksum)" "hold-out: the parts are all rows"
ok "$(awk -v n="$(wc -l <held)" 'BEGIN { exit !(n > 6600 && n < 6900) }'; echo $?)" "hold-out: a tenth is held"
is "$(cat err)" "sst2-dump: only phrases of at least 3 words tie sentences together in the hold-out; shorter ones would make a group larger than a part" \
    "hold-out: which phrases count"
cat >promise.awk <<'EOF'
function words(line) { sub(/.*"sentence":"/, "", line); sub(/ *","label.*/, "", line); return split(line, w, " ") }
function run(from, to,   text, k) { text = w[from]; for (k = from + 1; k <= to; k++) text = text " " w[k]; return text }
FNR == 1 { file++ }
{ n = words($0) }
file == 1 { rows[run(1, n)] = n; if (n > longest) longest = n; next } # the phrases
{
    for (i = 1; i <= n; i++) {
        text = ""
        for (k = i; k <= n && k - i < longest; k++) {
            text = k == i ? w[k] : text " " w[k]
            if (k - i + 1 >= least && text in rows) print text
        }
    }
}
EOF
is "$(awk -v least=1 -f promise.awk held train | head -n 3)" "" "hold-out: no held row is in a training row"
is "$(awk -v least=3 -f promise.awk train held | head -n 3)" "" "hold-out: no training row of three words is in a held row"

if [ ! -r "$trees/train.txt" ]; then
    tap_skip "the Stanford trees" "no $trees"
    done_testing
fi
for split in "train train 8544 6920 318582" "validation dev 1101 872 41447" "test test 2210 1821 82600"; do
    set -- $split
    is "$(sst2-dump --split "$1" --classes 5 "$trees" | wc -l)" "$3" "trees: $1, five classes"
    is "$(sst2-dump --split "$1" "$trees" | wc -l)" "$4" "trees: $1, two classes"
    is "$(sst2-dump --split "$1" --classes 5 --phrases "$trees" | wc -l)" "$5" "trees: $1, every node"
    is "$(tr -cd '(' <"$trees/$2.txt" | wc -c)" "$5" "trees: $1 has as many opening brackets"
done
texts() { # sentence and label, lower-cased, without the last space
    sed 's/.*"sentence":"\(.*\)","label":\(-*[0-9]\).*/\1\t\2/' "$1" | sed 's/ *\t/\t/' | tr 'A-Z' 'a-z' | sort
}
sst2-dump --split validation "$trees" >dev
texts dev >a
texts validation.ndjson >b
same_bytes a b "the dev trees are GLUE's validation rows but for the case of letters"
sst2-dump "$trees" >sentences
texts sentences | sort -u >a
texts train.ndjson | sort -u >b
ok "$(test "$(comm -12 a b | wc -l)" -gt 6700; echo $?)" "nearly all training sentences of the trees are rows of GLUE's with the same label"
echo "# $(comm -12 a b | wc -l) of $(wc -l <a)"

done_testing
