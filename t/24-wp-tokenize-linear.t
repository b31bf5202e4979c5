#!/bin/sh
# wp-tokenize takes time in proportion to the text, whatever the text is: one line of two megabytes of each kind that has made
# a tokenizer quadratic. Nothing is timed; a quadratic step would take hours here, and timeout(1) ends it.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null 2>&1 || skip_all "python3 is not here"
command -v timeout >/dev/null 2>&1 || skip_all "timeout(1) is not here"
export OMP_NUM_THREADS=1
vocab=$TESTDATA/tokenizer/vocab.txt

repeat() { # UNIT, as a Python string: about two megabytes of it, on one line
    python3 -c 'import sys
unit = eval(sys.argv[1])
sys.stdout.buffer.write((unit * (2000000 // len(unit.encode()))).encode() + b"\n")' "$1"
}
linear() { # NAME COMMAND...
    name=$1
    shift
    is_rc 0 "$name" -- timeout 300 "$@"
}

while IFS='|' read -r unit name; do
    repeat "$unit" >text
    linear "2 MB of $name" wp-tokenize -q -m "$vocab" --input-format text text
done <<'END'
"a"|one word
"unbelievable"|one word of many pieces
"ab1"|letters and digits
"["|opening brackets
"[MASK"|special tokens that do not end
"[SEP]"|special tokens
"##"|number signs
" "|spaces
"\0"|NUL
"\u0301"|one mark that is stripped
"a\u0316\u0301\u0315"|marks out of order
"\u302e\u0316"|marks out of order that stay
"e\u0301"|decomposed letters
"\u0130"|letters that lower case makes longer
"\u4e2d"|CJK
"\ud55c"|Hangul
"\u0628\u064e"|Arabic with vowels
"a\u200b"|letters with a format character between
"\ufffd"|replacement characters
"\U0001f600"|emoji
END

# A vocabulary that lets pieces fail late, and long words.
mkdir deep
python3 - <<'PYTHON'
import json
tokens = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "a", "##a", "##b"]
tokens += ["a" * n for n in range(2, 200)] + ["##" + "a" * n for n in range(2, 200)] + ["##" + "a" * 200 + "c"]
json.dump({"model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                     "max_input_chars_per_word": 10000, "vocab": {t: i for i, t in enumerate(tokens)}},
           "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"}},
          open("deep/tokenizer.json", "w"))
PYTHON
repeat '"a" * 9999 + " "' >text
linear "words of 9,999 letters that are cut into pieces" wp-tokenize -q -m deep --max-len 1000000 text
repeat '("a" * 199 + "b") * 49 + " "' >text
linear "words whose pieces end late" wp-tokenize -q -m deep --max-len 1000000 text

# NDJSON: the row around the sentence, and the teacher's cues.
python3 - <<'PYTHON'
import json
def row(name, sentence, cues):
    row = {"sentence": sentence, "teacher": {"label": 1, "reasoning": "x", "cues": cues}}
    open(name, "w").write(json.dumps(row) + "\n")
row("same", "a bad film " * 20000, ["film"] * 20000)
row("absent", "a bad film " * 20000, ["zebra"] * 20000)
row("long", "a" * 1000000, ["a" * 500000])
row("nearly", "aa " * 300000, ["aa " * 150000 + "a"])
open("escapes", "w").write('{"sentence":"' + "\\u0301" * 300000 + '"}\n')
open("members", "w").write('{"sentence":"a"' + "".join(f',"m{i}":1' for i in range(200000)) + "}\n")
PYTHON
linear "20,000 cues, all the same word" wp-tokenize -q -m "$vocab" same
linear "20,000 cues that are not there" wp-tokenize -q -m "$vocab" absent
linear "a cue that is half of a long word" wp-tokenize -q -m "$vocab" long
linear "a cue that nearly fits everywhere" wp-tokenize -q -m "$vocab" nearly
linear "escaped characters" wp-tokenize -q -m "$vocab" escapes
linear "200,000 members" wp-tokenize -q -m "$vocab" members

# Learning a vocabulary.
repeat '"a"' >text
linear "learning from one word of 2 MB" wp-tokenize -q --train-vocab 1000 text
python3 -c 'print(" ".join(f"{i * 2654435761 % 2**32:x}" for i in range(50000)))' >text
linear "learning from 50,000 different words" wp-tokenize -q --train-vocab 1000 text
done_testing
