/* teacher.c - the pieces of groq-reason: spans of time, endpoints, replies and thinking, answers, cues, verdicts,
 * prompts, and records that go through a journal's line. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../helper/tap.h"
#include "base/utf8.h"
#include "teacher/answer.h"
#include "teacher/asker.h"
#include "teacher/cost.h"
#include "teacher/profile.h"
#include "teacher/prompt.h"
#include "teacher/record.h"
#include "teacher/span.h"
#include "teacher/verdict.h"
#include "teacher/votes.h"
#include "text/cue_marks.h"
#include "wire/rows.h"

static struct span_of_text text(const char *s)
{
    return (struct span_of_text){s, strlen(s)};
}

/* ---- spans of time ---- */

static void test_spans(void)
{
    static const struct {
        const char *text;
        double seconds;
    } spans[] = {{"2m59.56s", 179.56},
                 {"7.66s", 7.66},
                 {"120ms", 0.12},
                 {"1h0m0s", 3600},
                 {"50.597142857s", 50.597142857},
                 {"1m0.363142857s", 60.363142857},
                 {"24h0m0s", 86400},
                 {"15us", 15e-6},
                 {"15\xc2\xb5s", 15e-6},
                 {"3ns", 3e-9},
                 {"1.5h", 5400},
                 {".5s", 0.5},
                 {"4.77s. Visit", 4.77},
                 {"0s", 0},
                 {"", -1},
                 {"s", -1},
                 {"5", -1},
                 {"-5s", -1},
                 {"abc", -1},
                 {"1x", -1},
                 {".s", -1},
                 {"99999999999999999999h", -1}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        near(span_parse(spans[i].text, NULL), spans[i].seconds, 1e-9, "span '%s'", spans[i].text);

    static const struct {
        const char *text;
        double seconds;
    } headers[] = {{"2", 2},
                   {"0", 0},
                   {" 30 ", 30},
                   {"0.25", 0.25},
                   {"1.5\r\n", 1.5},
                   {"Thu, 01 Jan 2026 00:01:40 GMT", 100},
                   {"Wed, 31 Dec 2025 23:00:00 GMT", 0},
                   {"", -1},
                   {"soon", -1},
                   {"-3", -1},
                   {"5s", -1},
                   {"1e3", -1}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) /* now: 2026-01-01 00:00:00 UTC */
        near(span_retry_after(headers[i].text, 1767225600), headers[i].seconds, 1e-9, "Retry-After %.*s",
             (int)strcspn(headers[i].text, "\r"), headers[i].text);

    near(span_try_again("Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s."), 4.77, 1e-9,
         "try again in");
    near(span_try_again("Please Try again in 1m0.363142857s. Visit"), 60.363142857, 1e-9, "Try again in");
    near(span_try_again("try again later"), -1, 0, "no span");
    near(span_try_again("try again in a while"), -1, 0, "no span but words");
}

/* ---- endpoints ---- */

static void test_endpoints(void)
{
    static const struct {
        const char *base, *url, *identity;
    } good[] = {{"https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions",
                 "https://api.groq.com/openai/v1"},
                {"https://API.Example.com:8443/v1/", "https://api.example.com:8443/v1/chat/completions",
                 "https://api.example.com:8443/v1"},
                {"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/chat/completions", "loopback/v1"},
                {"http://127.8.9.1/v1", "http://127.8.9.1/v1/chat/completions", "loopback/v1"},
                {"http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions", "loopback/v1"},
                {"https://localhost/v1", "https://localhost/v1/chat/completions", "loopback/v1"},
                {"http://[::1]:9/v1", "http://[::1]:9/v1/chat/completions", "loopback/v1"},
                {"http://127.0.0.1:1", "http://127.0.0.1:1/chat/completions", "loopback"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct endpoint e;
        struct error err = {0};
        is_long(endpoint_open(&e, good[i].base, &err), 0, "%s is accepted (%s)", good[i].base, err.text);
        is_string(e.url ? e.url : "", good[i].url, "where requests go");
        is_string(e.identity ? e.identity : "", good[i].identity, "what the journal's keys hold");
        endpoint_free(&e);
    }
    static const char *const bad[] = {"http://api.groq.com/openai/v1",
                                      "http://192.168.0.1/v1",
                                      "http://10.0.0.1/v1",
                                      "http://localhost.example.com/v1",
                                      "http://127.0.0.1.example.com/v1",
                                      "http://[::2]/v1",
                                      "http://localhost@example.com/v1",
                                      "http://0.0.0.0/v1",
                                      "https://user:secret@example.com/v1",
                                      "https://example.com/v1?a=b",
                                      "https://example.com/v1#x",
                                      "ftp://example.com/v1",
                                      "file:///etc/passwd",
                                      "api.groq.com/openai/v1",
                                      "",
                                      "https://",
                                      "https://example.com/v1/chat/completions"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct endpoint e;
        struct error err = {0};
        ok(endpoint_open(&e, bad[i], &err) < 0 && err.status == STATUS_USAGE, "'%s' is refused", bad[i]);
        ok(!strstr(err.text, "secret"), "without quoting a password");
        endpoint_free(&e);
    }
}

/* ---- replies ---- */

static void split(const char *content, const char *thinking, const char *rest, const char *name)
{
    struct buf t = {0}, r = {0};
    buf_addstr(&t, "");
    buf_addstr(&r, "");
    completion_split_thinking(content, strlen(content), &t, &r);
    is_string(t.data, thinking, "%s: thinking", name);
    is_string(r.data, rest, "%s: the rest", name);
    buf_free(&t);
    buf_free(&r);
}

static void test_thinking(void)
{
    split("<think>\nhm\n</think>\n\n{\"a\":1}", "hm", "{\"a\":1}", "a whole block");
    split("hm, well</think>{\"a\":1}", "hm, well", "{\"a\":1}", "no opening tag");
    split("<think>\nhm, and then", "hm, and then", "", "no closing tag");
    split(" \n<think></think>{}", "", "{}", "an empty block");
    split("{\"reasoning\":\"a </think> b\"}", "", "{\"reasoning\":\"a </think> b\"}", "tags inside the answer");
    split("plain", "", "plain", "no tags");
    split("", "", "", "nothing");

    static const struct {
        const char *body, *thinking, *content;
    } bodies[] = {{"{\"choices\":[{\"message\":{\"content\":\"x\",\"reasoning\":\"r\"}}]}", "r", "x"},
                  {"{\"choices\":[{\"message\":{\"content\":\"x\",\"reasoning_content\":\"r\"}}]}", "r", "x"},
                  {"{\"choices\":[{\"message\":{\"content\":\"<think>r</think>x\"}}]}", "r", "x"},
                  {"{\"choices\":[{\"message\":{\"content\":null,\"reasoning\":\"r\"}}]}", "r", ""},
                  {"{\"choices\":[{\"message\":{\"content\":\"<think>no</think>x\",\"reasoning\":\"r\"}}]}", "r", "x"}};
    struct completion c = {0};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct error err = {0};
        is_long(completion_parse(&c, bodies[i].body, strlen(bodies[i].body), &err), 0, "reply %zu: %s", i, err.text);
        is_string(c.thinking.data, bodies[i].thinking, "reply %zu: thinking", i);
        is_string(c.content.data, bodies[i].content, "reply %zu: content", i);
    }
    static const char *const broken[] = {"",
                                         "{",
                                         "<html>",
                                         "{}",
                                         "[]",
                                         "{\"choices\":[]}",
                                         "{\"choices\":[{}]}",
                                         "1",
                                         "{\"choices\":[{\"message\":\"x\"}]}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        is_long(completion_parse(&c, broken[i], strlen(broken[i]), NULL), -1, "'%s' is no reply", broken[i]);
    completion_free(&c);
}

static void usage_is(const char *usage, const char *expected)
{
    struct buf body = {0}, out = {0};
    struct completion c = {0};
    buf_addf(&body, "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":%s}", usage);
    completion_parse(&c, body.data, body.len, NULL);
    usage_write(&out, &c.usage);
    is_string(out.data, expected, "usage %s", usage);
    buf_free(&body);
    buf_free(&out);
    completion_free(&c);
}

static void test_usage(void)
{
    usage_is("{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12,\"queue_time\":0.1}",
             "{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}");
    usage_is(
        "{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12,\"prompt_tokens_details\":{\"cached_tokens\":"
        "3},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":2}}",
        "{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12,\"cached_tokens\":3,\"reasoning_tokens\":2}");
    usage_is("{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}", "null");
    usage_is("{\"prompt_tokens\":-4,\"completion_tokens\":1e300,\"total_tokens\":\"12\"}", "null");
    usage_is("null", "null");
    struct usage sum = usage_unknown, a = {1, 2, 3, -1, -1}, b = {10, 20, 30, 5, -1};
    usage_add(&sum, &a);
    usage_add(&sum, &b);
    usage_add(&sum, &usage_unknown);
    ok(sum.prompt == 11 && sum.completion == 22 && sum.total == 33 && sum.cached == 5 && sum.reasoning == -1,
       "usage adds up, and unknown stays unknown");
}

/* ---- answers ---- */

static struct answer_rules rules;

static void answer_is(const char *sentence, const char *content, const char *thinking, const char *expected)
{
    struct answer a = {0};
    struct answer_fault fault = {0};
    struct buf out = {0};
    if (answer_read(&a, &rules, text(sentence), text(content), text(thinking), &fault) == 0)
        answer_write(&out, &a, &rules);
    else
        buf_addf(&out, "%s %s", fault.kind, fault.code);
    is_string(out.data, expected, "answer %.*s", (int)strcspn(content, "\n"), content);
    buf_free(&out);
    answer_free(&a);
}

static void test_answers(void)
{
    static const char plain[] =
        "\"status\":\"ok\",\"reasoning\":\"r\",\"label\":1,\"label_text\":\"positive\",\"cues\":[]";
    static const char full[] = "{\"reasoning\":\" It 'sings' . "
                               "\",\"cues\":[{\"text\":\"Sings\",\"polarity\":1},{\"text\":\"absent\",\"polarity\":0},"
                               "{\"text\":\"'not'\",\"polarity\":0}],\"label\":\" "
                               "Positive\",\"confidence\":0.9,\"counterfactual\":\"it  drags\"}";
    static const char full_row[] =
        "\"status\":\"ok\",\"reasoning\":\"It 'sings' .\",\"label\":1,\"label_text\":\"positive\","
        "\"confidence\":0.9,\"cues\":[\"sings\",\"not\"],\"cue_polarity\":[1,0],"
        "\"counterfactual\":\"it  drags\"";
    answer_is("it sings , not drags", full, "", full_row);
    struct buf wrapped = {0};
    buf_addf(&wrapped, "```json\n%s\n```", full);
    answer_is("it sings , not drags", wrapped.data, "", full_row);
    buf_reset(&wrapped);
    buf_addf(&wrapped, "Here you are:\n\n%s\n\nAnything else?", full);
    answer_is("it sings , not drags", wrapped.data, "", full_row);
    buf_free(&wrapped);

    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\"}", "", plain);
    answer_is("s", "{\"label\":\"POSITIVE\"}", " r ", plain);
    answer_is("s", "{\"reasoning\":null,\"label\":\"positive\"}", "r", plain);
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\"}", "other thoughts", plain);
    answer_is("s", "{\"reasoning\":\" \\n\\u00a0\",\"label\":\"positive\"}", "thoughts", "bad_json no_reasoning");
    answer_is("s", "{\"label\":\"positive\"}", " ", "bad_json no_reasoning");
    answer_is("s", "{\"reasoning\":[],\"label\":\"positive\"}", "", "bad_json no_reasoning");
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"neutral\"}", "", "bad_label unknown_label");
    answer_is("s", "{\"reasoning\":\"r\",\"label\":1}", "", "bad_label unknown_label");
    answer_is("s", "{\"reasoning\":\"r\"}", "", "bad_label unknown_label");
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\",\"confidence\":97}", "", "bad_json bad_confidence");
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\",\"confidence\":\"high\"}", "",
              "bad_json bad_confidence");
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\",\"confidence\":null}", "", plain);
    answer_is("s", "", "", "bad_json not_json");
    answer_is("s", "positive", "r", "bad_json not_json");
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\"", "", "bad_json not_json");
    answer_is("s", "{\"label\":\"positive\",\"label\":\"negative\",\"reasoning\":\"r\"}", "", "bad_json not_json");
    answer_is("s", "[{\"reasoning\":\"r\",\"label\":\"positive\"}, 2]", "", plain);

    /* counterfactuals that change nothing */
    answer_is(" the  film sings ", "{\"reasoning\":\"r\",\"label\":\"positive\",\"counterfactual\":\"the film sings\"}",
              "", plain);
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\",\"counterfactual\":\" \"}", "", plain);
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\",\"counterfactual\":7}", "", plain);
    rules.counterfactual = false;
    answer_is("s", "{\"reasoning\":\"r\",\"label\":\"positive\",\"counterfactual\":\"t\"}", "", plain);
    rules.counterfactual = true;

    /* a cue without polarity: the lists could not have one length, so there is one list */
    answer_is(
        "a b",
        "{\"reasoning\":\"r\",\"label\":\"positive\",\"cues\":[{\"text\":\"a\",\"polarity\":1},{\"text\":\"b\"}]}", "",
        "\"status\":\"ok\",\"reasoning\":\"r\",\"label\":1,\"label_text\":\"positive\",\"cues\":[\"a\",\"b\"]");
    answer_is("a b", "{\"reasoning\":\"r\",\"label\":\"positive\",\"cues\":[\"a\",\"b\"],\"cue_polarity\":[1,-1]}", "",
              "\"status\":\"ok\",\"reasoning\":\"r\",\"label\":1,\"label_text\":\"positive\",\"cues\":[\"a\",\"b\"],"
              "\"cue_polarity\":[1,-1]");
    answer_is("does n't sing", "{\"reasoning\":\"It 'does n't sing'.\",\"label\":\"negative\"}", "",
              "\"status\":\"ok\",\"reasoning\":\"It 'does n't sing'.\",\"label\":0,\"label_text\":\"negative\","
              "\"cues\":[\"does n't sing\"]");
}

/* Every beginning of an answer is refused, and none crashes. */
static void test_torn_answers(void)
{
    static const char content[] = "{\"reasoning\":\"caf\xc3\xa9 \\u00e9\",\"cues\":[{\"text\":\"a\",\"polarity\":-1}],"
                                  "\"label\":\"negative\",\"confidence\":1e-1,\"counterfactual\":\"b\"}";
    bool refused = true;
    struct answer a = {0};
    for (size_t n = 0; n < sizeof content - 1; n++) {
        struct answer_fault fault = {0};
        if (utf8_check(content, n) < n)
            continue; /* what comes from a reply is UTF-8 */
        refused = refused &&
                  answer_read(&a, &rules, text("a"), (struct span_of_text){content, n}, text("r"), &fault) < 0 &&
                  utf8_check(fault.message, strlen(fault.message)) == strlen(fault.message);
    }
    ok(refused, "every torn answer is refused with a valid message");
    answer_free(&a);
}

static void cue_is(const char *sentence, const char *quoted, const char *expected)
{
    struct span_of_text found = {"", 0};
    char got[128] = "none";
    if (cue_locate(text(sentence), 0, text(quoted), &found))
        snprintf(got, sizeof got, "%.*s", (int)found.len, found.at);
    is_string(got, expected, "cue '%s' in '%s'", quoted, sentence);
}

/* What is located must be where wp-tokenize finds it: cue_marks.c takes whole words alone. */
static void cues_are_found(const char *sentence)
{
    size_t len = strlen(sentence), located = 0, lost = 0;
    struct cue_finder finder = {0};
    struct buf marks = {0};
    for (size_t begin = 0; begin < len; begin++) {
        for (size_t end = begin + 1; end <= len; end++) {
            struct span_of_text quoted = {sentence + begin, end - begin}, found;
            if (utf8_check(quoted.at, quoted.len) < quoted.len || !cue_locate(text(sentence), 0, quoted, &found))
                continue;
            struct sentence_cue cue = {found.at, found.len, CUE_DECISIVE};
            struct sentence s = {.text = sentence, .len = len, .cues = &cue, .n_cues = 1};
            struct token_span all = {0, (uint32_t)len};
            buf_reset(&marks);
            cue_marks_add(&finder, &s, &all, NULL, 1, &marks);
            located++;
            lost += finder.found[0].end == 0;
        }
    }
    ok(located > 0 && lost == 0, "%zu cues of '%s', all found by the tokenizer (%zu are not)", located, sentence, lost);
    buf_free(&marks);
    cue_finder_free(&finder);
}

static void quotes_are(const char *sentence, const char *reasoning, const char *expected)
{
    struct cues cues = {.n = 0};
    struct buf got = {0};
    buf_addstr(&got, "");
    cues_from_quotes(&cues, text(sentence), text(reasoning));
    for (size_t i = 0; i < cues.n; i++)
        buf_addf(&got, "[%.*s]", (int)cues.list[i].span.len, cues.list[i].span.at);
    is_string(got.data, expected, "quotations in %s", reasoning);
    buf_free(&got);
}

static void test_cues(void)
{
    cue_is("a Terrific film", "terrific", "Terrific");
    cue_is("at heart , art", "art", "art");
    cue_is("at heart", "art", "none");
    cue_is("it undercuts", "undercut", "undercuts");
    cue_is("it undercuts and undercut", "undercut", "undercut");
    cue_is("its Undercutting, all", "\"undercut\"", "Undercutting");
    cue_is("na\xc3\xafve\xcc\x81s fun", "na\xc3\xafv", "na\xc3\xafve\xcc\x81s");
    cue_is("on snake_case", "snake", "snake_case");
    cue_is("on snake_case", "case", "none");
    cue_is("\xd0\xba\xd0\xb8\xd0\xbd\xd0\xbe !", "\xd0\xba\xd0\xb8", "\xd0\xba\xd0\xb8\xd0\xbd\xd0\xbe");
    cue_is("90% fresh", "90%", "90%");
    cue_is("90%fresh", "90%", "90%");
    cue_is("rather \t good", "RATHER good", "rather \t good");
    cue_is("so good !", "\"so good!\"", "so good");
    cue_is("what ? no", "what ?", "what ?");
    cue_is("na\xc3\xafve", "na", "na\xc3\xafve");
    cue_is("caf\xc3\xa9 au lait", "caf\xc3\xa9", "caf\xc3\xa9");
    cue_is("a film", "", "none");
    cue_is("a film", "''", "none");
    cue_is("", "a", "none");
    cue_is("\xe9\x9d\x9e\xe5\xb8\xb8\xe5\xa5\xbd\xe7\x9c\x8b", "\xe5\xa5\xbd\xe7\x9c\x8b", "\xe5\xa5\xbd\xe7\x9c\x8b");

    cues_are_found("it undercuts -- well , it's 'good' 90%fresh snake_case !");
    cues_are_found("na\xc3\xafve caf\xc3\xa9s, \xc4\xb0stanbul \xd0\xba\xd0\xb8\xd0\xbd\xd0\xbe");
    cues_are_found("\xce\xba\xce\xb1\xce\xbb\xcf\x8c\xcf\x82. \xd7\x98\xd7\x95\xd7\x91 "
                   "\xe0\xa4\x85\xe0\xa4\x9a\xe0\xa5\x8d\xe0\xa4\x9b\xe0\xa4\xbe \xea\xb5\xbf");

    quotes_are("does n't follow the stale storyline", "It 'does n't follow' it; n't isn't a quote's end.",
               "[does n't follow]");
    quotes_are("the actors ' work shines", "\"the actors ' work\" and 'shines'", "[the actors ' work][shines]");
    quotes_are("a warm film",
               "\xe2\x80\x98warm\xe2\x80\x99 and \xe2\x80\x9c"
               "film\xe2\x80\x9d",
               "[warm][film]");
    quotes_are("a warm film", "'cold' and 'warm' and 'warm'", "[warm]");
    quotes_are("a warm film", "no quotes, the film's warm", "");
    quotes_are("a warm film", "'warm", "");
    struct cues twice = {.n = 0};
    cues_add(&twice, text("so bad , so good"), text("so"), 0);
    cues_add(&twice, text("so bad , so good"), text("so"), 0);
    cues_add(&twice, text("so bad , so good"), text("so"), 0);
    is_long((long long)twice.n, 2, "the same span again is its next place, as long as there is one");
}

static void test_labels(void)
{
    static const char *const bad[] = {"", "one", "a,,b", "a,a", "A,a", "a, ", ",a,b", "\xff,a"};
    struct answer_rules r = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        is_long(answer_rules_labels(&r, bad[i], NULL), -1, "labels '%s' are refused", bad[i]);
    is_long(answer_rules_labels(&r, "very bad, bad ,good", NULL), 0, "labels may hold blanks");
    ok(r.labels.n == 3 && strcmp(r.labels.names[0], "very bad") == 0 && strcmp(r.labels.names[1], "bad") == 0,
       "but not around them");
    answer_rules_free(&r);
}

/* ---- verdicts ---- */

static void verdict_is(long status, const char *body, enum action action, const char *kind, double wait)
{
    struct http_reply reply = {.outcome = HTTP_REPLY,
                               .status = status,
                               .body = body,
                               .len = strlen(body),
                               .limits = {-1, -1, -1, -1, -1, -1, -1}};
    struct completion c = {0};
    struct verdict v;
    struct error err = {0};
    bool parsed = completion_parse(&c, body, strlen(body), &err) == 0;
    verdict_reach(&v, &reply, &c, parsed);
    ok(v.action == action && strcmp(v.kind, kind) == 0 && fabs(v.wait - wait) < 1e-9,
       "HTTP %ld %.40s: action %d %s %g (got %d %s %g)", status, body, (int)action, kind, wait, (int)v.action, v.kind,
       v.wait);
    ok(v.action == ACTION_ANSWER || v.message[0], "and something to say");
    completion_free(&c);
}

static void test_verdicts(void)
{
    verdict_is(200, "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}", ACTION_ANSWER, "protocol", -1);
    verdict_is(200, "<html>", ACTION_RETRY, "protocol", -1);
    verdict_is(200, "{\"error\":{\"message\":\"upstream\"}}", ACTION_RETRY, "protocol", -1);
    verdict_is(200, "{\"choices\":[{\"mess", ACTION_RETRY, "transport", -1);
    verdict_is(200, " {\"a\":\"caf\xc3", ACTION_RETRY, "transport", -1);
    verdict_is(200, "{\"choices\":[{\"mess age\" 4}", ACTION_RETRY, "protocol", -1);
    verdict_is(200, "{\"choices\":[]}", ACTION_RETRY, "protocol", -1);
    verdict_is(200, "", ACTION_RETRY, "protocol", -1);
    verdict_is(204, "", ACTION_RETRY, "protocol", -1);
    verdict_is(302, "", ACTION_GIVE_UP, "protocol", -1);
    verdict_is(400, "{\"error\":{\"message\":\"bad field\"}}", ACTION_GIVE_UP, "bad_request", -1);
    verdict_is(400, "{\"error\":{\"message\":\"m\",\"code\":\"json_validate_failed\",\"failed_generation\":\"x\"}}",
               ACTION_RESAMPLE, "bad_json", -1);
    verdict_is(400, "{\"error\":{\"message\":\"gone\",\"code\":\"model_decommissioned\"}}", ACTION_STOP, "bad_request",
               -1);
    verdict_is(400, "{\"error\":{\"message\":\"This model does not support response format `json_schema`\"}}",
               ACTION_LOWER, "bad_request", -1);
    verdict_is(400, "{\"error\":{\"message\":\"maximum context length\",\"code\":\"context_length_exceeded\"}}",
               ACTION_GIVE_UP, "too_large", -1);
    verdict_is(400, "{\"error\":{\"code\":400,\"message\":\"m\",\"type\":\"exceed_context_size_error\"}}",
               ACTION_GIVE_UP, "too_large", -1);
    verdict_is(400, "{\"error\":{\"message\":\"The JSON schema has features that are not supported\"}}", ACTION_LOWER,
               "bad_request", -1);
    verdict_is(422, "{\"detail\":\"Unsupported fields: {'response_format'}\"}", ACTION_LOWER, "unprocessable", -1);
    verdict_is(401, "{\"error\":{\"message\":\"Invalid API Key\",\"code\":\"invalid_api_key\"}}", ACTION_STOP,
               "bad_request", -1);
    verdict_is(403, "<html>no</html>", ACTION_STOP, "bad_request", -1);
    verdict_is(404, "", ACTION_STOP, "bad_request", -1);
    verdict_is(408, "", ACTION_RETRY, "timeout", -1);
    verdict_is(413, "{\"error\":{\"message\":\"too large\",\"type\":\"tokens\"}}", ACTION_SHRINK, "too_large", -1);
    verdict_is(413, "{\"error\":{\"message\":\"too large\"}}", ACTION_GIVE_UP, "too_large", -1);
    verdict_is(429, "{\"error\":{\"message\":\"on tokens per min (TPM): Limit 10000, Requested 12000.\"}}",
               ACTION_SHRINK, "too_large", -1);
    verdict_is(429, "{\"error\":{\"message\":\"on tokens per minute (TPM): Limit 9, Used 8, Requested 7.\"}}",
               ACTION_WAIT, "rate_limit", -1);
    verdict_is(422, "{}", ACTION_RETRY, "unprocessable", -1);
    verdict_is(424, "{}", ACTION_GIVE_UP, "dependency", -1);
    verdict_is(429, "{\"error\":{\"message\":\"on tokens per minute (TPM). Please try again in 4.77s.\"}}", ACTION_WAIT,
               "rate_limit", 4.77);
    verdict_is(429, "slow down", ACTION_WAIT, "rate_limit", -1);
    verdict_is(429, "{\"error\":{\"message\":\"on requests per day (RPD): Limit 1000. Please try again in 1.2s.\"}}",
               ACTION_STOP, "rate_limit", -1);
    verdict_is(498, "{}", ACTION_RETRY, "capacity", -1);
    verdict_is(500, "", ACTION_RETRY, "server", -1);
    verdict_is(500, "{\"error\":{\"message\":\"the response_format was lost\"}}", ACTION_RETRY, "server", -1);
    verdict_is(500,
               "{\"error\":{\"message\":\"1 validation error:\\n  {'type': 'literal_error', 'loc': ('body', "
               "'response_format', 'type')}\",\"type\":\"internal_server_error\"}}",
               ACTION_LOWER, "server", -1);
    verdict_is(503, "{\"error\":{\"message\":\"over capacity\"}}", ACTION_RETRY, "server", -1);
    verdict_is(503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
               ACTION_OFFLINE, "server", -1);
    verdict_is(529, "", ACTION_RETRY, "server", -1);
    verdict_is(999, "", ACTION_RETRY, "protocol", -1);
}

static void transport_is(enum http_outcome outcome, enum action action, const char *kind, int status, bool at_start)
{
    struct http_reply reply = {.outcome = outcome, .body = "", .detail = "what happened"};
    struct completion c = {0};
    struct verdict v;
    verdict_reach(&v, &reply, &c, false);
    ok(v.action == action && strcmp(v.kind, kind) == 0 && v.lost_at_start == at_start && v.message[0],
       "outcome %d: action %d %s (got %d %s)", (int)outcome, (int)action, kind, (int)v.action, v.kind);
    if (action == ACTION_STOP || action == ACTION_OFFLINE || at_start)
        is_long(v.status, status, "outcome %d: exit status", (int)outcome);
    completion_free(&c);
}

static void test_transports(void)
{
    transport_is(HTTP_NO_NAME, ACTION_OFFLINE, "transport", STATUS_USAGE, false);
    transport_is(HTTP_NO_CONNECT, ACTION_OFFLINE, "transport", STATUS_RESUMABLE, false);
    transport_is(HTTP_CONNECT_TIMEOUT, ACTION_RETRY, "timeout", 0, false);
    transport_is(HTTP_UNTRUSTED, ACTION_STOP, "transport", STATUS_USAGE, false);
    transport_is(HTTP_TIMEOUT, ACTION_RETRY, "timeout", 0, false);
    transport_is(HTTP_RESET, ACTION_RETRY, "transport", STATUS_RESUMABLE, true);
    transport_is(HTTP_CUT, ACTION_RETRY, "transport", 0, false);
    transport_is(HTTP_TOO_LARGE, ACTION_RETRY, "protocol", 0, false);
}

/* ---- prompts ---- */

static void body_has(const struct prompt_settings *s, enum answer_format format, const char *part, bool expected)
{
    struct buf out = {0};
    struct json doc = {0};
    struct error err = {0};
    prompt_write(&out, s, &(struct prompt_variant){7, 99, format}, "a \"b\"\n{labels}", 14);
    ok(json_parse(&doc, out.data, out.len, &err) == 0, "the request is JSON %s", err.text);
    ok((strstr(out.data, part) != NULL) == expected, "%s %s in %s", part, expected ? "stands" : "does not stand",
       answer_format_name(format));
    json_free(&doc);
    buf_free(&out);
}

static void test_prompts(void)
{
    struct prompt_settings s = {.profile = profile_find("groq"),
                                .model = "openai/gpt-oss-20b",
                                .rules = rules,
                                .temperature = 0.2,
                                .effort = "low",
                                .seed = 1,
                                .budget = 64};
    body_has(&s, FORMAT_STRICT, "\"strict\":true", true);
    body_has(&s, FORMAT_STRICT, "\"enum\":[\"negative\",\"positive\"]", true);
    body_has(&s, FORMAT_STRICT, "\"required\":[\"reasoning\",\"cues\",\"label\",\"confidence\",\"counterfactual\"]",
             true);
    body_has(&s, FORMAT_SCHEMA, "\"strict\":false", true);
    body_has(&s, FORMAT_OBJECT, "{\"type\":\"json_object\"}", true);
    body_has(&s, FORMAT_TEXT, "response_format", false);
    body_has(&s, FORMAT_TEXT, "a \\\"b\\\"\\n{labels}\"}]", true); /* a sentence is never expanded */
    body_has(&s, FORMAT_TEXT, "\"seed\":7,\"max_completion_tokens\":99,\"reasoning_effort\":\"low\"", true);
    body_has(&s, FORMAT_TEXT, "reasoning_format", false);
    s.model = "qwen/qwen3.8-27b";
    body_has(&s, FORMAT_OBJECT, "\"reasoning_format\":\"parsed\"", true);
    s.profile = profile_find("generic");
    body_has(&s, FORMAT_OBJECT, "\"max_tokens\":99", true);
    body_has(&s, FORMAT_OBJECT, "reasoning_format", false);
    s.rules.counterfactual = false;
    s.temperature = -1;
    body_has(&s, FORMAT_STRICT, "counterfactual", false);
    body_has(&s, FORMAT_STRICT, "temperature", false);
    is_long(profile_format(profile_find("groq"), "openai/gpt-oss-120b"), FORMAT_STRICT, "gpt-oss has strict schemas");
    is_long(profile_format(profile_find("groq"), "qwen/qwen3.8-27b"), FORMAT_OBJECT, "others have JSON mode");
    ok(!profile_find("azure"), "an unknown profile");
    is_long(prompt_check_template("no place", 8, NULL), -1, "a template needs {sentence}");
    is_long(prompt_check_template("{sentence}\xff", 11, NULL), -1, "and UTF-8");
    is_long(prompt_check_template(prompt_template, strlen(prompt_template), NULL), 0, "the one built in passes");
}

/* ---- records ---- */

static void test_records(void)
{
    struct record record = {.ok = true,
                            .content = text("{\"reasoning\":\"r \\u0001x\",\"label\":\"negative\"}"),
                            .thinking = text("hm"),
                            .finish_reason = "stop",
                            .model = "m",
                            .kind = "",
                            .code = "",
                            .message = "",
                            .attempts = 2,
                            .usage = {1, 2, 3, -1, -1},
                            .request_id = "req_1",
                            .ms = 5},
                  back = {0};
    struct record failure = {.kind = "bad_json",
                             .code = "",
                             .message = "m\"",
                             .http = 200,
                             .attempts = 3,
                             .usage = usage_unknown,
                             .finish_reason = "",
                             .model = "",
                             .request_id = ""};
    struct buf line = {0}, live = {0}, replayed = {0};
    struct json doc = {0};
    struct answer answer = {0};
    struct answer_fault fault;
    record_write(&line, "00", &record);
    ok(json_parse(&doc, line.data, line.len, NULL) == 0 && record_read(&back, &doc), "a record's line can be read");
    is_long(record_text(&live, &record, &rules, text("s"), &answer, &fault), 0, "members from the record");
    is_long(record_text(&replayed, &back, &rules, text("s"), &answer, &fault), 0, "and from its line");
    is_string(replayed.data, live.data, "are the same");
    is_string(live.data,
              "\"status\":\"ok\",\"reasoning\":\"r \\u0001x\",\"label\":0,\"label_text\":\"negative\",\"cues\":[],"
              "\"model\":\"m\"",
              "members");
    buf_reset(&line);
    buf_reset(&live);
    record_write(&line, "00", &failure);
    ok(json_parse(&doc, line.data, line.len, NULL) == 0 && record_read(&back, &doc), "a failure's line can be read");
    record_text(&live, &back, &rules, text("s"), &answer, &fault);
    is_string(
        live.data,
        "{\"status\":\"error\",\"kind\":\"bad_json\",\"http\":200,\"code\":null,\"message\":\"m\\\"\",\"attempts\":3}",
        "a failure's member");
    buf_free(&line);
    buf_free(&live);
    buf_free(&replayed);
    json_free(&doc);
    answer_free(&answer);
}

/* ---- votes and costs ---- */

static struct ballot vote(long label, const char *members)
{
    return (struct ballot){.label = label, .text = text(members), .usage = {10, 2, 12, -1, -1}};
}

static struct ballot no_vote(const char *object)
{
    return (struct ballot){.failed = true, .text = text(object), .usage = usage_unknown};
}

static void votes_are(const struct ballot *ballots, size_t n, size_t classes, bool ok_expected, const char *expected)
{
    struct buf out = {0};
    is_long(votes_write(&out, ballots, n, classes), ok_expected, "%zu votes", n);
    is_string(out.data, expected, "the member");
    buf_free(&out);
}

static void test_votes(void)
{
    const struct ballot one[] = {vote(1, "\"a\":1")};
    const struct ballot three[] = {vote(0, "\"a\":1"), vote(2, "\"a\":2"), vote(2, "\"a\":3")};
    const struct ballot tie[] = {vote(1, "\"a\":1"), no_vote("{f}"), vote(0, "\"a\":2")};
    const struct ballot half[] = {vote(1, "\"a\":1"), no_vote("{f}"), no_vote("{g}"), vote(1, "\"a\":2")};
    votes_are(one, 1, 2, true,
              "{\"a\":1,\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"total_tokens\":12}}");
    /* (v + 1/2) / (3 + 3/2) for 1, 0 and 2 votes */
    votes_are(three, 3, 3, true,
              "{\"a\":2,\"probs\":[0.3333333333333333,0.1111111111111111,0.5555555555555556],\"samples\":3,"
              "\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":6,\"total_tokens\":36}}");
    votes_are(tie, 3, 2, true,
              "{\"a\":1,\"probs\":[0.5,0.5],\"samples\":2,"
              "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":4,\"total_tokens\":24}}");
    votes_are(half, 4, 2, false, "{f}");
}

static void test_costs(void)
{
    struct price price, none = {0};
    const struct usage known = {1000, 500, 1500, 200, -1}, over = {10, 0, 10, 99, -1}, total = {-1, -1, 7, -1, -1};
    struct spending s;
    const struct stake stake = {100, 50};
    is_long(price_parse(&price, "1,10,0.5", NULL), 0, "a price with three parts");
    ok(fabs(price_of(&price, &known) - (800e-6 + 5000e-6 + 100e-6)) < 1e-15, "cached tokens have their own");
    ok(fabs(price_of(&price, &over) - 5e-6) < 1e-15, "more cached than there are count as all");
    ok(price_of(&price, &total) < 0 && price_of(&none, &known) < 0, "what is unknown is not free");
    spending_init(&s, &price, 0.00075, 400);
    ok(spending_allows(&s, stake), "a first request: 0.0006 at most");
    spending_stake(&s, stake);
    ok(!spending_allows(&s, stake), "a second while it is under way may be too much");
    spending_settle(&s, stake, &(struct usage){100, 0, 100, -1, -1}, true);
    ok(spending_allows(&s, stake), "it was cheap: 0.0001");
    spending_stake(&s, stake);
    spending_settle(&s, stake, &usage_unknown, false);
    ok(spending_allows(&s, stake), "what was never billed costs nothing");
    spending_stake(&s, stake);
    spending_settle(&s, stake, &usage_unknown, true);
    ok(!spending_allows(&s, (struct stake){60, 0}), "of unknown cost: as much as it may have been");
    is_long((long long)s.unpriced, 1, "and it is counted");
    ok(fabs(s.cost - 0.0001) < 1e-15, "but not told as cost");
    spending_init(&s, &none, -1, 400);
    spending_stake(&s, stake);
    spending_stake(&s, stake);
    ok(!spending_allows(&s, stake) && spending_allows(&s, (struct stake){100, 0}), "the cap on tokens");
}

int main(void)
{

    answer_rules_labels(&rules, "negative,positive", NULL);
    rules.counterfactual = true;
    test_spans();
    test_endpoints();
    test_thinking();
    test_usage();
    test_answers();
    test_torn_answers();
    test_cues();
    test_labels();
    test_verdicts();
    test_transports();
    test_prompts();
    test_records();
    test_votes();
    test_costs();
    answer_rules_free(&rules);
    return done_testing();
}
