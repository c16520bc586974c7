/* Between the two files of a form. Only form.c and form_texts.c use it. */
#ifndef RUNG_GATEWAY_FORM_PRIVATE_H
#define RUNG_GATEWAY_FORM_PRIVATE_H

#include "gateway/form.h"

/* Fills texts and n_texts of a form whose schema is open. */
bool form_list_texts(struct form *f, struct arena *arena, struct err *err);

#endif
