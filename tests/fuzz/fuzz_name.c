/* Names of models and lockfiles: a name that is taken has parts that cannot leave a folder and shows as a name again;
 * a lockfile that is taken is written and read as the same. */
#include <stdlib.h>
#include <string.h>

#include "registry/lock.h"
#include "registry/name.h"

static void check_part(const char *part)
{
    if (!model_part_is_valid(str_of(part)) || strchr(part, '/') || part[0] == '.')
        abort();
}

static void check_name(const char *text)
{
    struct model_name n, again;
    struct err err = ERR_INIT;
    char shown[MODEL_NAME_MAX];
    if (!model_name_parse(text, &n, &err)) {
        if (err.msg[0] == '\0')
            abort();
        return;
    }
    if (n.source == SOURCE_OLLAMA || n.source == SOURCE_HUGGING_FACE) {
        check_part(n.space);
        check_part(n.model);
        check_part(n.tag);
        if (strchr(n.host, '/') || n.host[0] == '.' || !n.host[0])
            abort();
    }
    model_name_show(&n, shown, sizeof shown);
    if (!model_name_parse(shown, &again, &err) || again.source != n.source || strcmp(again.host, n.host) != 0 ||
        strcmp(again.model, n.model) != 0 || strcmp(again.tag, n.tag) != 0 || strcmp(again.location, n.location) != 0)
        abort();
    if (n.source == SOURCE_URL && (!model_name_of_url(&n, &again, &err) || (check_part(again.model), false)))
        abort();
}

static void check_lock(struct str text)
{
    struct lock l, again;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT(2 * LOCK_MAX_BYTES);
    if (!lock_parse(text, "fuzz", &l, &err)) {
        if (err.msg[0] == '\0')
            abort();
        return;
    }
    lock_write(&l, &out);
    if (!buf_ok(&out) || !lock_parse(buf_view(&out), "again", &again, &err) || again.n != l.n)
        abort();
    lock_free(&again);
    lock_free(&l);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size <= LOCK_MAX_BYTES ? str_dup((struct str){(const char *)data, size}) : NULL;
    if (!text)
        return 0;
    check_name(text);
    check_lock((struct str){(const char *)data, size});
    free(text);
    return 0;
}
