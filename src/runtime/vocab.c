/* Reads the tokenizer.* keys of a model file into a tokenizer. What they mean is the business of the floor text. */
#include "runtime/vocab.h"

#include <stdlib.h>

#define VOCAB_MAX_NAME_BYTES 256 /* of a model's name, looked at for its family */
#define VOCAB_MAX_SPARE 256      /* tokens of images and the like, which have no row in the weights */

/* Lists made for the open call alone. */
struct lists {
    int64_t n;                   /* entries of the file's list, of which the spec takes those with a row */
    int32_t *types;
    float *scores;
};

static bool read_id(const struct gguf *g, const char *key, int32_t *ret, struct err *err)
{
    uint32_t id = UINT32_MAX; /* absent; some writers also say so with this number */
    if (!gguf_get_u32(g, key, &id, err))
        return false;
    if (id != UINT32_MAX && id > INT32_MAX)
        return err_set(err, ERR_CORRUPT, "%s is %u, which is no token", key, id);
    if (id != UINT32_MAX)
        *ret = (int32_t)id;
    return true;
}

/* The list `key` has as many entries as there are tokens, or none. */
static bool check_count(const char *key, int64_t n, int64_t n_tokens, struct err *err)
{
    return n == 0 || n == n_tokens ||
           err_set(err, ERR_CORRUPT, "%s has %lld entries for %lld tokens", key, (long long)n, (long long)n_tokens);
}

static bool read_types(const struct gguf *g, struct tokenizer_spec *spec, struct lists *lists, struct err *err)
{
    struct gguf_array types;
    if (!gguf_get_array(g, "tokenizer.ggml.token_type", GGUF_I32, &types, err) ||
        !check_count("tokenizer.ggml.token_type", types.n, lists->n, err))
        return false;
    if (types.n == 0)
        return true;
    spec->types = lists->types = malloc((size_t)types.n * sizeof *lists->types);
    if (!lists->types)
        return err_nomem(err, "the tokenizer's token types");
    for (int64_t i = 0; i < types.n; i++)
        lists->types[i] = (int32_t)gguf_array_i64(&types, i);
    return true;
}

static bool read_scores(const struct gguf *g, struct tokenizer_spec *spec, struct lists *lists, struct err *err)
{
    struct gguf_array scores;
    if (!str_is(spec->model, "llama")) /* the others merge without them */
        return true;
    if (!gguf_get_array(g, "tokenizer.ggml.scores", GGUF_F32, &scores, err) ||
        !check_count("tokenizer.ggml.scores", scores.n, lists->n, err))
        return false;
    if (scores.n == 0)
        return true;
    spec->scores = lists->scores = malloc((size_t)scores.n * sizeof *lists->scores);
    if (!lists->scores)
        return err_nomem(err, "the tokenizer's scores");
    for (int64_t i = 0; i < scores.n; i++)
        lists->scores[i] = gguf_array_f32(&scores, i);
    return true;
}

/* Files of Gemma 3 that once saw list a token or more behind the last that the weights know. */
static int64_t tokens_with_row(const struct gguf *g, int64_t listed)
{
    const struct tensor *rows = gguf_tensor(g, "token_embd.weight");
    return rows && rows->ne[1] < listed && listed - rows->ne[1] <= VOCAB_MAX_SPARE ? rows->ne[1] : listed;
}

static bool read_lists(const struct gguf *g, struct tokenizer_spec *spec, struct lists *lists, struct err *err)
{
    struct gguf_array tokens, merges;
    if (!gguf_get_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, err) ||
        !gguf_get_array(g, "tokenizer.ggml.merges", GGUF_STRING, &merges, err))
        return false;
    if (tokens.n == 0)
        return err_set(err, ERR_CORRUPT, "the file has no vocabulary (tokenizer.ggml.tokens)");
    spec->tokens = tokens.strings;
    lists->n = tokens.n;
    spec->n_tokens = (int32_t)tokens_with_row(g, tokens.n);
    spec->merges = merges.strings;
    spec->n_merges = (int32_t)merges.n;
    return read_types(g, spec, lists, err) && read_scores(g, spec, lists, err);
}

/* Ids that files of a kind may leave out. */
static void default_ids(struct tokenizer_spec *spec)
{
    if (str_is(spec->model, "llama")) {
        spec->bos = 1;
        spec->eos = 2;
        spec->unknown = 0;
    } else if (str_is(spec->model, "bert")) {
        spec->bos = 101;
        spec->eos = 102;
        spec->unknown = 100;
    }
}

/* A text of BERT begins with its class token and ends with its separator. */
static bool read_ids(const struct gguf *g, struct tokenizer_spec *spec, struct err *err)
{
    bool bert = str_is(spec->model, "bert");
    default_ids(spec);
    return read_id(g, bert ? "tokenizer.ggml.cls_token_id" : "tokenizer.ggml.bos_token_id", &spec->bos, err) &&
           read_id(g, bert ? "tokenizer.ggml.seperator_token_id" : "tokenizer.ggml.eos_token_id", &spec->eos, err) &&
           read_id(g, "tokenizer.ggml.eot_token_id", &spec->eot, err) &&
           read_id(g, "tokenizer.ggml.eom_token_id", &spec->eom, err) &&
           read_id(g, "tokenizer.ggml.unknown_token_id", &spec->unknown, err);
}

static bool read_flags(const struct gguf *g, struct tokenizer_spec *spec, struct err *err)
{
    if (!gguf_get_bool(g, "tokenizer.ggml.normalizer.lowercase", &spec->lowercase, err))
        return false;
    spec->strip_accents = spec->lowercase;
    return gguf_get_bool(g, "tokenizer.ggml.normalizer.strip_accents", &spec->strip_accents, err) &&
           gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &spec->add_bos, err) &&
           gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &spec->add_eos, err) &&
           gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &spec->space_prefix, err);
}

/* Phi-3's names take the white space after them along, which only the model's name tells. */
static bool read_family(const struct gguf *g, struct tokenizer_spec *spec, struct err *err)
{
    struct str name = STR("");
    if (!gguf_get_str(g, "general.name", &name, err))
        return false;
    name = utf8_clip(name, VOCAB_MAX_NAME_BYTES);
    for (size_t at = 0; at < name.n; at++) {
        struct str rest = {name.p + at, name.n - at};
        if ((rest.n >= 5 && str_eq_nocase((struct str){rest.p, 5}, STR("phi-3"))) ||
            (rest.n >= 4 && str_eq_nocase((struct str){rest.p, 4}, STR("phi3"))))
            spec->names_trim = true;
    }
    return true;
}

/* Ollama's files of some families name no pre-tokenizer, or the default one, and mean the family's own. */
static bool read_pre(const struct gguf *g, struct str *ret, struct err *err)
{
    static const struct {
        const char *arch, *pre;
    } silent[] = {{"mistral3", "tekken"}, {"gptoss", "gpt-4o"}};
    struct str arch = STR("");
    if (!gguf_get_str(g, "general.architecture", &arch, err) || !gguf_get_str(g, "tokenizer.ggml.pre", ret, err))
        return false;
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        if (str_is(arch, silent[i].arch) && (ret->n == 0 || str_is(*ret, "default")))
            *ret = str_of(silent[i].pre);
    return true;
}

bool vocab_open(const struct gguf *g, struct tokenizer **ret, struct err *err)
{
    struct str model, pre = STR("");
    struct lists lists = {0};
    bool ok = gguf_need_str(g, "tokenizer.ggml.model", &model, err) && read_pre(g, &pre, err);
    if (ok) {
        struct tokenizer_spec spec = tokenizer_spec_of(model, pre);
        ok = read_lists(g, &spec, &lists, err) && read_ids(g, &spec, err) && read_flags(g, &spec, err) &&
             read_family(g, &spec, err) && tokenizer_open(&spec, ret, err);
    }
    free(lists.types);
    free(lists.scores);
    return ok || err_prefix(err, "%s: ", gguf_path(g));
}
