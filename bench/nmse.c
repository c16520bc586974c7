/* nmse WANT.f32 GOT.f32: the normalised mean squared error between two files of floats as build/tools/logits writes
 * them: the sum of squared differences over the sum of squares of WANT about their mean. */
#include <math.h>
#include <stdio.h>

#include "base/filemap.h"

#define MAX_BYTES ((size_t)4 << 30)

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    char *want, *got, text[900];
    size_t n_want, n_got;
    if (argc != 3) {
        fprintf(stderr, "usage: nmse WANT.f32 GOT.f32\n");
        return 2;
    }
    if (!file_read(argv[1], MAX_BYTES, &want, &n_want, &err) || !file_read(argv[2], MAX_BYTES, &got, &n_got, &err)) {
        fprintf(stderr, "nmse: %s\n", err_format(&err, text, sizeof text));
        return 1;
    }
    if (n_want != n_got || n_want < sizeof(float)) {
        fprintf(stderr, "nmse: %s holds %zu bytes, %s %zu\n", argv[1], n_want, argv[2], n_got);
        return 1;
    }
    const float *a = (const float *)want, *b = (const float *)got;
    size_t n = n_want / sizeof *a;
    double mean = 0, difference = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        mean += a[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        square += (a[i] - mean) * (a[i] - mean);
    }
    printf("%.1e\n", difference / square);
    return isfinite(difference) ? 0 : 1;
}
