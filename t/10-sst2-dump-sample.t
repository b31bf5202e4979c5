#!/bin/sh
# sst2-dump: which rows go out. What is random is checked by its properties, and by one fixed draw each, so that the same
# seed means the same rows in every version and on every machine.
. "$(dirname "$0")/lib.sh"

mini=$TESTDATA/mini
sst2-dump "$mini" >all

numbers() { # the idx of each row
    sed 's/^{"idx":\([0-9]*\),.*/\1/' "$1" | tr '\n' ' '
}
part_of() { # every line of FILE is a line of the other, in the same order
    [ "$(grep -Fxf "$1" "$2" | cmp - "$1" 2>&1)" = "" ]
}
rows() { # NAME EXPECTED-NUMBER ARGUMENT...: leaves the rows in ./out
    about=$1 expected=$2
    shift 2
    is_rc 0 "$about: exit status" -- sst2-dump "$@"
    is "$(wc -l <out)" "$expected" "$about: number of rows"
}

# ---- limit, min-words ----
rows "--limit" 5 --limit 5 "$mini"
is "$(numbers out)" "0 1 2 3 4 " "--limit takes the first"
rows "--limit 0" 0 --limit 0 "$mini"
rows "a large --limit" 800 --limit 1000000 "$mini"
printf 'sentence\tlabel\none\t1\nbroken\n' >broken.tsv
rows "--limit does not read on" 1 --limit 1 broken.tsv
printf 'sentence\na b\n  a   b  c\na b c d \n\na\n' >words.tsv
rows "--min-words" 2 --min-words 3 words.tsv
is "$(numbers out)" "1 2 " "--min-words: rows keep their idx"
rows "--min-words 0" 4 --min-words 0 words.tsv
rows "--min-words and --limit" 1 --min-words 3 --limit 1 words.tsv
is "$(numbers out)" "1 " "--min-words comes before --limit"

# ---- sample, shuffle ----
rows "--sample" 100 --sample 100 "$mini"
cp out sample100
part_of sample100 all
ok $? "--sample keeps the order"
rows "--sample again" 100 --sample 100 --seed 42 "$mini"
same_bytes out sample100 "the default seed is 42, and the same seed gives the same rows"
rows "--sample with another seed" 100 --sample 100 --seed 43 "$mini"
ok "$(cmp -s out sample100; echo $((! $?)))" "another seed gives other rows"
rows "a smaller --sample" 60 --sample 60 "$mini"
part_of out sample100
ok $? "a smaller sample is part of a larger one"
rows "--sample 0" 0 --sample 0 "$mini"
rows "--sample of too few rows" 4 --sample 9 words.tsv
is "$(cat err)" "sst2-dump: --sample 9: there are only 4 rows" "--sample of too few rows says so"
rows "--sample from standard input" 100 --sample 100 - <"$mini/train.tsv"
same_bytes out sample100 "--sample from standard input gives the same"
rows "--sample of long rows" 20 --sample 20 --min-words 20 "$mini"
is "$(awk -F'"' 'split($6, w, " ") < 20' out)" "" "--min-words comes before --sample"
rows "--shuffle" 800 --shuffle "$mini"
cp out shuffled
ok "$(cmp -s shuffled all; echo $((! $?)))" "--shuffle changes the order"
sort all >a
sort shuffled >b
same_bytes a b "--shuffle keeps the rows"
rows "--shuffle --limit" 10 --shuffle --limit 10 "$mini"
head -n 10 shuffled >first
same_bytes out first "--limit comes after --shuffle"
rows "--sample --shuffle" 100 --sample 100 --shuffle "$mini"
sort out >a
sort sample100 >b
same_bytes a b "--shuffle does not change the sample"
ok "$(cmp -s out sample100; echo $((! $?)))" "--shuffle changes the sample's order"
rows "a fixed sample" 8 --sample 8 --seed 1 "$mini"
is "$(numbers out)" "15 74 282 286 340 550 585 630 " "a fixed sample"
rows "a fixed shuffle" 8 --shuffle --limit 8 --seed 1 "$mini"
is "$(numbers out)" "42 501 142 43 449 52 474 127 " "a fixed shuffle"

# ---- stratify ----
{
    echo 'text,label'
    i=0
    while [ $i -lt 100 ]; do
        case $i in
        ?) echo "t$i," ;;                 # 10 without a label
        [1-6]?) echo "t$i,1" ;;           # 60
        *) echo "t$i,0" ;;                # 30
        esac
        i=$((i + 1))
    done
} >shares.csv
shares() {
    sed 's/.*"label":\(-*[0-9]\).*/\1/' out | sort | uniq -c | awk '{printf "%s:%s ", $2, $1}'
}
rows "--stratify" 10 --sample 10 --stratify shares.csv
is "$(shares)" "-1:1 0:3 1:6 " "--stratify keeps the shares"
for seed in 1 2 3; do
    rows "--stratify, seed $seed" 7 --sample 7 --stratify --seed $seed shares.csv
    is "$(shares)" "-1:1 0:2 1:4 " "--stratify gives what is left to the largest remainders, seed $seed"
done
rows "--stratify of all" 100 --sample 100 --stratify shares.csv
rows "--stratify of nothing" 0 --sample 0 --stratify shares.csv

# ---- holdout ----
# 40 families of a sentence, a doubled row and four phrases of it; no word is in two families.
{
    printf 'sentence\tlabel\n'
    i=0
    while [ $i -lt 40 ]; do
        printf 'A%s b%s c%s d%s e%s .\t1\n' $i $i $i $i $i
        i=$((i + 1))
    done
    i=0
    while [ $i -lt 40 ]; do
        printf 'a%s B%s  c%s d%s e%s . \t0\nb%s c%s\t1\nb%s c%s d%s\t1\nc%s\t0\na%s\t0\n' $i $i $i $i $i $i $i $i $i $i $i $i
        i=$((i + 1))
    done
} >families.tsv
rows "--holdout" 192 --holdout 0.2 families.tsv
cp out train
rows "--part holdout" 48 --holdout 0.2 --part holdout families.tsv
cp out held
is "$(cat err)" "" "a hold-out that fits is silent"
sst2-dump families.tsv | sort >a
sort train held >b
same_bytes a b "the two parts are all rows"
families() { # numbers of the families in a file
    sed 's/.*"sentence":"[A-Ea-e]\([0-9]*\).*/\1/' "$1" | sort -u
}
families train >a
families held >b
is "$(comm -12 a b)" "" "no family is on both sides"
part_of train all.ndjson 2>/dev/null || sst2-dump families.tsv >all.ndjson
part_of train all.ndjson
ok $? "the parts keep the order"
rows "--holdout with another seed" 48 --holdout 0.2 --part holdout --seed 7 families.tsv
ok "$(cmp -s out held; echo $((! $?)))" "another seed holds other rows"
rows "--holdout and --min-words" 16 --holdout 0.2 --part holdout --min-words 6 families.tsv
part_of out held
ok $? "--min-words does not move rows between the parts"
rows "--holdout and --sample" 10 --holdout 0.2 --part holdout --sample 10 families.tsv
part_of out held
ok $? "--sample draws from the part"
rows "--holdout of most" 192 --holdout 0.8 --part holdout families.tsv
rows "--holdout of one family" 6 --holdout 0.02 --part holdout families.tsv

# A word that is a row and stands in all sentences: ties everything together, unless short phrases do not count.
{
    printf 'sentence\tlabel\nfilm\t1\nthe film\t1\n'
    i=0
    while [ $i -lt 150 ]; do
        printf 'the film w%s is x%s\t1\nfilm w%s is\t0\nx%s\t0\n' $i $i $i $i
        i=$((i + 1))
    done
} >film.tsv
rows "common phrases" 45 --holdout 0.1 --part holdout film.tsv
cp out held
is "$(cat err)" "sst2-dump: only phrases of at least 3 words tie sentences together in the hold-out; shorter ones would make a group larger than a part" \
    "common phrases: which words count is said"
sst2-dump --holdout 0.1 film.tsv >train 2>/dev/null
is "$(grep -c '"sentence":"\(the \)*film"' train)" 2 "a phrase of sentences on both sides is in the training part"
sed 's/.*[wx]\([0-9]*\).*/\1/' held | sort | uniq -c | awk '$1 != 3' >mixed
is "$(cat mixed)" "" "a short phrase of one sentence alone goes with it"
rows "--phrase-words 1" 452 --holdout 0.1 --phrase-words 1 film.tsv
is "$(cat err)" "sst2-dump: the hold-out has 0 of 452 rows, not a share of 0.1: the groups (the largest of 452 rows) cannot be divided" \
    "--phrase-words 1 takes containment to the letter"
sst2-dump --holdout 0.1 --phrase-words 3 film.tsv >out 2>err
same_bytes out train "--phrase-words 3 is what was chosen"
is "$(cat err)" "" "and then nothing is to be said"

# The promise, checked in another way on rows with many ties: the mini corpus cut into phrases.
cat >phrases.awk <<'EOF'
BEGIN { FS = "\t"; print "sentence\tlabel" }
NR > 1 && NR < 300 {
    print
    n = split($1, w, " ")
    for (from = 1; from <= n; from += 3)
        for (len = 1; len <= 4 && from + len <= n + 1; len++) {
            text = w[from]
            for (k = 1; k < len; k++) text = text " " w[from + k]
            print text "\t" $2
        }
}
EOF
awk -f phrases.awk "$mini/train.tsv" >phrases.tsv
sst2-dump --holdout 0.15 phrases.tsv >train 2>err
sst2-dump --holdout 0.15 --part holdout phrases.tsv >held 2>/dev/null
words=$(sed -n 's/.*at least \([0-9]*\) words.*/\1/p' err)
cat >promise.awk <<'EOF'
function sentence(line) { sub(/.*"sentence":"/, "", line); sub(/","label.*/, "", line); return " " tolower(line) " " }
FNR == 1 { file++ }
file == 1 { held[sentence($0)]; next }
{ train[sentence($0)] }
END {
    for (t in train) {
        for (h in held) {
            if (index(t, h)) print "held row within a training row:" h "|" t
            if (split(t, w, " ") >= words && index(h, t)) print "training row within a held row:" t "|" h
        }
    }
}
EOF
is "$(awk -v words="${words:-1}" -f promise.awk held train | head -n 3)" "" "no held row is in a training row, nor the other way from $words words on"
total=$(sst2-dump phrases.tsv | wc -l)
ok "$(awk -v h="$(wc -l <held)" -v n="$total" 'BEGIN { exit !(h > 0.13 * n && h < 0.17 * n) }'; echo $?)" "about 15 % are held"
is "$(($(wc -l <held) + $(wc -l <train)))" "$total" "the parts are all rows"
rows "a fixed hold-out" 4 --holdout 0.02 --part holdout --seed 1 --limit 4 "$mini"
is "$(numbers out)" "10 138 173 243 " "a fixed hold-out"
printf 'sentence\tlabel\n' >none.tsv
rows "--holdout of nothing" 0 --holdout 0.5 none.tsv
printf 'sentence\tlabel\n\t1\n \t0\nx\t1\ny\t1\n' >blank.tsv
sst2-dump --holdout 0.5 blank.tsv >a
sst2-dump --holdout 0.5 --part holdout blank.tsv >b
is "$(cat a b | wc -l) $(grep -l '"sentence":" *"' a b | wc -l)" "4 1" "sentences without words are equal"

done_testing
