/* The meta-schemas, that is schemas of schemas, as documents that references may name. They are made from the reader's
 * own table of keywords, so an answer that obeys one is a schema that the reader takes. */
#include "grammar/schema/read.h"

#include "data/json.h"

#define META_MAX_BYTES 32768
#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}"
#define TYPES "{\"enum\":[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\",\"string\"]}"
#define SCHEMAS "{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"minItems\":1}"
#define MAP_OF(what) "{\"type\":\"object\",\"additionalProperties\":" what "}"

static const char *const forms[] = {
    [FORM_ANY] = "true",
    [FORM_STRING] = "{\"type\":\"string\"}",
    [FORM_BOOLEAN] = "{\"type\":\"boolean\"}",
    [FORM_NUMBER] = "{\"type\":\"number\"}",
    [FORM_BOUND] = "{\"type\":\"number\"}",
    [FORM_POSITIVE] = "{\"type\":\"number\",\"exclusiveMinimum\":0}",
    [FORM_COUNT] = "{\"type\":\"integer\",\"minimum\":0}",
    [FORM_LIST] = "{\"type\":\"array\"}",
    [FORM_NAMES] = NAMES,
    [FORM_NAME_LISTS] = MAP_OF(NAMES),
    [FORM_TYPE] =
        "{\"anyOf\":[" TYPES ",{\"type\":\"array\",\"items\":" TYPES ",\"minItems\":1,\"uniqueItems\":true}]}",
    [FORM_SCHEMA] = "{\"$ref\":\"#\"}",
    [FORM_SCHEMAS] = SCHEMAS,
    [FORM_SCHEMA_MAP] = MAP_OF("{\"$ref\":\"#\"}"),
    [FORM_ITEMS] = "{\"$ref\":\"#\"}",
    [FORM_DEFINITIONS] = MAP_OF("{\"$ref\":\"#\"}"),
    [FORM_DEPENDENCIES] = MAP_OF("{\"anyOf\":[{\"$ref\":\"#\"}," NAMES "]}"),
};

static const struct meta {
    const char *uri;
    const char *bound, *items;    /* what differs from the newest draft; NULL: nothing */
} metas[] = {
    {"https://json-schema.org/draft/2020-12/schema", NULL, NULL},
    {"http://json-schema.org/draft-07/schema", NULL, "{\"anyOf\":[{\"$ref\":\"#\"}," SCHEMAS "]}"},
    {"http://json-schema.org/draft-06/schema", NULL, "{\"anyOf\":[{\"$ref\":\"#\"}," SCHEMAS "]}"},
    {"http://json-schema.org/draft-04/schema", "{\"type\":\"boolean\"}",
     "{\"anyOf\":[{\"$ref\":\"#\"}," SCHEMAS "]}"},
};

bool meta_document(struct str uri, json_t **ret, struct err *err)
{
    const struct meta *meta = NULL;
    const struct keyword_info *info;
    *ret = NULL;
    for (size_t i = 0; i < sizeof metas / sizeof metas[0]; i++)
        if (str_is(uri, metas[i].uri))
            meta = &metas[i];
    if (!meta)
        return true;
    struct buf text = BUF_INIT(META_MAX_BYTES);
    buf_puts(&text, "{\"type\":[\"object\",\"boolean\"],\"properties\":{");
    for (size_t i = 0; (info = keyword_number(i)); i++) {
        const char *differs = info->form == FORM_BOUND ? meta->bound : info->form == FORM_ITEMS ? meta->items : NULL;
        buf_printf(&text, "%s\"%s\":%s", i ? "," : "", info->name, differs ? differs : forms[info->form]);
    }
    buf_puts(&text, "}}");
    bool ok = buf_check(&text, "a meta-schema", err) && json_parse(buf_view(&text), "a meta-schema", ret, err);
    buf_free(&text);
    return ok;
}
