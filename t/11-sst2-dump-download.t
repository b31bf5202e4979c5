#!/bin/sh
# sst2-dump without a PATH: the archive is fetched once, checked, kept; what breaks off goes on where it ended. All against
# a local server (t/stub/files.py).
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null 2>&1 || skip_all "python3 is not here"

mkdir files
python3 - "$TESTDATA/mini" <<'EOF'
import random, sys, zipfile
def make(name, tables, filler):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as z:
        for member, table in tables:
            z.write("%s/%s" % (sys.argv[1], table), "SST-2/" + member)
        z.writestr("SST-2/filler", bytes(random.Random(filler).randrange(256) for _ in range(60000)))
tables = [("train.tsv", "train.tsv"), ("dev.tsv", "validation.tsv"), ("test.tsv", "test.tsv")]
make("files/a.zip", tables, 1)
make("files/b.zip", [("train.tsv", "test.tsv"), ("dev.tsv", "validation.tsv"), ("test.tsv", "test.tsv")], 2)
data = bytearray(open("files/a.zip", "rb").read())
data[30000] ^= 1
open("files/damaged.zip", "wb").write(data)
EOF
start_server "$root/t/stub/files.py" files port log
at=http://127.0.0.1:$(cat port)
cache=$XDG_CACHE_HOME/distil
sst2-dump "$TESTDATA/mini" >rows-a
sst2-dump "$TESTDATA/mini/test.tsv" >rows-b
size=$(wc -c <files/a.zip)
etag() {
    echo "\"$(sha256sum "$1" | cut -c 1-16)\""
}
fresh() { # an empty cache, an empty log
    rm -rf "$XDG_CACHE_HOME"
    : >log
}
fetch() { # PATH [ARGUMENT...]
    url=$at$1
    shift
    sst2-dump --no-verify --url "$url" "$@"
}
fetched() { # STATUS NAME PATH [ROWS]
    is_rc "$1" "$2: exit status" -- fetch "$3"
    [ $# = 4 ] && same_bytes out "$4" "$2: rows"
}

# ---- fetched once ----
fresh
fetched 0 "a whole transfer" /a.zip rows-a
like "$(cat err)" "^sst2-dump: fetched $at/a.zip to $cache/SST-2-[0-9a-f]*.zip\$" "the cached file is named"
is "$(cat log)" "200 - - $size" "one request"
same_bytes "$cache"/SST-2-*.zip files/a.zip "the cache holds the archive"
is "$(ls "$cache" | sed 's/-[0-9a-f]*//2')" "SST-2.zip
SST-2.zip.lock" "and nothing unfinished"
is_rc 0 "again" -- fetch /a.zip --split validation
is "$(cat log | wc -l)$(cat err)" 1 "again: from the cache, silently"
is "$(wc -l <out)" 200 "another split of the same archive"
fetched 0 "another address" /./b.zip rows-b
is "$(ls "$cache"/*.zip | wc -l)" 2 "another address is another file"
SST2_DUMP_URL=$at/a.zip sst2-dump --no-verify >out
same_bytes out rows-a "SST2_DUMP_URL names the address"
rm -f "$cache"/*.zip
printf 'PK\003\004 damaged' >"$cache/$(ls "$cache" | sed -n 's/\.lock$//p' | head -n 1)"
for f in "$cache"/*.lock; do printf 'PK\003\004 damaged' >"${f%.lock}"; done
fetched 0 "a damaged file in the cache" /a.zip rows-a
like "$(sed 1q err)" "^sst2-dump: $cache/.*; fetching it again\$" "a damaged file in the cache is fetched again"

# ---- broken off ----
fresh
fetched 0 "a transfer that breaks" /break:20000:1/a.zip rows-a
is "$(cat log)" "200 - - 20000
206 bytes=20000- $(etag files/a.zip) $((size - 20000))" "the rest is asked for, and only the rest"
same_bytes "$cache"/SST-2-*.zip files/a.zip "the pieces are the file"
fresh
fetched 0 "three breaks" /break:20000:3/a.zip rows-a
is "$(awk '{ n += $4 } END { print n, NR }' log)" "$size 4" "three breaks: no byte comes twice"
fresh
fetched 0 "a break and only a date" /dated/break:20000:1/a.zip rows-a
like "$(tail -n 1 log)" '^206 bytes=20000- Thu, 01 Jan 2026' "the date is the condition then"
fresh
fetched 0 "a break and a weak ETag" /weak/break:20000:1/a.zip rows-a
like "$(tail -n 1 log)" '^206 bytes=20000- Thu, 01 Jan 2026' "a weak ETag is none"
fresh
fetched 0 "a break and no version" /unversioned/break:20000:1/a.zip rows-a
is "$(tail -n 1 log)" "200 - - $size" "without a version it starts over"
fresh
fetched 0 "a break and a server without ranges" /no-range/break:20000:1/a.zip rows-a
is "$(tail -n 1 log)" "200 bytes=20000- $(etag files/a.zip) $size" "it starts over where ranges are ignored"
same_bytes "$cache"/SST-2-*.zip files/a.zip "and then the file is the file"
fresh
fetched 0 "a break and another file behind it" /changing:b.zip/break:20000:1/a.zip rows-b
same_bytes "$cache"/SST-2-*.zip files/b.zip "the new file, and nothing of the old one"
fresh
fetched 0 "a break and an answer with another range" /wrong-range/break:20000:1/a.zip rows-a
is "$(cut -d ' ' -f 1,2 log | tr '\n' ' ')" "200 - 206 bytes=20000- 200 - " "another range is not taken"
fresh
fetched 0 "no Content-Length" /chunked/a.zip rows-a

# Across runs: every transfer breaks, so the first run gives up and the second goes on.
fresh
is_rc 1 "every transfer breaks" -- fetch /break:9000:6/a.zip
like "$(cat err)" "^sst2-dump: cannot fetch GLUE's SST-2: .*\\(the first 45000 bytes are kept; the same command goes on behind them\\); without network give its zip archive, its folder or a file as PATH\$" \
    "every transfer breaks: the message"
is "$(cat out)$(wc -l <err)" 1 "no rows, one line"
is "$(ls "$cache"/*.zip 2>/dev/null)" "" "an unfinished file has not the final name"
: >log
fetched 0 "the same command again" /break:9000:6/a.zip rows-a
is "$(sed 1q log)" "206 bytes=45000- $(etag files/a.zip) 9000" "it goes on behind what was kept"
same_bytes "$cache"/SST-2-*.zip files/a.zip "the pieces of two runs are the file"

# The part is longer than the file is now.
fresh
is_rc 1 "a part" -- fetch /break:8000:99/a.zip
part=$(ls "$cache"/*.part)
head -c 300000 /dev/zero >"$part"
printf '%s/break:9000:0/a.zip\n%s\n' "$at" "$(etag files/a.zip)" >"$part.from"
other=$cache/SST-2-$(printf '%s/break:9000:0/a.zip' "$at" | sha256sum | cut -c 1-16).zip
mv "$part" "$other.part"
mv "$part.from" "$other.part.from"
: >log
fetched 0 "a part that is too long" /break:9000:0/a.zip rows-a
is "$(cut -d ' ' -f 1 log | tr '\n' ' ')" "416 200 " "a part that is too long is thrown away"
same_bytes "$other" files/a.zip "and the file is the file"

# ---- refused ----
gone() { # NAME MESSAGE-PATTERN PATH
    fresh
    is_rc 1 "$1: exit status" -- fetch "$3"
    like "$(cat err)" "^sst2-dump: $2" "$1: message"
    is "$(cat out)$(wc -l <err)$(ls "$cache" | grep -v lock)" 1 "$1: one line, no rows, nothing kept"
}
cure="; without network give its zip archive, its folder or a file as PATH\$"
gone "404" "cannot fetch GLUE's SST-2: $at/none.zip: the server answered 404$cure" /none.zip
is "$(wc -l <log)" 1 "404: asked once"
gone "a login page" "cannot fetch GLUE's SST-2: $at/html/a.zip: the answer is no zip archive but text/html; charset=utf-8; a proxy or login page may be in the way$cure" /html/a.zip
gone "an address that lies" "$at/damaged.zip: .*cannot read the zip archive" /damaged.zip
gone "redirections without end" "cannot fetch GLUE's SST-2: .*redirected more than 10 times$cure" "/to:loop.zip/loop.zip"
fresh
is_rc 2 "a redirection to http elsewhere" -- fetch '/to:http:!!192.0.2.1!x/a.zip'
like "$(cat err)" "^sst2-dump: http://192.0.2.1/x: only https is fetched" "a redirection to http elsewhere: message"
fresh
fetched 0 "a redirection" "/to:$(echo "$at" | tr / '!')!a.zip/x" rows-a
fresh
fetched 0 "a server that is busy once" /status:503:1/a.zip rows-a
fresh
for url in http://example.org/a.zip http://127.0.0.1.example.org/a.zip http://127.example.org/ ftp://127.0.0.1/a.zip file:///etc/passwd; do
    is_rc 2 "$url" -- sst2-dump --url $url
    like "$(cat err)" "^sst2-dump: $url: (only https is fetched|not an address)" "$url: message"
done
is_rc 2 "no address" -- sst2-dump --url nonsense://
is_rc 1 "a port where nothing listens" -- sst2-dump --url http://127.0.0.1:9/a.zip
like "$(cat err)" "^sst2-dump: cannot fetch GLUE's SST-2: http://127.0.0.1:9/a.zip: .*$cure" "a port where nothing listens: message"
(
    HOME='' XDG_CACHE_HOME=''
    export HOME XDG_CACHE_HOME
    is_rc 2 "no place for a cache" -- fetch /a.zip
    exit "$rc"
) >/dev/null
is $? 2 "no place for a cache"
echo file >not-a-folder
(
    XDG_CACHE_HOME=$PWD/not-a-folder
    export XDG_CACHE_HOME
    fetch /a.zip >/dev/null 2>err
    echo $? >rc
)
is "$(cat rc)" 1 "a cache that cannot be made"
like "$(cat err)" "not-a-folder: cannot make the folder" "a cache that cannot be made: message"

# ---- two at a time ----
fresh
fetch /a.zip >one 2>/dev/null &
first=$!
fetch /a.zip >two 2>/dev/null
ok $? "two runs at a time: the second"
wait $first
ok $? "two runs at a time: the first"
cat one two >both
cat rows-a rows-a >expected
same_bytes both expected "two runs at a time: rows"
is "$(wc -l <log)" 1 "two runs at a time: fetched once"

# ---- verified ----
fresh
is_rc 1 "another archive with verification" -- sst2-dump --url "$at/a.zip"
like "$(cat err)" "^sst2-dump: $at/a.zip: .*: its train.tsv is not GLUE's \\(sha256 [0-9a-f]{12}..., not 48eac26399f8...\\); --no-verify takes another archive\$" \
    "another archive is refused"
is "$(ls "$cache" | grep -v lock)" "" "and not kept"
if [ -r "$REAL_DATA/SST-2/train.tsv" ]; then
    python3 - "$REAL_DATA/SST-2" <<'EOF'
import sys, zipfile
with zipfile.ZipFile("files/real.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
    for name in "train.tsv", "dev.tsv", "test.tsv":
        z.write("%s/%s" % (sys.argv[1], name), "SST-2/" + name)
EOF
    fresh
    is_rc 0 "GLUE's archive, broken once" -- sst2-dump --url "$at/break:500000:1/real.zip" --split validation
    sst2-dump --split validation "$REAL_DATA/SST-2" >expected
    same_bytes out expected "GLUE's archive: rows"
    is_rc 0 "GLUE's archive again" -- sst2-dump --url "$at/break:500000:1/real.zip" --split test
    is "$(wc -l <out) $(wc -l <log)" "1821 2" "GLUE's archive is not fetched again"
    cp files/real.zip "$cache/SST-2.zip"
    : >log
    is_rc 0 "the usual name in the cache, without network" -- sst2-dump --split validation
    same_bytes out expected "the usual name in the cache: rows"
else
    tap_skip "GLUE's archive" "no $REAL_DATA/SST-2"
fi

done_testing
