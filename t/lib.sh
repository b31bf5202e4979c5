# lib.sh - what every t/*.t starts from:   . "$(dirname "$0")/lib.sh"
#
# POSIX sh, prints TAP for prove. Each test file has a folder of its own as working directory (kept with KEEP=1 or after
# a failure), finds only the tools of this build, and sees no key, no network address and no cache of the user.
#
#   ok CONDITION_STATUS NAME      ok $? "name"
#   is GOT EXPECTED NAME          equal strings
#   like TEXT PATTERN NAME        grep -E finds the pattern
#   is_rc STATUS NAME -- CMD...   runs CMD (stdin as given) with stdout in ./out and stderr in ./err
#   same_bytes FILE FILE NAME     cmp
#   tap_skip NAME REASON          one skipped test
#   skip_all REASON               ends the file as skipped
#   start_server SCRIPT ARG...    runs python3 SCRIPT ARG... until the file ends (stderr in ./server.err), waits for ./port
#   at_exit CMD                   run when the file ends
#   done_testing                  last line of every file

root=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD:-$root/build}
REAL_DATA=${REAL_DATA:-$root/../shared/data}
REAL_MODELS=${REAL_MODELS:-$root/../shared/models}
TESTDATA=$root/testdata
PATH=$BUILD/bin:$root/pipelines:$PATH
LC_ALL=C
TZ=UTC
OMP_WAIT_POLICY=passive # tests share the cores with each other; threads that wait must not burn them
unset GROQ_API_KEY GROQ_BASE_URL OPENAI_API_KEY HF_TOKEN HF_ENDPOINT XDG_CONFIG_HOME http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
trash=$BUILD/t/trash/$(basename "$0" .t)
rm -rf "$trash"
mkdir -p "$trash/home"
cd "$trash" || exit 1
HOME=$trash/home
XDG_CACHE_HOME=$trash/home/.cache
XDG_STATE_HOME=$trash/home/.local/state
HF_HOME=$trash/home/.cache/huggingface
export BUILD REAL_DATA REAL_MODELS TESTDATA PATH LC_ALL TZ OMP_WAIT_POLICY HOME XDG_CACHE_HOME XDG_STATE_HOME HF_HOME

test_count=0
test_failed=0
exit_commands=:

at_exit() {
    exit_commands="$1; $exit_commands"
}

start_server() {
    python3 "$@" 2>server.err &
    at_exit "kill $! 2>/dev/null"
    tries=0
    while [ ! -e port ] && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    [ -e port ] || {
        ok 1 "the local server starts"
        show server.err
        done_testing
    }
}

finish() {
    eval "$exit_commands"
    cd /
    if [ "$test_failed" = 0 ] && [ -z "${KEEP-}" ]; then
        rm -rf "$trash"
    fi
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

ok() {
    test_count=$((test_count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $test_count - $2"
    else
        echo "not ok $test_count - $2"
        test_failed=1
    fi
}

show() { # the first lines of a file as diagnostics
    [ -s "$1" ] && sed -n '1,12s/^/# /p' "$1"
}

is() {
    if [ "$1" = "$2" ]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        echo "# got '$1', expected '$2'"
    fi
}

like() {
    if printf '%s\n' "$1" | grep -Eq -e "$2"; then
        ok 0 "$3"
    else
        ok 1 "$3"
        printf '%s\n' "$1" | sed -n '1,12s/^/# got: /p'
        echo "# expected: $2"
    fi
}

is_rc() {
    expected_rc=$1
    name=$2
    shift 3
    "$@" >out 2>err
    rc=$?
    if [ "$rc" = "$expected_rc" ]; then
        ok 0 "$name"
    else
        ok 1 "$name"
        echo "# exit status $rc, expected $expected_rc: $*"
        show err
    fi
}

same_bytes() {
    cmp "$1" "$2" >cmp.out 2>&1
    ok $? "$3"
    show cmp.out
}

tap_skip() {
    test_count=$((test_count + 1))
    echo "ok $test_count - $1 # SKIP $2"
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

done_testing() {
    echo "1..$test_count"
    exit $test_failed
}
