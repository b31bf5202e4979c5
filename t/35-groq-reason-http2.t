#!/bin/sh
# groq-reason over HTTP/2: one connection for all requests, and the same table of failures, through nghttpx.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
. "$root/t/stub/failures.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"
PATH=$PATH:/usr/sbin
command -v nghttpx >/dev/null 2>&1 || skip_all "nghttpx is not here (Debian: nghttp2-proxy)"
groq-reason -v --version | grep -q nghttp2 || skip_all "this libcurl has no HTTP/2"
command -v openssl >/dev/null 2>&1 || skip_all "openssl is not here"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=own -keyout own.key -out own.pem \
    -addext subjectAltName=IP:127.0.0.1 >openssl.log 2>&1 || skip_all "this openssl cannot make a certificate"

GROQ_API_KEY=gsk_SeCrEtSeCrEtSeCrEt0123456789
export GROQ_API_KEY

# Puts an HTTP/2 server before the one started last, on port $front; a line in front.log for each request, with the
# port of the connection that it came through.
front=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
url=https://127.0.0.1:$front/v1
start_front() {
    rm -f front.log
    # shellcheck disable=SC2016
    nghttpx --conf=/dev/null --single-process --workers=1 --no-ocsp --frontend="127.0.0.1,$front" \
        --backend="127.0.0.1,$port" --errorlog-file="$trash/front.err" --accesslog-file="$trash/front.log" \
        --accesslog-format='$remote_port $alpn $status' "$@" own.key own.pem >front.out 2>&1 &
    front_pid=$!
    at_exit "kill $front_pid 2>/dev/null"
    tries=0
    while ! python3 -c 'import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()' "$front" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 50 ]; then
            ok 1 "nghttpx starts"
            show front.err
            show front.out
            done_testing
        fi
        sleep 0.1
    done
    url=https://127.0.0.1:$front/v1
}
stop_front() {
    kill "$@" $front_pid
    wait $front_pid 2>/dev/null
}

# ---- one connection ----
awk 'BEGIN { for (i = 0; i < 120; i++) printf "{\"idx\":%d,\"sentence\":\"number %d %s\"}\n", i, i, i % 7 ? "quick" : "slow" }' >many
echo '{"sentence":"slow","mode":"slow","seconds":0.1}' >faults
start_teacher plain --faults faults
is_rc 0 "HTTP/1.1" -- groq-reason --no-journal --base-url "$url" --concurrency 16 many
cp out expected
: >plain.log
start_front
is_rc 0 "HTTP/2" -- groq-reason --no-journal --base-url "$url" --cacert own.pem --concurrency 16 many
sed 's/chatcmpl-[0-9]*//' out | cmp -s - expected
ok $? "the same rows, in the same order"
is "$(requests plain)" 120 "each is asked once"
sleep 0.2
is "$(sed -n 's/^\([0-9]*\) h2 200$/\1/p' front.log | wc -l)" 120 "all over HTTP/2"
is "$(sed -n 's/^\([0-9]*\) h2 200$/\1/p' front.log | sort -u | wc -l)" 1 "through one connection"
stop_front
stop_teacher

# ---- fewer streams than --concurrency ----
start_teacher narrow
start_front --frontend-http2-max-concurrent-streams=3
is_rc 0 "a server that allows three streams" -- groq-reason --no-journal --base-url "$url" --cacert own.pem --concurrency 16 many
is "$(requests narrow)" 120 "gets each request once"
stop_front
stop_teacher

# ---- a connection that is lost with all that it carries, and a server that comes back ----
start_teacher gone --delay 0.05
start_front
groq-reason --no-journal --base-url "$url" --cacert own.pem --concurrency 4 many >out 2>err &
tool=$!
tries=0
while [ "$(requests gone)" -lt 20 ] && [ $tries -lt 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
stop_front -9
start_front
wait $tool
is $? 0 "a server that is gone for a moment"
sed 's/.*"idx":\([0-9]*\),.*"status":"\([a-z]*\)".*/\1 \2/' out >got
awk 'BEGIN { for (i = 0; i < 120; i++) print i, "ok" }' >expected
same_bytes got expected "no row is lost for it"
asked=$(requests gone)
ok "$([ "$asked" -le 124 ]; echo $?)" "only what was under way is asked twice ($asked questions for 120 rows)"
stop_front
stop_teacher

# ---- the table of failures ----
write_failures
# A front makes an answer of its own where the server behind it closes without a word.
sed -i 's/^\(dropped-always\|reset-always\) .*/\1 error server 502 None 3/' failures.expected
start_teacher table --faults failures
start_front
groq-reason --no-journal --base-url "$url" --cacert own.pem --model recorded --retries 2 --timeout 1 --max-wait 3 failures.rows >out 2>err
is $? 3 "rows fail, the run goes on"
rows_of out | sed -n 's/ ok \(nega\|posi\)tive The word.*/ ok/; /^first /!p' >got
diff failures.expected got >difference
ok $? "each row has its kind, status, code and attempts"
show difference
stop_front
stop_teacher

done_testing
