/* Chat templates. Any bytes must compile or be refused, and what compiles must render, or be refused, within its
 * limits and without touching its context. */
#include <stdlib.h>

#include "text/template.h"

#define CONTEXT                                                                                                     \
    "{\"s\":\" a,b \\u00e9\\ud83d\\ude00 \"," \
    "\"n\":3,\"f\":2.5,\"t\":true,\"no\":null,\"xs\":[3,1,2],\"d\":{\"a\":1,\"b\":[{}]}," \
    "\"ms\":[{\"c\":\"x\",\"n\":2},{\"c\":\"Y\",\"n\":1}],\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct template *t = NULL;
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT_BYTES);
    json_t *context = json_loads(CONTEXT, 0, NULL), *before = json_loads(CONTEXT, 0, NULL);
    bool ok = template_compile((struct str){(const char *)data, size}, &t, &err) &&
              template_render(t, context, 1785058200000, &out, &err);
    if (!ok && (err.code == ERR_NONE || err.msg[0] == '\0'))
        abort();
    if (!json_equal(context, before))
        abort();
    json_decref(context);
    json_decref(before);
    template_free(t);
    buf_free(&out);
    return 0;
}
