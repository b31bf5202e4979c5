#!/bin/sh
# pipelines/pretrain: how text is cut into rows, the stages and what is not done twice, options, errors.
. "$(dirname "$0")/lib.sh"
for tool in wp-tokenize bert-train; do
    [ -x "$BUILD/bin/$tool" ] || skip_all "$tool is not built"
done
export OMP_NUM_THREADS=1
pretrain=$root/pipelines/pretrain

is_rc 0 "pretrain --help" -- "$pretrain" --help
is "$(awk 'length > 80' out)" "" "pretrain --help fits into 80 columns"
if command -v shellcheck >/dev/null 2>&1; then
    is_rc 0 "pretrain is clean for shellcheck" -- shellcheck -x --source-path="$root" "$pretrain"
else
    tap_skip "pretrain is clean for shellcheck" "shellcheck is not here"
fi
refused() { # STATUS NAME MESSAGE ARGUMENT...
    status=$1 name=$2 message=$3
    shift 3
    is_rc "$status" "$name: exit status" -- "$pretrain" "$@"
    is "$(grep -v "^Try \| writes " err)" "pretrain: $message" "$name: message"
}
refused 2 "no file" "which text? FILE is missing" -o x
refused 2 "an unknown option" "unknown option '--no-such-option'" --no-such-option x
refused 2 "a missing value" "--epochs needs a value" text --epochs
refused 2 "stdin" "FILE cannot be stdin, because a second run reads it again" -
refused 1 "no such file" "nowhere: cannot be read" nowhere
refused 2 "--max-len" "--max-len '7' is no number from 8" --max-len 7 text
refused 2 "--validation" "--validation 'few' is no number from 1" --validation few text

# ---- rows ----
printf '%s\r\n' 'One film.<br /><br />Two films! "Three films?" Four' >text
printf '%s\n' '' 'a b c d e f g h i j k l m n o p q r s t u v w x y z. End.' 'No end of a document' >>text
refused 1 "too little text" "the text makes only 5 rows, too few to hold out 7 of them (--validation)" \
    -o rows --max-len 16 --validation 7 text
is "$(cat rows/text.txt)" 'One film. Two films! "Three films?" Four
a b c d e f g h i j k l
m n o p q r s t u v w x
y z. End.
No end of a document' "rows are whole sentences, or as much as fits"

# ---- the stages ----
cut -f 1 "$TESTDATA/mini/train.tsv" | tail -n +2 >sentences
train() { # ARGUMENT...
    "$pretrain" -o made --vocab-size 600 --validation 40 --max-steps 3 --batch-size 8 --threads 1 "$@" sentences
}
is_rc 0 "the whole pipe, three steps" -- train
is "$(cat made/train.txt made/validation.txt | sort | cksum)" "$(sort made/text.txt | cksum)" "no row is lost, none is in both parts"
is "$(grep -c . made/validation.txt)" 40 "as many are held out as asked for"
is "$(wp-tokenize -q --train-vocab 600 made/train.txt | cksum)" "$(cksum <made/vocab.txt)" "the vocabulary is that of the training rows"
like "$(cat made/metrics.ndjson)" '"event":"eval","step":3,.*"perplexity":' "the held-out rows are judged"
for file in config.json model.safetensors vocab.txt tokenizer_config.json README.md; do
    ok "$([ -s made/encoder/$file ]; echo $?)" "the encoder has $file"
done
cp made/encoder/model.safetensors first
is_rc 0 "the same command again" -- train
is "$(grep -c 'is there already' err)" 7 "does nothing twice"
rm -rf made/encoder
is_rc 0 "without the encoder" -- train
is "$(grep -c 'is there already' err)" 6 "only that is made again"
same_bytes made/encoder/model.safetensors first "and is the same"
is_rc 2 "another vocabulary size" -- train --vocab-size 500
is "$(cat err)" "pretrain: made/text.txt is there already
pretrain: made/train.txt is there already
pretrain: made/validation.txt is there already
pretrain: made/vocab.txt was made with other options; remove it, or choose another folder with -o" "is refused"
echo "One more sentence." >>sentences
touch -d '+1 minute' sentences
is_rc 0 "another text" -- train
is "$(grep -c 'One more sentence' made/text.txt)" 1 "is read"
ok "$(cmp -s made/encoder/model.safetensors first; [ $? = 1 ]; echo $?)" "and makes another encoder"
is_rc 0 "a classifier is trained from it" -- sh -c 'wp-tokenize -q -m made/encoder "$TESTDATA/mini/validation.tsv" |
    bert-train -q -m made/encoder -o student --max-steps 2'

sed 's/^the /The /' sentences >capitals
is_rc 0 "cased, with whole words" -- "$pretrain" -q -o cased --cased --whole-word-masking --vocab-size 600 \
    --validation 40 --max-steps 1 --batch-size 8 capitals
like "$(cat cased/encoder/tokenizer_config.json)" '"do_lower_case": *false' "the encoder knows that it is cased"
is "$(grep -cx The cased/encoder/vocab.txt)" 1 "and its vocabulary has upper case"
is_rc 0 "a vocabulary that is there" -- "$pretrain" -q -o given --vocab made/vocab.txt --validation 40 --max-steps 1 \
    --batch-size 8 sentences
same_bytes given/encoder/vocab.txt made/vocab.txt "is taken"
refused 2 "--cased and --vocab" "--cased is for a new vocabulary, not for --vocab" --cased --vocab made/vocab.txt sentences
done_testing
