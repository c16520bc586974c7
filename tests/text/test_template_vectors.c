/* Real chat templates over the shared cases: what Jinja2 renders, byte for byte, or an error where it raises. */
#include "tests/support.h"

#include <jansson.h>

#include "base/filemap.h"
#include "text/template.h"

#define NOW_MS 1785058200000 /* 26 July 2026 09:30 UTC, the time of the vectors */

static json_t *load_json(const char *path)
{
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);
    if (!j)
        fail_msg("%s: %s", path, e.text);
    return j;
}

static struct template *load_template(const char *path, struct err *err)
{
    struct template *t = NULL;
    char *source;
    size_t n;
    assert_ok(file_read(path, TEMPLATE_MAX_SOURCE_BYTES, &source, &n, err), *err);
    template_compile((struct str){source, n}, &t, err);
    free(source);
    return t;
}

/* NULL: as expected. Else what went wrong, in static storage. */
static const char *check_case(const struct template *t, const json_t *inputs, const json_t *expected)
{
    static char text[1200];
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    json_t *context = json_deep_copy(inputs);
    json_object_set_new(context, "bos_token", json_string("<s>"));
    json_object_set_new(context, "eos_token", json_string("</s>"));
    bool ok = template_render(t, context, NOW_MS, &out, &err);
    const char *want = json_string_value(json_object_get(expected, "text"));
    const char *wrong = NULL;
    if (!ok && want) {
        err_format(&err, text, sizeof text);
        wrong = text;
    } else if (ok && !want) {
        wrong = "rendered, but Jinja2 raises";
    } else if (ok && !str_is(buf_view(&out), want)) {
        size_t at = 0;
        while (at < out.n && out.p[at] == want[at])
            at++;
        snprintf(text, sizeof text, "differs at byte %zu: got '%.60s', want '%.60s'", at, out.p + at, want + at);
        wrong = text;
    }
    json_decref(context);
    buf_free(&out);
    return wrong;
}

/* How many cases of the template fail; each is printed. */
static int check_template(const char *name, const json_t *cases)
{
    char jinja[300], expected_name[300], message[900];
    struct err err = ERR_INIT;
    snprintf(jinja, sizeof jinja, "vectors/template/%s.jinja", name);
    snprintf(expected_name, sizeof expected_name, "vectors/template/%s.expected.json", name);
    struct template *t = load_template(shared_path(jinja), &err);
    if (!t) {
        print_message("%s: %s\n", name, err_format(&err, message, sizeof message));
        return 1;
    }
    json_t *expected = load_json(shared_path(expected_name));
    const char *key;
    json_t *inputs;
    int failed = 0;
    json_object_foreach((json_t *)cases, key, inputs) {
        const char *wrong = check_case(t, inputs, json_object_get(expected, key));
        if (wrong)
            print_message("%s, case %s: %s\n", name, key, wrong);
        failed += wrong != NULL;
    }
    json_decref(expected);
    template_free(t);
    return failed;
}

static void test_template_renders_real_templates_as_jinja2(void **state)
{
    static const char *const names[] = {
        "Apertus-8B-Instruct",
        "Apriel-1.6-15b-Thinker-fixed",
        "ByteDance-Seed-OSS",
        "Cohere2MoE",
        "CohereForAI-c4ai-command-r7b-12-2024-tool_use",
        "GLM-4.6",
        "GigaChat3-10B-A1.8B",
        "GigaChat3.1-10B-A1.8B",
        "Kimi-K2-Instruct",
        "Kimi-K2-Thinking",
        "LFM2-8B-A1B",
        "LFM2.5-8B-A1B",
        "MiMo-VL",
        "MiniMax-M1",
        "MiniMax-M3",
        "Mistral-Small-3.2-24B-Instruct-2506",
        "NVIDIA-Nemotron-Nano-v2",
        "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
        "Qwen-QwQ-32B",
        "Qwen-Qwen2.5-7B-Instruct",
        "Qwen-Qwen3-0.6B",
        "Qwen3-Coder",
        "Qwen3.5-4B",
        "Spark2.5",
        "StepFun3.5-Flash",
        "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
        "deepseek-ai-DeepSeek-V3.1",
        "deepseek-ai-DeepSeek-V4-Flash-0731",
        "deepseek-ai-DeepSeek-V4",
        "google-gemma-2-2b-it",
        "google-gemma-4-31B-it-interleaved",
        "ibm-granite-granite-3.3-2B-Instruct",
        "ibm-granite-granite-4.0",
        "inclusionai-ling-3.0-flash",
        "llama-cpp-deepseek-r1",
        "meetkai-functionary-medium-v3.1",
        "meetkai-functionary-medium-v3.2",
        "meta-llama-Llama-3.2-3B-Instruct",
        "meta-llama-Llama-3.3-70B-Instruct",
        "mistralai-Ministral-3-14B-Reasoning-2512",
        "mistralai-Mistral-Nemo-Instruct-2407",
        "muse-glimmer",
        "openai-gpt-oss-120b",
        "poolside-Laguna-S-2.1",
        "poolside-Laguna-XS-2.1",
        "tencent-Hy3",
        "unsloth-Apriel-1.5",
        "upstage-Solar-Open-100B",
    };
    (void)state;
    SKIP_WITHOUT_SHARED(path, "vectors/template/cases.json");
    json_t *cases = load_json(path);
    int failed = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        failed += check_template(names[i], cases);
    json_decref(cases);
    assert_int_equal(failed, 0);
}

/* As in models/starter.gguf, key tokenizer.chat_template. */
static void test_template_renders_the_starter(void **state)
{
    static const char source[] =
        "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' "
        "+ '\\n' }}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
    struct err err = ERR_INIT;
    struct template *t;
    struct buf out = BUF_INIT(1000);
    (void)state;
    assert_ok(template_compile(STR(source), &t, &err), err);
    json_t *context = json_pack("{s:[{s:s,s:s},{s:s,s:s}],s:b}", "messages", "role", "system", "content", "Classify.",
                                "role", "user", "content", "Where is my card?", "add_generation_prompt", 1);
    assert_ok(template_render(t, context, 0, &out, &err), err);
    assert_string_equal(out.p, "<|im_start|>system\nClassify.<|im_end|>\n"
                               "<|im_start|>user\nWhere is my card?<|im_end|>\n<|im_start|>assistant\n");
    json_decref(context);
    buf_free(&out);
    template_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template_renders_real_templates_as_jinja2),
        cmocka_unit_test(test_template_renders_the_starter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
