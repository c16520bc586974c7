/* Which part of an answer a piece of text belongs to. A thinking model writes its reasoning between two markers at the
 * start of the answer, or in a channel of its own; the markers themselves are text of neither part. How a family marks
 * it is found in its chat template. Markers may be tokens or ordinary text: what only looks like the beginning of one
 * is held back until it is known. Only the engine thread uses an open splitter. */
#ifndef RUNG_RUNTIME_REASONING_H
#define RUNG_RUNTIME_REASONING_H

#include "base/buf.h"
#include "base/str.h"

#define REASONING_MAX_HELD_BYTES 4096   /* white space and headers; then they are text */
#define TEXT_PARTS_MAX_RUNS 64           /* then text joins the last run */

enum answer_part { PART_ANSWER, PART_REASONING };

/* Text in runs of one part each, in order. */
struct text_parts {
    struct buf text;
    struct {
        enum answer_part part;
        size_t n;
    } runs[TEXT_PARTS_MAX_RUNS];
    int n;
};
void text_parts_add(struct text_parts *p, enum answer_part part, struct str text);
/* The first run, which stays until it is dropped; false when there is none. */
bool text_parts_first(const struct text_parts *p, enum answer_part *ret_part, struct str *ret_text);
void text_parts_drop(struct text_parts *p);

struct reasoning_format;
const struct reasoning_format *reasoning_detect(struct str template_source);   /* NULL: the model does not reason */
/* Whether a control token of this name is part of a marker, so that the splitter must see it as text. */
bool reasoning_marker(const struct reasoning_format *f, struct str name);
bool reasoning_in_channels(const struct reasoning_format *f);
/* Whether a prompt ends inside the reasoning section, opened by the template. */
bool reasoning_opened(const struct reasoning_format *f, struct str prompt);

struct reasoning {
    /* private */
    const struct reasoning_format *format;
    enum { REASONING_POSSIBLE, REASONING_INSIDE, REASONING_LEAVING, REASONING_OVER,
           CHANNEL_START, CHANNEL_HEADER, CHANNEL_BODY, CHANNEL_CALL, CHANNEL_BETWEEN } state;
    enum answer_part part;   /* of a channel's body */
    bool trim;               /* white space at the start of a part is dropped */
    struct buf held;
};

/* f NULL: everything is answer. inside: the prompt has opened the section. */
void reasoning_open(struct reasoning *r, const struct reasoning_format *f, bool inside);
void reasoning_close(struct reasoning *r);
/* Appends what became certain to *out. A call in a channel is part of the answer, header included. */
void reasoning_add(struct reasoning *r, struct str text, struct text_parts *out);
void reasoning_end(struct reasoning *r, struct text_parts *out);   /* what was held */
bool reasoning_inside(const struct reasoning *r);
bool reasoning_undecided(const struct reasoning *r);   /* what is held may open the section */

/* ---- for rules, which begin where the reasoning ends ---- */
enum answer_phase {
    PHASE_POSSIBLE,      /* nothing came that tells whether reasoning or the answer begins */
    PHASE_REASONING,
    PHASE_BETWEEN,       /* between the messages of channels: a header comes */
    PHASE_LEAD,          /* behind the reasoning, where white space is dropped */
    PHASE_ANSWER,
};
enum answer_phase reasoning_phase(const struct reasoning *r);
void reasoning_settle(struct reasoning *r);            /* the rest is answer, white space at its start too */
/* The text that opens the section; of channels what begins a header, or with `whole` all of it. */
struct str reasoning_opener(const struct reasoning_format *f, bool whole);
struct str reasoning_lead(const struct reasoning_format *f);     /* between messages: the header of the answer's */
/* Whether a piece of text can complete the marker that closes the section. */
bool reasoning_may_end_in(const struct reasoning_format *f, struct str piece);

/* ---- channels.c ---- */
void channels_add(struct reasoning *r, bool ended, struct text_parts *out);
bool channels_marker(struct str name);
enum answer_phase channels_phase(const struct reasoning *r);
struct str channels_opener(bool whole);
struct str channels_lead(void);

#endif
