#!/bin/sh
# How runs of groq-reason end for reasons of this machine: no name, no connection, signals, full disks, a reader that has
# left, lines that cannot be asked.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

GROQ_API_KEY=gsk_SeCrEtSeCrEtSeCrEt0123456789
export GROQ_API_KEY
awk 'BEGIN { for (i = 0; i < 60; i++) printf "{\"idx\":%d,\"sentence\":\"sentence number %d\"}\n", i, i }' >many
head -n 4 many >four
now() {
    python3 -c 'import time; print("%.1f" % time.monotonic())'
}
between() { # LOW VALUE HIGH
    awk -v a="$1" -v x="$2" -v b="$3" 'BEGIN { exit !(a <= x && x <= b) }'
}
wait_requests() { # NAME N
    tries=0
    while [ "$(requests "$1")" -lt "$2" ] && [ $tries -lt 200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}
beginning() { # NAME: ./out is an unbroken beginning of ./whole
    head -c "$(stat -c %s out)" whole | cmp -s - out
    ok $? "$1: the output is an unbroken beginning"
}

# ---- names and connections ----
start=$(now)
is_rc 2 "a host that has no name" -- groq-reason --no-journal --base-url https://teacher.invalid/v1 --max-wait 1.5 four
like "$(cat err)" 'teacher.invalid' "a host that has no name: is named"
is "$(cat out)" "" "a host that has no name: no row is written"
between 1.4 "$(awk -v a="$start" -v b="$(now)" 'BEGIN { print b - a }')" 60
ok $? "a host that has no name: it was tried again before that"

unused=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
start=$(now)
is_rc 4 "a connection that is refused" -- groq-reason --no-journal --base-url "http://127.0.0.1:$unused/v1" --max-wait 3 four
like "$(cat err)" '[Cc]onnect' "a connection that is refused: says so"
is "$(cat out)" "" "a connection that is refused: no row is written"
took=$(awk -v a="$start" -v b="$(now)" 'BEGIN { print b - a }')
between 2.9 "$took" 40
ok $? "a connection that is refused: three tries, over ten seconds or --max-wait ($took)"

# A socket that listens and accepts nobody: its queue is full, and whoever connects hears nothing.
python3 -c '
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(0)
held = []
for i in range(4):
    c = socket.socket()
    c.setblocking(False)
    c.connect_ex(s.getsockname())
    held.append(c)
time.sleep(0.2)
open("deaf.tmp", "w").write("%d\n" % s.getsockname()[1])
__import__("os").rename("deaf.tmp", "deaf")
time.sleep(60)' &
deaf=$!
at_exit "kill $deaf 2>/dev/null"
tries=0
while [ ! -e deaf ] && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
is_rc 3 "no connection in time" -- groq-reason --no-journal --base-url "http://127.0.0.1:$(cat deaf)/v1" --timeout 1 --retries 0 four
is "$(rows_of out | sort -u -k 2 | cut -d ' ' -f 2-)" "error timeout None None 1" "no connection in time: the rows say so"
is "$(wc -l <out)" 4 "no connection in time: all are there"
kill $deaf

# ---- signals ----
start_teacher calm
is_rc 0 "an uninterrupted run" -- groq-reason --no-journal --base-url "$url" many
cp out whole
stop_teacher
interrupted() { # NAME ROWS: starts the tool with SIGINT caught, as at a terminal, and waits for six requests
    : >"$teacher_name.log"
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' groq-reason --base-url "$url" --journal "$1.ndjson" --concurrency 4 many >out 2>err &
    tool=$!
    wait_requests "$teacher_name" 6
}
start_teacher signal --delay 0.1
interrupted int
kill -s INT $tool
wait $tool
is $? 130 "an interrupt"
beginning "an interrupt"
is "$(requests signal)" "$(($(wc -l <int.ndjson) - 1))" "an interrupt: what was under way is finished and kept"
like "$(tail -n 1 err)" "run the same command again: answers so far are in int.ndjson" "an interrupt: how to go on is said"
is_rc 0 "the run goes on" -- groq-reason --base-url "$url" --journal int.ndjson --concurrency 8 many
same_bytes out whole "and gives what an uninterrupted one gives"
stop_teacher
start_teacher slow --delay 5
for signal in INT:130 TERM:143; do
    name=${signal%:*}
    start=$(now)
    : >slow.log
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' groq-reason --base-url "$url" --journal "twice-$name.ndjson" many >out 2>err &
    tool=$!
    wait_requests slow 1
    kill -s "$name" $tool
    sleep 0.3
    kill -s "$name" $tool
    wait $tool
    is $? "${signal#*:}" "SIG$name twice"
    between 0 "$(awk -v a="$start" -v b="$(now)" 'BEGIN { print b - a }')" 4.5
    ok $? "SIG$name twice: ends at once"
    like "$(cat err)" "to go on, run the same command again" "SIG$name twice: can be resumed"
done
stop_teacher

# ---- full disks, a reader that has left ----
start_teacher disks
groq-reason --base-url "$url" --journal kept.ndjson many >/dev/full 2>err
is $? 1 "a full disk under the output"
like "$(sed 1q err)" '^groq-reason: <stdout>: .*No space left on device$' "a full disk under the output: says so"
ok "$([ "$(wc -l <kept.ndjson)" -gt 1 ]; echo $?)" "a full disk under the output: the journal has what was answered"
is_rc 2 "a device as journal" -- groq-reason --base-url "$url" --journal /dev/full many
like "$(sed 1q err)" 'a journal must be a regular file' "a device as journal: says why"
: >disks.log
(
    ulimit -f 8
    groq-reason --base-url "$url" --journal full.ndjson --concurrency 1 many 2>err
    echo $? >rc
) | cat >out
is "$(cat rc)" 1 "a full disk under the journal"
like "$(sed 1q err)" '^groq-reason: full.ndjson: .*File too large$' "a full disk under the journal: says why"
beginning "a full disk under the journal"
is "$(python3 -c 'import json; print(len([json.loads(l) for l in open("full.ndjson")]) - 1)')" "$(($(wc -l <out) - 1))" \
    "a full disk under the journal: it ends with a whole line, and what did not fit is in the output"
is "$(requests disks)" "$(wc -l <out)" "a full disk under the journal: nothing more was asked"
is_rc 0 "once there is room" -- groq-reason --base-url "$url" --journal full.ndjson many
same_bytes out whole "the rest is asked"
(groq-reason --base-url "$url" --journal reader.ndjson --concurrency 2 many 2>err; echo $? >rc) | head -n 1 >head.out
is "$(cat rc)" 141 "a reader that has left"
head -n 1 whole | cmp - head.out
ok $? "a reader that has left: got what it wanted"
is_rc 0 "and another" -- groq-reason --base-url "$url" --journal reader.ndjson many
same_bytes out whole "gets all"

# ---- lines that cannot be asked ----
{
    sed -n 1,2p many
    echo '{"idx":2}'
    sed -n '4,$p' many
} >mixed
is_rc 3 "a line that cannot be asked" -- groq-reason --no-journal --base-url "$url" mixed
is "$(rows_of out | grep -c ' ok ')" 59 "the others are"
like "$(sed -n 3p out)" '^\{"idx":2,"teacher":\{"status":"error","kind":"input","http":null,"code":null,"message":"line 3: no member \\"sentence\\"","attempts":0\}\}$' "it has its place and its reason"
: >disks.log
is_rc 2 "--strict-input" -- groq-reason --no-journal --base-url "$url" --strict-input mixed
is "$(sed -n 1p err)" 'groq-reason: mixed: line 3: no member "sentence"' "says which line it is"
is "$(wc -l <out)" 2 "what came before is written, the line is not"
head -n 2 whole | cmp -s - out
ok $? "as it would be without it"
is "$(requests disks)" 2 "nothing behind it is asked"
printf '{"sentence":"fine"}\n\n   \n{"sentence":"fine too"}\n' >blank
is_rc 0 "--strict-input passes blank lines" -- groq-reason --no-journal --base-url "$url" --strict-input blank
stop_teacher

done_testing
