#!/bin/sh
# distil-report: a made experiment whose every number is known, from its cells to both pages. The statistics are
# t/unit/seeds.c's; a real experiment, in small, is 75-experiment.t's.
. "$(dirname "$0")/lib.sh"
[ -x "$BUILD/bin/distil-report" ] || skip_all "distil-report is not built"

# cell GROUP ARM SEED SET ROWS WRONG ADD: a student that is wrong on WRONG consecutive rows that begin at a place of the
# seed's; ADD stands in `pred` of each row. Rows 2k and 2k+1 are a pair, as the contrast set has them.
cell() {
    folder=exp/cells/$1/$2/$3
    mkdir -p "$folder"
    awk -v rows="$5" -v wrong="$6" -v from="$3" -v add="${7-}" 'BEGIN {
        for (i = 0; i < rows; i++) {
            gold = i % 2
            right = (i + rows - from) % rows >= wrong
            said = right ? gold : 1 - gold
            printf "{\"idx\":%d,\"sentence\":\"a <b>film</b> | no. %d\",\"label\":%d,\"pair\":%d,\"kind\":\"%s\",", i, i,
                gold, int(i / 2), i < 8 ? "antonym" : "negation"
            printf "\"pred\":{\"label\":%d,\"probs\":[%s]%s}}\n", said, said ? "0.2,0.8" : "0.8,0.2", add
        } }' >"$folder/$4.ndjson"
    printf '{"file":"x","rows":%d,"accuracy":0.5,"nll":0.25,"ece":0.125}\n' "$5" >"$folder/$4.json"
    [ -e exp/data/shared/"$4".ndjson ] || sed 's/,"pred":{.*/}/' "$folder/$4.ndjson" >exp/data/shared/"$4".ndjson
    printf -- '--max-steps 20 rows.st\n' >"$folder/options"
    printf '{"train_seconds":12.5,"infer_seconds":1.5}\n' >"$folder/time.json"
    {
        echo '{"event":"start","version":"0.1.0"}'
        echo '{"event":"step","step":10,"loss":0.7}'
        echo '{"event":"step","step":20,"loss":0.25}'
        echo '{"event":"end","step":20,"loss":0.5,"seconds":10,"rows_per_second":32}'
    } >"$folder/metrics.ndjson"
    : >"$folder/done"
}

mkdir -p exp/data/shared
printf '{"version":"bert-train (distil) 0.1.0","SIZE":"240","train_sha256":"abc123"}\n' >exp/experiment.json
tab=$(printf '\t')
cat >exp/arms.tsv <<END_OF_ARMS
# name${tab}role${tab}controls${tab}stages
label${tab}baseline${tab}-${tab}--max-steps @STEPS@ @TRAIN@
compute${tab}control${tab}-${tab}--max-steps @TWICE@ @TRAIN@
double${tab}control${tab}good${tab}--max-steps @STEPS@ @DOUBLE@
good${tab}arm${tab}-${tab}--objective label,good @TRAIN@
good-shuffled${tab}control${tab}good${tab}--objective label,good --control shuffled @TRAIN@
good-repeat${tab}control${tab}good${tab}--objective label,good --control repeat @TRAIN@
bad${tab}arm${tab}-${tab}--objective label,bad @TRAIN@
lonely${tab}arm${tab}-${tab}--objective label,lonely @TRAIN@
few${tab}arm${tab}-${tab}--objective label,few @TRAIN@
few-shuffled${tab}control${tab}few${tab}--objective label,few --control shuffled @TRAIN@
END_OF_ARMS
words=',"attribution":[{"word":"a","begin":0,"end":1,"score":0.1},{"word":"<b>film</b>","begin":2,"end":13,"score":-0.9}]'
for seed in 1 2 3; do
    for arm in label compute double good-shuffled; do
        cell T-240 $arm $seed trees1821 200 40
        cell T-240 $arm $seed contrast 40 8
    done
    cell T-240 good $seed trees1821 200 4 "$words"
    cell T-240 good $seed contrast 40 0
    cell T-240 bad $seed trees1821 200 60
    cell T-240 bad $seed contrast 40 8
    [ $seed = 3 ] || for arm in label compute double few few-shuffled; do
        cell T-240 $arm $seed dev872 100 "$([ $arm = few ] && echo 0 || echo 10)"
    done
    cell T-240 lonely $seed trees1821 200 10
    cell A-240 label $seed validation 100 20
    cell A-2400 label $seed validation 100 10
done
rm exp/cells/A-2400/label/3/done # it was interrupted
printf '%s\n' '{"idx":1,"sentence":"s","label":1,"teacher":{"label":1,"confidence":0.99,"reasoning":"twelve bytes"}}' \
    '{"idx":2,"sentence":"s","label":0,"teacher":{"label":1,"confidence":0.6,"reasoning":"12345678"}}' \
    >exp/data/shared/teacher.ndjson

is_rc 0 "a report" -- distil-report -o report exp
is "$(cat err)" "distil-report: wrote report/report.md and report.html: 30 students" "a cell that is not done does not count"
md=$(cat report/report.md)
has() { # TEXT NAME
    ok "$(printf '%s\n' "$md" | grep -Fq -e "$1"; echo $?)" "$2"
}

# ---- the numbers ----
# good: 0.98 against 0.80 of 200 rows, the same in each seed: sd 0, and no draw of the bootstrap at 0.
has '| label | baseline | 3 | 0.8000 | 0.0000 | – | – | – | – | – | 0.250 | 0.125 |' "label-only: mean, sd, NLL, ECE"
like "$md" '^\| good \| arm \| 3 \| 0\.9800 \| 0\.0000 \| \+0\.1800 \| \+0\.1[0-9]{3} to \+0\.2[0-9]{3} \| 0\.0002 \| 0\.0012 \| 0\.0000 ' \
    "an arm: difference, interval, p, Holm over the six others, McNemar"
# few: no wrong row, label-only 10 in either seed; in the first seed 10 rows speak for it, none against: 2 / 2^10.
like "$md" '^\| few \| arm \| 2 \| 1\.0000 \| .* \| 0\.0020 \| 0\.250 \| 0\.125 \|$' "McNemar with two seeds: of the first alone"
has '| compute | control | 3 | 0.8000 | 0.0000 | +0.0000 | +0.0000 to +0.0000 | 1.0000 | 1.0000 | 1.0000 |' "no difference"
# Pairs with both right: of 20, label-only has 8 wrong rows from row 1, 2 or 3 on, which touch 5, 4 and 5 pairs.
has '| label | baseline | 3 | 0.7667 | 0.0289 |' "contrast: pairs with both right, not rows"
has '| good | arm | 3 | 1.0000 | 0.0000 | +0.2333 |' "and their difference"
has '| label | antonym | 0.1667 | 4 |' "by kind of edit: of the first 4 pairs 0, 1 and 1 are right"
has '| label | negation | 0.9167 | 16 |' "and the other kind"

# ---- the primary endpoints and the rule ----
like "$md" '^\| good \| trees1821 \| 3 \| \+0\.1800 \| [^|]* \| 0\.0004 \|$' \
    "primary endpoints: Holm over the two that were looked at"
like "$md" '^\| good \| contrast \| 3 \| \+0\.2333 ' "contrast among them"
has '| good | T-240, trees1821 | PASSES | further controls that were not run: good-repeat |' "an arm that passes"
has '| bad | T-240, trees1821 | does not pass | not above label, compute, double; not compared with a control of its own with shuffled reasoning |' \
    "one that does not"
has '| lonely | T-240, trees1821 | open | not compared with a control of its own with shuffled reasoning |' \
    "one that has no control cannot pass"
has '| few | T-240, dev872 | open | too few seeds: 2 |' "nor one with too few seeds"
has '| good | trees1821 | good-repeat | 0 | – | – | not run |' "a control that was not run"
has '| good | trees1821 | good-shuffled | 3 | +0.1800 |' "and one that was"

# ---- the rest ----
has '| teacher | 2 | 0.5000 | 0.0000 (1) | 0.0000 (0) | 1.0000 (1) | 2 |' "the teacher: agreement by confidence, tokens"
has '| T-240 | good | 3 | 12.5 | 32.0 |' "cost"
has '| T-240 | good-repeat | not run |' "cells that were not run"
has '| A-2400 | label | 2 |' "and those that were"
has '| train\_sha256 | abc123 |' "checksums"
has '--objective label,good --control shuffled @TRAIN@' "commands"
has '**a** **\<b>film\</b>** \| no. ' "what Markdown would read is escaped, words that carried the answer stand out"
ok "$(grep -Fq 'a</mark> <mark>&lt;b&gt;film&lt;/b&gt;</mark> | no. ' report/report.html; echo $?)" "HTML the same"
is "$(grep -c 'ten that it broke' report/report.md)" 1 "sentences for the group that has another arm"
like "$md" 'label: label 0 \| 240 \| 60 ' "the confusion matrix: 3 seeds, 20 wrong of 100 with either label"

# ---- the page ----
is "$(grep -Ec '<script|<link|<img|@import|url\(|src=' report/report.html)" 0 "HTML: nothing is loaded"
is "$(grep -c 'prefers-color-scheme:dark' report/report.html)" 1 "dark and light"
if command -v gnuplot >/dev/null 2>&1; then
    ok "$([ -s report/losses-T-240.svg ] && [ -s report/reliability-T-240.svg ] && [ -s report/sizes-A.svg ]; echo $?)" "plots as files"
    is "$(grep -c '<figure><svg' report/report.html)" "$(grep -c '^!\[' report/report.md)" "and in the page, as many as Markdown names"
else
    tap_skip "plots" "gnuplot is not here"
fi
if command -v python3 >/dev/null 2>&1; then
    python3 - <<'END_OF_CHECK' >/dev/null 2>wrong
import html.parser, sys
class Check(html.parser.HTMLParser):
    open_tags, cells = [], 0
    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "html"):
            self.open_tags.append(tag)
        if tag == "tr":
            self.cells = 0
        self.cells += tag in ("td", "th")
        if tag == "th":
            self.columns = self.cells
    def handle_startendtag(self, tag, attrs):
        pass
    def handle_endtag(self, tag):
        if tag == "html":
            return
        assert self.open_tags.pop() == tag, self.getpos()
        assert tag != "tr" or self.cells == self.columns, self.getpos()
check = Check()
check.feed(open("report/report.html", encoding="utf-8").read())
assert not check.open_tags
END_OF_CHECK
    ok $? "each element is closed, each row has its table's cells"
    show wrong
fi
is_rc 0 "again" -- distil-report -q -o again exp
same_bytes report/report.html again/report.html "is the same page"
same_bytes report/report.md again/report.md "and the same Markdown"

mkdir nothing
is_rc 0 "without gnuplot" -- env PATH="$PWD/nothing" "$BUILD/bin/distil-report" -q --no-sentences -o plain exp
is "$(grep -c 'gnuplot is not here' plain/report.md)" 7 "each plot's place says so"
ok "$(grep -Fq 'film' plain/report.md; echo $((! $?)))" "--no-sentences quotes none"

# ---- what is refused ----
cp exp/data/shared/contrast.ndjson kept
sed '4d' kept >exp/data/shared/contrast.ndjson
is_rc 1 "a contrast set whose pairs are torn" -- distil-report -o again exp
like "$(cat err)" '^distil-report: exp/data/shared/contrast\.ndjson: line 3: ' "is named with its line"
cp kept exp/data/shared/contrast.ndjson
rm exp/cells/T-240/bad/2/time.json
is_rc 1 "a cell that lacks a file" -- distil-report -o again exp
like "$(cat err)" 'cells/T-240/bad/2/time\.json' "is named"
is_rc 2 "no output" -- distil-report exp
like "$(cat err)" '-o DIR' "with its cure"
done_testing
