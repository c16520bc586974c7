/* How likely each of --choices is under the model, for the JSON of rung run. What is found, and how, is
 * runtime/posterior.h's. */
#include <stdlib.h>

#include "cli/run/run.h"

static int likelier(const void *a, const void *b, void *probability)
{
    double x = ((const double *)probability)[*(const int *)a], y = ((const double *)probability)[*(const int *)b];
    return x != y ? (x < y) - (x > y) : *(const int *)a - *(const int *)b;
}

static bool find(const struct cli_model *m, const struct run_options *o, const struct chat_message *messages, int n,
                 struct run_posterior *ret, struct err *err)
{
    struct generation_request prompt = {.messages = messages, .n_messages = n, .enable_thinking = o->enable_thinking,
                                        .reasoning_effort = o->reasoning_effort};
    struct posterior_request req = {.prompt = &prompt, .choices = o->rule->spec.choices, .n = o->rule->spec.n_choices};
    if (!posterior_find(m->rt, m->model, &req, ret->probability, &ret->found, err))
        return false;
    for (int i = 0; i < req.n; i++)
        ret->order[i] = i;
    qsort_r(ret->order, (size_t)req.n, sizeof *ret->order, likelier, ret->probability);
    return true;
}

bool run_posterior(const struct cli_model *m, const struct run_options *o, const struct chat_message *messages, int n,
                   struct run_posterior *ret, struct err *err)
{
    *ret = (struct run_posterior){0};
    if (!o->rule || o->rule->spec.kind != RULE_CHOICES)
        return true;
    ret->probability = calloc((size_t)o->rule->spec.n_choices, sizeof *ret->probability);
    ret->order = calloc((size_t)o->rule->spec.n_choices, sizeof *ret->order);
    if (!ret->probability || !ret->order)
        return err_nomem(err, "the probabilities of the choices");
    bool ok = find(m, o, messages, n, ret, err);
    if (!ok && err->code == ERR_UNSUPPORTED) {
        *err = ERR_INIT;
        run_posterior_free(ret);
        return true;
    }
    return ok;
}

void run_posterior_free(struct run_posterior *p)
{
    free(p->probability);
    free(p->order);
    *p = (struct run_posterior){0};
}

void run_put_posterior(struct json_writer *w, const struct run_options *o, const struct run_posterior *p)
{
    json_key(w, "choices");
    json_open_array(w);
    for (int i = 0; i < o->rule->spec.n_choices; i++) {
        json_open_object(w);
        json_put_str(w, "choice", o->rule->spec.choices[p->order[i]]);
        json_put_f64(w, "probability", p->probability[p->order[i]]);
        json_close_object(w);
    }
    json_close_array(w);
    json_put_f64(w, "choices_residual", p->found.residual);
    json_put_f64(w, "choices_mass", p->found.mass);
}
