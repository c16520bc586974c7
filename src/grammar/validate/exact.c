/* Values compared exactly: numbers by what is written, not by how a machine holds them; objects without regard to
 * order. Integers are 64 bits wide (the reader of JSON refuses wider ones), other numbers doubles, taken as the
 * shortest decimal that reads back the same. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "grammar/validate/validate.h"

/* ---- numbers ---- */

static int compare_doubles(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_mixed(int64_t a, double b)
{
    if (b >= 0x1p63)
        return -1;
    if (b < -0x1p63)
        return 1;
    int64_t whole = (int64_t)b;
    if (a != whole)
        return a < whole ? -1 : 1;
    return compare_doubles(0, b - (double)whole);
}

int number_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return (json_integer_value(a) > json_integer_value(b)) - (json_integer_value(a) < json_integer_value(b));
    if (json_is_integer(a))
        return compare_mixed(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_mixed(json_integer_value(b), json_real_value(a));
    return compare_doubles(json_real_value(a), json_real_value(b));
}

bool number_is_whole(const json_t *number)
{
    return json_is_integer(number) || floor(json_real_value(number)) == json_real_value(number);
}

/* digits * 10^exponent; the sign does not matter to multiples. */
struct decimal {
    uint64_t digits;
    int exponent;
};

static struct decimal decimal_of(const json_t *number)
{
    if (json_is_integer(number)) {
        int64_t i = json_integer_value(number);
        return (struct decimal){i < 0 ? 0 - (uint64_t)i : (uint64_t)i, 0};
    }
    double value = fabs(json_real_value(number));
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    struct decimal d = {0, 0};
    const char *p = text;
    for (bool fraction = false; *p && *p != 'e'; p++) {
        if (*p < '0' || *p > '9') {
            fraction = true; /* whatever the locale's point is */
            continue;
        }
        d.digits = d.digits * 10 + (uint64_t)(*p - '0');
        d.exponent -= fraction;
    }
    if (*p == 'e')
        d.exponent += (int)strtol(p + 1, NULL, 10);
    return d;
}

/* 10^n mod m */
static uint64_t power_of_ten_mod(unsigned n, uint64_t m)
{
    unsigned __int128 result = 1 % m, base = 10 % m;
    for (; n; n >>= 1) {
        if (n & 1)
            result = result * base % m;
        base = base * base % m;
    }
    return (uint64_t)result;
}

bool number_is_multiple(const json_t *number, const json_t *of)
{
    struct decimal a = decimal_of(number), b = decimal_of(of);
    if (a.digits == 0 || b.digits == 0)
        return a.digits == 0;
    int shift = a.exponent - b.exponent;
    if (shift >= 0)
        return (unsigned __int128)(a.digits % b.digits) * power_of_ten_mod((unsigned)shift, b.digits) % b.digits == 0;
    unsigned __int128 wide = b.digits;
    for (; shift < 0; shift++) {
        wide *= 10;
        if (wide > a.digits)
            return false;
    }
    return a.digits % (uint64_t)wide == 0;
}

/* ---- all values ---- */

static bool arrays_equal(struct validation *v, const json_t *a, const json_t *b)
{
    size_t n = json_array_size(a);
    if (n != json_array_size(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!value_equal(v, json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

static bool objects_equal(struct validation *v, const json_t *a, const json_t *b)
{
    const char *key;
    size_t n;
    json_t *value;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_keylen_foreach((json_t *)a, key, n, value) {
        const json_t *other = json_object_getn(b, key, n);
        if (!other || !value_equal(v, value, other))
            return false;
    }
    return true;
}

bool value_equal(struct validation *v, const json_t *a, const json_t *b)
{
    if (!validate_spend(v, 1))
        return false;
    if (json_is_number(a) && json_is_number(b))
        return number_compare(a, b) == 0;
    if (json_typeof(a) != json_typeof(b))
        return false;
    switch (json_typeof(a)) {
    case JSON_OBJECT: return objects_equal(v, a, b);
    case JSON_ARRAY: return arrays_equal(v, a, b);
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) && validate_spend(v, json_string_length(a) / 64) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    default: return true;
    }
}

static uint64_t mix(uint64_t h, uint64_t more)
{
    h = (h ^ more) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t number_hash(const json_t *number)
{
    if (json_is_integer(number))
        return mix(1, (uint64_t)json_integer_value(number));
    double value = json_real_value(number);
    if (number_is_whole(number) && value >= -0x1p63 && value < 0x1p63)
        return mix(1, (uint64_t)(int64_t)value);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return mix(2, bits);
}

uint64_t value_hash(struct validation *v, const json_t *value)
{
    size_t i, n;
    json_t *one;
    const char *key;
    uint64_t h = (uint64_t)json_typeof(value) + 16;
    if (!validate_spend(v, 1))
        return 0;
    if (json_is_number(value))
        return number_hash(value);
    if (json_is_string(value)) {
        validate_spend(v, json_string_length(value) / 64);
        return mix(h, str_hash((struct str){json_string_value(value), json_string_length(value)}));
    }
    json_array_foreach((json_t *)value, i, one)
        h = mix(h, value_hash(v, one));
    json_object_keylen_foreach((json_t *)value, key, n, one)
        h += mix(str_hash((struct str){key, n}), value_hash(v, one)); /* in any order */
    return h;
}
