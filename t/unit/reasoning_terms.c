/* reasoning_terms.c - the terms that learn from the reasoning, through a whole small model: their gradients against
 * finite differences, threads, and what they find out about the training rows (words, verdict words, a lexicon).
 */
#include <stdio.h>
#include <string.h>

#include "../helper/tap.h"
#include "bert/objectives/cues.h"
#include "bert/objectives/lexicon.h"
#include "bert/objectives/objective.h"
#include "bert/objectives/piece_words.h"
#include "bert/objectives/reasoning.h"
#include "bert/objectives/verdict.h"

enum { VOCABULARY = 96, UNK = 1, CLS = 2, SEP = 3, MASK = 4, COMMA = 5, POSITIVE = 6, ROWS = 24 };

/* 0 to 4 are special, 5 is a comma, 6 the word "positive", from 60 on pieces go on words. */
static char texts[VOCABULARY][16];
static const char *token_text[VOCABULARY];
static uint8_t special[VOCABULARY];
static const struct token_table tokens = {token_text, VOCABULARY, "##", special, MASK};

static void make_tokens(void)
{
    for (int i = 0; i < VOCABULARY; i++) {
        snprintf(texts[i], sizeof texts[i], i >= 60 ? "##s%d" : "word%d", i);
        token_text[i] = i == COMMA ? "," : i == POSITIVE ? "positive" : texts[i];
        special[i] = i < 5;
    }
}

static void add_list(struct rows *rows, const char *name, const int32_t *ids, size_t n)
{
    struct column *c = rows_column(rows, name, ST_I32, COLUMN_LIST, 1);
    buf_add(&c->values, ids, n * sizeof *ids);
    int64_t end = (int64_t)(c->values.len / sizeof *ids);
    buf_add(&c->offsets, &end, sizeof end);
}

static void add_i32(struct rows *rows, const char *name, int32_t value)
{
    buf_add(&rows_column(rows, name, ST_I32, COLUMN_ROW, 1)->values, &value, sizeof value);
}

/* Rows of which 6 has no gold label, and 7 a teacher who contradicts it. Favourable spans begin with word 20 or 21,
 * unfavourable ones with 30 or 31; the reasonings of favourable rows say "positive" and word 40. */
static void make_rows(struct rows *rows)
{
    for (int i = 0; i < ROWS; i++) {
        int32_t good = i % 2, ids[16] = {CLS}, reason[16], edit[16] = {CLS};
        uint8_t marks[16] = {0};
        size_t n = 1;
        int32_t cue = (good ? 20 : 30) + i / 2 % 2;
        for (int t = 0; t < 3 + i % 8; t++) {
            ids[n] = t == 1 ? cue : t == 2 ? 61 : t == 4 ? COMMA : 8 + (i * 5 + t * 3) % 10;
            marks[n] = t == 1 || t == 2 ? (i % 8 < 4 ? CUE_DECISIVE
                                           : good    ? CUE_FAVOURABLE
                                                     : CUE_UNFAVOURABLE)
                       : t == 3         ? CUE_MODIFIER
                                        : CUE_NONE;
            edit[n] = t == 1 ? (good ? 30 : 20) + i / 2 % 2 : ids[n];
            n++;
        }
        ids[n] = edit[n] = SEP;
        n++;
        for (int t = 0; t < 8; t++)
            reason[t] = t == 0 && good ? POSITIVE
                        : t == 1       ? 40 + !good
                        : t == 2       ? cue
                        : t < 5        ? 45 + (i * 2 + t) % 14
                        : t == 5       ? 59
                                       : COMMA;
        add_list(rows, "ids", ids, n);
        add_list(rows, "edit_ids", edit, n);
        add_list(rows, "reason_ids", reason, 8);
        buf_add(&rows_column(rows, "cues", ST_U8, COLUMN_TOKEN, 1)->values, marks, n);
        add_i32(rows, "label", i == 6 ? -1 : i == 7 ? 0 : good);
        add_i32(rows, "teacher_label", good);
        buf_add(&rows_column(rows, "confidence", ST_F32, COLUMN_ROW, 1)->values, &(float){0.9f}, sizeof(float));
        rows->n++;
    }
}

#include "student.h"

/* ---- words ---- */

static void test_words(void)
{
    static const int32_t ids[] = {CLS, 10, 60, 61, COMMA, 11, 62, SEP, 63};
    struct piece_words words = {0};
    struct buf text = {0};
    size_t n;
    is_long((long long)piece_word_end(&tokens, ids, 9, 0), 1, "a special token stands alone");
    is_long((long long)piece_word_end(&tokens, ids, 9, 1), 4, "a word and its pieces");
    is_long((long long)piece_word_end(&tokens, ids, 3, 1), 3, "as far as there are tokens");
    is_long((long long)piece_word_end(&tokens, ids, 9, 7), 8, "no piece goes on a special token");
    ok(piece_word_is_text(&tokens, ids + 1, 3), "a word is text");
    ok(!piece_word_is_text(&tokens, ids + 4, 1), "a comma is none");
    ok(!piece_word_is_text(&tokens, ids, 1), "a special token is none");
    piece_word_text(&tokens, ids + 1, 3, &text);
    is_string(text.data, "word10s60s61", "its text, without prefixes");
    is_long((long long)piece_words_find(&words, ids, 2), -1, "an empty table has no word");
    for (int32_t i = 0; i < 3000; i++)
        piece_words_add(&words, (int32_t[]){i, i * 7}, 1 + (size_t)(i % 2));
    is_long((long long)piece_words_add(&words, (int32_t[]){1, 7}, 2), 1, "the same word again");
    is_long((long long)piece_words_find(&words, (int32_t[]){2}, 1), 2, "is found after the table grew");
    is_long((long long)piece_words_find(&words, (int32_t[]){1}, 1), -1, "a beginning of it is another word");
    is_long(piece_words_get(&words, 3, &n)[1], 21, "its pieces");
    piece_words_free(&words);
    buf_free(&text);
}

static void test_reasoning_row(void)
{
    struct rows rows = {0};
    struct buf ids = {0};
    size_t begin;
    make_rows(&rows);
    is_long((long long)reasoning_row(&rows, 0, 512, false, &ids, &begin), 10, "[CLS] reasoning [SEP]");
    const int32_t *row = (const int32_t *)(const void *)ids.data;
    ok(row[0] == CLS && row[9] == SEP && begin == 1 && row[2] == 41, "in this order");
    is_long((long long)reasoning_row(&rows, 0, 6, false, &ids, &begin), 6, "cut to the positions of the model");
    ok(((const int32_t *)(const void *)ids.data)[5] == SEP, "with its end");
    is_long((long long)reasoning_row(&rows, 0, 512, true, &ids, &begin), 5 + 8 + 1, "sentence and reasoning");
    is_long((long long)begin, 5, "which begins behind the sentence's [SEP]");
    is_long((long long)reasoning_row(&rows, 7, 4, true, &ids, &begin), 4, "a sentence that fills it is cut");
    is_long(reasoning_label(&rows, 7), -1, "a reasoning against the gold label argues for nothing");
    is_long(reasoning_label(&rows, 6), 0, "without a gold label the teacher's counts");
    rows_free(&rows);
    buf_free(&ids);
}

static void test_lexicon(void)
{
    struct rows rows = {0};
    struct lexicon l;
    make_rows(&rows);
    lexicon_make(&l, &rows, &tokens);
    near(lexicon_value(&l, (int32_t[]){20, 61}, 2), log(6.5 / 0.5), 1e-12, "a favourable word");
    near(lexicon_value(&l, (int32_t[]){31, 61}, 2), -log(6.5 / 0.5), 1e-12, "an unfavourable one");
    near(lexicon_value(&l, (int32_t[]){21, 61}, 2), log(5.5 / 0.5), 1e-12, "one without the contradicted row");
    near(lexicon_value(&l, (int32_t[]){20}, 1), 0, 0, "a part of a word is another word");
    near(lexicon_value(&l, (int32_t[]){8}, 1), 0, 0, "what was not marked is not in it");
    is_long((long long)l.kept, 4, "words that stay");
    lexicon_free(&l);
    rows_free(&rows);
}

static void test_verdict(void)
{
    static const int32_t reason[] = {POSITIVE, 40, 20, 61, 59, 41};
    struct rows rows = {0}, many = {0};
    struct verdict v;
    struct error err = {0};
    uint8_t marks[6];
    make_rows(&rows);
    for (int i = 0; i < 3; i++)
        if (rows_append(&many, &rows, &err) < 0)
            bail_out("rows_append", err.text);
    const struct objective_setting setting = {.rows = &many, .classes = 2, .tokens = &tokens, .labels = student_labels};
    verdict_init(&v, &setting);
    verdict_mark(&v, reason, 6, marks);
    is_long(marks[0], 1, "the name of a class is a verdict");
    ok(marks[1] == 1 && marks[5] == 1, "so are words that only one class's reasonings say");
    ok(marks[2] == 0 && marks[3] == 0, "a word of the sentence is none");
    is_long(marks[4], 0, "nor is one that both say");
    verdict_free(&v);
    rows_free(&rows);
    rows_free(&many);
}

/* ---- gradients ---- */

static void test_gradients(void)
{
    static const struct model_dropout some = {0.1, 0.1, 0.1, 5};
    static const char *const specs[] = {"label=5,counterfactual=5",
                                        "label=5,cue-text=5",
                                        "label=5,cue-swap=5",
                                        "label=5,pair=5",
                                        "label=5,rationale-text=5",
                                        "label=5,keywords=9",
                                        "label=5,cues=9",
                                        "label=5,align=3",
                                        "rationale=3",
                                        "polarity=9",
                                        "label=5,polarity=5",
                                        "label=5,soft=5"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        test_directions("pretraining", specs[i], NULL);
    test_directions("pretraining", "label=5,cues=5,align=2,keywords=5,counterfactual=5", &some);
    test_directions("pretraining", "label=5,rdrop=9", &some);
}

/* The same bits from one thread and three, and with everything in one step. */
static void test_threads(void)
{
    static const struct model_dropout some = {0.1, 0.1, 0.1, 5};
    static const char all[] =
        "label,soft,counterfactual,pair,cue-text,cue-swap,rationale-text,keywords,cues,align,rationale,"
        "polarity,rdrop";
    struct student s;
    struct error err = {0};
    student_init(&s, "pretraining", all);
    float *one = xaligned(s.m.parameters.slab_size * sizeof *one);
    double loss = step(&s, &some, ROWS, one);
    ok(isfinite(loss) && loss > 0, "all terms together: %g", loss);
    struct nn single = nn;
    if (nn_cpu(&nn, &(struct nn_options){.threads = 3}, &err) < 0)
        bail_out("nn_cpu", err.text);
    near(step(&s, &some, ROWS, s.gradients), loss, 0, "three threads: the same loss");
    ok(memcmp(s.gradients, one, s.m.parameters.slab_size * sizeof *one) == 0, "and gradient, byte for byte");
    nn_free(&nn);
    nn = single;
    free(one);
    student_free(&s);
}

/* What prepare found out is valid JSON and names its term. */
static void test_describe(void)
{
    struct student s;
    struct buf json = {0};
    buf_addstr(&json, "{\"a\":0");
    student_init(&s, "pretraining",
                 "label,soft,keywords,cues,align,polarity,counterfactual,pair,cue-text,cue-swap,"
                 "rationale-text");
    objectives_describe(&s.o, &json);
    buf_addstr(&json, "}");
    ok(strstr(json.data, "\"cues_rows\":23,") != NULL, "cues: rows with marks, without the contradicted one");
    ok(strstr(json.data, "\"counterfactual_rows\":23,") != NULL, "counterfactual: its rows");
    ok(strstr(json.data, "\"pair_rows\":23,") != NULL, "pair: as many");
    ok(strstr(json.data, "\"cue-swap_rows\":23,\"cue-swap_spans\":[12,11]") != NULL, "cue-swap: rows and spans");
    ok(strstr(json.data, "\"polarity_lexicon_words\":4,") != NULL, "polarity: its lexicon");
    ok(strstr(json.data, "\"keywords_words\":") != NULL, "keywords: its vocabulary");
    student_free(&s);
    buf_free(&json);
}

int main(void)
{
    struct error err = {0};
    make_tokens();
    if (nn_cpu(&nn, &(struct nn_options){.threads = 1}, &err) < 0)
        bail_out("nn_cpu", err.text);
    test_words();
    test_reasoning_row();
    test_lexicon();
    test_verdict();
    test_gradients();
    test_threads();
    test_describe();
    nn_free(&nn);
    return done_testing();
}
