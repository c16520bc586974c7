/* Loading models and opening the runtime: a model is its file, tokenizer, template and engine, kept until the
 * runtime closes. The engine thread starts here; what it does is in scheduler.c. */
#include <stdlib.h>

#include "runtime/runtime_private.h"
#include "runtime/vocab.h"

/* ---- the runtime ---- */

bool runtime_open(int threads, struct runtime **ret, struct err *err)
{
    struct runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return err_nomem(err, "the runtime");
    pthread_mutex_init(&rt->lock, NULL);
    pthread_cond_init(&rt->wake, NULL);
    if (!pool_open(threads, &rt->pool, err))
        goto out;
    if (pthread_create(&rt->thread, NULL, scheduler_run, rt) != 0) {
        err_set(err, ERR_IO, "cannot start the engine thread: the system allows no more threads");
        goto out;
    }
    *ret = rt;
    return true;
out:
    pool_close(rt->pool);
    pthread_cond_destroy(&rt->wake);
    pthread_mutex_destroy(&rt->lock);
    free(rt);
    return false;
}

static void local_model_free(struct local_model *m)
{
    if (!m)
        return;
    engine_close(m->engine);
    template_free(m->template);
    tokenizer_close(m->tokenizer);
    gguf_close(m->g);
    free(m->name);
    free(m->display_name);
    free(m);
}

void runtime_close(struct runtime *rt)
{
    if (!rt)
        return;
    pthread_mutex_lock(&rt->lock);
    rt->stop = true;
    pthread_cond_signal(&rt->wake);
    pthread_mutex_unlock(&rt->lock);
    pthread_join(rt->thread, NULL);
    while (rt->models) {
        struct local_model *m = rt->models;
        rt->models = m->next;
        local_model_free(m);
    }
    pool_close(rt->pool);
    pthread_cond_destroy(&rt->wake);
    pthread_mutex_destroy(&rt->lock);
    free(rt);
}

/* ---- models ---- */

static bool open_template(struct local_model *m, struct err *err)
{
    struct str source = {0};
    if (!gguf_get_str(m->g, "tokenizer.chat_template", &source, err))
        return false;
    if (source.n == 0)
        return true;
    if (!template_compile(source, &m->template, err))
        return err_prefix(err, "the chat template of %s: ", m->name);
    m->info.has_template = true;
    bool mentioned = str_find(source, STR("<think>")) != SIZE_MAX || str_find(source, STR("</think>")) != SIZE_MAX;
    m->info.thinks = mentioned && m->think_open >= 0;
    return true;
}

static bool open_vocabulary(struct local_model *m, struct err *err)
{
    if (!vocab_open(m->g, &m->tokenizer, err))
        return false;
    if (tokenizer_count(m->tokenizer) > m->info.engine.n_vocab)
        return err_set(err, ERR_CORRUPT, "%s: the tokenizer has %d tokens, the weights only %lld", gguf_path(m->g),
                       tokenizer_count(m->tokenizer), (long long)m->info.engine.n_vocab);
    m->think_open = tokenizer_find(m->tokenizer, STR("<think>"));
    m->think_close = tokenizer_find(m->tokenizer, STR("</think>"));
    if (m->think_open < 0 || m->think_close < 0)
        m->think_open = m->think_close = -1;
    return true;
}

static bool choose_context(struct local_model *m, int64_t wanted, struct err *err)
{
    int64_t trained = m->info.engine.n_ctx_train;
    if (wanted < 0 || wanted > trained)
        return err_set(err, ERR_INVALID,
                       "%s: a context of %lld tokens was asked for; the model was trained for 1 to %lld",
                       m->name, (long long)wanted, (long long)trained);
    m->info.context = wanted ? wanted : trained < RUNTIME_DEFAULT_CONTEXT ? trained : RUNTIME_DEFAULT_CONTEXT;
    return true;
}

static bool open_parts(struct local_model *m, const struct local_model_options *options, struct err *err)
{
    struct str display_name = STR("");
    if (!engine_open(m->g, m->rt->pool, &m->engine, err))
        return false;
    m->info.engine = *engine_info(m->engine);
    if (!gguf_get_str(m->g, "general.name", &display_name, err) || !open_vocabulary(m, err) || !open_template(m, err) ||
        !choose_context(m, options ? options->context : 0, err))
        return false;
    m->display_name = str_dup(display_name);
    if (!m->display_name)
        return err_nomem(err, "a model");
    m->info.name = m->name;
    m->info.path = gguf_path(m->g);
    m->info.display_name = m->display_name;
    return true;
}

bool runtime_load(struct runtime *rt, const char *name, struct filemap *map, const struct local_model_options *options,
                  struct local_model **ret, struct err *err)
{
    struct local_model *m = calloc(1, sizeof *m);
    if (!m || !(m->name = str_dup(str_of(name)))) {
        filemap_close(map);
        free(m);
        return err_nomem(err, "a model");
    }
    m->rt = rt;
    if (!gguf_open_map(map, &m->g, err) || !open_parts(m, options, err)) {
        local_model_free(m);
        return false;
    }
    pthread_mutex_lock(&rt->lock);
    m->next = rt->models;
    rt->models = m;
    pthread_mutex_unlock(&rt->lock);
    *ret = m;
    return true;
}

const struct local_model_info *local_model_info(const struct local_model *m)
{
    return &m->info;
}

int64_t local_model_count_tokens(const struct local_model *m, struct str text)
{
    struct token_ids ids = {0};
    int64_t n = tokenizer_encode(m->tokenizer, text, TOKENIZE_PLAIN, &ids, NULL) ? ids.n : -1;
    token_ids_free(&ids);
    return n;
}

struct str local_model_piece(const struct local_model *m, int32_t id)
{
    return tokenizer_piece(m->tokenizer, id);
}
