/* Making keys: 256 bits from the operating system, written in letters and digits, and the digest that is kept of
 * them. */
#include <stdio.h>
#include <sys/random.h>

#include <openssl/evp.h>

#include "gateway/people/people.h"

#define ID_LETTERS 12
#define PREFIX_BYTES 8                    /* "rk-" and five letters: 30 of the 256 bits */

/* n letters and digits, each as likely as any other. */
static bool draw(char *text, int n, struct err *err)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const unsigned kinds = sizeof letters - 1, even = 256 / kinds * kinds;
    for (int i = 0; i < n;) {
        unsigned char byte;
        if (getrandom(&byte, 1, 0) != 1)
            return err_errno(err, ERR_IO, "no random numbers");
        if (byte < even)
            text[i++] = letters[byte % kinds];
    }
    text[n] = 0;
    return true;
}

bool people_make_secret(char ret[PEOPLE_SECRET_BYTES], struct err *err)
{
    memcpy(ret, "rk-", 3);
    return draw(ret + 3, PEOPLE_SECRET_BYTES - 4, err);
}

bool people_digest(struct str secret, char ret[KEY_DIGEST_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(secret.p, secret.n, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (int i = 0; i < (KEY_DIGEST_BYTES - 1) / 2; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return true;
}

bool people_name_key(const char *secret, struct key_record *ret, struct err *err)
{
    snprintf(ret->prefix, sizeof ret->prefix, "%.*s", PREFIX_BYTES, secret);
    memcpy(ret->id, "key_", 4);
    return draw(ret->id + 4, ID_LETTERS, err);
}
