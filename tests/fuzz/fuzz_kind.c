/* The rules for kinds and traits on any text: the input up to its first NUL is the system prompt, the rest the user's
 * message. */
#include "gateway/kind/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    size_t cut = str_find(text, (struct str){"\0", 1});
    struct str system = {text.p, cut == SIZE_MAX ? 0 : cut};
    struct str user = cut == SIZE_MAX ? text : (struct str){text.p + cut + 1, text.n - cut - 1};
    struct chat_message m[] = {{STR("system"), system}, {STR("user"), user}};
    struct request r = {.messages = m, .n_messages = 2, .kind = KIND_UNKNOWN};
    struct analysis a;
    kind_analyse(&r, kind_estimate_tokens(&r), &a);
    if (a.kind > KIND_UNKNOWN || !a.why)
        __builtin_trap();
    return 0;
}
