/* Any schema beside any value: the input up to its first line break is the schema, the rest the value. Reading must
 * refuse or accept, validating must end; what holds must hold a second time; what is refused must be explained so. */
#include "base/buf.h"
#include "data/json.h"
#include "grammar/schema.h"

#define MAX_BYTES 16384
#define MAX_NOTES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Documents refer to the schema itself under any name that ends in '!'. */
static const json_t *itself(void *ctx, struct str uri)
{
    return str_ends(uri, STR("!")) ? ctx : NULL;
}

static bool explained_as_refused(json_t *json, const struct schema_options *options)
{
    struct schema_note notes[MAX_NOTES];
    bool refused = false;
    int n = schema_explain(json, options, notes, MAX_NOTES);
    for (int i = 0; i < n && i < MAX_NOTES; i++)
        refused |= notes[i].treatment == SCHEMA_REFUSED;
    return refused || n > MAX_NOTES;
}

static void validate(json_t *json, const json_t *value, bool relaxed)
{
    struct schema_options options = {
        .relaxed = relaxed, .formats = relaxed, .document = itself, .document_ctx = json};
    struct schema *s;
    struct err err = ERR_INIT;
    if (!schema_open(json, &options, &s, &err)) {
        bool told = err.code != ERR_NONE && err.msg[0] && utf8_valid(str_of(err.msg));
        if (!told || !explained_as_refused(json, &options))
            __builtin_trap();
        return;
    }
    bool holds = schema_validate(s, value, &err);
    if (holds != schema_validate(s, value, NULL) || (!holds && !utf8_valid(str_of(err.msg))))
        __builtin_trap();
    schema_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    size_t cut = str_find(text, STR("\n"));
    json_t *schema = NULL, *value = NULL;
    if (cut == SIZE_MAX || size > MAX_BYTES)
        return 0;
    struct str rest = {text.p + cut + 1, text.n - cut - 1};
    if (json_parse((struct str){text.p, cut}, "schema", &schema, NULL) && json_parse(rest, "value", &value, NULL)) {
        validate(schema, value, false);
        validate(schema, value, true);
    }
    json_decref(schema);
    json_decref(value);
    return 0;
}
