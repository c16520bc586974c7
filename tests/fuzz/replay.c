/* Feeds every file of a fuzzer's corpus to it: replay_NAME plays tests/fuzz/corpus/NAME. An input that once broke something and
 * lies there breaks the tests when it does so again. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *room = malloc(INPUT_MAX);
    size_t n = f && room ? fread(room, 1, INPUT_MAX, f) : 0;
    bool ok = f && room && !ferror(f);
    if (f)
        fclose(f);
    /* a block of exactly its size, so that a sanitizer sees one byte too many */
    uint8_t *exact = ok ? malloc(n + (n == 0)) : NULL;
    if (exact) {
        memcpy(exact, room, n);
        LLVMFuzzerTestOneInput(exact, n);
    }
    ok = exact != NULL;
    free(exact);
    free(room);
    return ok;
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *name = strstr(argv[0], "replay_");
    char dir[4096], path[8192];
    int n = 0;
    if (!name) {
        fprintf(stderr, "replay: must be called replay_NAME\n");
        return 2;
    }
    snprintf(dir, sizeof dir, "%s/tests/fuzz/corpus/%s", RUNG_ROOT, name + strlen("replay_"));
    DIR *d = opendir(dir);
    if (!d) {
        fprintf(stderr, "replay: there is no corpus %s\n", dir);
        return 1;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (!replay(path)) {
            fprintf(stderr, "replay: cannot read %s\n", path);
            closedir(d);
            return 1;
        }
        n++;
    }
    closedir(d);
    printf("replayed %d inputs\n", n);
    return n > 0 ? 0 : 1;
}
