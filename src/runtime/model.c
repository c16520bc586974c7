/* What a model is made of: its file's map, tokenizer, template and engine; what its header tells before they exist; and
 * the runtime's own life, which starts the engine thread (schedule/) and the loader thread (loader.c). When parts
 * come and go is the loader's business. */
#include <stdlib.h>
#include <time.h>

#include "base/machine.h"
#include "base/rng.h"
#include "engine/fit.h"
#include "runtime/runtime_private.h"
#include "runtime/schedule/prefix_disk.h"
#include "runtime/vocab.h"

/* Of the memory that is available at the start, what is left to everybody else: an eighth, at most this. */
#define RUNTIME_MAX_RESERVE_BYTES ((int64_t)2 << 30)

#define TEMPLATE_KEY "tokenizer.chat_template"

/* ---- the runtime ---- */

static int64_t default_memory(void)
{
    struct machine machine;
    machine_read(&machine);
    int64_t reserve = machine.available_bytes / 8;
    if (reserve > RUNTIME_MAX_RESERVE_BYTES)
        reserve = RUNTIME_MAX_RESERVE_BYTES;
    return machine.available_bytes > 0 ? machine.available_bytes - reserve : INT64_MAX;
}

static void runtime_init(struct runtime *rt)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&rt->lock, NULL);
    pthread_cond_init(&rt->wake, NULL);
    pthread_cond_init(&rt->load_wake, &monotonic);
    pthread_cond_init(&rt->model_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (int i = 0; i < 2; i++)
        rt->secret[i] = rng_entropy();
    rt->memory_bytes = default_memory();
    rt->load_timeout_ms = RUNTIME_LOAD_TIMEOUT_MS;
    rt->max_waiting = RUNTIME_MAX_WAITING;
}

void runtime_free(struct runtime *rt)
{
    for (struct local_model *m = rt->models; m; m = m->next)
        adapters_close(m);
    while (rt->models) {
        struct local_model *m = rt->models;
        rt->models = m->next;
        model_free(m);
    }
    prefix_disk_close(rt->prefix_disk);
    pool_close(rt->pool);
    free(rt->turn.masks);
    free(rt->turn.hidden);
    pthread_cond_destroy(&rt->wake);
    pthread_cond_destroy(&rt->load_wake);
    pthread_cond_destroy(&rt->model_changed);
    pthread_mutex_destroy(&rt->lock);
    free(rt);
}

static void stop_threads(struct runtime *rt, bool engine, bool loader)
{
    pthread_mutex_lock(&rt->lock);
    rt->stop = true;
    pthread_cond_signal(&rt->wake);
    pthread_cond_signal(&rt->load_wake);
    pthread_cond_broadcast(&rt->model_changed);
    pthread_mutex_unlock(&rt->lock);
    if (engine)
        pthread_join(rt->thread, NULL);
    if (loader)
        pthread_join(rt->loader, NULL);
}

bool runtime_open(int threads, struct runtime **ret, struct err *err)
{
    bool engine = false, loader = false;
    struct runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return err_nomem(err, "the runtime");
    runtime_init(rt);
    if (!pool_open(threads, &rt->pool, err))
        goto out;
    engine = pthread_create(&rt->thread, NULL, scheduler_run, rt) == 0;
    loader = engine && pthread_create(&rt->loader, NULL, loader_run, rt) == 0;
    if (!loader) {
        err_set(err, ERR_IO, "cannot start the %s thread: the system allows no more threads",
                engine ? "loader" : "engine");
        goto out;
    }
    *ret = rt;
    return true;
out:
    stop_threads(rt, engine, loader);
    runtime_free(rt);
    return false;
}

bool runtime_remember_on_disk(struct runtime *rt, const char *folder, int64_t max_bytes, struct err *err)
{
    if (!prefix_disk_open(folder, max_bytes, &rt->prefix_disk, err))
        return err_prefix(err, "remembering prompts on disk: ");
    memcpy(rt->secret, prefix_disk_secret(rt->prefix_disk), sizeof rt->secret);
    return true;
}

void runtime_close(struct runtime *rt)
{
    if (!rt)
        return;
    stop_threads(rt, true, true);
    pthread_mutex_lock(&rt->lock);
    rt->closed = true;
    bool last = rt->users == 0;   /* a generation may be closed after the runtime: then that frees it */
    pthread_mutex_unlock(&rt->lock);
    if (last)
        runtime_free(rt);
}

/* ---- the parts of a model ---- */

/* Files of Gemma may come without a template: Ollama keeps its own beside them. This is the family's: no role for the
 * system, whose text leads the first turn. */
static const char gemma_template[] =
    "{%- set lead = '' %}"
    "{%- if messages[0].role == 'system' %}"
    "{%- set lead = messages[0].content + '\n\n' %}{%- set messages = messages[1:] %}"
    "{%- endif %}"
    "{%- for m in messages %}"
    "{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
    "{{- lead if loop.first else '' }}{{- m.content | trim }}{{- '<end_of_turn>\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}";

static struct str family_template(const struct tokenizer *t)
{
    bool gemma = tokenizer_find(t, STR("<start_of_turn>")) >= 0 && tokenizer_find(t, STR("<end_of_turn>")) >= 0;
    return gemma ? str_of(gemma_template) : STR("");
}

static bool open_template(struct local_model *m, struct err *err)
{
    struct str source = family_template(m->tokenizer);
    return gguf_get_str(m->g, TEMPLATE_KEY, &source, err) &&
           (source.n == 0 || template_compile(source, &m->template, err) ||
            err_prefix(err, "the chat template of %s: ", m->name));
}

static bool open_vocabulary(struct local_model *m, struct err *err)
{
    if (!vocab_open(m->g, &m->tokenizer, err))
        return false;
    if (tokenizer_count(m->tokenizer) > m->info.engine.n_vocab)
        return err_set(err, ERR_CORRUPT, "%s: the tokenizer has %d tokens, the weights only %lld", gguf_path(m->g),
                       tokenizer_count(m->tokenizer), (long long)m->info.engine.n_vocab);
    return true;
}

/* The file was replaced since it was declared, and callers know the numbers of the old one. */
static bool still_the_same(const struct local_model *m, struct err *err)
{
    const struct engine_info *was = &m->info.engine, *is = engine_info(m->engine);
    if (was->n_vocab == is->n_vocab && was->n_layer == is->n_layer && was->n_ctx_train == is->n_ctx_train &&
        was->weight_bytes == is->weight_bytes && strcmp(was->architecture, is->architecture) == 0)
        return true;
    return err_set(err, ERR_CORRUPT, "the file %s holds another model than when Rung was started; start Rung again",
                   m->path);
}

bool model_open_parts(struct local_model *m, struct err *err)
{
    struct prefix_options prefixes = {
        .context = m->info.context, .kv_type = m->kv_type, .kv_bytes = m->kv_bytes, .disk = m->rt->prefix_disk};
    struct word_markers markers = {m->calls, m->reasoning};
    atomic_store(&m->kv_held, 0);
    if (engine_open(m->g, m->rt->pool, &m->engine, err) && still_the_same(m, err) && open_vocabulary(m, err) &&
        open_template(m, err) && rule_store_open(m->tokenizer, m->info.engine.n_vocab, &markers, &m->rules, err) &&
        prefix_open(m->engine, &prefixes, &m->prefixes, err))
        return true;
    model_close_parts(m);
    return false;
}

void model_close_parts(struct local_model *m)
{
    prefix_close(m->prefixes);
    engine_close(m->engine);
    template_free(m->template);
    rule_store_close(m->rules);
    tokenizer_close(m->tokenizer);
    m->prefixes = NULL;
    m->rules = NULL;
    m->engine = NULL;
    m->template = NULL;
    m->tokenizer = NULL;
}

/* ---- the header ---- */

static int64_t context_bytes(const struct local_model *m, int64_t context)
{
    return engine_session_bytes(&m->info.engine, m->kv_type, context);
}

/* The longest context, up to `most`, that so many bytes hold; 0: none. */
static int64_t context_within(const struct local_model *m, int64_t bytes, int64_t most)
{
    int64_t low = 0;
    while (low < most) {
        int64_t middle = low + (most - low + 1) / 2;
        if (context_bytes(m, middle) <= bytes)
            low = middle;
        else
            most = middle - 1;
    }
    return low;
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

/* A given budget that is too small for the context bounds it, unless that was given too: then they contradict. */
static bool fit_context_to_budget(struct local_model *m, const struct local_model_options *o, struct err *err)
{
    int64_t holds = context_within(m, o->kv_bytes, m->info.context);
    if (holds < m->info.context && (o->context || holds == 0))
        return err_set(err, ERR_INVALID,
                       "%s: 'kv_memory' of %.1f MB holds %lld tokens, a context of %lld needs %.1f MB; raise it, or "
                       "take a smaller context%s",
                       m->name, (double)o->kv_bytes / 1e6, (long long)holds, (long long)m->info.context,
                       (double)context_bytes(m, m->info.context) / 1e6,
                       o->kv_q8 ? "" : " or 8-bit keys and values ('kv_cache: q8_0')");
    m->info.context = holds;
    m->kv_bytes = o->kv_bytes;
    return true;
}

/* A full context, so that every request comes to an end, and a second one for its company and for remembered prompts.
 * Only as much as leaves most of the memory to weights: a model that fits alone is never kept out by the second. */
static void choose_budget(struct local_model *m, int64_t weights, int64_t rest)
{
    int64_t one = context_bytes(m, m->info.context), memory = m->rt->memory_bytes;
    bool room = one <= memory / 8 && one <= (memory - weights - rest) / 2;
    m->kv_bytes = room ? 2 * one : one;
}

static bool choose_cache(struct local_model *m, const struct gguf *g, const struct local_model_options *o,
                         struct err *err)
{
    struct engine_needs needs;
    if (!engine_needs_of(g, pool_threads(m->rt->pool), &needs, err) || !choose_context(m, o->context, err))
        return false;
    int64_t words = WORDS_BYTES + WORDS_TOKEN_BYTES * m->info.engine.n_vocab;   /* rules, once there is one */
    int64_t rest = needs.compute_bytes + needs.vocabulary_bytes + words;
    if (o->kv_bytes == 0)
        choose_budget(m, needs.weight_bytes + needs.embedding_bytes, rest);
    else if (!fit_context_to_budget(m, o, err))
        return false;
    m->own_bytes = m->kv_bytes + rest;
    return true;
}

/* What the engine has to say of the file, and whether it keeps its keys and values so. */
static bool ask_engine(struct local_model *m, const struct gguf *g, struct err *err)
{
    struct engine *engine;
    struct session *s = NULL;
    if (!engine_open(g, m->rt->pool, &engine, err))
        return false;
    m->info.engine = *engine_info(engine);
    bool ok = session_open(engine, 1, m->kv_type, &s, err) || err_prefix(err, "%s: ", m->name);
    session_close(s);
    engine_close(engine);
    return ok;
}

/* As the file says it (1: mean, 3: last), else the mean: that needs no token which a text was trained to end with. */
static bool read_pooling(const struct gguf *g, const char *architecture, enum pooling *ret, struct err *err)
{
    char key[96];
    uint32_t type = 0;
    snprintf(key, sizeof key, "%s.pooling_type", architecture);
    if (!gguf_get_u32(g, key, &type, err))
        return false;
    *ret = type <= 1 ? POOLING_MEAN : type == 3 ? POOLING_LAST : POOLING_OTHER;
    return true;
}

bool model_read_header(struct local_model *m, const struct gguf *g, const struct local_model_options *options,
                       struct err *err)
{
    struct str display_name = STR(""), source = STR("");
    m->kv_type = options->kv_q8 ? TENSOR_Q8_0 : TENSOR_F16;
    if (!gguf_get_str(g, "general.name", &display_name, err) || !ask_engine(m, g, err))
        return false;
    m->display_name = str_dup(display_name);
    if (!m->display_name)
        return err_nomem(err, "a model");
    m->info.name = m->name;
    m->info.path = m->path;
    m->info.display_name = m->display_name;
    if (!gguf_get_str(g, TEMPLATE_KEY, &source, err) || !choose_cache(m, g, options, err))
        return false;
    if (!infill_find(g, &m->infill, err) || !read_pooling(g, m->info.engine.architecture, &m->info.pooling, err))
        return false;
    m->info.fills_in = m->infill.middle >= 0;
    prompt_read_template(m, source);
    speculator_open(&m->speculator, options->no_speculation ? SPECULATE_OFF : SPECULATE_WHERE_IT_PAYS);
    return true;
}

/* ---- a handle ---- */

struct local_model *model_new(struct runtime *rt, const char *name, const char *path)
{
    struct local_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->rt = rt;
    m->name = str_dup(str_of(name));
    m->path = str_dup(str_of(path));
    if (m->name && m->path)
        return m;
    model_free(m);
    return NULL;
}

void model_free(struct local_model *m)
{
    if (!m)
        return;
    if (!m->base) {   /* an adapter's parts are its base's, which closes them */
        model_close_parts(m);
        mapped_file_release(m->rt, m->file);
    }
    free(m->name);
    free(m->path);
    free(m->display_name);
    free(m);
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
