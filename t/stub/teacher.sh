# teacher.sh - for the tests of groq-reason:   . "$root/t/stub/teacher.sh"
#
#   start_teacher NAME [OPTION...]   starts t/stub/teacher.py; sets $url (its base URL); requests are logged to NAME.log
#   stop_teacher                     stops the one started last
#   requests NAME                    how many requests it has seen
#   rows_of FILE...                  a table of the rows' teacher members

command -v python3 >/dev/null 2>&1 || skip_all "python3 is not here"

start_teacher() {
    teacher_name=$1
    shift
    rm -f "$teacher_name.port"
    : >"$teacher_name.log"
    python3 "$root/t/stub/teacher.py" --port-file "$teacher_name.port" --log "$teacher_name.log" "$@" \
        2>"$teacher_name.err" &
    teacher_pid=$!
    at_exit "kill $teacher_pid 2>/dev/null"
    tries=0
    while [ ! -e "$teacher_name.port" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 200 ] || ! kill -0 $teacher_pid 2>/dev/null; then
            echo "Bail out! the local server did not start"
            show "$teacher_name.err"
            exit 1
        fi
        sleep 0.05
    done
    port=$(cat "$teacher_name.port")
    url=http://127.0.0.1:$port/v1
}

stop_teacher() {
    kill "$teacher_pid" 2>/dev/null
    wait "$teacher_pid" 2>/dev/null
}

requests() {
    wc -l <"$1.log" | tr -d ' '
}

rows_of() {
    python3 - "$@" <<'END'
import json, sys
for path in sys.argv[1:]:
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        t = row.get("teacher", {})
        if t.get("status") == "ok":
            print(row.get("idx"), "ok", t["label_text"], t["reasoning"][:40])
        else:
            print(row.get("idx"), *[t.get(k) for k in ("status", "kind", "http", "code", "attempts")])
END
}
