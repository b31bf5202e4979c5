/* model_card.c - see model_card.h. */
#include "bert/model_card.h"

#include <math.h>

#include "base/cli.h"

static void add_scores(struct buf *out, const struct model *m, const struct train_result *r)
{
    if (!r->evaluated) {
        buf_addstr(out, "It was not evaluated: no validation rows were given.\n");
        return;
    }
    buf_addstr(out, "| measure | validation |\n|---|---|\n");
    if (m->classes == 0) {
        buf_addf(out, "| masked tokens found | %.4f |\n", r->scores.accuracy);
        buf_addf(out, "| cross-entropy | %.4f |\n| perplexity | %.2f |\n", r->scores.loss, exp(r->scores.loss));
        return;
    }
    buf_addf(out, "| accuracy | %.4f |\n", r->scores.accuracy);
    buf_addf(out, "| macro F1 | %.4f |\n", r->scores.macro_f1);
    buf_addf(out, "| MCC | %.4f |\n", r->scores.mcc);
    buf_addf(out, "| cross-entropy | %.4f |\n", r->scores.loss);
    buf_addf(out, "| expected calibration error | %.4f |\n", r->scores.ece);
}

static void add_recipe(struct buf *out, const struct train_data *data, const struct train_options *o,
                       const struct train_result *r)
{
    buf_addf(out, "| training rows | %zu |\n", data->train->n);
    if (data->validation)
        buf_addf(out, "| validation rows | %zu |\n", data->validation->n);
    buf_addf(out, "| objective | `%s` |\n| steps | %llu |\n", o->objective, (unsigned long long)r->steps);
    buf_addf(out, "| rows a step | %ld |\n", o->batch_size * o->gradient_accumulation_steps);
    buf_addf(out, "| learning rate | %g, linear decay |\n| weight decay | %g |\n", o->learning_rate, o->weight_decay);
    if (o->warmup_steps > 0)
        buf_addf(out, "| warm-up | %ld steps |\n", o->warmup_steps);
    else
        buf_addf(out, "| warm-up | %g of the steps |\n", o->warmup_ratio);
    buf_addf(out, "| largest gradient norm | %g |\n", o->max_grad_norm);
    if (o->dropout >= 0)
        buf_addf(out, "| dropout | %g |\n", o->dropout);
    buf_addf(out, "| seed | %llu |\n", (unsigned long long)o->seed);
    buf_addf(out, "| training loss, last epoch | %.6f |\n", r->train_loss);
}

void model_card_write(struct buf *out, const struct model *m, const char *origin, const struct train_data *data,
                      const struct train_options *o, const struct train_result *result)
{
    const struct bert_config *c = &m->config;
    buf_addf(out, "---\nlibrary_name: transformers\npipeline_tag: %s\ntags:\n- bert\n---\n\n",
             m->classes ? "text-classification" : "fill-mask");
    buf_addf(out, "# %s\n\n", m->classes ? "Sentence classifier" : "Encoder");
    buf_addf(out, "A BERT encoder of %ld layers, %ld wide with %ld heads", c->num_hidden_layers, c->hidden_size,
             c->num_attention_heads);
    if (m->classes)
        buf_addf(out, ", and a classifier of %zu classes", m->classes);
    for (size_t i = 0; i < c->n_labels && m->classes; i++)
        buf_addf(out, "%s `%s`", i ? "," : ":", c->labels[i]);
    buf_addf(out, ". Trained by bert-train %s from %s.\n\n## Scores\n\n", distil_version, origin);
    add_scores(out, m, result);
    buf_addstr(out, "\n## Recipe\n\n| setting | value |\n|---|---|\n");
    add_recipe(out, data, o, result);
}
