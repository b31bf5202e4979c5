#!/bin/sh
# wp-tokenize on real data: SST-2 and IMDb against sums of what Hugging Face's tokenizer gave (testdata/gen/tokenizer_real.py),
# and published test cases.
. "$(dirname "$0")/lib.sh"

vocabulary=$REAL_DATA/bert-base-uncased-vocab.txt
[ -f "$vocabulary" ] || skip_all "no $vocabulary"

model() { # NAME JSON
    mkdir -p "$1"
    cp "$vocabulary" "$1/vocab.txt"
    printf '%s\n' "$2" >"$1/tokenizer_config.json"
}
model uncased '{"do_lower_case":true}'
model cased '{"do_lower_case":false}'

is "$(wp-tokenize -q -m uncased </dev/null | head -c 400 | grep -ao '"vocab_sha256":"[0-9a-f]*"')" \
    "\"vocab_sha256\":\"$(sha256sum <"$vocabulary" | cut -d ' ' -f 1)\"" "the vocabulary's hash is the file's"

check() { # SETTING NAME ROWS FILE
    is_rc 0 "$1, $2: exit status" -- wp-tokenize -q -m "$1" --max-len 1000000 --expect-rows "$3" --output-format ndjson --offsets "$4"
    is "$(sed 's/.*"input_ids":/"input_ids":/' out | sha256sum | cut -d ' ' -f 1)" \
        "$(sed -n "s/  $1-$2\$//p" "$TESTDATA/tokenizer/real.sha256")" "$1, $2: ids and offsets"
}

for setting in uncased cased; do
    if [ -d "$REAL_DATA/SST-2" ]; then
        check $setting train 67349 "$REAL_DATA/SST-2/train.tsv"
        check $setting dev 872 "$REAL_DATA/SST-2/dev.tsv"
        check $setting test 1821 "$REAL_DATA/SST-2/test.tsv"
    else
        tap_skip "$setting, SST-2" "no $REAL_DATA/SST-2"
    fi
    if [ -f "$REAL_DATA/imdb/test.tsv.xz" ] && command -v xz >/dev/null; then
        [ -f imdb.txt ] || xz -dc "$REAL_DATA/imdb/test.tsv.xz" 2>/dev/null | sed -n '2,2001p; 2001q' | cut -f 4- >imdb.txt
        check $setting imdb 2000 imdb.txt
    else
        tap_skip "$setting, IMDb" "no $REAL_DATA/imdb or no xz"
    fi
done

cases=$REAL_DATA/wordpiece-cases.json
if [ -f "$cases" ]; then
    python3 - "$cases" "$vocabulary" >cases.out 2>&1 <<'PYTHON'
import json, os, subprocess, sys
groups = json.load(open(sys.argv[1], encoding="utf-8"))

def run(vocabulary, settings, row, *options):
    os.makedirs("case", exist_ok=True)
    tokens = vocabulary + [t for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if t not in vocabulary]
    open("case/vocab.txt", "w", encoding="utf-8", newline="").write("".join(t + "\n" for t in tokens))
    json.dump(settings, open("case/tokenizer_config.json", "w"))
    out = subprocess.run(["wp-tokenize", "-q", "-m", "./case", "--output-format", "ndjson", "--offsets", *options],
                         input=json.dumps(row).encode(), stdout=subprocess.PIPE, check=True).stdout
    row = json.loads(out)
    return row["input_ids"], [tokens[i] for i in row["input_ids"]], row["offsets"], row.get("token_type_ids")

def check(kind, text, got, want):
    if got != want:
        print(f"{kind} {text!r}: {got}, published {want}")

n = 0
for group in (groups["google_bert_tokenization_test"], groups["transformers_test_tokenization_bert"]):
    for case in group["full"]:
        ids, tokens, *_ = run(case["vocab"], {}, {"sentence": case["in"]})
        check("full", case["in"], (tokens[1:-1], ids[1:-1]), (case["tokens"], case["ids"]))
        n += 1
    for case in group.get("wordpiece", []):
        check("wordpiece", case["in"], run(case["vocab"], {"do_lower_case": False}, {"sentence": case["in"]})[1][1:-1], case["out"])
        n += 1
    for case in group["basic"]:
        if not case.get("remove_control_chars", True):
            continue # no setting of a model folder
        settings = {"do_lower_case": case.get("lower", False), "strip_accents": case.get("strip_accents")}
        check("basic", case["in"], run(sorted(set(case["out"])), settings, {"sentence": case["in"]})[1][1:-1], case["out"])
        n += 1
bert = open(sys.argv[2], encoding="utf-8").read().split("\n")[:-1]
for case in groups["tokenizers_bert_uncased"]:
    if case.get("add_special_tokens", True):
        texts = case["in"]
        row = dict(zip(("sentence", "second"), texts))
        ids, tokens, offsets, types = run(bert, {}, row, *(["--pair", "second"] if len(texts) > 1 else []))
        check("bert", texts, tokens, case["tokens"])
        check("bert", texts, ids, case.get("ids", ids))
        check("bert", texts, offsets, case.get("offsets", offsets))
        check("bert", texts, types, case.get("type_ids", types))
        n += 1
print(f"{n} cases")
PYTHON
    is "$(grep -v ' cases$' cases.out)" "" "published cases"
    ok "$(test "$(sed -n 's/ cases$//p' cases.out)" -ge 20; echo $?)" "there are published cases"
else
    tap_skip "published cases" "no $cases"
fi

done_testing
