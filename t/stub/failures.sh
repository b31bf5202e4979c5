# failures.sh - the failures of single rows, each with what becomes of it; for the tests that run them over HTTP, TLS and
# HTTP/2:   . "$root/t/stub/failures.sh"
#
#   write_failures      writes ./failures (rules of teacher.py), ./failures.rows and ./failures.expected
#
# A line of the table: the sentence, one rule or more (their "sentence" is added), and the row as rows_of shows it; "ok" is
# an answer that the server invented. Rules that may come before anything is served do not matter: good rows go first.
# The answers below: GOOD is a whole one, as a JSON string; WAIT has the server ask for no wait.

failures_table() {
    cat <<'END'
rate-limit-header   | {"times":1,"status":429,"headers":{"Retry-After":"0.05"},"body":{"error":{"message":"tokens per minute (TPM)","code":"rate_limit_exceeded"}}} | ok
rate-limit-again    | {"times":5,"status":429,"headers":WAIT,"body":"slow down"} | ok
rate-limit-text     | {"times":1,"status":429,"body":{"error":{"message":"on tokens per minute. Please try again in 20ms. Visit","code":"rate_limit_exceeded"}}} | ok
rate-limit-reset    | {"times":1,"status":429,"headers":{"x-ratelimit-reset-tokens":"30ms"},"body":{"error":{"message":"minute"}}} | ok
capacity-once       | {"times":1,"status":498,"headers":WAIT,"body":{"error":{"message":"flex","code":"capacity_exceeded"}}} | ok
capacity-spent      | {"status":498,"headers":WAIT,"body":{"error":{"message":"flex","code":"capacity_exceeded"}}} | error capacity 498 capacity_exceeded 3
server-500          | {"times":2,"status":500,"headers":WAIT,"body":"oops"} | ok
server-date         | {"times":1,"status":503,"headers":{"Retry-After":"Thu, 01 Jan 2015 00:00:00 GMT"},"body":{}} | ok
server-502          | {"status":502,"headers":WAIT,"type":"text/html","body":"<html><h1>Bad gateway</h1></html>"} | error server 502 None 3
server-504          | {"times":2,"status":504,"headers":WAIT,"body":{}} | ok
server-520          | {"times":2,"status":520,"headers":WAIT,"body":"error code: 520"} | ok
server-529          | {"times":2,"status":529,"headers":WAIT,"body":{}} | ok
server-408          | {"times":1,"status":408,"headers":WAIT,"body":{}} | ok
dropped             | {"times":1,"mode":"drop"} | ok
dropped-always      | {"mode":"drop"} | error transport None None 3
reset               | {"times":1,"mode":"reset"} | ok
reset-always        | {"mode":"reset"} | error transport None None 3
truncated           | {"times":1,"mode":"truncate"} | ok
truncated-always    | {"mode":"truncate"} | error transport None None 3
no-http             | {"times":1,"raw":"SSH-2.0-OpenSSH_9.2\r\n"} | ok
torn                | {"times":1,"cut":40,"headers":WAIT} | ok
torn-always         | {"cut":40,"headers":WAIT} | error transport 200 None 3
torn-character      | {"times":1,"headers":WAIT,"body":"{\"choices\":[{\"message\":{\"content\":\"caf\u00e9","cut":1} | ok
endless             | {"times":1,"mode":"endless"} | ok
slow-first-byte     | {"times":1,"mode":"slow","seconds":0.5} | ok
drip                | {"times":1,"mode":"drip"} | ok
silent              | {"times":1,"mode":"silent","seconds":2} | ok
caf\u00e9 chunks    | {"mode":"chunks","content":"{\"reasoning\":\"caf\u00e9 \u201cnoir\u201d \ud83c\udfac\",\"label\":\"positive\"}"} | ok positive café “noir” 🎬
html                | {"headers":WAIT,"type":"text/html","body":"<html>hello</html>"} | error protocol 200 None 3
html-once           | {"times":1,"headers":WAIT,"type":"text/html","body":"<html>hello</html>"} | ok
empty-body          | {"headers":WAIT,"body":""} | error protocol 200 None 3
other-json          | {"headers":WAIT,"body":{"result":"positive"}} | error protocol 200 None 3
no-choices          | {"headers":WAIT,"body":{"choices":[]}} | error protocol 200 None 3
error-as-200        | {"headers":WAIT,"body":{"error":{"message":"upstream","code":"upstream_error"}}} | error protocol 200 upstream_error 3
lone-surrogate      | {"headers":WAIT,"body":"{\"choices\":[{\"message\":{\"content\":\"caf\\ud800\"}}]}"} | error protocol 200 None 3
not-utf8            | {"headers":WAIT,"times":1,"raw":"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{\"\u00ff"} | ok
prose-twice         | {"times":2,"content":"Sure! It is positive."} | ok
prose               | {"content":"Sure! It is positive."} | error bad_json 200 not_json 3
cut-json            | {"content":"{\"reasoning\": \"never"} | error bad_json 200 not_json 3
two-answers         | {"content":"{\"reasoning\":\"a\",\"label\":\"positive\"} or {\"reasoning\":\"b\",\"label\":\"negative\"}"} | error bad_json 200 not_json 3
prose-around        | {"content":GOOD,"around":1} | ok positive fine
fence               | {"content":"```json\n{\"reasoning\":\"fenced </think>\",\"label\":\"positive\"}\n```"} | ok positive fenced </think>
wrong-label         | {"content":"{\"reasoning\":\"r\",\"label\":\"neutral\"}"} | error bad_label 200 unknown_label 3
wrong-label-once    | {"times":1,"content":"{\"reasoning\":\"r\",\"label\":\"neutral\"}"} | ok
label-by-number     | {"content":"{\"reasoning\":\"r\",\"label\":1}"} | error bad_label 200 unknown_label 3
label-case          | {"content":"{\"reasoning\":\"shouted\",\"label\":\" POSITIVE\\n\"}"} | ok positive shouted
blank-reasoning     | {"content":"{\"reasoning\":\" \",\"label\":\"positive\"}","message":{"reasoning":"thoughts"}} | error bad_json 200 no_reasoning 3
think-closed        | {"content":"<think>first thoughts</think>{\"label\":\"positive\"}"} | ok positive first thoughts
think-closer        | {"content":"second thoughts</think>\n\n{\"label\":\"positive\"}"} | ok positive second thoughts
think-opener        | {"content":"<think>thoughts without end"} | error truncated 200 length 2
thinking-spelled    | {"content":"{\"label\":\"positive\"}","message":{"reasoning_content":"third thoughts"}} | ok positive third thoughts
thinking-at-groq    | {"content":"{\"label\":\"positive\"}","message":{"reasoning":"fourth thoughts"}} | ok positive fourth thoughts
length-once         | {"times":1,"content":"{\"reasoning\": \"long","finish_reason":"length"} | ok
length              | {"content":"{\"reasoning\": \"long","finish_reason":"length"} | error truncated 200 length 2
length-but-whole    | {"content":GOOD,"finish_reason":"length"} | ok positive fine
thinking-alone      | {"content":"","message":{"reasoning":"{\"reasoning\":\"r\",\"label\":\"positive\"}"}} | error truncated 200 length 2
thinking-and-null   | {"content":null,"message":{"reasoning_content":"only thoughts"},"finish_reason":"stop"} | error truncated 200 length 2
nothing-at-all      | {"content":""} | error bad_json 200 not_json 3
refusal             | {"content":null,"message":{"refusal":"I cannot"}} | error refused 200 refusal 1
content-filter      | {"content":"","finish_reason":"content_filter"} | error refused 200 content_filter 1
bad-field           | {"status":400,"body":{"error":{"message":"bad field","code":"bad_field"}}} | error bad_request 400 bad_field 1
cancelled           | {"status":499,"body":{}} | error bad_request 499 None 1
too-large           | {"status":413,"type":"text/html","body":"<h1>Request Entity Too Large</h1>"} | error too_large 413 None 1
unprocessable-once  | {"times":1,"status":422,"headers":WAIT,"body":{}} | ok
unprocessable       | {"status":422,"headers":WAIT,"body":{}} | error unprocessable 422 None 2
dependency          | {"status":424,"body":{"error":{"message":"remote"}}} | error dependency 424 None 1
salvaged            | {"status":400,"body":{"error":{"message":"Failed to generate JSON","code":"json_validate_failed","failed_generation":GOOD}}} | ok positive fine
not-salvaged        | {"status":400,"body":{"error":{"message":"Failed to generate JSON","code":"json_validate_failed","failed_generation":"{"}}} | error bad_json 400 json_validate_failed 3
failed-at-length    | {"times":1,"status":400,"body":{"error":{"message":"max completion tokens reached before generating a valid document","code":"json_validate_failed","failed_generation":""}}} | ok
usage-missing       | {"usage":null} | ok
usage-zero          | {"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}} | ok
usage-huge          | {"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":9223372036854775807,"total_tokens":1e300}} | ok
usage-strange       | {"usage":{"prompt_tokens":"many","completion_tokens":-5,"total_tokens":[]}} | ok
redirected          | {"status":302,"headers":{"Location":"/v1/elsewhere"},"body":"moved"} | error protocol 302 None 1
END
}

write_failures() {
    failures_table | python3 -c '
import json, sys
good = json.dumps(json.dumps({"reasoning": "fine", "cues": [], "label": "positive", "confidence": 0.5, "counterfactual": "x"}))
around = json.dumps("Here you are:\n\n" + json.loads(good) + "\n\nAnything else?")
rows = [{"idx": "first", "sentence": "first"}]
with open("failures", "w") as rules, open("failures.expected", "w", encoding="utf-8") as expected:
    for line in sys.stdin.buffer.read().decode().splitlines():
        name, rule, row = [part.strip() for part in line.split(" | ")]
        name = json.loads("\"%s\"" % name)
        text = around if "\"around\"" in rule else good
        rule = json.loads(rule.replace("GOOD", text).replace("WAIT", "{\"Retry-After\": \"0\"}"))
        rules.write(json.dumps(dict(rule, sentence="/" + name + "/")) + "\n")
        rows.append({"idx": name, "sentence": "/" + name + "/"})
        expected.write(name + " " + row + "\n")
with open("failures.rows", "w") as f:
    f.writelines(json.dumps(row) + "\n" for row in rows)
'
}
