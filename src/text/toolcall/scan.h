/* JSON told byte by byte: where a value ends, and that it is one. Control characters in strings are let through,
 * because models write them; whoever passes the bytes on escapes them. */
#ifndef RUNG_TEXT_TOOLCALL_SCAN_H
#define RUNG_TEXT_TOOLCALL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

enum scan_result {
    SCAN_MORE,
    SCAN_DONE,     /* the byte ended the value */
    SCAN_OVER,     /* the value ended before this byte (numbers) */
    SCAN_BAD,
};

struct json_scan {
    /* private */
    uint8_t state;
    uint8_t depth;
    uint64_t objects;        /* one bit a level: an object, else an array */
    const char *literal;     /* what is left of true, false, null */
    uint8_t hex;             /* hexadecimal digits of a \u escape to come */
    uint16_t unit, high;     /* the unit being read, the high surrogate that waits for its low one */
};

/* A scan begins as {0}. */
enum scan_result json_scan_byte(struct json_scan *s, char c);
/* Whether the innermost open level is an object. */
bool json_scan_in_object(const struct json_scan *s);

#endif
