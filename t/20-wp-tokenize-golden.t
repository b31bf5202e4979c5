#!/bin/sh
# wp-tokenize against what Hugging Face's tokenizer made of odd sentences (testdata/gen/tokenizer_goldens.py).
. "$(dirname "$0")/lib.sh"

data=$TESTDATA/tokenizer

model() { # NAME JSON: a folder with the vocabulary and this tokenizer_config.json
    mkdir -p "$1"
    cp "$data/vocab.txt" "$1/"
    printf '%s\n' "$2" >"$1/tokenizer_config.json"
}

golden() { # SETTING JSON
    model "$1" "$2"
    tail -n "$(wc -l <"$data/$1.ndjson")" "$data/sentences.ndjson" >rows
    is_rc 0 "$1: exit status" -- wp-tokenize -q -m "$1" --output-format ndjson --offsets rows
    same_bytes out "$data/$1.ndjson" "$1: ids and offsets"
}

golden uncased '{"do_lower_case":true,"model_max_length":512}'
golden cased '{"do_lower_case":false,"model_max_length":512}'
golden uncased-accents '{"do_lower_case":true,"strip_accents":false,"model_max_length":512}'
golden cased-stripped '{"do_lower_case":false,"strip_accents":true,"model_max_length":512}'
golden uncased-no-cjk '{"do_lower_case":true,"tokenize_chinese_chars":false,"model_max_length":512}'

is_rc 0 "vocab.txt itself: exit status" -- \
    wp-tokenize -q -m "$data/vocab.txt" --output-format ndjson --offsets "$data/sentences.ndjson"
same_bytes out "$data/uncased.ndjson" "vocab.txt itself means uncased"

for len in 12 20 33; do
    is_rc 0 "pairs of at most $len tokens: exit status" -- \
        wp-tokenize -q -m "$data/vocab.txt" --output-format ndjson --pair second --max-len $len "$data/pairs.ndjson"
    same_bytes out "$data/pairs-$len.ndjson" "pairs of at most $len tokens"
done

# The same sentences through the library's other way in: tokenizer.json.
python3 - "$data/vocab.txt" >tokenizer.json <<'PYTHON'
import json, sys
tokens = open(sys.argv[1], encoding="utf-8", newline="").read().split("\n")[:-1]
special = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
print(json.dumps({
    "version": "1.0", "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    "added_tokens": [{"id": tokens.index(t), "content": t, "special": True, "normalized": False, "single_word": False,
                      "lstrip": False, "rstrip": False} for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                   "lowercase": False},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing", "single": [special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}},
                                                                special("[SEP]")]},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
              "vocab": {t: i for i, t in enumerate(tokens)}}}))
PYTHON
mkdir json
mv tokenizer.json json/
is_rc 0 "tokenizer.json: exit status" -- wp-tokenize -q -m json --output-format ndjson --offsets "$data/sentences.ndjson"
same_bytes out "$data/cased.ndjson" "tokenizer.json: its normalizer counts, its truncation and padding do not"
wp-tokenize -q -m json "$data/pairs.ndjson" >json.stream
wp-tokenize -q -m cased "$data/pairs.ndjson" >text.stream
same_bytes json.stream text.stream "the vocabulary's hash is that of vocab.txt"

done_testing
