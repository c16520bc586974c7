/* The splitter of reasoning. The first byte chooses the family and whether the prompt opened the section, the second
 * the size of the pieces: text in pieces must part as it does at once, and none of it may be added. */
#include <stdlib.h>

#include "runtime/reasoning.h"

static const char *const templates[] = {
    "<think>", "<|channel|><|message|>", "[/THINK]", "<response></response>", "<|channel>thought",
    "<|START_THINKING|>", "[BEGIN FINAL RESPONSE]", "none",
};
#define N_TEMPLATES (sizeof templates / sizeof *templates)

struct outcome {
    struct buf parts[2];
};

static void take(struct outcome *o, struct text_parts *parts)
{
    enum answer_part part;
    struct str text;
    while (text_parts_first(parts, &part, &text)) {
        buf_str(&o->parts[part], text);
        text_parts_drop(parts);
    }
}

static struct outcome split(const char *template, bool inside, struct str text, size_t size)
{
    struct outcome o = {{BUF_INIT(1u << 22), BUF_INIT(1u << 22)}};
    struct text_parts parts = {0};
    struct reasoning r;
    reasoning_open(&r, reasoning_detect(str_of(template)), inside);
    for (size_t at = 0; at < text.n; at += size) {
        reasoning_add(&r, (struct str){text.p + at, size < text.n - at ? size : text.n - at}, &parts);
        take(&o, &parts);
    }
    reasoning_end(&r, &parts);
    take(&o, &parts);
    reasoning_close(&r);
    buf_free(&parts.text);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > REASONING_MAX_HELD_BYTES)
        return 0;
    const char *template = templates[data[0] % N_TEMPLATES];
    bool inside = data[0] / N_TEMPLATES % 2;
    struct str text = {(const char *)data + 2, size - 2};
    struct outcome bytes = split(template, inside, text, 1), pieces = split(template, inside, text, 1 + data[1]);
    for (int i = 0; i < 2; i++)
        if (!str_eq(buf_view(&bytes.parts[i]), buf_view(&pieces.parts[i])))
            abort();
    for (int i = 0; i < 2; i++) {
        buf_free(&bytes.parts[i]);
        buf_free(&pieces.parts[i]);
    }
    return 0;
}
