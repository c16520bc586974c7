/* Regular expressions: what is accepted means what PCRE2 says it means, on random expressions and texts; what is
 * refused is refused with its place; and no expression takes long. */
#include "../support.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buf.h"
#include "base/rng.h"
#include "data/json.h"
#include "grammar/regex.h"

#define RANDOM_EXPRESSIONS 4000
#define TEXTS_EACH 30
#define PATTERN_MAX 400

static uint64_t dice;
static uint32_t roll(uint32_t n)
{
    return (uint32_t)(rng_u64(13, 0, dice++) % n);
}

static struct exprs *open_store(void)
{
    struct exprs *x = NULL;
    struct err err = ERR_INIT;
    assert_ok(exprs_open(&x, &err), err);
    return x;
}

static bool matches(const char *pattern, const char *text, enum regex_mode mode, bool anchored)
{
    struct exprs *x = open_store();
    struct err err = ERR_INIT;
    uint32_t e = EXPR_NONE;
    assert_ok(regex_compile(x, str_of(pattern), mode, anchored, &e, &err), err);
    bool matched = expr_matches(x, e, str_of(text));
    exprs_close(x);
    return matched;
}

static bool found(const char *pattern, const char *text)
{
    return matches(pattern, text, REGEX_TEXT, false);
}

static bool whole(const char *pattern, const char *text)
{
    return matches(pattern, text, REGEX_TEXT, true);
}

/* ---- against PCRE2 ---- */

/* Characters that matter to the expressions below: letters, a digit, what \w and \s hold, two and three bytes long. */
static const char *const letters[] = {"a", "b", "A", "1", "_", " ", "\n", "-", "é", "€"};
#define N_LETTERS (sizeof letters / sizeof *letters)

static void random_expression(struct buf *out, int depth);

static void random_class(struct buf *out)
{
    /* No \W, [:alpha:] or \p{N}: beside \D PCRE2 10.42 forgets what lies past U+00FF. */
    static const char *const parts[] = {"a", "b", "A-Z", "0-9", "\\w", "\\d", "\\s", "\\D", "é", "a-c", "€-₭", "\\-"};
    buf_puts(out, roll(3) ? "[" : "[^");
    for (uint32_t n = 1 + roll(3); n > 0; n--)
        buf_puts(out, parts[roll(sizeof parts / sizeof *parts)]);
    buf_puts(out, "]");
}

static void random_item(struct buf *out, int depth)
{
    static const char *const items[] = {"a", "b", "ab", "1", "é", "€", "\\w", "\\W", "\\d", "\\s", "\\S", "_", " ",
                                        "\\p{L}", "\\P{L}", "\\x61", "\\x{20ac}"};
    uint32_t kind = roll(depth > 0 ? 8 : 4);
    if (kind == 0)
        random_class(out);
    else if (kind < 4)
        buf_puts(out, items[roll(sizeof items / sizeof *items)]);
    else if (kind < 7) {
        static const char *const heads[] = {"(", "(?:", "(?<n>", "(?i:", "(?=", "(?!"};
        uint32_t head = roll(6);
        buf_puts(out, heads[head]);
        random_expression(out, depth - 1);
        buf_puts(out, ")");
        if (head >= 4)
            return;   /* look-ahead is not repeated */
    } else {
        static const char *const looks[] = {"^", "$", "\\b", "\\B"};
        buf_puts(out, looks[roll(4)]);
        return;
    }
    static const char *const counts[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}?", "{2,}", "*?"};
    buf_puts(out, counts[roll(sizeof counts / sizeof *counts)]);
}

static void random_expression(struct buf *out, int depth)
{
    for (uint32_t branches = 1 + (roll(3) == 0); branches > 0; branches--) {
        for (uint32_t n = 1 + roll(3); n > 0; n--)
            random_item(out, depth);
        if (branches > 1)
            buf_puts(out, "|");
    }
}

/* Groups share the name n; `$` is the very end, as ECMA has it; classes are ASCII, as ECMA has them. */
static pcre2_code *compile_pcre(const char *pattern, bool anchored)
{
    int error;
    PCRE2_SIZE offset;
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_DUPNAMES | PCRE2_NO_START_OPTIMIZE;
    if (anchored)
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);
    if (!code)
        fail_msg("PCRE2 refuses %s: %d", pattern, error);
    return code;
}

static void random_text(struct buf *out)
{
    for (uint32_t n = roll(8); n > 0; n--)
        buf_puts(out, letters[roll(N_LETTERS)]);
}

static void compare_on_texts(const char *pattern, bool anchored, struct exprs *x, uint32_t e)
{
    pcre2_code *code = compile_pcre(pattern, anchored);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    struct buf text = BUF_INIT(1000);
    for (int k = 0; k < TEXTS_EACH; k++) {
        buf_clear(&text);
        random_text(&text);
        struct str s = buf_view(&text);
        int rc = pcre2_match(code, (PCRE2_SPTR)s.p, s.n, 0, 0, data, NULL);
        if (rc == PCRE2_ERROR_MATCHLIMIT)
            continue;   /* it tries all ways in turn */
        assert_true(rc >= 0 || rc == PCRE2_ERROR_NOMATCH);
        if (expr_matches(x, e, s) != (rc >= 0))
            fail_msg("%s (%s), text '" STR_FMT "': PCRE2 says %d", pattern, anchored ? "whole" : "anywhere", STR_ARG(s),
                     rc >= 0);
    }
    buf_free(&text);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
}

static void test_regex_means_what_pcre2_says(void **state)
{
    (void)state;
    int refused = 0;
    for (int i = 0; i < RANDOM_EXPRESSIONS; i++) {
        struct buf pattern = BUF_INIT(1u << 16);
        struct exprs *x = open_store();
        struct err err = ERR_INIT;
        bool anchored = roll(2);
        uint32_t e;
        random_expression(&pattern, 2);
        if (regex_compile(x, buf_view(&pattern), REGEX_TEXT, anchored, &e, &err)) {
            compare_on_texts(pattern.p, anchored, x, e);
        } else {
            assert_int_equal(err.code, ERR_UNSUPPORTED);   /* look-ahead or \b within a star */
            refused++;
        }
        exprs_close(x);
        buf_free(&pattern);
    }
    assert_in_range(refused, 1, RANDOM_EXPRESSIONS / 5);
}

static void test_json_mode_matches_the_escaped_spelling(void **state)
{
    (void)state;
    for (int i = 0; i < RANDOM_EXPRESSIONS / 4; i++) {
        struct buf pattern = BUF_INIT(1u << 16), text = BUF_INIT(1000), json = BUF_INIT(8000);
        struct exprs *x = open_store();
        uint32_t plain, escaped;
        random_expression(&pattern, 2);
        if (regex_compile(x, buf_view(&pattern), REGEX_TEXT, false, &plain, NULL)) {
            struct err err = ERR_INIT;
            assert_ok(regex_compile(x, buf_view(&pattern), REGEX_JSON, false, &escaped, &err), err);
            for (int k = 0; k < TEXTS_EACH; k++) {
                static const char *const more[] = {"\"", "\\", "\t", "\x01", "/", "n"};
                struct json_writer w = JSON_WRITER(&json);
                buf_clear(&text);
                buf_clear(&json);
                random_text(&text);
                buf_puts(&text, more[roll(6)]);
                random_text(&text);
                json_str(&w, buf_view(&text));
                struct str body = {json.p + 1, json.n - 2};
                assert_int_equal(expr_matches(x, plain, buf_view(&text)), expr_matches(x, escaped, body));
            }
        }
        exprs_close(x);
        buf_free(&pattern);
        buf_free(&text);
        buf_free(&json);
    }
}

/* ---- what people write ---- */

static void test_regex_dialect_is_that_of_json_schema(void **state)
{
    (void)state;
    assert_true(found("es", "expression"));
    assert_false(found("^es", "expression"));
    assert_true(found("^\\$\\{[A-Za-z_][\\w\\-.]*\\}$", "${a-b.c}"));
    assert_true(whole("\\S+@\\S+\\.\\S+", "a@b.cc"));
    assert_true(whole("[^]", "\n"));
    assert_false(whole(".", "\n"));
    assert_true(whole("(?s).", "\n"));
    assert_false(whole("[]", "a"));
    assert_true(whole("\\u0061\\u{1F600}\\ud83d\\ude00\\cJ\\0", "a\U0001F600\U0001F600\n") == false);
    assert_true(whole("\\u0061\\u{1F600}\\ud83d\\ude00\\cJ", "a\U0001F600\U0001F600\n"));
    assert_true(whole("(?i)straße", "STRAßE"));
    assert_true(whole("(?i)\\u212a", "k"));
    assert_true(whole("a{,3}", "a{,3}"));
    assert_true(whole("x{1,2", "x{1,2"));
    assert_true(whole("(?P<year>\\d{4})-(?<month>\\d\\d)", "2026-11"));
    assert_true(whole("\\p{Script=Greek}+\\p{Han}\\p{Cyrillic}\\p{Lu}\\p{gc=Nd}", "αβ中яA7"));
    assert_false(whole("\\p{sc=Grek}", "a"));
    assert_true(whole("[\\p{Letter}--z]+", "é-a"));
    assert_false(whole("\\d", "٣"));
    assert_true(whole("\\s", "\u2003"));
    assert_true(whole("\\S", "a"));
    assert_false(whole("\\S", " "));
    assert_true(whole("[\\W[:alpha:]]{3}", "€aé"));
    assert_false(whole("[[:^alpha:]_]", "a"));
}

static void test_regex_anchors_stand_anywhere(void **state)
{
    (void)state;
    assert_true(found("(^|,)a($|,)", "b,a"));
    assert_false(found("(^|,)a($|,)", "ba"));
    assert_true(found("^(\\/?((\\.{2})|([a-z0-9\\-]*))($|\\/))*$", "/ab/../c"));
    assert_false(found("^(\\/?((\\.{2})|([a-z0-9\\-]*))($|\\/))*$", "/ab/./c"));
    assert_true(found("$^", ""));
    assert_false(found("$^", "a"));
    assert_false(found("a^b", "a^b"));
    assert_true(found("(^a|b)+c", "xbc"));
    assert_false(found("(^a|b)+c", "xac"));
}

static void test_regex_look_ahead_sees_all_that_follows(void **state)
{
    (void)state;
    const char *password = "^(?=.*[A-Z])(?=.*\\d)(?!.*\\s).{4,}$";
    assert_true(found(password, "abC1"));
    assert_false(found(password, "abc1"));
    assert_false(found(password, "ab C1"));
    assert_true(found("^(?!org\\.bukkit\\.)[a-z.]*$", "org.paper.x"));
    assert_false(found("^(?!org\\.bukkit\\.)[a-z.]*$", "org.bukkit.x"));
    assert_true(found("foo(?=bar)", "xfoobar"));
    assert_false(found("foo(?!bar)", "xfoobar"));
}

static void test_regex_text_of_json_mode(void **state)
{
    (void)state;
    struct exprs *x = open_store();
    uint32_t e = regex_text(x, REGEX_JSON, STR("a\"\\\n\x1f/é"));
    assert_true(expr_matches(x, e, STR("a\\\"\\\\\\n\\u001f/é")));
    assert_int_equal(regex_text(x, REGEX_TEXT, STR("ab")), expr_literal(x, STR("ab")));
    assert_int_equal(regex_text(x, REGEX_JSON, STR("")), EXPR_EMPTY);
    exprs_close(x);
}

/* ---- refusals ---- */

static void test_regex_errors_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        enum err_code code;
        int offset;
        const char *part;
    } cases[] = {
        {"ab(c", ERR_INVALID, 2, "')'"},
        {"ab)c", ERR_INVALID, 2, "\\)"},
        {"a[bc", ERR_INVALID, 1, "']'"},
        {"[z-a]", ERR_INVALID, 1, "ends before"},
        {"*a", ERR_INVALID, 0, "nothing to repeat"},
        {"a**", ERR_INVALID, 2, "nothing to repeat"},
        {"^*", ERR_INVALID, 1, "nothing to repeat"},
        {"a{3,2}", ERR_INVALID, 1, "count"},
        {"a{99999999}", ERR_LIMIT, 1, "count"},
        {"ab\\", ERR_INVALID, 2, "backslash"},
        {"\\u12", ERR_INVALID, 2, "hexadecimal"},
        {"\\ud800", ERR_INVALID, 2, "surrogate"},
        {"(a)\\1", ERR_UNSUPPORTED, 3, "back references"},
        {"(?<=a)b", ERR_UNSUPPORTED, 0, "look-behind"},
        {"(?>a)b", ERR_UNSUPPORTED, 0, "atomic"},
        {"a++", ERR_UNSUPPORTED, 2, "possessive"},
        {"(?R)", ERR_UNSUPPORTED, 0, "group"},
        {"\\p{Nonsense}", ERR_UNSUPPORTED, 3, "Nonsense"},
        {"\\y", ERR_UNSUPPORTED, 0, "\\y"},
        {"a((?!b)c)*", ERR_UNSUPPORTED, 9, "16 times"},
        {"\xff", ERR_INVALID, 0, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct exprs *x = open_store();
        struct err err = ERR_INIT;
        uint32_t e;
        if (regex_compile(x, str_of(cases[i].pattern), REGEX_TEXT, true, &e, &err))
            fail_msg("%s was accepted", cases[i].pattern);
        if (err.code != cases[i].code || err.offset != cases[i].offset || !strstr(err.msg, cases[i].part))
            fail_msg("%s: code %d at %d: %s", cases[i].pattern, (int)err.code, (int)err.offset, err.msg);
        exprs_close(x);
    }
}

static void test_regex_patterns_of_real_schemas_are_accepted(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "^(https?:\\/\\/)?([\\da-z\\.-]+)\\.([a-z\\.]{2,6})([\\/\\w \\.-]*)*\\/?$",
        "^https?:\\/\\/[-a-zA-Z0-9@:%._\\+~#=]{1,256}\\.[a-zA-Z0-9()]{1,6}\\b([-a-zA-Z0-9()@:%_\\+.~#?&//=]*)$",
        "[\\p{Zs}A-Za-z0-9+\\.,\\-_:;()]*",
        "^(?!io\\.papermc\\.)([a-zA-Z_$][a-zA-Z\\d_$]*\\.)*[a-zA-Z_$][a-zA-Z\\d_$]*$",
        "^((25[0-5]|(2[0-4]|1\\d|[1-9]|)\\d)\\.?\\b){4}$",
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct exprs *x = open_store();
        struct err err = ERR_INIT;
        uint32_t e;
        assert_ok(regex_compile(x, str_of(patterns[i]), REGEX_JSON, false, &e, &err), err);
        assert_false(expr_is_empty(x, e));
        exprs_close(x);
    }
}

/* ---- no expression takes long: each ends, or meets a ceiling ---- */

static void walk_hostile(const char *pattern, const char *letter, int n)
{
    struct exprs *x = open_store();
    uint32_t e = EXPR_NONE;
    if (regex_compile(x, str_of(pattern), REGEX_TEXT, false, &e, NULL))
        for (int i = 0; i < n; i++)
            e = expr_derive(x, e, (uint8_t)letter[(size_t)i % strlen(letter)]);
    assert_in_range(exprs_count(x), 4, EXPR_MAX_TERMS);
    exprs_close(x);
}

static void test_regex_never_explodes(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "^(a*)*$", "^(a|a)*b", "^(a+)+$", "^(a|aa)+$", "x{1000}{1000}", "^x{1000}{1000}$", "^[^]{0,100000}$",
        "(.*a){25}",
        "(a?){500}a{500}", "((a{0,100}){0,100}){0,100}b", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(?=.*a)(?=.*b)(?=.*aa)(?=.*ab)(?!.*bbb)(?!.*bab).*", "((((^a){16}){16}){16}){16}", "(\\w*\\b){16}",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        walk_hostile(hostile[i], "a", 2000);
        walk_hostile(hostile[i], "ab", 2000);
        walk_hostile(hostile[i], "x", 2000);
    }
}

static void test_regex_deep_and_long_expressions_end(void **state)
{
    (void)state;
    static char pattern[REGEX_MAX_BYTES + 10];
    struct err err = ERR_INIT;
    for (int kind = 0; kind < 4; kind++) {
        static const char *const repeated[] = {"(", "[^a]", "(?i)é", "\\p{L}"};
        struct exprs *x = open_store();
        uint32_t e;
        size_t n = 0, step = strlen(repeated[kind]);
        for (; n + step <= REGEX_MAX_BYTES; n += step)
            memcpy(pattern + n, repeated[kind], step);
        bool ok = regex_compile(x, (struct str){pattern, n}, REGEX_JSON, true, &e, &err);
        assert_true(ok || err.code == ERR_LIMIT);
        exprs_close(x);
    }
    struct exprs *x = open_store();
    uint32_t e;
    memset(pattern, 'a', sizeof pattern);
    assert_false(regex_compile(x, (struct str){pattern, sizeof pattern}, REGEX_TEXT, true, &e, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    exprs_close(x);
}

static void test_regex_nests_as_many_groups_as_it_says(void **state)
{
    (void)state;
    for (int n = REGEX_MAX_DEPTH; n <= REGEX_MAX_DEPTH + 1; n++) {
        char pattern[2 * REGEX_MAX_DEPTH + 3];
        struct err err = ERR_INIT;
        struct exprs *x = open_store();
        uint32_t e;
        memset(pattern, '(', (size_t)n);
        memset(pattern + n, ')', (size_t)n);
        assert_int_equal(regex_compile(x, (struct str){pattern, 2 * (size_t)n}, REGEX_TEXT, true, &e, &err),
                         n == REGEX_MAX_DEPTH);
        exprs_close(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regex_means_what_pcre2_says),
        cmocka_unit_test(test_json_mode_matches_the_escaped_spelling),
        cmocka_unit_test(test_regex_dialect_is_that_of_json_schema),
        cmocka_unit_test(test_regex_anchors_stand_anywhere),
        cmocka_unit_test(test_regex_look_ahead_sees_all_that_follows),
        cmocka_unit_test(test_regex_text_of_json_mode),
        cmocka_unit_test(test_regex_errors_name_the_place),
        cmocka_unit_test(test_regex_patterns_of_real_schemas_are_accepted),
        cmocka_unit_test(test_regex_never_explodes),
        cmocka_unit_test(test_regex_deep_and_long_expressions_end),
        cmocka_unit_test(test_regex_nests_as_many_groups_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
