# shellcheck shell=sh disable=SC2034
# teacher-server.sh - starts and stops t/helper/teacher-server:   . "$root/t/helper/teacher-server.sh"
#
#   serve [OPTION...]   starts it in the working directory; sets $url (its base URL) and $server (its process)
#   stop_serving        stops it; its counts are in ./counts.json
#   counted NAME        a number of the counts: requests, refused, ...
#   share NAME          what part of a limit was used after the first minute, in percent: "tokens a minute"
#
# Its process is to be killed by whoever sources this, should it end early: kill $server.

serve() {
    rm -f port counts.json
    "$BUILD/t/helper/teacher-server" --port-file port "$@" >counts.json 2>server.err &
    server=$!
    serve_tries=0
    while [ ! -e port ]; do
        serve_tries=$((serve_tries + 1))
        if [ $serve_tries -gt 200 ] || ! kill -0 "$server" 2>/dev/null; then
            echo "Bail out! the local server did not start"
            cat server.err
            exit 1
        fi
        sleep 0.05
    done
    url=http://127.0.0.1:$(cat port)/v1
}

stop_serving() {
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null || :
    server=
}

counted() {
    sed -n 's/.*"'"$1"'":\([0-9.]*\).*/\1/p' counts.json
}

share() {
    sed -n 's/.*"'"$1"'":\([0-9.]*\).*/\1/p' counts.json | awk '{ printf "%.1f", 100 * $1 }'
}
