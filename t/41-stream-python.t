#!/bin/sh
# The Python reader of distil-stream(5) is taken from the page and run: its rows are those that our reader finds, and it
# notices a stream that ended early.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null 2>&1 || skip_all "python3 is not here"
frames=$BUILD/t/helper/frames
page=$root/man/distil-stream.5

sed -n '/^\.\\" file: read-stream.py/,/^\.Ed/p' "$page" | sed -e '/^\./d' -e 's/\\e/\\/g' >read-stream.py
lines=$(grep -c . read-stream.py)
ok "$([ "$lines" -ge 5 ] && [ "$lines" -le 15 ]; echo $?)" "the page holds a reader of at most 15 lines ($lines)"
is "$(sed -n 's/^import //p' read-stream.py)" "array, json, struct, sys" "it needs the standard library alone"

compare() { # STREAM NAME
    "$frames" rows "$1" ids label >expected
    is_rc 0 "$2: read by Python" -- python3 read-stream.py <"$1"
    tr -d ' ' <out >got
    same_bytes got expected "$2: the same rows"
}

"$frames" stream 100 7 >made.stream
compare made.stream "100 rows, 7 a frame"
is "$(wc -l <got | tr -d ' ')" 100 "all of them"
"$frames" stream 3 1 >small.stream
compare small.stream "one row a frame"
"$frames" stream 0 1 >none.stream
compare none.stream "no rows"

if [ -x "$BUILD/bin/wp-tokenize" ]; then
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the a film good bad not is it '##s' >vocab.txt
    "$BUILD/bin/wp-tokenize" -m vocab.txt "$TESTDATA/mini/teacher.ndjson" >rows.stream
    compare rows.stream "wp-tokenize's stream"
    is "$(wc -l <got | tr -d ' ')" "$(wc -l <"$TESTDATA/mini/teacher.ndjson" | tr -d ' ')" "a row for each line"
else
    tap_skip "wp-tokenize's stream" "it is not built"
fi

size=$(wc -c <small.stream)
for less in 16 64 200 "$size"; do
    head -c $((size - less)) small.stream >cut.stream
    python3 read-stream.py <cut.stream >out 2>err
    ok "$([ $? != 0 ]; echo $?)" "Python notices $less missing bytes"
    is_rc 1 "and so do we" -- "$frames" rows cut.stream
    like "$(cat err)" "stream ended early; an upstream stage failed$" "with the reason"
done

# The note on the safetensors package: its four lines, run where the package is.
sed -n '/^\.\\" file: read-frame.py/,/^\.Ed/p' "$page" | sed -e '/^\./d' >read-frame.py
is "$(grep -c . read-frame.py)" 4 "the page's other reader has 4 lines"
if python3 -c 'import safetensors.numpy' 2>/dev/null; then
    cat >both.py <<'END'
import json, struct, sys
stream = sys.stdin.buffer.read()
while stream:
    n = struct.unpack("<Q", stream[:8])[0]
    header = json.loads(stream[8:8 + n])
    kind = header.pop("__metadata__")["kind"]
    size = 8 + n + max([t["data_offsets"][1] for t in header.values()], default=0)
    frame, stream = stream[:size], stream[size:]
    if kind == "batch":
        exec(open("read-frame.py").read())
END
    is_rc 0 "read through the safetensors package" -- python3 both.py <made.stream
    tr -d ' ' <out >got
    "$frames" rows made.stream ids label | sed -e 's/^{"ids"://' -e 's/,"label":\(.*\)}$/\1/' >expected
    same_bytes got expected "the same rows"
else
    tap_skip "read through the safetensors package" "python3 lacks it"
fi

done_testing
