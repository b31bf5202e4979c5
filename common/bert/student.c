/* student.c - see student.h. */
#include "bert/student.h"

#include <stdlib.h>

#include "base/memory.h"

void student_tokens_init(struct student_tokens *t, const struct vocabulary *v)
{
    const int32_t special[] = {v->unk, v->cls, v->sep, v->pad, v->mask};
    t->special = xcalloc(v->n_tokens, sizeof *t->special);
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i] >= 0)
            t->special[special[i]] = 1;
    for (size_t i = 0; i < v->n_added; i++)
        if (v->added[i].special && (size_t)v->added[i].id < v->n_tokens)
            t->special[v->added[i].id] = 1;
    t->table = (struct token_table){v->tokens, v->n_tokens, v->prefix, t->special, v->mask};
}

void student_tokens_free(struct student_tokens *t)
{
    free(t->special);
    *t = (struct student_tokens){0};
}

int student_make(struct model *m, struct objectives *objectives, const char *init, const struct vocabulary *v,
                 const struct student_tokens *tokens, const struct train_data *data, const char *rows_name,
                 const struct stream_head *head, const struct train_options *o, bool *fresh, struct error *err)
{
    struct model_heads heads;
    int status = 0;
    *fresh = true;
    if (init) {
        bert_config_preset(&m->config, init, (long)v->n_tokens);
        m->config.pad_token_id = v->pad >= 0 ? v->pad : 0;
    }
    const struct objective_setting setting = {.rows = data->train,
                                              .classes = head->n_labels,
                                              .config = &m->config,
                                              .tokens = &tokens->table,
                                              .seed = o->seed,
                                              .mlm_probability = o->mlm_probability,
                                              .whole_word_masking = o->whole_word_masking,
                                              .class_weights = o->class_weights,
                                              .label_smoothing = o->label_smoothing,
                                              .labels = (const char *const *)head->labels,
                                              .unlabelled = data->unlabelled,
                                              .temperature = o->temperature};
    if (model_check_rows(m, data->train, err) < 0 || objectives_prepare(objectives, &setting, err) < 0)
        return error_prefix(err, "%s", rows_name);
    objectives_heads(objectives, &m->config, head->n_labels, &heads);
    if (!init && !heads.pooler && m->checkpoint.has_pooler)
        model_heads_keep_pooler(&heads, &m->config);
    if (init)
        model_random(m, &m->config, &heads, o->seed);
    else
        status = model_load(m, &heads, o->seed, fresh, err);
    model_heads_free(&heads);
    if (status == 0)
        m->config.architecture = model_architecture(m);
    return status;
}
