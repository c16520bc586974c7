/* Formats as regular expressions, from the specifications that JSON Schema names: RFC 3339 (dates and times,
 * durations), RFC 5321 (mail), RFC 1123 (host names), RFC 2673 and 4291 (addresses), RFC 3986 and 3987 (URIs and
 * IRIs), RFC 6570 (URI templates), RFC 6901 (JSON pointers), RFC 9562 (UUIDs). A format here says yes to exactly what
 * its grammar says yes to, but for leap seconds, which are taken at 23:59:60 UTC only. Format "regex" is no regular
 * language and is not here. */
#include "grammar/schema/formats.h"

#define LEAP_YEAR "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
#define DATE                                                                                                          \
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"              \
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|" LEAP_YEAR "-02-29)"
#define TIME                                                                                                          \
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"         \
    "|23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00))"

#define DURATION_DAYS "[0-9]+D"
#define DURATION_MONTHS "[0-9]+M(?:" DURATION_DAYS ")?"
#define DURATION_YEARS "[0-9]+Y(?:" DURATION_MONTHS ")?"
#define DURATION_TIME "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
#define DURATION                                                                                                      \
    "P(?:(?:" DURATION_DAYS "|" DURATION_MONTHS "|" DURATION_YEARS ")(?:" DURATION_TIME ")?|" DURATION_TIME "|[0-9]+W)"

#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HOSTNAME LABEL "(?:\\." LABEL ")*"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 OCTET "(?:\\." OCTET "){3}"
#define H16 "[0-9A-Fa-f]{1,4}"
#define LS32 "(?:" H16 ":" H16 "|" IPV4 ")"
#define IPV6                                                                                                          \
    "(?:(?:" H16 ":){6}" LS32 "|::(?:" H16 ":){5}" LS32 "|(?:" H16 ")?::(?:" H16 ":){4}" LS32                         \
    "|(?:(?:" H16 ":){0,1}" H16 ")?::(?:" H16 ":){3}" LS32 "|(?:(?:" H16 ":){0,2}" H16 ")?::(?:" H16 ":){2}" LS32     \
    "|(?:(?:" H16 ":){0,3}" H16 ")?::" H16 ":" LS32 "|(?:(?:" H16 ":){0,4}" H16 ")?::" LS32                           \
    "|(?:(?:" H16 ":){0,5}" H16 ")?::" H16 "|(?:(?:" H16 ":){0,6}" H16 ")?::)"

/* WIDE holds the characters beyond ASCII that an internationalised form admits. */
#define WIDE_NONE ""
#define WIDE_IRI "\\u{A0}-\\u{D7FF}\\u{E000}-\\u{10FFFF}"
#define ATOM(WIDE) "[A-Za-z0-9!#$%&'*+/=?^_`{|}~" WIDE "-]+"
#define LOCAL_PART(WIDE) "(?:" ATOM(WIDE) "(?:\\." ATOM(WIDE) ")*|\"(?:[ !#-\\[\\]-~" WIDE "]|\\\\[ -~])*\")"
#define MAIL_LITERAL "\\[(?:" IPV4 "|IPv6:" IPV6 ")\\]"
#define IDN_LABEL "[A-Za-z0-9" WIDE_IRI "](?:[A-Za-z0-9" WIDE_IRI "-]{0,61}[A-Za-z0-9" WIDE_IRI "])?"

#define PERCENT "%[0-9A-Fa-f]{2}"
#define UNRESERVED "A-Za-z0-9._~"
#define DELIMITERS "!$&'()*+,;="
#define PCHAR(WIDE) "(?:[" UNRESERVED DELIMITERS ":@" WIDE "-]|" PERCENT ")"
#define SEGMENT_NO_COLON(WIDE) "(?:[" UNRESERVED DELIMITERS "@" WIDE "-]|" PERCENT ")+"
#define USER(WIDE) "(?:[" UNRESERVED DELIMITERS ":" WIDE "-]|" PERCENT ")*"
#define HOST(WIDE)                                                                                                    \
    "(?:\\[(?:" IPV6 "|[vV][0-9A-Fa-f]+\\.[" UNRESERVED DELIMITERS ":-]+)\\]"                                         \
    "|(?:[" UNRESERVED DELIMITERS WIDE "-]|" PERCENT ")*)"
#define AUTHORITY(WIDE) "//(?:" USER(WIDE) "@)?" HOST(WIDE) "(?::[0-9]*)?(?:/" PCHAR(WIDE) "*)*"
#define ABSOLUTE_PATH(WIDE) "/(?:" PCHAR(WIDE) "+(?:/" PCHAR(WIDE) "*)*)?"
#define TAIL(WIDE) "(?:\\?(?:" PCHAR(WIDE) "|[/?])*)?(?:#(?:" PCHAR(WIDE) "|[/?])*)?"
#define URI(WIDE)                                                                                                     \
    "[A-Za-z][A-Za-z0-9+.-]*:(?:" AUTHORITY(WIDE) "|" ABSOLUTE_PATH(WIDE)                                             \
    "|" PCHAR(WIDE) "+(?:/" PCHAR(WIDE) "*)*)?" TAIL(WIDE)
#define RELATIVE(WIDE)                                                                                                \
    "(?:" AUTHORITY(WIDE) "|" ABSOLUTE_PATH(WIDE) "|" SEGMENT_NO_COLON(WIDE) "(?:/" PCHAR(WIDE) "*)*)?" TAIL(WIDE)
#define URI_REFERENCE(WIDE) "(?:" URI(WIDE) "|" RELATIVE(WIDE) ")"

#define VARIABLE "(?:[A-Za-z0-9_]|" PERCENT ")(?:\\.?(?:[A-Za-z0-9_]|" PERCENT "))*(?::[1-9][0-9]{0,3}|\\*)?"
#define URI_TEMPLATE                                                                                                  \
    "(?:[!#$&-;=?-\\[\\]_a-z~" WIDE_IRI "]|" PERCENT "|\\{[+#./;?&=,!@|]?" VARIABLE "(?:," VARIABLE ")*\\})*"
#define JSON_POINTER "(?:/(?:[^~/]|~[01])*)*"

struct format {
    const char *name, *pattern;
};

static const struct format formats[] = {
    {"date-time", DATE "[Tt]" TIME},
    {"date", DATE},
    {"time", TIME},
    {"duration", DURATION},
    {"email", LOCAL_PART(WIDE_NONE) "@(?:" HOSTNAME "|" MAIL_LITERAL ")"},
    {"idn-email", LOCAL_PART(WIDE_IRI) "@(?:" IDN_LABEL "(?:\\." IDN_LABEL ")*|" MAIL_LITERAL ")"},
    {"hostname", HOSTNAME},
    {"ipv4", IPV4},
    {"ipv6", IPV6},
    {"uri", URI(WIDE_NONE)},
    {"uri-reference", URI_REFERENCE(WIDE_NONE)},
    {"iri", URI(WIDE_IRI)},
    {"iri-reference", URI_REFERENCE(WIDE_IRI)},
    {"uri-template", URI_TEMPLATE},
    {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
    {"json-pointer", JSON_POINTER},
    {"relative-json-pointer", "(?:0|[1-9][0-9]*)(?:#|" JSON_POINTER ")"},
};

const char *schema_format_pattern(struct str name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (str_is(name, formats[i].name))
            return formats[i].pattern;
    return NULL;
}
