/* Kinds and traits against labelled prompts. The rules were written looking at half A only; half B is held out, and
 * its macro-F1 is what is demanded. RUNG_SHOW_MISSES=a prints what half A gets wrong (half B's are not for looking
 * at). */
#include "tests/support.h"

#include "base/filemap.h"
#include "data/json.h"
#include "gateway/kind/cues.h"
#include "gateway/kind/kind.h"

#define MAX_MESSAGES 64
#define WANTED_F1 0.85

struct tally {
    int hit[KIND_COUNT + TRAIT_COUNT], said[KIND_COUNT + TRAIT_COUNT], is[KIND_COUNT + TRAIT_COUNT];
    int cases;
};

static struct str content_of(json_t *message)
{
    json_t *content = json_object_get(message, "content");
    return json_is_string(content) ? (struct str){json_string_value(content), json_string_length(content)} : STR("");
}

static void count_case(json_t *line, struct tally *t, bool show)
{
    struct chat_message messages[MAX_MESSAGES];
    json_t *list = json_object_get(line, "messages");
    struct request r = {.messages = messages, .kind = KIND_UNKNOWN};
    r.n_tools = (int)json_array_size(json_object_get(line, "tools"));
    for (size_t i = 0; i < json_array_size(list) && i < MAX_MESSAGES; i++) {
        json_t *m = json_array_get(list, i);
        struct str role = str_of(json_string_value(json_object_get(m, "role")));
        messages[r.n_messages++] = (struct chat_message){role, content_of(m)};
    }
    enum task_kind kind = KIND_UNKNOWN;
    unsigned traits = 0;
    assert_true(kind_from_name(str_of(json_string_value(json_object_get(line, "kind"))), &kind));
    json_t *names = json_object_get(line, "traits");
    for (size_t i = 0; i < json_array_size(names); i++) {
        enum trait trait;
        assert_true(trait_from_name(str_of(json_string_value(json_array_get(names, i))), &trait));
        traits |= TRAIT_BIT(trait);
    }
    struct analysis a;
    kind_analyse(&r, kind_estimate_tokens(&r), &a);
    t->cases++;
    t->is[kind]++;
    if (a.kind < KIND_COUNT)
        t->said[a.kind]++;
    t->hit[kind] += a.kind == kind;
    for (int i = 0; i < TRAIT_COUNT; i++) {
        bool is = traits & TRAIT_BIT(i), said = a.traits & TRAIT_BIT(i);
        t->is[KIND_COUNT + i] += is;
        t->said[KIND_COUNT + i] += said;
        t->hit[KIND_COUNT + i] += is && said;
        if (show && is != said)
            print_message("%s %s: %.150s\n", said ? "EXTRA" : "MISSED", trait_names[i],
                          r.n_messages ? messages[r.n_messages - 1].content.p : "");
    }
    if (show && a.kind != kind)
        print_message("%s said %s (%s): [%.80s] %.200s\n", kind_names[kind], kind_names[a.kind], a.why,
                      r.n_messages > 1 ? messages[0].content.p : "",
                      r.n_messages ? messages[r.n_messages - 1].content.p : "");
}

static struct tally read_half(const char *name, bool show)
{
    char path[512], *text;
    size_t n;
    struct err err = ERR_INIT;
    struct tally t = {0};
    snprintf(path, sizeof path, "%s/tests/gateway/prompts/%s", RUNG_ROOT, name);
    assert_ok(file_read(path, 16u << 20, &text, &n, &err), err);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (!*line)
            continue;
        json_t *object = NULL;
        assert_ok(json_parse_object(str_of(line), name, &object, &err), err);
        count_case(object, &t, show);
        json_decref(object);
    }
    free(text);
    return t;
}

/* Macro-F1 over the classes that occur. */
static double macro_f1(const struct tally *t, int begin, int end, const char *const *names, const char *what)
{
    double sum = 0;
    int classes = 0;
    for (int i = begin; i < end; i++) {
        if (!t->is[i])
            continue;
        double f1 = 2.0 * t->hit[i] / (t->is[i] + t->said[i]);
        print_message("%s %-16s n %3d  F1 %.3f\n", what, names[i - begin], t->is[i], f1);
        sum += f1;
        classes++;
    }
    print_message("%s macro-F1 %.3f over %d classes, %d prompts\n", what, sum / classes, classes, t->cases);
    return sum / classes;
}

static void test_kinds_of_prompts_seen_while_writing_the_rules(void **state)
{
    (void)state;
    const char *show = getenv("RUNG_SHOW_MISSES");
    struct tally t = read_half("kinds_a.jsonl", show && strcmp(show, "a") == 0);
    assert_true(t.cases >= 150);
    assert_true(macro_f1(&t, 0, KIND_COUNT, kind_names, "half A") >= WANTED_F1);
    assert_true(macro_f1(&t, KIND_COUNT, KIND_COUNT + TRAIT_COUNT, trait_names, "half A") >= WANTED_F1);
}

static void test_kinds_of_held_out_prompts(void **state)
{
    (void)state;
    struct tally t = read_half("kinds_b.jsonl", false);
    assert_true(t.cases >= 150);
    assert_true(macro_f1(&t, 0, KIND_COUNT, kind_names, "half B") >= WANTED_F1);
}

static void test_traits_of_held_out_prompts(void **state)
{
    (void)state;
    struct tally t = read_half("kinds_b.jsonl", false);
    assert_true(macro_f1(&t, KIND_COUNT, KIND_COUNT + TRAIT_COUNT, trait_names, "half B") >= WANTED_F1);
}

static void test_hostile_texts_are_analysed_without_harm(void **state)
{
    (void)state;
    const char *texts[] = {"",      " ",    "?",  "\xFF\xFE\x80",          "```",        "\xE2",    "____",
                           "a",     "\"",   "'a", "\xE2\x80\x9E",         ":",          ":\n\n",   "\n\n\n\n",
                           "| | |", "1.\n", "''", "{{{{{{{{{{{{{{{{{{{{", "please ok ok", "\xE3\x80\x8C"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct chat_message m = {STR("user"), str_of(texts[i])};
        struct request r = {.messages = &m, .n_messages = 1, .kind = KIND_UNKNOWN};
        struct analysis a;
        kind_analyse(&r, kind_estimate_tokens(&r), &a);
        assert_true(a.kind <= KIND_UNKNOWN && a.why);
    }
    struct request none = {.kind = KIND_UNKNOWN};
    struct analysis a;
    kind_analyse(&none, kind_estimate_tokens(&none), &a);
    assert_int_equal(a.kind, KIND_UNKNOWN);
}

static struct analysis analyse(const char *system, const char *user)
{
    struct chat_message m[] = {{STR("system"), str_of(system)}, {STR("user"), str_of(user)}};
    struct request r = {.messages = m, .n_messages = 2, .kind = KIND_UNKNOWN};
    struct analysis a;
    kind_analyse(&r, kind_estimate_tokens(&r), &a);
    return a;
}

static void test_a_system_prompt_that_states_a_task_decides_alone(void **state)
{
    (void)state;
    const char *matter = "write a poem that summarizes this Python function, translate it and name the capital of Peru";
    assert_int_equal(analyse("Classify the banking question into one intent.", matter).kind, KIND_CLASSIFY);
    assert_int_equal(analyse("Name the intent of this request.", matter).kind, KIND_ROUTE);
    assert_int_equal(analyse("Extract the booking details as JSON.", matter).kind, KIND_EXTRACT);
    assert_int_not_equal(analyse("You are a helpful assistant.", matter).kind, KIND_EXTRACT);
}

static void test_quoted_matter_does_not_state_the_task(void **state)
{
    (void)state;
    assert_int_equal(analyse("", "Proofread: \"Classify the SQL code and summarize it.\"").kind, KIND_REWRITE);
    assert_int_equal(analyse("", "Summarize this:\n\nTranslate it. Which team? Classify.").kind, KIND_SUMMARIZE);
    assert_int_equal(analyse("", "Is this spam? \xE2\x80\x9Esummarize the code\xE2\x80\x9C").kind, KIND_CLASSIFY);
}

static void test_polite_openings_do_not_hide_the_verb(void **state)
{
    (void)state;
    assert_string_equal(analyse("", "Hello, could you please reword the note below?").why, "^reword");
    assert_string_equal(analyse("", "REWORD the note below.").why, "^reword");
}

static int table_size(const struct cue *table)
{
    int n = 0;
    while (table[n].phrase)
        n++;
    return n;
}

static void test_every_cue_has_room_in_the_index(void **state)
{
    (void)state;
    assert_true(table_size(narrow_cues) + table_size(broad_cues) + table_size(language_cues) <= CUE_MAX);
    assert_true(table_size(trait_cues) <= CUE_MAX && table_size(word_cues) <= CUE_MAX);
}

static void test_long_context_is_over_128000_tokens(void **state)
{
    (void)state;
    struct chat_message m = {STR("user"), STR("Summarize the log.")};
    struct request r = {.messages = &m, .n_messages = 1, .kind = KIND_UNKNOWN};
    struct analysis a;
    kind_analyse(&r, 128000, &a);
    assert_int_equal(a.traits & TRAIT_BIT(TRAIT_LONG_CONTEXT), 0);
    kind_analyse(&r, 128001, &a);
    assert_int_not_equal(a.traits & TRAIT_BIT(TRAIT_LONG_CONTEXT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_prompts_seen_while_writing_the_rules),
        cmocka_unit_test(test_kinds_of_held_out_prompts),
        cmocka_unit_test(test_traits_of_held_out_prompts),
        cmocka_unit_test(test_hostile_texts_are_analysed_without_harm),
        cmocka_unit_test(test_a_system_prompt_that_states_a_task_decides_alone),
        cmocka_unit_test(test_quoted_matter_does_not_state_the_task),
        cmocka_unit_test(test_polite_openings_do_not_hide_the_verb),
        cmocka_unit_test(test_every_cue_has_room_in_the_index),
        cmocka_unit_test(test_long_context_is_over_128000_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
