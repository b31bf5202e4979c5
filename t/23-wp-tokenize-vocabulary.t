#!/bin/sh
# wp-tokenize --train-vocab: what is learnt, from which input, the options, errors by exact status and text. The library's
# vocabularies are compared live in t/oracle/vocabulary.py; two of them stand here.
. "$(dirname "$0")/lib.sh"

# learnt NAME EXPECTED ARGUMENT... <input: the tokens after the five special ones on one line, nothing on stderr.
learnt() {
    about=$1 expected=$2
    shift 2
    is_rc 0 "$about: exit status" -- wp-tokenize -q "$@"
    is "$(head -n 5 out | tr '\n' ' ')" "[PAD] [UNK] [CLS] [SEP] [MASK] " "$about: the special tokens come first"
    is "$(tail -n +6 out | tr '\n' ' ')" "$expected " "$about: tokens"
    is "$(cat err)" "" "$about: silent"
}
refused() {
    status=$1 about=$2 reason=$3
    shift 3
    is_rc "$status" "$about: exit status" -- wp-tokenize "$@"
    is "$(sed '/^Try /d' err)" "wp-tokenize: $reason" "$about: message"
}

# ---- what is learnt ----
# low 5, lower 2, newest 6, widest 3: "es" and "est" occur 9 times, "lo" and "low" 7, "ne", "west" and "newest" 6, "wi" 3
for word in low:5 lower:2 newest:6 widest:3; do
    yes "${word%:*}" | head -n "${word#*:}"
done >words.txt
learnt "the most frequent pairs first" \
    "d e i l n o r s t w ##d ##e ##i ##o ##r ##s ##t ##w ##es ##est lo low ne ##west newest wi" \
    --train-vocab 31 words.txt
learnt "rare pairs are not joined" "d e i l n o r s t w ##d ##e ##i ##o ##r ##s ##t ##w ##es ##est lo low" \
    --train-vocab 1000 --min-frequency 7 words.txt
learnt "all text is normalised: case, accents, punctuation, CJK" \
    "! a b c e 中 文 ##a ##b ##c ##e ab abc" --train-vocab 1000 <<END
ABC! ábc! äbc 中文 abc 中文
abe$(printf '\001')e
cab
END
learnt "cased" "A B a b ä ##B ##b AB ab" --cased --train-vocab 1000 <<END
AB AB ab ab äb
END
learnt "a special token in the text is three words" "[ ] e p s ##e ##p se sep" --train-vocab 1000 <<END
[SEP] [SEP] [SEP]
END
learnt "characters that are left out are left out of their words" "a b c ##a ##b ##c ab" \
    --limit-alphabet 3 --train-vocab 12 <<END
axb ab abc cba cc aabbcc
END
learnt "of equally frequent characters the lower code point stays" "a b ##b ab" --limit-alphabet 2 --train-vocab 1000 <<END
ab ab dc dc
END
learnt "NDJSON: the sentence" "a b ##b ab" --train-vocab 1000 <<END
{"idx":0,"sentence":"ab ab","label":7,"other":"zz zz"}
END
learnt "NDJSON: a second text too" "a b c d ##b ##d ab cd" --train-vocab 1000 --pair teacher.reasoning <<END
{"sentence":"ab ab","teacher":{"reasoning":"cd cd"}}
{"sentence":"ab ab"}
END
printf 'sentence\tlabel\nab ab\tx\n' >rows.tsv
learnt "TSV, labels are not looked at" "a b ##b ab" --train-vocab 1000 rows.tsv

# ---- the same whatever the threads and the order ----
wp-tokenize -q --train-vocab 1500 "$TESTDATA/mini/teacher.ndjson" >one.txt
for threads in 1 2 3 8; do
    wp-tokenize -q --threads $threads --train-vocab 1500 "$TESTDATA/mini/teacher.ndjson" -o many.txt
    same_bytes one.txt many.txt "$threads threads"
done
sort -r "$TESTDATA/mini/teacher.ndjson" | wp-tokenize -q --frame-rows 7 --train-vocab 1500 >many.txt
same_bytes one.txt many.txt "another order of the rows"
is "$(wc -l <one.txt | tr -d ' ')" 1500 "as many tokens as asked for"
is "$(sort one.txt | uniq -d)" "" "no token twice"
# What tokenizers 0.23.3 makes of the same rows, told the order of the single characters.
is "$(sha256sum <one.txt | cut -d ' ' -f 1)" "c213f2f39f138fd11aa599b8eb39e001162233325dc896faa01cb901e7e8d7d5" "it is the library's"
is_rc 0 "the vocabulary can be used" -- wp-tokenize -q -m one.txt --output-format ndjson "$TESTDATA/mini/validation.tsv"
is "$(grep -c '"input_ids":\[2,.*[^0-9]1[^0-9].*3\]' out)" 0 "and leaves nothing unknown in other rows"

# ---- what is said ----
is_rc 0 "fewer tokens than asked for: exit status" -- wp-tokenize --train-vocab 1000 words.txt
is "$(cat err)" "wp-tokenize: warning: the text gives 35 tokens, not 1000: no further parts meet 2 times
wp-tokenize: 35 tokens from 4 different words
wp-tokenize: 16 rows, 0 skipped" "fewer tokens than asked for: message"
is_rc 0 "more characters than tokens: exit status" -- wp-tokenize --train-vocab 10 words.txt
like "$(cat err)" "warning: the characters alone make 23 tokens, not 10; --limit-alphabet keeps fewer of them" \
    "more characters than tokens: message"
is "$(wc -l <out | tr -d ' ')" 23 "more characters than tokens: they are there"
is_rc 0 "characters left out: exit status" -- wp-tokenize --train-vocab 10 --limit-alphabet 2 words.txt
like "$(cat err)" "warning: 8 of 10 characters were left out \(--limit-alphabet\)" "characters left out: message"

# ---- errors ----
refused 1 "no text" "<stdin>: no words to learn from" --train-vocab 100 </dev/null
refused 1 "no words" "<stdin>: no words to learn from" --train-vocab 100 <<END
  
END
printf 'good\nb\377d\n' >bad.txt
refused 1 "not UTF-8" "bad.txt:2: byte 2 is not UTF-8 (0xff); --replace-invalid puts U+FFFD there" --train-vocab 9 bad.txt
is_rc 3 "not UTF-8, --keep-going" -- wp-tokenize -q --keep-going --train-vocab 1000 bad.txt
is "$(tail -n +6 out | tr '\n' ' ')" "d g o ##d ##o " "not UTF-8, --keep-going: the other rows count"
is_rc 0 "not UTF-8, --replace-invalid" -- wp-tokenize -q --replace-invalid --train-vocab 1000 bad.txt
refused 1 "rows are missing" "words.txt: 16 rows where --expect-rows says 17; the input is not complete" \
    --expect-rows 17 --train-vocab 100 words.txt
for option in "-m one.txt" "--max-len 9" "--output-format ndjson" "--output-format ndjson --offsets"; do
    name=${option%% [a-z0-9]*}
    [ "$name" != "--output-format" ] || [ "$option" = "--output-format ndjson" ] || name=--offsets
    # shellcheck disable=SC2086
    refused 2 "$option" "--train-vocab makes a vocabulary and no tokens: $name cannot be used with it" \
        $option --train-vocab 100 words.txt
done
refused 2 "--cased alone" "--cased needs --train-vocab" -m one.txt --cased words.txt
refused 2 "--min-frequency alone" "--min-frequency or --limit-alphabet needs --train-vocab" -m one.txt \
    --min-frequency 2 words.txt
refused 2 "neither" "a vocabulary is needed: -m MODEL, or --train-vocab N to make one" words.txt
refused 2 "too few tokens" "--train-vocab must be between 6 and 10000000, not 5" --train-vocab 5 words.txt

# ---- output ----
if [ -c /dev/full ]; then
    wp-tokenize -q --train-vocab 100 words.txt >/dev/full 2>err
    is "$?" 1 "a full disk: exit status"
    like "$(cat err)" "wp-tokenize: <stdout>: .*No space left on device" "a full disk: message"
fi
echo old >kept.txt
wp-tokenize -q --train-vocab 100 -o kept.txt bad.txt 2>err
is "$?" 1 "a failure with -o"
is "$(cat kept.txt)" old "leaves the old file"
is "$(ls kept.txt*)" kept.txt "and nothing beside it"
done_testing
