#!/bin/sh
# groq-reason over TLS: certificates are checked, and --cacert names the ones to trust.
. "$(dirname "$0")/lib.sh"
. "$root/t/stub/teacher.sh"
[ -x "$BUILD/bin/groq-reason" ] || skip_all "groq-reason is not built"
command -v openssl >/dev/null 2>&1 || skip_all "openssl is not here"

certificate() { # NAME SUBJECT-ALTERNATIVE-NAME
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext "subjectAltName=$2" \
        -keyout "$1.key" -out "$1.pem" >openssl.log 2>&1
}
certificate own IP:127.0.0.1 || skip_all "this openssl cannot make a certificate"
certificate other DNS:example.com

GROQ_API_KEY=gsk_SeCrEtSeCrEtSeCrEt0123456789
export GROQ_API_KEY
awk 'BEGIN { for (i = 0; i < 40; i++) printf "{\"idx\":%d,\"sentence\":\"sentence number %d\"}\n", i, i }' >rows
echo '{"sentence":"number 7","times":1,"mode":"truncate"}' >faults

start_teacher tls --cert own.pem --key-pem own.key --faults faults
url=https://127.0.0.1:$port/v1
is_rc 0 "a certificate that --cacert names" -- groq-reason --no-journal --base-url "$url" --cacert own.pem rows
is "$(grep -c '"status":"ok"' out)" 40 "all rows are answered, also the one whose first reply was cut"
asked=$(requests tls)
is_rc 2 "a certificate that nobody vouches for" -- groq-reason --no-journal --base-url "$url" rows
like "$(sed 1q err)" "certificate" "is named"
is_rc 2 "another's certificate as --cacert" -- groq-reason --no-journal --base-url "$url" --cacert other.pem rows
is_rc 2 "a certificate for another name" -- groq-reason --no-journal --base-url "https://localhost:$port/v1" --cacert own.pem rows
is_rc 2 "a CA file that holds none" -- groq-reason --no-journal --base-url "$url" --cacert rows rows
is "$(requests tls)" "$asked" "none of these got a request through"
is "$(cat out)" "" "or wrote a row"
stop_teacher

start_teacher plain
is_rc 4 "https to a server that speaks http" -- groq-reason --no-journal --base-url "https://127.0.0.1:$port/v1" --max-wait 1 rows
is "$(cat out)" "" "is no connection: no row fails for it"
is "$(requests plain)" 0 "and gets no key"
stop_teacher

done_testing
