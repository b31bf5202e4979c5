#!/bin/sh
# The API key of groq-reason stays in the Authorization header: it is searched for in everything that good and failing
# runs write, whatever the server sends back, and it goes to no other server.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
. "$root/t/stub/failures.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"

# Its beginning, middle and end can be told, so that a part of it is found too. A slash: some servers write it as \/.
key=gsk_BeGiNBeGiNBeGiN/MiDdLeMiDdLeMiDdLe-EnDiNgEnDiNgEnDiNg
leaked() { # FILE...
    grep -rlE 'BeGiNBeGiN|MiDdLeMiDdLe|EnDiNgEnDiNg' "$@" >leaks.found
    cat leaks.found
    rm -f leaks.found
}
printf '{"idx":1,"sentence":"one"}\n{"idx":2,"sentence":"two"}\n{"idx":3,"sentence":"three"}\n{"idx":4,"sentence":"four"}\n' >four

# ---- servers that send the key back ----
write_failures
long=$(printf '%0490d' 0)
shorter=$(printf '%0180d' 0)
cat >>failures <<END
{"sentence":"/echo-message/","status":400,"body":{"error":{"message":"bad key {auth}","code":"{auth}","type":"{auth}"}}}
{"sentence":"/echo-cut/","status":400,"body":{"error":{"message":"$long{auth}","code":"0000000000000000000000000000000000000000000000000{auth}"}}}
{"sentence":"/echo-escaped/","status":400,"body":"{\"error\":{\"message\":\"{escaped}\",\"code\":\"{escaped}\"}}"}
{"sentence":"/echo-page/","status":502,"headers":{"Retry-After":"0"},"body":"<html>Authorization: Bearer {auth}</html>"}
{"sentence":"/echo-page-cut/","headers":{"Retry-After":"0"},"body":"<html>$shorter{auth}</html>"}
{"sentence":"/echo-answer/","content":"{\"reasoning\":\"the key is {auth}\",\"label\":\"positive\"}"}
{"sentence":"/echo-prose/","content":"{auth}"}
{"sentence":"/echo-thinking/","content":"{\"label\":\"positive\"}","message":{"reasoning":"{auth}"}}
{"sentence":"/echo-refusal/","content":null,"message":{"refusal":"{auth}"}}
{"sentence":"/echo-salvaged/","status":400,"body":{"error":{"message":"{auth}","code":"json_validate_failed","failed_generation":"{\"reasoning\":\"{auth}\",\"label\":\"positive\"}"}}}
{"sentence":"/echo-members/","body":"{\"id\":\"{escaped}\",\"model\":\"{escaped}\",\"x_groq\":{\"id\":\"{auth}\"},\"choices\":[{\"finish_reason\":\"{escaped}\",\"message\":{\"content\":\"{\\\\\\\\\"reasoning\\\\\\\\\":\\\\\\\\\"r {escaped}\\\\\\\\\",\\\\\\\\\"label\\\\\\\\\":\\\\\\\\\"positive\\\\\\\\\"}\"}}]}"}
{"sentence":"/echo-header/","status":400,"headers":{"x-request-id":"{auth}","Retry-After":"{auth}"},"body":{"error":{"message":"m"}}}
{"sentence":"/echo-limit/","times":1,"status":429,"headers":{"Retry-After":"0"},"body":{"error":{"message":"{auth}"}}}
{"sentence":"/echo-format/","times":1,"status":400,"body":{"error":{"message":"{auth} does not support response_format"}}}
{"sentence":"/echo-raw/","raw":"{auth}\r\n"}
END
sed 's/\\\\\\\\"/\\\\"/g' failures >failures.tmp
mv failures.tmp failures
sed -n 's/^{"sentence":"\(.echo-[a-z-]*.\)".*/{"idx":"\1","sentence":"\1"}/p' failures >>failures.rows
start_teacher echo --faults failures
for source in environment file; do
    set -- groq-reason -v -v -v --progress --journal "$source.ndjson" --report "$source.report" --base-url "$url" \
        --model recorded --retries 1 --timeout 1 --max-wait 3 --concurrency 24 failures.rows
    if [ $source = environment ]; then
        GROQ_API_KEY=$key "$@" >"$source.out" 2>"$source.err"
        is $? 3 "the key from the environment: a run with all failures"
    else
        (umask 077 && printf '%s\n' "$key" >key.file)
        "$@" --key-file key.file >"$source.out" 2>"$source.err"
        is $? 3 "the key from a file: a run with all failures"
        rm key.file
    fi
    is "$(wc -l <"$source.out")" "$(wc -l <failures.rows)" "no row is lost"
    is "$(grep -c '"authorised": false' echo.log)" 0 "every request had the key"
    : >echo.log
done
like "$(grep echo-message environment.out)" '"message":"bad key \*+"' "what the server sends back is struck out"
like "$(grep echo-answer environment.out)" '"status":"ok","reasoning":"the key is \*+"' "also in answers"
like "$(grep echo-members environment.out)" '"status":"ok","reasoning":"r \*+"' "also where it is written in escapes"
like "$(cat environment.err)" '\*+ does not support response_format' "also in warnings"
GROQ_API_KEY=$key
export GROQ_API_KEY
ends() { # NAME FAULT: a run that the server ends
    printf '%s\n' "$2" >failures
    groq-reason -v -v --journal "$1.ndjson" --base-url "$url" --max-wait 0.2 four >"$1.out" 2>"$1.err"
    like "$(sed 1q "$1.err")" '\*\*\*\*' "$1: the message has stars for the key"
}
ends refused '{"status":401,"body":{"error":{"message":"Invalid API Key {auth}"}}}'
ends refused-page '{"status":403,"body":"<p>{auth}</p>"}'
ends gone '{"status":404,"body":"{\"error\":{\"message\":\"{escaped}\"}}"}'
ends daily '{"status":429,"body":{"error":{"message":"{auth} per day"}}}'
ends wait '{"status":429,"headers":{"Retry-After":"60"},"body":{"error":{"message":"{auth}"}}}'
ends bad '{"status":400,"body":{"error":{"message":"{auth}"}}}'
ends page '{"headers":{"Retry-After":"0"},"body":"<p>{auth}</p>"}'
ends loading '{"status":503,"body":{"error":{"message":"Loading model {auth}"}}}'
groq-reason --dry-run --base-url "$url" four >dry.out 2>dry.err
is $? 0 "--dry-run"

# ---- other servers ----
start_teacher second
second=$url
first_faults='{"status":307,"headers":{"Location":"'$second'/chat/completions"},"body":""}'
printf '%s\n' "$first_faults" >redirect
start_teacher first --faults redirect
is_rc 2 "a redirect to another server" -- groq-reason --no-journal --base-url "$url" four
is "$(requests second)" 0 "is not followed"
for host in example.com 192.168.0.1 10.1.2.3 0.0.0.0 '[2001:db8::1]' localhost.example.com 127.0.0.1.example.com; do
    is_rc 2 "http://$host" -- groq-reason --no-journal --base-url "http://$host/v1" four
    like "$(cat err)" 'plain http would show the key' "http://$host: is refused because of the key"
done
: >redirect

# A proxy: never for plain http, and for https it sees no header of the request.
cat >proxy.py <<'END'
import os, socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(16)
open("proxy.tmp", "w").write("%d\n" % s.getsockname()[1])
os.rename("proxy.tmp", "proxy.port")
while True:
    c = s.accept()[0]
    data = b""
    while b"\r\n\r\n" not in data:
        got = c.recv(65536)
        if not got:
            break
        data += got
    open("proxy.log", "ab").write(data)
    c.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    c.close()
END
python3 proxy.py &
proxy_pid=$!
at_exit "kill $proxy_pid 2>/dev/null"
tries=0
while [ ! -e proxy.port ] && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
: >proxy.log
proxy=http://127.0.0.1:$(cat proxy.port)
is_rc 0 "a proxy and plain http" -- env http_proxy="$proxy" HTTP_PROXY="$proxy" ALL_PROXY="$proxy" groq-reason --no-journal --base-url "$url" four
is "$(cat proxy.log)" "" "a proxy and plain http: it is not used"
env HTTPS_PROXY="$proxy" https_proxy="$proxy" groq-reason --no-journal --base-url https://teacher.invalid/v1 --max-wait 0.3 four >out 2>err
is $? 4 "a proxy that refuses https"
like "$(sed 1q proxy.log)" '^CONNECT teacher.invalid:443 ' "a proxy that refuses https: was asked"
is "$(grep -ci authorization proxy.log)" 0 "a proxy that refuses https: saw no header of ours"
stop_teacher

# ---- key files ----
start_teacher files
unset GROQ_API_KEY
for mode in 0644 0640 0604 0660 0777; do
    printf '%s\n' "$key" >key.file
    chmod $mode key.file
    groq-reason --no-journal --key-file key.file --base-url "$url" four >"mode-$mode.out" 2>"mode-$mode.err"
    is $? 2 "a key file of mode $mode"
    like "$(cat "mode-$mode.err")" "mode $mode.*chmod 600 key.file" "a key file of mode $mode: the cure"
done
is "$(requests files)" 0 "such keys are never sent"
printf '%s\nsecond line\n' "$key" >key.file
chmod 600 key.file
groq-reason --no-journal --key-file key.file --base-url "$url" four >two-lines.out 2>two-lines.err
is $? 2 "a key file of two lines"
rm key.file

# ---- the process ----
stop_teacher
GROQ_API_KEY=$key
export GROQ_API_KEY
start_teacher slow --delay 20
cat >watch.py <<'END'
# What others see of the tool while it waits for an answer, and whether it would leave a core file.
import os, resource, signal, subprocess, sys, time
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)

def dumps_core(command, ready):
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not ready():
        time.sleep(0.05)
    seen = open("/proc/%d/cmdline" % p.pid, "rb").read()
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(p.pid)], capture_output=True).stdout.split()
    os.kill(p.pid, signal.SIGQUIT)
    return os.WCOREDUMP(os.waitpid(p.pid, 0)[1]), seen, children

start = time.monotonic()
other = dumps_core(["sleep", "30"], lambda: time.monotonic() > start + 0.5)[0]
core, seen, children = dumps_core(sys.argv[1:], lambda: os.path.getsize("slow.log") > 0)
print("other", "core" if other else "none")
print("tool", "core" if core else "none")
print("argv", b"gsk_" in seen)
print("children", len(children))
END
python3 watch.py groq-reason --no-journal --base-url "$url" four >watched 2>watched.err
is "$(grep argv watched)" "argv False" "the list of processes does not show the key"
is "$(grep children watched)" "children 0" "and nothing inherits it"
if grep -q 'other core' watched; then
    is "$(grep tool watched)" "tool none" "a process that holds a key leaves no core"
else
    tap_skip "a process that holds a key leaves no core" "no process leaves one here"
fi
rm -f core core.*
stop_teacher

# ---- everything that was written ----
is "$(leaked .)" "" "no part of the key is in anything that was written"
printf '%s' "$key" >planted
is "$(leaked .)" "./planted" "which is a search that can find it"

done_testing
