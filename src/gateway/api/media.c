/* Checks of images, sound and files before they go anywhere: what they are said to be, and how much of them there is.
 * Nothing is decoded here; no address is ever fetched by Rung itself. */
#include "gateway/api/media.h"

#include "gateway/provider/parts.h"

bool media_is_base64(struct str text)
{
    size_t n = text.n;
    while (n > 0 && text.n - n < 2 && text.p[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)text.p[i], letter = ch | 0x20;
        if (!(letter >= 'a' && letter <= 'z') && !(ch >= '0' && ch <= '9') && ch != '+' && ch != '/')
            return false;
    }
    return true;
}

static bool is_image_type(struct str type)
{
    static const char *const types[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_eq_nocase(type, str_of(types[i])))
            return true;
    }
    return false;
}

/* Printable and without spaces, as an address that somebody else will fetch must be. */
static bool is_address(struct str url)
{
    for (size_t i = 0; i < url.n; i++) {
        if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 127)
            return false;
    }
    return url.n > strlen("https://");
}

bool media_check_image(const char *field, struct str url, struct err *err)
{
    struct str type, data;
    if (str_starts(url, STR("https://"))) {
        if (url.n > MEDIA_MAX_URL)
            return err_set(err, ERR_INVALID, "'%s' is longer than %d bytes", field, MEDIA_MAX_URL);
        return is_address(url) || err_set(err, ERR_INVALID, "'%s' is no https address", field);
    }
    if (!parts_data_url(url, &type, &data))
        return err_set(err, ERR_INVALID, "'%s' must be an https: address, or data:image/TYPE;base64, and the image",
                       field);
    if (!is_image_type(type))
        return err_set(err, ERR_INVALID, "'%s' is of the type '" STR_FMT "'; images are PNG, JPEG, GIF or WebP", field,
                       STR_ARG(utf8_clip(type, 40)));
    if (data.n > MEDIA_MAX_BYTES)
        return err_set(err, ERR_INVALID, "'%s' holds more than %u bytes of base64", field, MEDIA_MAX_BYTES);
    return (data.n > 0 && media_is_base64(data)) ||
           err_set(err, ERR_INVALID, "'%s' is not base64 behind the comma", field);
}
