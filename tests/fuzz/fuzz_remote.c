/* What model hosts write: the first byte chooses the reader. What is accepted must keep the readers' promises. */
#include <stdlib.h>
#include <string.h>

#include "registry/remote/parse.h"

static void fuzz_range(struct str text)
{
    int64_t from, end, total;
    if (!parse_content_range(text, &from, &end, &total))
        return;
    if (from < -1 || total < -1 || (from >= 0 && end <= from) || (from >= 0 && total >= 0 && end > total))
        abort();
}

static void fuzz_challenge(struct str text)
{
    struct challenge c;
    if (parse_challenge(text, &c) && strncmp(c.realm, "http", 4) != 0)
        abort();
}

static void fuzz_link(struct str text)
{
    struct str url;
    if (parse_link_next(text, &url) && (url.n == 0 || url.p < text.p || url.p + url.n > text.p + text.n))
        abort();
}

static void fuzz_listing(struct str text)
{
    struct listing l = {0};
    struct err err = ERR_INIT;
    const struct listed_file *chosen;
    bool ok = listing_add_page(&l, text, &err) && listing_choose(&l, "Q4_K_M", true, "hf.co/org/repo", &chosen, &err);
    if (ok && (chosen < l.files || chosen >= l.files + l.n || chosen->size < -1))
        abort();
    if (!ok && err.msg[0] == '\0')
        abort();
    listing_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct str) = {fuzz_range, fuzz_challenge, fuzz_link, fuzz_listing};
    if (size < 2)
        return 0;
    char *text = malloc(size - 1); /* a heap block of its own: a step past the end is seen */
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    readers[data[0] % 4]((struct str){text, size - 1});
    free(text);
    return 0;
}
