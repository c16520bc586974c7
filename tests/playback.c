/* playback OUT.gguf TEMPLATE.jinja SCRIPT.json: writes a model that answers with a script, for tests and transcripts of
 * what models write (tool calls, reasoning) without a trained model of each family. It is a real model file and runs
 * through the whole engine: one layer whose weights are zero, an embedding that says which word of the script a token
 * is, and an output matrix that makes the next word the most likely. Any token outside the script is followed by the
 * first word, so the answer begins wherever the prompt ends.
 *
 * SCRIPT.json: {"words": ["<think>", "Let me see. ", ...], "control": ["<|im_start|>", ...], "end": "<|im_end|>",
 * "sure": 10}. sure: how certain the model is of its next word; at 0.4 about a third.
 * words come in order, must differ, and are longer than a byte; those listed in control, and the end, are control tokens, the others plain. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/filemap.h"
#include "data/json.h"
#include "model/gguf_write.h"
#include "text/tokenizer.h"

#define MAX_BYTES (1u << 20)
#define MAX_WORDS 250
#define MAX_TOKENS 1024
#define EMBD 256
#define HEADS 4
#define FF 32
#define CONTEXT 8192
#define CERTAIN 10.0

struct playback {
    char *names[MAX_TOKENS];       /* as a byte-level vocabulary spells them */
    int32_t types[MAX_TOKENS];
    int place[MAX_TOKENS];         /* of the word in the script, from 1; 0: outside */
    int n;
    int32_t end, words[MAX_WORDS + 1];
    int n_words;
    float sure;
};

/* The printable character that stands for a byte in byte-level vocabularies (GPT-2). */
static uint32_t letter_of(int byte)
{
    uint32_t extra = 256;
    for (int b = 0; b <= byte; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
        if (b == byte)
            return printable ? (uint32_t)b : extra;
        extra += !printable;
    }
    return 0;
}

static void spell(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char bytes[4];
        buf_add(out, bytes, (size_t)utf8_encode(letter_of((unsigned char)text.p[i]), bytes));
    }
}

static int32_t add_token(struct playback *p, struct str text, bool control)
{
    struct buf name = BUF_INIT(MAX_BYTES);
    if (control)
        buf_str(&name, text);
    else
        spell(text, &name);
    p->names[p->n] = buf_take(&name);
    p->types[p->n] = control ? TOKEN_CONTROL : TOKEN_NORMAL;
    return p->n++;
}

static int32_t find_token(const struct playback *p, struct str text)
{
    for (int i = 256; i < p->n; i++)
        if (p->types[i] == TOKEN_CONTROL && str_is(text, p->names[i]))
            return i;
    return -1;
}

static struct str text_of(const json_t *v)
{
    return (struct str){json_string_value(v), json_string_length(v)};
}

static bool read_script(const json_t *script, struct playback *p, struct err *err)
{
    const json_t *words = json_object_get(script, "words"), *control = json_object_get(script, "control");
    const json_t *end = json_object_get(script, "end"), *sure = json_object_get(script, "sure");
    p->sure = (float)(json_is_number(sure) ? json_number_value(sure) : CERTAIN);
    if (!json_is_array(words) || json_array_size(words) > MAX_WORDS || json_array_size(control) > MAX_WORDS ||
        !json_is_string(end))
        return err_set(err, ERR_INVALID, "the script needs at most %d words, and an end", MAX_WORDS);
    for (int b = 0; b < 256; b++)
        add_token(p, (struct str){&(char){(char)b}, 1}, false);
    p->end = add_token(p, text_of(end), true);
    for (size_t i = 0; i < json_array_size(control); i++)
        add_token(p, text_of(json_array_get(control, i)), true);
    for (size_t i = 0; i < json_array_size(words); i++) {
        struct str word = text_of(json_array_get(words, i));
        int32_t id = find_token(p, word);
        p->words[p->n_words++] = id >= 0 ? id : add_token(p, word, false);
        if (id < 0 && word.n < 2)
            return err_set(err, ERR_INVALID, "the word '" STR_FMT "' is a single byte, which prompts hold too",
                           STR_ARG(word));
        if (p->place[p->words[i]])
            return err_set(err, ERR_INVALID, "the word '" STR_FMT "' stands twice; cut the script elsewhere",
                           STR_ARG(word));
        p->place[p->words[i]] = (int)i + 1;
    }
    p->words[p->n_words] = p->end;
    return true;
}

static void write_metadata(struct gguf_writer *w, const struct playback *p, struct str template)
{
    struct str names[MAX_TOKENS];
    for (int i = 0; i < p->n; i++)
        names[i] = str_of(p->names[i]);
    gguf_write_str(w, "general.architecture", STR("llama"));
    gguf_write_str(w, "general.name", STR("Playback"));
    gguf_write_u32(w, "llama.block_count", 1);
    gguf_write_u32(w, "llama.context_length", CONTEXT);
    gguf_write_u32(w, "llama.embedding_length", EMBD);
    gguf_write_u32(w, "llama.feed_forward_length", FF);
    gguf_write_u32(w, "llama.attention.head_count", HEADS);
    gguf_write_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
    gguf_write_str(w, "tokenizer.ggml.model", STR("gpt2"));
    gguf_write_str(w, "tokenizer.ggml.pre", STR("qwen2"));
    gguf_write_strs(w, "tokenizer.ggml.tokens", names, p->n);
    gguf_write_i32s(w, "tokenizer.ggml.token_type", p->types, p->n);
    gguf_write_strs(w, "tokenizer.ggml.merges", (struct str[]){STR("a b")}, 0);
    gguf_write_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)p->end);
    gguf_write_str(w, "tokenizer.chat_template", template);
}

static void declare_tensors(struct gguf_writer *w, int n)
{
    static const char *const square[] = {"attn_q", "attn_k", "attn_v", "attn_output"};
    char name[64];
    gguf_write_tensor(w, "token_embd.weight", TENSOR_F32, 2, (int64_t[]){EMBD, n});
    gguf_write_tensor(w, "output.weight", TENSOR_F32, 2, (int64_t[]){EMBD, n});
    gguf_write_tensor(w, "output_norm.weight", TENSOR_F32, 1, (int64_t[]){EMBD});
    gguf_write_tensor(w, "blk.0.attn_norm.weight", TENSOR_F32, 1, (int64_t[]){EMBD});
    gguf_write_tensor(w, "blk.0.ffn_norm.weight", TENSOR_F32, 1, (int64_t[]){EMBD});
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "blk.0.%s.weight", square[i]);
        gguf_write_tensor(w, name, TENSOR_F32, 2, (int64_t[]){EMBD, EMBD});
    }
    gguf_write_tensor(w, "blk.0.ffn_gate.weight", TENSOR_F32, 2, (int64_t[]){EMBD, FF});
    gguf_write_tensor(w, "blk.0.ffn_up.weight", TENSOR_F32, 2, (int64_t[]){EMBD, FF});
    gguf_write_tensor(w, "blk.0.ffn_down.weight", TENSOR_F32, 2, (int64_t[]){FF, EMBD});
}

static bool write_same(struct gguf_writer *w, float value, int64_t n, struct err *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!gguf_write_data(w, &value, sizeof value, err))
            return false;
    return true;
}

static bool write_weights(struct gguf_writer *w, const struct playback *p, struct err *err)
{
    for (int t = 0; t < p->n; t++) {
        float row[EMBD] = {0};
        row[p->place[t]] = 1;
        if (!gguf_write_data(w, row, sizeof row, err))
            return false;
    }
    for (int t = 0; t < p->n; t++) {
        float row[EMBD] = {0};
        for (int i = 0; i <= p->n_words; i++)
            if (p->words[i] == t)
                row[i] = p->sure;
        if (!gguf_write_data(w, row, sizeof row, err))
            return false;
    }
    return write_same(w, 1, 3 * EMBD, err) && write_same(w, 0, 4 * EMBD * EMBD + 3 * EMBD * FF, err);
}

static bool write_model(const char *path, struct str template, const struct playback *p, struct err *err)
{
    struct gguf_writer *w;
    if (!gguf_writer_open(path, &w, err))
        return false;
    write_metadata(w, p, template);
    declare_tensors(w, p->n);
    bool ok = write_weights(w, p, err) && gguf_writer_finish(w, err);
    gguf_writer_close(w);
    return ok;
}

int main(int argc, char **argv)
{
    static struct playback p;
    struct err err = ERR_INIT;
    char *template = NULL, *script = NULL, text[900];
    size_t n_template, n_script;
    json_t *object = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: playback OUT.gguf TEMPLATE.jinja SCRIPT.json\n");
        return 2;
    }
    bool ok = file_read(argv[2], MAX_BYTES, &template, &n_template, &err) &&
              file_read(argv[3], MAX_BYTES, &script, &n_script, &err) &&
              json_parse_object((struct str){script, n_script}, argv[3], &object, &err) &&
              read_script(object, &p, &err) && write_model(argv[1], (struct str){template, n_template}, &p, &err);
    if (!ok)
        fprintf(stderr, "playback: %s\n", err_format(&err, text, sizeof text));
    json_decref(object);
    for (int i = 0; i < p.n; i++)
        free(p.names[i]);
    free(template);
    free(script);
    return ok ? 0 : 1;
}
