#!/bin/sh
# groq-reason's gate against a server that limits as Groq does: no refusal after the first minute, budgets cut to what
# fits, days that end, pauses, rows in order, faults, kills. A minute takes a second here; t/unit/gate.c has the exact
# figures in simulated time, t/long/gate-figures those of longer runs.
. "$(dirname "$0")/lib.sh"

[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not in this build"
[ -x "$BUILD/t/helper/teacher-server" ] || skip_all "teacher-server is not in this build"
. "$root/t/helper/teacher-server.sh"
at_exit 'kill $server 2>/dev/null'
export GROQ_API_KEY=gsk_not_a_key

rows() { # FROM TO
    seq "$1" "$2" | sed 's/.*/{"idx":&,"sentence":"film number & is a good one, if a little long for what it has to say"}/'
}
idx_of() {
    sed 's/.*"idx":\([0-9]*\).*/\1/' "$1" | tr '\n' ' '
}
at_least() { # NUMBER LEAST NAME
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= b) }'
    ok $? "$3 ($1)"
}
ask() { # STATUS NAME ROWS OPTION...
    ask_status=$1 ask_name=$2 ask_rows=$3
    shift 3
    is_rc "$ask_status" "$ask_name" -- groq-reason --no-journal --base-url "$url" "$@" "$ask_rows"
}

# ---- pace ----
rows 1 45 >some
rows 1 75 >more
serve --rpm 30 --tpm 8000 --rpd 14400 --time-scale 60 --latency 5-20 --refund
ask 0 "30 RPM, 8K TPM" some
stop_serving
is "$(counted refused)" 0 "no refusal at all: the headers tell in time"
at_least "$(share "tokens a minute")" 50 "and most of the tokens are used"
is "$(idx_of out)" "$(seq 45 | tr '\n' ' ')" "no row is lost"

serve --rpm 30 --tpm 80000 --rpd 14400 --time-scale 60 --latency 5-20 --refund
ask 0 "30 RPM, which no header tells" more
stop_serving
at_least "$(counted refused)" 1 "a refusal tells it"
is "$(counted refused_after_first_minute)" 0 "and then there is none"
at_least "$(share "requests a minute")" 50 "most of the requests are used"
like "$(cat err)" '75 rows: 75 asked in 7[6-9] requests, 0 from the journal, 0 failed' "a refusal is no failure"

serve --rpm 30 --tpm 80000 --time-scale 60 --latency 5-20 --refund
ask 0 "30 RPM, told by the user" more --rpm 30
stop_serving
is "$(counted refused)" 0 "no refusal at all"

# ---- budgets ----
rows 1 1 >one
rows 1 5 >five
serve --tpm 3000 --log budget.log
is_rc 0 "a budget beyond the tokens of a minute" -- groq-reason --journal budgets --base-url "$url" \
    --max-completion-tokens 4000 one
is "$(sed -n 's/.*"status":\([0-9]*\).*/\1/p' budget.log | tr '\n' ' ')" "413 200 " "is refused, and sent again once"
like "$(cat err)" '^groq-reason: warning: the limit of 3000 tokens a minute leaves room for answers of 2[0-9]{3} tokens, not 4000$' "with a smaller one, which is said"
is_rc 0 "the same again" -- groq-reason --journal budgets --base-url "$url" --max-completion-tokens 4000 one
like "$(cat err)" '1 rows: 0 asked, 1 from the journal' "is in the journal: its key is that of the budget that was asked for"
stop_serving
serve --tpm 9000 --log known.log
ask 0 "a limit that is known beforehand" one --tpm 3000 --max-completion-tokens 4000
is "$(sed -n 's/.*"status":\([0-9]*\).*/\1/p' known.log | tr '\n' ' ')" "200 " "no refusal"
like "$(cat err)" 'warning: the limit of 3000 tokens a minute leaves room' "but the same warning"
{
    rows 1 2
    printf '{"idx":3,"sentence":"%s"}\n' "$(rows 1 500 | tr -d '\n"')"
    rows 4 4
} >long
ask 3 "a prompt beyond the tokens of a minute" long
is "$(sed -n 3p out | sed 's/.*"status":"\([a-z]*\)","kind":"\([a-z_]*\)","http":\([0-9]*\).*/\1 \2 \3/')" "error too_large 413" "fails"
is "$(grep -c '"status":"ok"' out)" 3 "the others do not"
stop_serving
serve --tpm 300
ask 2 "prompts that are all beyond it" five
like "$(cat err)" 'refuses every request: .*Limit 300, Requested [0-9]+.*\(lower --max-completion-tokens\)' "end the run with advice"
stop_serving

# ---- days ----
rows 1 20 >twenty
serve --log day.log
ask 4 "--rpd" twenty --rpd 7
is "$(idx_of out)" "1 2 3 4 5 6 7 " "so many rows"
is "$(grep -c '"sentence"' day.log)" 7 "so many requests"
like "$(cat err)" '^groq-reason: the limit of 7 requests a day is used up$' "says so"
ask 4 "--tpd" twenty --tpd 4000
like "$(cat err)" '^groq-reason: the limit of 4000 tokens a day is used up$' "--tpd: says so"
at_least "$(wc -l <out)" 3 "--tpd: some rows"
at_least 9 "$(wc -l <out)" "--tpd: and not too many"
stop_serving
serve --rpd 6
ask 4 "requests of a day, told by headers" twenty
is "$(idx_of out)" "1 2 3 4 5 6 " "requests of a day: all of them are used"
stop_serving
is "$(counted refused)" 0 "requests of a day: without a refusal"
serve --tpd 5000 --refund
ask 4 "tokens of a day" twenty
like "$(cat err)" 'the server says \(HTTP 429\): .*tokens per day \(TPD\): Limit 5000, Used' "tokens of a day: the server's text"
stop_serving

# ---- rows in order, whatever comes back first ----
rows 1 3000 >many
serve --latency 0-40
ask 0 "200 at a time" many --concurrency 200
is "$(idx_of out)" "$(idx_of many)" "are in order"
stop_serving
is "$(counted requests)" 3000 "each was asked once"

# ---- faults and kills, in short ----
if command -v python3 >/dev/null 2>&1; then
    head -n 120 "$TESTDATA/mini/teacher.ndjson" >recorded
    "$root/t/long/replay" --rows "$trash/recorded" --seed 3 >replay.out 2>&1
    ok $? "5 % faults: none lost, none doubled, each with its recorded answer"
    [ "$(tail -n 1 replay.out | cut -c1-3)" = ok: ] || show replay.out
    "$root/t/long/groq-kill-loop" --kills 4 --rows 120 >kills.out 2>&1
    ok $? "kill -9: the same bytes, nothing asked again but what was under way"
    [ "$(tail -n 1 kills.out | cut -c1-3)" = ok: ] || show kills.out

    # ---- a pause when rows fail one after another ----
    . "$root/t/stub/teacher.sh"
    echo '{"status":503,"times":6,"headers":{"Retry-After":"0"},"body":"{}"}' >faults
    start_teacher pause --faults faults
    before=$(date +%s%N)
    ask 3 "five rows that fail one after another" twenty --retries 0 --max-wait 1
    at_least "$((($(date +%s%N) - before) / 1000000))" 1500 "a pause before each further one until one is served, in milliseconds"
    is "$(grep -c '"kind":"server"' out)" 6 "those that were tried have failed"
    is "$(grep -c '"status":"ok"' out)" 14 "the others are answered"
    stop_teacher
else
    tap_skip "faults, kills, pauses" "python3 is not here"
fi

done_testing
