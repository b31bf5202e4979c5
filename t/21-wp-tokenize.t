#!/bin/sh
# wp-tokenize: formats of input and output, the tensors of a row, options, errors by exact status and text, and the edges
# of input and output. Ids and offsets of odd text are in 20-wp-tokenize-golden.t, real data in 22-wp-tokenize-real.t.
. "$(dirname "$0")/lib.sh"

printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a not very good bad film '##s' '.' ',' the is >vocab.txt
# ids:          0       1       2       3       4      5 6   7    8    9   10   11    12  13  14  15
vocab_sha256=$(sha256sum <vocab.txt | cut -d ' ' -f 1)
tab=$(printf '\t')

# Prints a token stream as text: a line for each frame's metadata, then a line for each tensor.
cat >frames.py <<'PYTHON'
import json, struct, sys
data, at = sys.stdin.buffer.read(), 0
code = {"I32": "i", "I64": "q", "U8": "B", "F32": "f"}
while at < len(data):
    n, = struct.unpack_from("<Q", data, at)
    header = json.loads(data[at + 8:at + 8 + n])
    at += 8 + n
    meta = header.pop("__metadata__")
    print(" ".join(f"{k}={v}" for k, v in meta.items()))
    for name, t in sorted(header.items()):
        begin, end = t["data_offsets"]
        count = 1
        for d in t["shape"]:
            count *= d
        values = struct.unpack_from(f"<{count}{code[t['dtype']]}", data, at + begin)
        print(name, t["dtype"], t["shape"], " ".join(f"{v:.6g}" for v in values))
    at += max((t["data_offsets"][1] for t in header.values()), default=0)
PYTHON
frames() {
    python3 frames.py
}

# refused STATUS NAME MESSAGE ARGUMENT... <input: that status, and that one line on stderr.
refused() {
    status=$1 about=$2 reason=$3
    shift 3
    is_rc "$status" "$about: exit status" -- wp-tokenize "$@"
    is "$(sed '/^Try /d' err)" "wp-tokenize: $reason" "$about: message"
}

# ndjson NAME EXPECTED ARGUMENT... <input: the rows on stdout, nothing on stderr.
ndjson() {
    about=$1 expected=$2
    shift 2
    is_rc 0 "$about: exit status" -- wp-tokenize -q -m vocab.txt --output-format ndjson "$@"
    is "$(cat out)" "$expected" "$about: rows"
    is "$(cat err)" "" "$about: silent"
}

# ---- formats ----
ndjson "text" '{"sentence":"a good film","input_ids":[2,5,8,10,3]}
{"sentence":"","input_ids":[2,3]}
{"sentence":"Bad","input_ids":[2,9,3]}' <<END
a good film

Bad
END
ndjson "a last line without its end, offsets" \
    '{"sentence":"good films.","input_ids":[2,8,10,11,12,3],"offsets":[[0,0],[0,4],[5,9],[9,10],[10,11],[0,0]]}' \
    --offsets <<END
$(printf 'good films.')
END
printf 'sentence\tlabel\ngood \t1\nbad \t\n' >rows.tsv
ndjson "TSV" '{"sentence":"good ","label":1,"input_ids":[2,8,3]}
{"sentence":"bad ","input_ids":[2,9,3]}' rows.tsv
printf '\357\273\277index\tsentence\tlabel\r\n7\tgood\tpositive\r\n' >rows-cr.tsv
ndjson "TSV with a byte order mark, idx, a named label and CRLF" \
    '{"idx":7,"sentence":"good","label":1,"input_ids":[2,8,3]}' rows-cr.tsv
ndjson "a TSV's header as text" '{"sentence":"sentence\tlabel","input_ids":[2,1,1,3]}
{"sentence":"good \t1","input_ids":[2,8,1,3]}
{"sentence":"bad \t","input_ids":[2,9,3]}' --input-format text rows.tsv
ndjson "tabs without a header are text" '{"sentence":"good\tfilm","input_ids":[2,8,10,3]}' <<END
good${tab}film
END
ndjson "NDJSON as text" '{"sentence":"{}","input_ids":[2,1,1,3]}' --input-format text <<END
{}
END
ndjson "unknown members and white space stay" \
    '{ "x": 1.0e0 ,"sentence":"g\u006fod", "idx":"a", "y":{"z":[null]},"input_ids":[2,8,3] }' <<END
 { "x": 1.0e0 ,"sentence":"g\u006fod", "idx":"a", "y":{"z":[null]} }
END
printf '%s\n' '{"input_ids":[1],"offsets":0,"sentence":"bad","token_type_ids":9,"z":1}' >old.ndjson
ndjson "members that are there are replaced" \
    '{"sentence":"bad","z":1,"input_ids":[2,9,3],"token_type_ids":[0,0,0],"offsets":[[0,0],[0,3],[0,0]]}' \
    --offsets --pair none old.ndjson
mv out once.ndjson
wp-tokenize -q -m vocab.txt --output-format ndjson --offsets --pair none once.ndjson >twice.ndjson
same_bytes once.ndjson twice.ndjson "twice gives the same as once"
ndjson "a pair" \
    '{"sentence":"good","t":{"u":"bad ."},"input_ids":[2,8,3,9,12,3],"token_type_ids":[0,0,0,1,1,1],"offsets":[[0,0],[0,4],[0,0],[0,3],[4,5],[0,0]]}' \
    --offsets --pair t.u <<END
{"sentence":"good","t":{"u":"bad ."}}
END
ndjson "a special token in the text has its place" \
    '{"sentence":"a[SEP]b","input_ids":[2,5,3,1,3],"offsets":[[0,0],[0,1],[1,6],[6,7],[0,0]]}' --offsets <<END
a[SEP]b
END
printf 'a\0b\nx\0\n' >nul.txt
ndjson "NUL bytes" '{"sentence":"a\u0000b","input_ids":[2,1,3],"offsets":[[0,0],[0,3],[0,0]]}
{"sentence":"x\u0000","input_ids":[2,1,3],"offsets":[[0,0],[0,1],[0,0]]}' --offsets nul.txt

# ---- the stream ----
head_frame="kind=head schema=tokens/1 vocab_sha256=$vocab_sha256 do_lower_case=true max_len=512 labels=[\"negative\",\"positive\"] producer=$(wp-tokenize -V | sed 's/ (distil)//')"
cat >rows.ndjson <<'END'
{"idx":5,"sentence":"a NOT very good film.","label":0,"teacher":{"status":"ok","reasoning":"not good","label":0,"label_text":"negative","confidence":0.75,"probs":[0.75,0.25],"cues":["not very good film.","not"],"cue_polarity":[-1,0],"counterfactual":"a very good film."}}
{"sentence":"good good","label_text":"positive","teacher":{"cues":["good","good","bad"]}}
{"idx":"x","sentence":"bad","label":-1,"teacher":{"status":"error","label":0,"reasoning":"bad"}}
END
is_rc 0 "a stream: exit status" -- wp-tokenize -m vocab.txt rows.ndjson
frames <out >got
cat >expected <<END
$head_frame
kind=batch seq=0
confidence F32 [3] 0.75 -1 -1
cues U8 [15] 0 0 4 3 3 3 0 0 0 1 1 0 255 255 255
edit_ids I32 [7] 2 5 7 8 10 12 3
edit_offsets I32 [4] 0 7 7 7
ids I32 [15] 2 5 6 7 8 10 12 3 2 8 8 3 2 9 3
idx I64 [3] 5 1 2
label I32 [3] 0 1 -1
offsets I32 [4] 0 8 12 15
reason_ids I32 [2] 6 8
reason_offsets I32 [4] 0 2 2 2
teacher_label I32 [3] 0 -1 -1
teacher_probs F32 [3, 2] 0.75 0.25 -1 -1 -1 -1
kind=end frames=1 rows=3
END
same_bytes got expected "all tensors of a row and its teacher"
is "$(cat err)" "wp-tokenize: warning: 1 rows have an idx that is no integer; their running number stands in its place
wp-tokenize: 3 rows, 15 tokens, 0 skipped" "the closing lines"
is_rc 0 "a row without a teacher: exit status" -- wp-tokenize -q -m vocab.txt --max-len 4 --labels no,yes,maybe --pair second <<END
{"sentence":"good film","label":2,"second":"bad"}
{"sentence":"good","label":"yes"}
END
frames <out >got
cat >expected <<END
$(echo "$head_frame" | sed 's/max_len=512 labels=[^ ]*/max_len=4 labels=["no","yes","maybe"]/')
kind=batch seq=0
ids I32 [7] 2 8 3 3 2 8 3
idx I64 [2] 0 1
label I32 [2] 2 1
offsets I32 [3] 0 4 7
types U8 [7] 0 0 0 1 0 0 0
kind=end frames=1 rows=2
END
same_bytes got expected "labels, pairs and nothing that is not there"
is_rc 0 "cut rows: exit status" -- wp-tokenize -m vocab.txt --max-len 3 -o cut.tokens <<END
good film
good
END
is "$(cat err)" "wp-tokenize: warning: 1 of 2 rows were cut to 3 tokens (--max-len)
wp-tokenize: 2 rows, 6 tokens, 0 skipped" "cut rows are counted"
is "$(frames <cut.tokens | sed -n '/^ids/p')" "ids I32 [6] 2 8 3 2 8 3" "cut rows keep [SEP]"

for empty in stream ndjson; do
    is_rc 0 "empty input, $empty: exit status" -- wp-tokenize -q -m vocab.txt --output-format $empty </dev/null
    is "$(frames <out)" "$([ $empty = stream ] && printf '%s\nkind=end frames=0 rows=0' "$head_frame")" "empty input, $empty"
done
is_rc 0 "a header alone: exit status" -- wp-tokenize -q -m vocab.txt <<END
sentence${tab}label
END
is "$(frames <out | tail -n 1)" "kind=end frames=0 rows=0" "a header alone is no row"

# ---- cues ----
cues() { # NAME EXPECTED ROW
    printf '%s\n' "$3" | wp-tokenize -q -m vocab.txt >out 2>err
    is "$(frames <out | sed -n 's/^cues U8 \[[0-9]*\] //p')" "$2" "$1"
}
cues "cues are whole words" "" '{"sentence":"films","teacher":{"cues":["film"]}}'
cues "case and white space do not count" "0 3 3 0" '{"sentence":" Very  GOOD ","teacher":{"cues":["very good"],"cue_polarity":[-1]}}'
cues "outer punctuation of a cue" "0 0 2 0 0" '{"sentence":"a film.","teacher":{"cues":["film."],"cue_polarity":[1]}}'
cues "punctuation at a cue's ends that the sentence lacks" "0 0 2 0" '{"sentence":"a film","teacher":{"cues":["\u201cfilm.\u201d"],"cue_polarity":[1]}}'
cues "a cue listed twice has two places, not three" "0 1 1 0 0" '{"sentence":"a a a","teacher":{"cues":["a","a"]}}'
cues "punctuation alone is never marked" "" '{"sentence":"a .","teacher":{"cues":["."]}}'
cues "all pieces of a word" "0 1 1 0" '{"sentence":"films","teacher":{"cues":["films"]}}'
cues "the shorter of two that overlap" "0 4 2 2 0" \
    '{"sentence":"not good film","teacher":{"cues":["not good film","not"],"cue_polarity":[1,0]}}'
cues "letters beyond ASCII" "0 1 0 0" '{"sentence":"\u00c9T\u00c9 a","teacher":{"cues":["\u00e9t\u00e9"]}}'
cues "an empty cue and an empty list" "" '{"sentence":"a","teacher":{"cues":[" ",""]}}'
cues "a row without tokens" "" '{"sentence":"","teacher":{"cues":["a"]}}'

# ---- malformed rows ----
bad_row() { # NAME MESSAGE ROW
    printf '%s\n' '{"sentence":"good"}' "$3" '{"sentence":"bad"}' >bad.ndjson
    refused "${4-1}" "$1" "bad.ndjson:2: $2" -q -m vocab.txt bad.ndjson
}
bad_row "no sentence" "the row has no member 'sentence'" '{"text":"a"}'
bad_row "a sentence that is a number" "'sentence' is number, not a string" '{"sentence":1}'
bad_row "no object" "the row is array, not an object" '[1]'
bad_row "label of a wrong type" "'label' is object, not an integer" '{"sentence":"a","label":{}}'
bad_row "label with a fraction" "'label' is number, not an integer" '{"sentence":"a","label":0.5}'
bad_row "teacher of a wrong type" "'teacher' is string, not an object" '{"sentence":"a","teacher":"x"}'
bad_row "confidence out of range" "'teacher.confidence' is no number between 0 and 1" '{"sentence":"a","teacher":{"confidence":2}}'
bad_row "too few probabilities" "'teacher.probs' has 1 values for 2 labels" '{"sentence":"a","teacher":{"probs":[1]}}'
bad_row "a probability that is none" "'teacher.probs' holds a value that is no probability" '{"sentence":"a","teacher":{"probs":[1,-1]}}'
bad_row "too few polarities" "'teacher.cue_polarity' is no array as long as 'teacher.cues'" '{"sentence":"a","teacher":{"cues":["a"],"cue_polarity":[]}}'
bad_row "a cue that is no string" "'teacher.cues' is number, not a list of strings" '{"sentence":"a","teacher":{"cues":[1]}}'
bad_row "reasoning of a wrong type" "'teacher.reasoning' is number, not a string" '{"sentence":"a","teacher":{"reasoning":1}}'
bad_row "a label outside --labels" "label '2' is not among --labels" '{"sentence":"a","label":2}' 2
bad_row "a name outside --labels" "label 'good' is not among --labels" '{"sentence":"a","label_text":"good"}' 2
bad_row "a teacher's label outside --labels" "label '7' is not among --labels" '{"sentence":"a","teacher":{"label":7}}' 2
bad_row "label and name disagree" "label 0 is called 'positive' in the row, but 'negative' in --labels" '{"sentence":"a","label":0,"label_text":"positive"}' 2
printf '{"sentence":"a"}\n{"sentence":"b"\n' >bad.ndjson
is_rc 1 "broken JSON: exit status" -- wp-tokenize -q -m vocab.txt bad.ndjson
like "$(cat err)" '^wp-tokenize: bad\.ndjson:2: .*byte 1[0-9]' "broken JSON: line and byte"
printf '{"sentence":"a"}\n\n' >bad.ndjson
is_rc 1 "an empty line in NDJSON: exit status" -- wp-tokenize -q -m vocab.txt bad.ndjson
like "$(cat err)" '^wp-tokenize: bad\.ndjson:2: ' "an empty line in NDJSON: its place"
printf 'sentence\tlabel\na\t1\nb\t0\tc\n' >bad.tsv
refused 1 "a column too many" "bad.tsv:3: 3 columns, but the header has 2" -q -m vocab.txt bad.tsv
printf 'sentence\tlabel\na\tx\n' >bad.tsv
refused 2 "a TSV's label outside --labels" "bad.tsv:2: label 'x' is not among --labels" -q -m vocab.txt bad.tsv
printf 'text\tlabel\na\t1\n' >bad.tsv
refused 1 "a TSV without its column" "bad.tsv:1: the header has no column 'sentence'" -q -m vocab.txt --input-format tsv bad.tsv
refused 1 "a token stream" "cut.tokens:1: this is a token stream already; bert-train and bert-infer read it" -q -m vocab.txt cut.tokens
refused 1 "named on stdin" "<stdin>:1: the row has no member 'sentence'" -q -m vocab.txt <<END
{}
END

# ---- what is not UTF-8 ----
printf 'good\na b\377c\n' >bad.txt
refused 1 "not UTF-8" "bad.txt:2: byte 4 is not UTF-8 (0xff); --replace-invalid puts U+FFFD there" -q -m vocab.txt bad.txt
printf '{"sentence":"a\355\240\200"}\n' >bad.ndjson
refused 1 "a surrogate in UTF-8" "bad.ndjson:1: byte 15 is not UTF-8 (0xed); --replace-invalid puts U+FFFD there" -q -m vocab.txt bad.ndjson
is_rc 1 "half a surrogate pair: exit status" -- wp-tokenize -q -m vocab.txt <<'END'
{"sentence":"\ud83d"}
END
like "$(cat err)" '^wp-tokenize: <stdin>:1: .*surrogate' "half a surrogate pair: message"
# Python's decoder replaces maximal parts, too.
python3 - <<'PYTHON'
import json, random
rng = random.Random(5)
rows = [bytes(rng.choice(b"a\x80\xbf\xc0\xc2\xe0\xa0\xed\x9f\xef\xf0\x90\xf4\x8f\xf5\xff b") for _ in range(20)) for _ in range(500)]
open("invalid.txt", "wb").write(b"".join(r + b"\n" for r in rows))
open("replaced.txt", "w", encoding="utf-8").write("".join(r.decode("utf-8", "replace") + "\n" for r in rows))
PYTHON
is_rc 0 "--replace-invalid: exit status" -- wp-tokenize -q -m vocab.txt --output-format ndjson --replace-invalid invalid.txt
mv out invalid.ndjson
wp-tokenize -q -m vocab.txt --output-format ndjson replaced.txt >replaced.ndjson
same_bytes invalid.ndjson replaced.ndjson "--replace-invalid replaces maximal parts"

# ---- keep going, expected rows ----
printf '%s\n' '{"sentence":"good"}' '{"sentence":1}' '{' '{"sentence":"bad"}' >some.ndjson
is_rc 3 "--keep-going: exit status" -- wp-tokenize -m vocab.txt --keep-going some.ndjson
is "$(frames <out | sed -n '/^ids/p; /^idx/p; $p')" "ids I32 [6] 2 8 3 2 9 3
idx I64 [2] 0 3
kind=end frames=1 rows=2" "--keep-going: the other rows and an end frame"
is "$(sed -n 1p err)" "wp-tokenize: some.ndjson:2: 'sentence' is number, not a string; skipped" "--keep-going names what it skips"
is "$(sed -n '$p' err)" "wp-tokenize: 2 rows, 6 tokens, 2 skipped" "--keep-going counts it"
refused 2 "--keep-going does not skip a wrong --labels" "<stdin>:1: label '5' is not among --labels" -q -m vocab.txt --keep-going <<END
{"sentence":"a","label":5}
END
is_rc 1 "a malformed row: exit status" -- wp-tokenize -q -m vocab.txt some.ndjson
is "$(frames <out | sed -n '/^kind/p' | tail -n 1)" "kind=batch seq=0" "a malformed row: rows before it, no end frame"
printf 'a\na\na\n' >three.txt
is_rc 0 "as many rows as expected" -- wp-tokenize -q -m vocab.txt --expect-rows 3 three.txt
refused 1 "fewer rows than expected" "three.txt: 3 rows where --expect-rows says 4; the input is not complete" -q -m vocab.txt --expect-rows 4 three.txt
is "$(frames <out | grep -c kind=end)" 0 "fewer rows: no end frame"
refused 1 "more rows than expected" "three.txt: more than the 2 rows of --expect-rows" -q -m vocab.txt --expect-rows 2 three.txt
is "$(frames <out | grep -c kind=end)" 0 "more rows: no end frame"
is_rc 1 "fewer rows, to a file: exit status" -- wp-tokenize -q -m vocab.txt --expect-rows 4 -o short.tokens three.txt
is "$(ls short.tokens* 2>/dev/null)" "" "fewer rows: no file"

# ---- results do not depend on threads or frames ----
cat "$TESTDATA/mini/teacher.ndjson" "$TESTDATA/mini/teacher.ndjson" "$TESTDATA/mini/teacher.ndjson" >many.ndjson
wp-tokenize -q -m vocab.txt --frame-rows 100 --threads 1 many.ndjson >one.tokens
for threads in 2 3 7; do
    wp-tokenize -q -m vocab.txt --frame-rows 100 --threads $threads many.ndjson >more.tokens
    same_bytes one.tokens more.tokens "the same bytes from $threads threads"
done
wp-tokenize -q -m vocab.txt --output-format ndjson --threads 1 many.ndjson >one.ndjson
wp-tokenize -q -m vocab.txt --output-format ndjson --threads 4 --frame-rows 7 many.ndjson >more.ndjson
same_bytes one.ndjson more.ndjson "NDJSON does not depend on threads and frames"
cat >rows.py <<'PYTHON'
import json, struct, sys # the rows of a stream, each with the slices of its tensors
data, at = sys.stdin.buffer.read(), 0
while at < len(data):
    n, = struct.unpack_from("<Q", data, at)
    header = json.loads(data[at + 8:at + 8 + n])
    at += 8 + n
    header.pop("__metadata__")
    size = {"I32": 4, "I64": 8, "U8": 1, "F32": 4}
    part = {k: data[at + t["data_offsets"][0]:at + t["data_offsets"][1]] for k, t in header.items()}
    lists = {k: struct.unpack(f"<{len(v) // 4}i", v) for k, v in part.items() if k.endswith("offsets")}
    rows = len(lists["offsets"]) - 1 if lists else 0
    for i in range(rows):
        row = {}
        for k, t in header.items():
            if k.endswith("offsets"):
                continue
            width = size[t["dtype"]] * (t["shape"][1] if len(t["shape"]) > 1 else 1)
            places = lists.get({"ids": "offsets", "cues": "offsets"}.get(k, k.replace("ids", "offsets")))
            b, e = (places[i], places[i + 1]) if places and t["shape"][0] != rows else (i, i + 1)
            row[k] = part[k][b * width:e * width].hex()
        print(json.dumps(row, sort_keys=True))
    at += max((t["data_offsets"][1] for t in header.values()), default=0)
PYTHON
python3 rows.py <one.tokens >one.rows
is "$(wc -l <one.rows)" 2400 "all rows are there"
for frame_rows in 1 33 2400; do
    wp-tokenize -q -m vocab.txt --frame-rows $frame_rows many.ndjson | python3 rows.py | sed 's/"cues": "ff[f]*", //' >a.rows
    sed 's/"cues": "ff[f]*", //' one.rows >b.rows
    same_bytes a.rows b.rows "the same rows with --frame-rows $frame_rows"
done

# ---- large and slow input ----
awk 'BEGIN { for (i = 0; i < 174763; i++) printf "good  "; print "."; print "bad" }' >large.txt
is_rc 0 "a row of 1 MiB: exit status" -- wp-tokenize -q -m vocab.txt --max-len 1000000 large.txt
is "$(frames <out | sed -n 's/^offsets //p; $p')" "I32 [2] 0 174766
I32 [2] 0 3
kind=end frames=2 rows=2" "a row of 1 MiB"
awk 'BEGIN { for (i = 0; i < 1048576; i++) printf "x"; print "" }' >word.txt
wp-tokenize -q -m vocab.txt --output-format ndjson --offsets word.txt | sed 's/.*"input_ids"://' >word.out
is "$(cat word.out)" '[2,1,3],"offsets":[[0,0],[0,1048576],[0,0]]}' "a word of 1 MiB is one [UNK]"
cat >slow.py <<'PYTHON'
import os, subprocess, sys
p = subprocess.Popen(["wp-tokenize", "-q", "-m", "vocab.txt", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for i in range(5):  # each row must come out before the next goes in
    p.stdin.write(b"good film\n")
    p.stdin.flush()
    got = b""
    while b"\n" not in got:
        got += os.read(p.stdout.fileno(), 65536)
    print(got.decode(), end="")
p.stdin.close()
print(p.stdout.read().decode(), end="")
sys.exit(p.wait())
PYTHON
is_rc 0 "a slow pipe: exit status" -- timeout 60 python3 slow.py --output-format ndjson
is "$(sort -u out)" '{"sentence":"good film","input_ids":[2,8,10,3]}' "a slow pipe: each row at once"
is "$(wc -l <out)" 5 "a slow pipe: all rows"
cat >slow-stream.py <<'PYTHON'
import os, struct, subprocess, sys
p = subprocess.Popen(["wp-tokenize", "-q", "-m", "vocab.txt"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def frame():
    n, = struct.unpack("<Q", p.stdout.read(8))
    header = __import__("json").loads(p.stdout.read(n))
    meta = header.pop("__metadata__")
    p.stdout.read(max((t["data_offsets"][1] for t in header.values()), default=0))
    return meta["kind"]
kinds = [frame()]  # the head comes before any row
for i in range(3):
    p.stdin.write(b"good\n")
    p.stdin.flush()
    kinds.append(frame())
p.stdin.close()
kinds.append(frame())
print(*kinds)
sys.exit(p.wait())
PYTHON
is_rc 0 "a slow pipe of frames: exit status" -- timeout 60 python3 slow-stream.py
is "$(cat out)" "head batch batch batch end" "a slow pipe: each frame at once"

# ---- output ----
wp-tokenize -q -m vocab.txt three.txt >/dev/full 2>err
is $? 1 "a full device: exit status"
is "$(cat err)" "wp-tokenize: <stdout>: cannot write: No space left on device" "a full device: message"
wp-tokenize -q -m vocab.txt many.ndjson >/dev/full 2>err
is $? 1 "a full device while it works: exit status"
is "$(cat err)" "wp-tokenize: <stdout>: cannot write: No space left on device" "a full device while it works: message"
(
    trap - PIPE
    wp-tokenize -q -m vocab.txt --output-format ndjson many.ndjson 2>err
    echo $? >status
) | head -n 1 >/dev/null
is "$(cat status)$(cat err)" 141 "a reader that leaves: ends quietly, as SIGPIPE would"
is_rc 1 "-o into a folder that is not there" -- wp-tokenize -q -m vocab.txt -o nowhere/x three.txt
python3 - <<'PYTHON' >pty.out 2>&1
import os, pty, subprocess, sys
try:
    master, slave = pty.openpty()
except OSError:
    sys.exit("no terminals here")
p = subprocess.run(["wp-tokenize", "-m", "vocab.txt", "three.txt"], stdout=slave, stderr=subprocess.PIPE)
print(p.returncode, p.stderr.decode(), end="")
p = subprocess.Popen(["wp-tokenize", "-m", "vocab.txt", "--output-format", "ndjson"], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
os.write(master, b"good\n\x04")
out, err = p.communicate(timeout=60)
print(p.returncode, out.decode(), err.decode(), sep="\n", end="")
PYTHON
if grep -q "^no terminals here" pty.out; then
    tap_skip "a terminal" "no pseudo-terminals here"
else
    like "$(sed -n 1p pty.out)" "^2 wp-tokenize: .*terminal" "a stream to a terminal is refused"
    is "$(sed -n '2,$p' pty.out)" '0
{"sentence":"good","input_ids":[2,8,3]}

wp-tokenize: reading lines from the terminal; Ctrl-D ends them
wp-tokenize: 1 rows, 3 tokens, 0 skipped' "rows from a terminal: one hint"
fi

# ---- usage ----
refused 2 "no model" "a vocabulary is needed: -m MODEL, or --train-vocab N to make one" three.txt
refused 2 "offsets of a stream" "--offsets needs --output-format ndjson" -m vocab.txt --offsets three.txt
refused 2 "one label" "--labels 'one': at least two names are needed, separated by commas" -m vocab.txt --labels one three.txt
refused 2 "a label twice" "--labels 'a,b,a': the name 'a' stands there twice" -m vocab.txt --labels a,b,a three.txt
refused 2 "an empty label" "--labels 'a,': an empty name; write it as negative,positive" -m vocab.txt --labels a, three.txt
refused 2 "a pair needs room" "--max-len 2: a pair has three special tokens" -m vocab.txt --pair x --max-len 2 three.txt
refused 2 "a pair of text lines" "three.txt:1: --pair 'x': text lines have no members; NDJSON or TSV is needed" -m vocab.txt --pair x three.txt
refused 2 "a pair of a TSV without the column" "rows.tsv:1: --pair 'x': the header has no such column" -m vocab.txt --pair x rows.tsv
is_rc 2 "--max-len 1" -- wp-tokenize -m vocab.txt --max-len 1 three.txt
is_rc 2 "two files" -- wp-tokenize -m vocab.txt three.txt three.txt

# ---- models ----
model() { # FOLDER FILE TEXT: a folder with the vocabulary and this file
    mkdir -p "$1"
    cp vocab.txt "$1/"
    printf '%s\n' "$3" >"$1/$2"
}
max_len() {
    wp-tokenize -q -m "$1" </dev/null | frames | sed -n 's/.* max_len=\([0-9]*\) .*/\1/p'
}
model long tokenizer_config.json '{"model_max_length":1000000000000000019884624838656}'
is "$(max_len long)" 512 "no length known: 512"
model long config.json '{"max_position_embeddings":1024}'
is "$(max_len long)" 1024 "max_position_embeddings"
model long tokenizer_config.json '{"model_max_length":128}'
is "$(max_len long)" 128 "the smaller of model_max_length"
model long config.json '{"max_position_embeddings":64}'
is "$(max_len long)" 64 "and max_position_embeddings"
is "$(wp-tokenize -q -m long --max-len 100 </dev/null | frames | grep -c ' max_len=100 ')" 1 "--max-len overrides both"
model cased tokenizer_config.json '{"do_lower_case":false}'
ndjson "a cased model" '{"sentence":"Good","input_ids":[2,1,3]}' -m cased <<END
Good
END
rm -f vocab.json
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' good >broken.txt
refused 1 "a vocabulary without [SEP]" "broken.txt: no '[SEP]' in the vocabulary (sep_token); is this a BERT vocabulary?" -m broken.txt three.txt
: >broken.txt
refused 1 "an empty vocabulary" "broken.txt: an empty vocabulary" -m broken.txt three.txt
printf '[UNK]\na\377\n' >broken.txt
refused 1 "a vocabulary that is not UTF-8" "broken.txt:2: not a vocabulary: invalid UTF-8" -m broken.txt three.txt
mkdir empty
refused 2 "a folder without a vocabulary" "./empty: neither vocab.txt nor tokenizer.json in this folder" -m ./empty three.txt
json_model() { # NORMALIZER PRE_TOKENIZER MODEL
    mkdir -p other
    printf '{"normalizer":{"type":"%s"},"pre_tokenizer":{"type":"%s"},"model":{"type":"%s","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3}}}\n' \
        "$1" "$2" "$3" >other/tokenizer.json
}
json_model BertNormalizer BertPreTokenizer BPE
refused 1 "a BPE model" "./other/tokenizer.json: model is BPE, but only WordPiece is supported (a WordPiece tokenizer of BERT)" -m ./other three.txt
json_model NFC BertPreTokenizer WordPiece
refused 1 "another normalizer" "./other/tokenizer.json: normalizer is NFC, but only BertNormalizer is supported (a WordPiece tokenizer of BERT)" -m ./other three.txt
json_model BertNormalizer Whitespace WordPiece
refused 1 "another pre-tokenizer" "./other/tokenizer.json: pre_tokenizer is Whitespace, but only BertPreTokenizer is supported (a WordPiece tokenizer of BERT)" -m ./other three.txt
json_model BertNormalizer BertPreTokenizer WordPiece
ndjson "a tokenizer.json without [MASK]" '{"sentence":"a b","input_ids":[1,3,0,2]}' -m ./other <<END
a b
END
printf '{"x"\n' >other/tokenizer.json
is_rc 1 "a broken tokenizer.json: exit status" -- wp-tokenize -m ./other three.txt
like "$(cat err)" '^wp-tokenize: \./other/tokenizer\.json: ' "a broken tokenizer.json is named"

# ---- a Hub name ----
snapshot=$HF_HOME/hub/models--an--example/snapshots/0123
mkdir -p "$snapshot" "$HF_HOME/hub/models--an--example/refs"
cp vocab.txt "$snapshot/"
printf 0123 >"$HF_HOME/hub/models--an--example/refs/main"
ndjson "a Hub name" '{"sentence":"a","input_ids":[2,5,3]}' -m an/example <<END
a
END

done_testing
