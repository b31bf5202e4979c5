#!/bin/sh
# pipelines/fetch-model against a stand-in for the Hub: the cache's layout, broken transfers, digests, tokens, refusals.
. "$(dirname "$0")/lib.sh"

for program in python3 curl bash sha256sum; do
    command -v $program >/dev/null 2>&1 || skip_all "$program is not here"
done

commit=0123456789abcdef0123456789abcdef01234567
mkdir -p hub/.control hub/me/small hub/google-bert/bert-tiny hub/me/sharded hub/private/model hub/new/moved hub/me/pickled \
    hub/me/wordless
for model in me/small google-bert/bert-tiny me/sharded private/model new/moved me/pickled me/wordless; do
    echo '{"model_type":"bert"}' >hub/$model/config.json
    printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n' >hub/$model/vocab.txt
done
echo '{"do_lower_case":true}' >hub/me/small/tokenizer_config.json
: >hub/me/small/special_tokens_map.json # an empty file is a file
echo '{}' >hub/me/small/tokenizer.json
echo 'not wanted' >hub/me/small/pytorch_model.bin
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "%07d\n", i }' >hub/me/small/model.safetensors
for model in google-bert/bert-tiny private/model new/moved me/wordless; do
    echo weights >hub/$model/model.safetensors
done
rm hub/me/wordless/vocab.txt
echo one >hub/me/sharded/model-00001-of-00002.safetensors
echo two >hub/me/sharded/model-00002-of-00002.safetensors
cat >hub/me/sharded/model.safetensors.index.json <<'END'
{"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors",
 "b": "model-00002-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}}
END

start_server "$root/t/stub/hub.py" hub port log
HF_ENDPOINT=http://127.0.0.1:$(cat port)
export HF_ENDPOINT
no_proxy=127.0.0.1,localhost
export no_proxy
cache=$HF_HOME/hub
begin() { # a new log, no mishaps
    : >log
    rm -f hub/.control/*
}

# ---- the whole, with a transfer that breaks twice ----
begin
echo 2 >hub/.control/break
is_rc 0 "fetch a model" -- fetch-model me/small
snapshot=$cache/models--me--small/snapshots/$commit
is "$(cat out)" "$snapshot" "it prints the folder"
is "$(ls "$snapshot" | tr '\n' ' ')" \
    "config.json model.safetensors special_tokens_map.json tokenizer.json tokenizer_config.json vocab.txt " "with what the tools read"
for file in config.json model.safetensors special_tokens_map.json tokenizer.json tokenizer_config.json vocab.txt; do
    same_bytes "$snapshot/$file" hub/me/small/$file "$file is the same"
done
is "$(cat "$cache/models--me--small/refs/main")" "$commit" "refs/main names the commit"
is "$(readlink "$snapshot/model.safetensors")" "../../blobs/$(sha256sum <hub/me/small/model.safetensors | cut -d ' ' -f 1)" \
    "the weights are a link to a blob named by its SHA-256"
is "$(find "$cache" -name '*.incomplete' -o -name '*tmp*' -o -name '.link*')" "" "nothing unfinished is left"
is "$(grep -c '^store GET' log)" 3 "three transfers"
is "$(grep '^store GET' log | cut -d ' ' -f 5 | tr '\n' ' ')" "- bytes=160000- bytes=240000- " \
    "each taken up where the one before broke"
like "$(cat err)" "model.safetensors: the transfer broke after 156 KiB; going on" "and it says so"

begin
is_rc 0 "fetch it again" -- fetch-model -q me/small
is "$(cat out)" "$snapshot" "the same folder"
is "$(grep -c GET log)" 0 "nothing is transferred twice"
is "$(cat err)" "" "-q says nothing"

# ---- names and revisions ----
begin
is_rc 0 "an old, short name" -- fetch-model bert-tiny
is "$(cat out)" "$cache/models--google-bert--bert-tiny/snapshots/$commit" "is the new, full one"
: >empty
if [ -x "$BUILD/bin/wp-tokenize" ]; then
    is_rc 0 "wp-tokenize -m finds it by its short name" -- wp-tokenize -m bert-tiny --output-format ndjson empty
    is_rc 0 "and by its full one" -- wp-tokenize -m google-bert/bert-tiny --output-format ndjson empty
else
    tap_skip "wp-tokenize -m finds it" "wp-tokenize is not built"
fi
is_rc 0 "a model that moved" -- fetch-model old/moved
is "$(cat out)" "$cache/models--old--moved/snapshots/$commit" "is found by its old name"
is_rc 0 "a revision" -- fetch-model --revision v1 google-bert/bert-tiny
is "$(cat "$cache/models--google-bert--bert-tiny/refs/v1")" "$commit" "has its own ref"
is_rc 1 "a revision that is not there" -- fetch-model --revision v9 google-bert/bert-tiny
is "$(cat err)" "fetch-model: google-bert/bert-tiny has no revision 'v9'" "is named"
is_rc 0 "a model in shards" -- fetch-model me/sharded
is "$(cd "$(cat out)" && ls | tr '\n' ' ')" "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors\
 model.safetensors.index.json vocab.txt " "comes with all of them"
is_rc 0 "HF_HUB_CACHE" -- env HF_HUB_CACHE="$PWD/other cache" fetch-model bert-tiny
is "$(cat out)" "$PWD/other cache/models--google-bert--bert-tiny/snapshots/$commit" "is the place, before HF_HOME"

# ---- what goes wrong ----
begin
is_rc 1 "no such model" -- fetch-model me/none
is "$(cat err)" "fetch-model: me/none: there is no such model, or it is private or gated: then set HF_TOKEN (401)" "says so"
is_rc 1 "a model without safetensors" -- fetch-model me/pickled
is "$(tail -n 1 err)" \
    "fetch-model: me/pickled has no model.safetensors at revision main; weights in other formats are not read" "says so"
ok "$([ ! -e "$cache/models--me--pickled/refs/main" ]; echo $?)" "and is not in the cache"
is_rc 1 "a model without a vocabulary" -- fetch-model me/wordless
is "$(tail -n 1 err)" "fetch-model: me/wordless has neither vocab.txt nor tokenizer.json at revision main" "says so"

begin
rm -r "$cache/models--me--small"
: >hub/.control/corrupt
is_rc 1 "wrong bytes" -- fetch-model me/small
like "$(tail -n 1 err)" "^fetch-model: model.safetensors: its SHA-256 is not the one that the Hub states" "are refused"
is "$(grep -c '^store GET' log)" 2 "after a second try"
ok "$([ ! -e "$snapshot" ]; echo $?)" "and there is no folder of it"

begin
partial=$cache/models--me--small/blobs/$(sha256sum <hub/me/small/model.safetensors | cut -d ' ' -f 1).incomplete
head -c 1000 /dev/zero >"$partial" # the rest of another transfer, with other bytes
is_rc 0 "a wrong beginning" -- fetch-model me/small
same_bytes "$snapshot/model.safetensors" hub/me/small/model.safetensors "is found by the SHA-256 and fetched anew"

begin
rm -r "$cache/models--me--small"
: >hub/.control/no-range
echo 1 >hub/.control/break
is_rc 0 "a server without ranges" -- fetch-model me/small
same_bytes "$snapshot/model.safetensors" hub/me/small/model.safetensors "starts again"

begin
rm -r "$cache/models--me--small"
echo 1 >hub/.control/busy
is_rc 0 "a server that is busy for a moment" -- fetch-model me/small

begin
is_rc 1 "no server" -- env HF_ENDPOINT=http://127.0.0.1:1 fetch-model me/small
like "$(cat err)" "^fetch-model: cannot ask http://127.0.0.1:1 for me/small: .*connect" "is named"
is "$(wc -l <err)" 1 "in one line"

# ---- tokens ----
begin
echo s3cret >hub/.control/secret
is_rc 1 "a private model without a token" -- fetch-model private/model
is_rc 1 "with a wrong one" -- env HF_TOKEN=wrong fetch-model private/model
like "$(cat err)" "^fetch-model: private/model: not allowed \(401\)" "it is not allowed"
is_rc 0 "with the right one" -- env HF_TOKEN=s3cret fetch-model private/model
is "$(grep -c '^store .* Bearer' log)" 0 "the file store never sees the token"
is "$(cat out err | grep -c s3cret)" 0 "nor does anybody read it"
is_rc 2 "a token over plain http to another machine" -- env HF_TOKEN=s3cret HF_ENDPOINT=http://example.com fetch-model me/small
is "$(cat err)" "fetch-model: HF_TOKEN is not sent over plain http to http://example.com; use https" "is refused"
is_rc 2 "a host that begins like loopback" -- env HF_TOKEN=s3cret HF_ENDPOINT=http://127.0.0.1.example.com fetch-model me/small
is_rc 2 "a token with a quote" -- env 'HF_TOKEN=a"b' fetch-model me/small

# The token must not be an argument of curl, where every user of the machine can read it.
mkdir -p spy
curl=$(command -v curl)
cat >spy/curl <<END
#!/bin/sh
printf '%s\n' "\$*" >>"$PWD/arguments"
exec "$curl" "\$@"
END
chmod +x spy/curl
rm -r "$cache/models--private--model"
is_rc 0 "with curl's arguments watched" -- env HF_TOKEN=s3cret PATH="$PWD/spy:$PATH" fetch-model private/model
ok "$([ -s arguments ]; echo $?)" "curl was called"
is "$(grep -c s3cret arguments)" 0 "the token is not among its arguments"

# ---- the command line ----
is_rc 0 "--help" -- fetch-model --help
is "$(sed 1q out)" "fetch-model - fetch a BERT model from the Hugging Face Hub into the local cache" "says what it is"
is "$(awk 'length > 80' out)" "" "in 80 columns"
is_rc 2 "no name" -- fetch-model
is_rc 2 "two names" -- fetch-model a b
is_rc 2 "an unknown option" -- fetch-model --nonsense
is "$(cat err)" "fetch-model: unknown option '--nonsense'
Try 'fetch-model --help'." "is named"
for bad in ../x a/../b a/b/c 'a b' .hidden "a$(printf '\033')b" 'a?b'; do
    is_rc 2 "no name: $(printf %s "$bad" | tr '\033' '?')" -- fetch-model "$bad"
done
is_rc 2 "a revision that climbs" -- fetch-model --revision ../../x me/small
is_rc 2 "no place" -- env -u HF_HOME -u XDG_CACHE_HOME -u HOME fetch-model me/small

done_testing
