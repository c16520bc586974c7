/* JSON: what json_parse accepts must survive a round trip through the writer, and its members must lie inside the text. */
#include <stdlib.h>

#include "data/json.h"

static void check_round_trip(const json_t *value)
{
    struct buf first = BUF_INIT(1u << 28), second = BUF_INIT(1u << 28);
    struct json_writer w = JSON_WRITER(&first);
    json_t *again = NULL;
    json_value(&w, value);
    if (buf_ok(&first) && !json_parse(buf_view(&first), "again", &again, NULL))
        abort();
    w = JSON_WRITER(&second);
    json_value(&w, again);
    if (!str_eq(buf_view(&first), buf_view(&second)))
        abort();
    json_decref(again);
    buf_free(&first);
    buf_free(&second);
}

static void check_members(struct str text, const json_t *object)
{
    struct json_member members[64];
    int n = 0;
    if (!json_members(text, members, 64, &n))
        return;
    if (json_is_object(object) && (size_t)n != json_object_size(object))
        abort();
    for (int i = 0; i < n; i++)
        if (members[i].key.p < text.p || members[i].value.p + members[i].value.n > text.p + text.n)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct err err = ERR_INIT;
    json_t *value = NULL;
    bool ok = json_parse(text, "fuzz", &value, &err);
    if (!ok && (err.code == ERR_NONE || err.msg[0] == '\0'))
        abort();
    check_members(text, value);
    if (ok)
        check_round_trip(value);
    json_decref(value);
    return 0;
}
