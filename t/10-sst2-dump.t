#!/bin/sh
# sst2-dump: formats, columns, labels, errors by exact status and text, and the edges of input and output. Sampling is in
# 10-sst2-dump-sample.t, the real data in 10-sst2-dump-real.t, fetching in 11-sst2-dump-download.t.
. "$(dirname "$0")/lib.sh"

tab=$(printf '\t')

# dump NAME EXPECTED ARGUMENT... <input: the rows on stdout are EXPECTED, and nothing is on stderr.
dump() {
    about=$1 expected=$2
    shift 2
    is_rc 0 "$about: exit status" -- sst2-dump "$@"
    printf '%s' "$expected" >expected
    same_bytes out expected "$about: rows"
    is "$(cat err)" "" "$about: silent"
}

# refused STATUS NAME MESSAGE ARGUMENT... <input: that status, and that one line on stderr.
refused() {
    status=$1 about=$2 reason=$3
    shift 3
    is_rc "$status" "$about: exit status" -- sst2-dump "$@"
    is "$(sed '/^Try /d' err)" "sst2-dump: $reason" "$about: message"
}

# ---- GLUE: folder, file, zip, standard input ----
dump "a folder" "$(sed 's/,"teacher":.*/}/' "$TESTDATA/mini/teacher.ndjson")
" "$TESTDATA/mini"
sst2-dump --split validation "$TESTDATA/mini" >validation.ndjson
is "$(wc -l <validation.ndjson)" 200 "validation.tsv is found"
mkdir folder
cp "$TESTDATA/mini/validation.tsv" folder/validation.tsv
printf 'sentence\tlabel\nfrom dev \t1\n' >folder/dev.tsv
printf 'index\tsentence\n0\tno label \n1\tand none here\n' >folder/test.tsv
from_dev='{"idx":0,"sentence":"from dev ","label":1}
'
unlabelled='{"idx":0,"sentence":"no label ","label":-1}
{"idx":1,"sentence":"and none here","label":-1}
'
dump "dev.tsv comes before validation.tsv" "$from_dev" --split validation folder
dump "a folder as glue" "$from_dev" --split validation --input-format glue folder
dump "test without labels" "$unlabelled" --split test folder
dump "a single file" "$unlabelled" folder/test.tsv
dump "standard input" "$from_dev" - <folder/dev.tsv
refused 1 "a folder without the split" \
    "folder: no file for --split train in it (train.tsv, train.csv, train.jsonl, train.ndjson, train.txt); give the file itself" folder
refused 1 "a folder without the split in that format" \
    "folder: no file for --split validation in it (dev.txt, validation.txt); give the file itself" \
    --split validation --input-format trees folder

python3 - <<'EOF'
import zipfile
with zipfile.ZipFile("data.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("SST-2/", "")
    z.writestr("SST-2/original/dev.tsv", "sentence\tlabel\ntoo deep\t0\n")
    for name in "dev", "test":
        z.write("folder/%s.tsv" % name, "SST-2/%s.tsv" % name)
    z.writestr("__MACOSX/SST-2/._dev.tsv", "resource fork")
with zipfile.ZipFile("empty.zip", "w") as z:
    pass
data = bytearray(open("data.zip", "rb").read())
open("cut.zip", "wb").write(data[:len(data) // 2])
data[data.index(b"SST-2/dev.tsv") + 20] ^= 0x40 # inside the packed bytes of dev.tsv
open("flipped.zip", "wb").write(data)
with zipfile.ZipFile("zip.zip", "w") as z:
    z.write("data.zip", "dev.tsv")
EOF
dump "a zip archive" "$from_dev" --split validation data.zip
dump "a zip archive on standard input" "$unlabelled" --split test - <data.zip
cat data.zip | sst2-dump --split test - >out
printf '%s' "$unlabelled" >expected
same_bytes out expected "a zip archive in a pipe"
refused 1 "a zip archive without the split" \
    "data.zip: no file for --split train in it (train.tsv, train.csv, train.jsonl, train.ndjson, train.txt); give the file itself" data.zip
is_rc 1 "an empty zip archive" -- sst2-dump empty.zip
like "$(cat err)" '^sst2-dump: empty.zip: no file for --split train' "an empty zip archive: message"
for broken in cut flipped; do
    is_rc 1 "$broken.zip" -- sst2-dump --split validation $broken.zip
    like "$(cat err)" "^sst2-dump: $broken.zip: (cannot read the zip archive: |no file for)" "$broken.zip: message"
    is "$(wc -l <err)$(cat out)" 1 "$broken.zip: one line, no rows"
done
refused 1 "an archive in an archive" "zip.zip/dev.tsv: an archive inside an archive" --split validation zip.zip

# ---- lines ----
dump "CRLF" '{"idx":0,"sentence":"one ","label":0}
{"idx":1,"sentence":"two","label":1}
' - <<EOF
$(printf 'sentence\tlabel\r\none \t0\r\ntwo\t1\r')
EOF
printf 'sentence\tlabel\none\t1' >cut.tsv
dump "the last line without its newline" '{"idx":0,"sentence":"one","label":1}
' cut.tsv
printf '\357\273\277sentence\tlabel\none\t1\n' >bom.tsv
dump "a byte order mark" '{"idx":0,"sentence":"one","label":1}
' bom.tsv
printf '\n\nsentence\tlabel\n\none\t1\n\r\n\ntwo\t0\n\n' >blank.tsv
dump "blank lines are no rows" '{"idx":0,"sentence":"one","label":1}
{"idx":1,"sentence":"two","label":0}
' blank.tsv
printf 'sentence\tlabel\na\0b "q" \\ \001 \303\251 \360\237\216\254\t1\n' >odd.tsv
dump "NUL, quotes, backslash, control bytes, UTF-8" '{"idx":0,"sentence":"a\u0000b \"q\" \\ \u0001 é 🎬","label":1}
' odd.tsv
printf 'sentence\tlabel\n"as is", "too"\t1\n \t0\n\t1\n' >quote.tsv
dump "TSV has no quoting; blank and empty sentences stay" '{"idx":0,"sentence":"\"as is\", \"too\"","label":1}
{"idx":1,"sentence":" ","label":0}
{"idx":2,"sentence":"","label":1}
' quote.tsv
{
    printf 'sentence\tlabel\n'
    head -c 1048576 /dev/zero | tr '\0' a
    printf '\t1\n'
} >long.tsv
is_rc 0 "a row of 1 MiB" -- sst2-dump long.tsv
is "$(wc -c <out) $(tail -c 14 out)" '1048610 a","label":1}' "a row of 1 MiB comes out whole"

# ---- nothing ----
: >empty
refused 1 "an empty table" "empty: empty: a table needs a header line" empty
refused 1 "empty standard input" "<stdin>: empty: a table needs a header line" - </dev/null
refused 1 "blank lines alone" "<stdin>: empty: a table needs a header line" - <<EOF


EOF
for format in jsonl trees; do
    dump "empty $format" "" --input-format $format empty
done
dump "a header alone" "" - <<EOF
sentence${tab}label
EOF

# ---- malformed tables ----
printf 'sentence\tlabel\none\t1\ntwo\nthree\t0\t9\nfour\t0\n' >ragged.tsv
refused 1 "a column too few" "ragged.tsv:3: column 2: the row has 1 column where the header has 2" ragged.tsv
is "$(cat out)" '{"idx":0,"sentence":"one","label":1}' "the rows before it are written"
is_rc 3 "--keep-going" -- sst2-dump --keep-going ragged.tsv
is "$(cat err)" "sst2-dump: ragged.tsv:3: column 2: the row has 1 column where the header has 2; skipped
sst2-dump: ragged.tsv:4: column 3: the row has 3 columns where the header has 2; skipped
sst2-dump: 2 rows skipped" "--keep-going names what it skips"
is "$(cat out)" '{"idx":0,"sentence":"one","label":1}
{"idx":3,"sentence":"four","label":0}' "--keep-going: the other rows keep their idx"
is_rc 1 "-o with a malformed row" -- sst2-dump -o file.ndjson ragged.tsv
is "$(ls file.ndjson* 2>/dev/null)" "" "-o with a malformed row leaves no file"
printf 'sentence\tlabel\none\t1\nt\377o\t1\n' >latin.tsv
refused 1 "invalid UTF-8" "latin.tsv:3: byte 2: invalid UTF-8 (0xff); convert the file with iconv -t UTF-8" latin.tsv
refused 1 "a table without its header" \
    "<stdin>:1: the header names no column 'sentence' or 'text'; give --text-column, and --no-header where the first line is data; its columns are 'a fine film', '1'" \
    - <<EOF
a fine film${tab}1
EOF
printf 'sentence\tlabel\none\tgood\n' >named.tsv
refused 2 "an unknown label name" \
    "named.tsv:2: column 'label': 'good' is not one of the labels negative,positive; name every class with --labels" named.tsv
printf 'sentence\tlabel\none\t2\n' >third.tsv
refused 2 "an unknown class number" \
    "third.tsv:2: column 'label': '2' is outside 0 to 1, the classes of negative,positive; name every class with --labels" third.tsv
dump "three classes" '{"idx":0,"sentence":"one","label":2}
' --labels bad,so-so,good third.tsv
is_rc 3 "--keep-going skips unknown labels" -- sst2-dump --keep-going named.tsv

# ---- CSV ----
printf 'id,review,verdict\n7,"A ""fine"" film,\nreally",positive\r\n8,dull,negative\n9,"unsure\r\nhere",\n10,,1.0\n11,say "no",-1\n' >r.csv
rows='{"idx":0,"sentence":"A \"fine\" film,\nreally","label":1,"label_text":"positive"}
{"idx":1,"sentence":"dull","label":0,"label_text":"negative"}
{"idx":2,"sentence":"unsure\r\nhere","label":-1}
{"idx":3,"sentence":"","label":1}
{"idx":4,"sentence":"say \"no\"","label":-1}
'
dump "CSV by name" "$rows" --text-column review --label-column verdict r.csv
dump "CSV by number" "$rows" --text-column 2 --label-column 3 r.csv
dump "CSV from standard input" "$rows" --text-column review --label-column 3 - <r.csv
dump "CSV without a label column" '{"idx":0,"sentence":"x","label":-1}
' --text-column review - <<EOF
id,review
1,x
EOF
dump "the text may be called text" '{"idx":0,"sentence":"x","label":1}
' - <<EOF
label,text
1,x
EOF
sed 1d r.csv >bare.csv
dump "CSV without a header" "$rows" --no-header --text-column 2 --label-column 3 bare.csv
tr , ';' <r.csv | sed 's/film;/film,/' >semicolon.csv
sed 's/id;/"id";/' semicolon.csv >quoted-header.csv
dump "semicolons are found out" "$rows" --text-column review --label-column verdict semicolon.csv
dump "a quoted header" "$rows" --text-column review --label-column verdict quoted-header.csv
dump "another delimiter" "$rows" --input-format csv --delimiter ';' --text-column review --label-column verdict - <semicolon.csv
tr ';' '\t' <semicolon.csv >quoted.tsv
dump "quoted TSV is CSV with tabs" "$rows" --input-format csv --delimiter tab --text-column review --label-column verdict quoted.tsv
dump "TSV with bars" '{"idx":0,"sentence":"\"x","label":1}
' --input-format tsv --delimiter '|' - <<EOF
label|text
1|"x
EOF
refused 2 "a text column that is not there" \
    "r.csv:1: no column 'comment' for --text-column; its columns are 'id', 'review', 'verdict'" --text-column comment r.csv
refused 2 "a label column that is not there" \
    "r.csv:1: no column '4' for --label-column; its columns are 'id', 'review', 'verdict'" --text-column review --label-column 4 r.csv
refused 2 "a column number without a header" "bare.csv:1: no column '4' for --text-column; the rows have 3 columns" \
    --no-header --text-column 4 bare.csv
refused 2 "two columns of one name" \
    "<stdin>:1: two columns are called 'text'; give the number of one with --text-column" --text-column text - <<EOF
text,text
a,b
EOF
refused 1 "text behind a quote" \
    "<stdin>:3: column 2: text after the closing quote; a quote inside a quoted field is written twice" --text-column 1 - <<EOF
text,label
a,1
a,"1"1
EOF
refused 1 "a quote that is never closed" "<stdin>:3: a quoted field that begins in this row is never closed" - <<EOF
text,label
a,1
"a,1
b,0
EOF
printf 'text,label\n"two\nlines\377",1\n' >lines.csv
refused 1 "invalid UTF-8 on the second line of a row" \
    "lines.csv:3: byte 6: invalid UTF-8 (0xff); convert the file with iconv -t UTF-8" lines.csv
refused 2 "the labels' names" \
    "r.csv:2: column 'verdict': 'positive' is not one of the labels no,yes; name every class with --labels" \
    --labels no,yes --text-column review --label-column verdict r.csv
dump "names win over numbers" '{"idx":0,"sentence":"x","label":0,"label_text":"1"}
{"idx":1,"sentence":"y","label":4,"label_text":"5"}
' --labels 1,2,3,4,5 - <<EOF
text,label
x,1
y,5
EOF

# ---- JSONL ----
cat >rows.jsonl <<'EOF'
{"id":"a7", "text":"caf\u00e9 \"x\"","label":"positive","stars":[1, 2.50],"extra":{"a":null}}

{"label":0,"text":"y","label_text":"kept"}
 {"sentence":"wins","text":"over text","label":null,"idx":70000000000}
{"text":"z\u0000"}
EOF
dump "JSONL" '{"idx":0,"sentence":"caf\u00e9 \"x\"","label":1,"label_text":"positive","id":"a7","text":"caf\u00e9 \"x\"","stars":[1, 2.50],"extra":{"a":null}}
{"idx":1,"sentence":"y","label":0,"text":"y","label_text":"kept"}
{"idx":70000000000,"sentence":"wins","label":-1,"text":"over text"}
{"idx":3,"sentence":"z\u0000","label":-1,"text":"z\u0000"}
' rows.jsonl
cp out once
dump "a dump of a dump is the dump" "$(cat once)
" - <once
dump "rows of the teacher pass through" "$(cat "$TESTDATA/mini/teacher.ndjson")
" "$TESTDATA/mini/teacher.ndjson"
dump "members by name" '{"idx":0,"sentence":"b","label":0,"label_text":"no","t":"b","g":"no"}
' --text-column t --label-column g --labels no,yes - <<'EOF'
{"sentence":"a","t":"b","label":5,"g":"no"}
EOF
# bad_row NAME MESSAGE LINE
bad_row() {
    printf '{"text":"first"}\n%s\n' "$3" >bad.jsonl
    refused 1 "$1" "bad.jsonl:2: $2" bad.jsonl
}
bad_row "a text that is no string" "member 'text': is number, where the text should be a string" '{"text":1}'
bad_row "no text" "no member 'sentence' or 'text'; name the one that holds the text with --text-column" '{"review":"x"}'
bad_row "an array" "is array, where an object should be" '["x"]'
bad_row "a label that is no label" "member 'label': is true, where the label should be a name or a class number" '{"text":"x","label":true}'
bad_row "an idx that is no integer" "member 'idx': is no integer; rename it if it is not the row's number" '{"text":"x","idx":"a7"}'
printf '{"text":"x","label":1}\n{"text":"x"}\n' >missing.jsonl
refused 1 "a label member that is missing" "missing.jsonl:2: member 'label' is missing" --label-column label missing.jsonl
printf '{"text":"first"}\n{"text":"\377"}\n' >latin.jsonl
refused 1 "invalid UTF-8 in JSONL" "latin.jsonl:2: byte 10: invalid UTF-8 (0xff); convert the file with iconv -t UTF-8" latin.jsonl
printf '{"text":"first"}\n{"text":"cut\n' >cut.jsonl
is_rc 1 "JSON that is cut" -- sst2-dump cut.jsonl
like "$(cat err)" '^sst2-dump: cut.jsonl:2: not valid JSON at byte [0-9]+: ' "JSON that is cut: message"
refused 2 "an unknown label in JSONL" \
    "<stdin>:1: member 'label': 'maybe' is not one of the labels negative,positive; name every class with --labels" - <<'EOF'
{"text":"x","label":"maybe"}
EOF
refused 1 "a JSON array" "array.json: a JSON array, where one object a line is expected; jq -c '.[]' makes that" array.json <<EOF
$(echo '[{"text":"x"}]' >array.json)
EOF

# ---- trees ----
cat >t.txt <<'EOF'
(3 (2 It) (4 (4 (2 's) (4 (3 (2 a) (4 (3 lovely) (2 film\/play))))) (2 .)))

(2 (2 -LRB-) (2 meh))
(0 (1 Awful) (2 \*\*\*))
EOF
dump "trees" "{\"idx\":0,\"sentence\":\"It 's a lovely film/play .\",\"label\":1}
{\"idx\":2,\"sentence\":\"Awful ***\",\"label\":0}
" t.txt
dump "trees, five classes" "{\"idx\":0,\"sentence\":\"It 's a lovely film/play .\",\"label\":3}
{\"idx\":1,\"sentence\":\"( meh\",\"label\":2}
{\"idx\":2,\"sentence\":\"Awful ***\",\"label\":0}
" --classes 5 - <t.txt
dump "trees, every node" "{\"idx\":0,\"sentence\":\"It 's a lovely film/play .\",\"label\":1}
{\"idx\":2,\"sentence\":\"'s a lovely film/play .\",\"label\":1}
{\"idx\":3,\"sentence\":\"'s a lovely film/play\",\"label\":1}
{\"idx\":5,\"sentence\":\"a lovely film/play\",\"label\":1}
{\"idx\":6,\"sentence\":\"a lovely film/play\",\"label\":1}
{\"idx\":8,\"sentence\":\"lovely film/play\",\"label\":1}
{\"idx\":9,\"sentence\":\"lovely\",\"label\":1}
{\"idx\":15,\"sentence\":\"Awful ***\",\"label\":0}
{\"idx\":16,\"sentence\":\"Awful\",\"label\":0}
" --phrases t.txt
is "$(sst2-dump --phrases --classes 5 t.txt | wc -l)" 18 "trees, every node, five classes"
bad_tree() { # NAME MESSAGE TREE
    printf '(2 fine)\n%s\n(3 (2 a) (3 good))\n' "$3" >bad.txt
    refused 1 "$1" "bad.txt:2: $2" --classes 5 bad.txt
    is_rc 3 "$1: --keep-going" -- sst2-dump -q --keep-going --classes 5 --phrases bad.txt
    is "$(wc -l <out)" 4 "$1: the trees around it are read"
}
bad_tree "a tree that is cut" "byte 11: a class from 0 to 4 should stand here, followed by a space" '(2 (2 a) ('
bad_tree "a tree without its end" "byte 15: the line ends inside the tree; each tree needs a line of its own" '(2 (2 a) (2 b)'
bad_tree "a bracket too many" "byte 6: a closing bracket without its opening one" '(2 a))'
bad_tree "two trees on a line" "byte 7: more text behind the tree; each tree needs a line of its own" '(2 a) (2 b)'
bad_tree "a class that is none" "byte 2: a class from 0 to 4 should stand here, followed by a space" '(5 a)'
bad_tree "a class with two digits" "byte 2: a class from 0 to 4 should stand here, followed by a space" '(12 a)'
bad_tree "a node without words" "byte 12: a node without words" '(2 (2 a)(2 ))'
bad_tree "text instead of a tree" "byte 1: a tree begins with (; the format is (3 (2 A) (4 film))" 'word'
{ printf '%05000d' 0 | sed 's/0/(2 /g'; printf x; printf '%05000d' 0 | sed 's/0/)/g'; echo; } >deep.txt
dump "a tree of 5000 levels" '{"idx":0,"sentence":"x","label":2}
' --classes 5 deep.txt

# ---- formats that are found out, and overruled ----
cp rows.jsonl rows.data
cp rows.jsonl rows.csv
dump "JSONL by its first byte" "$(cat once)
" rows.data
dump "JSONL by its first byte, whatever the name" "$(cat once)
" rows.csv
dump "a single column is a table" '{"idx":0,"sentence":"x, y","label":-1}
' - <<EOF
sentence
x, y
EOF
printf 'text,label\nx,1\n' >comma.tsv
refused 1 "the name decides between tables" \
    "comma.tsv:1: the header names no column 'sentence' or 'text'; give --text-column, and --no-header where the first line is data; its one column is 'text,label'" comma.tsv
dump "--input-format overrules it" '{"idx":0,"sentence":"x","label":1}
' --input-format csv comma.tsv
printf 'text\tlabel\nx, y\t1\n' >tab.data
dump "a tab in the header" '{"idx":0,"sentence":"x, y","label":1}
' tab.data
refused 2 "--phrases for a table" \
    "comma.tsv: read as tsv, but --classes or --phrases is for trees; --input-format overrules the guess" --phrases comma.tsv
refused 2 "--text-column for trees" \
    "t.txt: read as trees, but --text-column or --label-column is for csv, tsv and jsonl; --input-format overrules the guess" \
    --text-column x t.txt
refused 2 "--labels for trees" \
    "t.txt: read as trees, but --labels is for csv, tsv and jsonl; --input-format overrules the guess" --labels a,b t.txt
refused 2 "--no-header for JSONL" \
    "rows.jsonl: read as jsonl, but --delimiter or --no-header is for csv and tsv; --input-format overrules the guess" \
    --no-header --text-column 1 rows.jsonl
printf 'sentence\n' | gzip >table.gz
refused 1 "gzip" "table.gz: is compressed with gzip; pipe it through zcat, and give - as PATH" table.gz
printf '\377\376s\0e\0n\0' >utf16.csv
refused 1 "UTF-16" "utf16.csv: is UTF-16; convert it with iconv -f UTF-16 -t UTF-8" utf16.csv

# ---- usage ----
usage() { # MESSAGE ARGUMENT...
    message=$1
    shift
    refused 2 "$*" "$message" "$@"
    is "$(tail -n 1 err)$(cat out)" "Try 'sst2-dump --help'." "$*: points to --help, writes nothing"
}
usage "--labels 'negative': at least two names are needed, separated by commas" --labels negative t.txt
usage "--labels 'a,,b': an empty name; write it as negative,positive" --labels a,,b t.txt
usage "--labels 'a,b,a': the name 'a' stands there twice" --labels a,b,a t.txt
usage "--delimiter 'ab': one byte that is no quote and no line end, or the word tab" --delimiter ab r.csv
usage "--delimiter '\"': one byte that is no quote and no line end, or the word tab" --delimiter '"' r.csv
usage "--no-header needs --text-column with the number of the column" --no-header r.csv
usage "--stratify needs --sample N" --stratify r.csv
usage "--part needs --holdout F" --part train r.csv
usage "--phrase-words needs --holdout F" --phrase-words 2 r.csv
usage "--url is for fetching the data, but 'r.csv' is given" --url https://example.org/x.zip r.csv
usage "--no-verify is for fetching the data, but 'r.csv' is given" --no-verify r.csv
usage "--input-format csv needs a PATH (- for standard input)" --input-format csv
for bad in "--split dev" "--limit -1" "--limit x" "--holdout 1" "--holdout 0" "--classes 3" "--seed -1" "--min-words 1.5"; do
    # shellcheck disable=SC2086
    is_rc 2 "$bad" -- sst2-dump $bad t.txt
    like "$(sed 1q err)" "^sst2-dump: ${bad%% *}" "$bad: names the option"
done
is_rc 2 "two operands" -- sst2-dump a b

# ---- output ----
is_rc 0 "-o" -- sst2-dump -o file.ndjson "$TESTDATA/mini"
is "$(cat out)$(wc -l <file.ndjson)" 800 "-o writes the file"
sst2-dump "$TESTDATA/mini" >/dev/full 2>err
is "$?$(cat err)" "1sst2-dump: <stdout>: cannot write: No space left on device" "a full device"
sst2-dump folder/test.tsv >/dev/full 2>err
is "$?$(cat err)" "1sst2-dump: <stdout>: cannot write: No space left on device" "a full device, few rows"
sst2-dump "$TESTDATA/mini" >&- 2>err
is "$?$(cat err)" "1sst2-dump: standard output is closed" "a closed stdout"
is_rc 1 "-o in a folder that is not there" -- sst2-dump -o no/such "$TESTDATA/mini"
i=0
while [ $i -lt 20 ]; do cat "$TESTDATA/mini/teacher.ndjson"; i=$((i + 1)); done >many.ndjson
(
    sst2-dump many.ndjson 2>pipe.err
    echo $? >pipe.rc
) | head -n 1 >pipe.out
is "$(cat pipe.rc)$(cat pipe.err)" 141 "a reader that leaves ends it as SIGPIPE does, silently"
(
    trap '' PIPE
    sst2-dump many.ndjson 2>pipe.err
    echo $? >pipe.rc
) | head -n 1 >pipe.out
is "$(cat pipe.rc)$(cat pipe.err)" 141 "also where SIGPIPE is ignored"
mkfifo fifo
sst2-dump --input-format jsonl - <fifo >trickle.out &
tool=$!
exec 9>fifo
echo '{"text":"first"}' >&9
i=0
while [ ! -s trickle.out ] && [ $i -lt 100 ]; do
    sleep 0.1
    i=$((i + 1))
done
is "$(cat trickle.out)" '{"idx":0,"sentence":"first","label":-1,"text":"first"}' "a row goes out before the next comes in"
exec 9>&-
wait $tool
is $? 0 "and the end of the input is the end"
is_rc 0 "-v" -- sst2-dump -v folder/test.tsv
is "$(cat err)" "sst2-dump: 2 rows read, 2 written, 0 skipped" "-v sums up"

done_testing
