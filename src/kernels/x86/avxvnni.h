/* What the AVX-VNNI kernels add to AVX2's: panels. */
#ifndef RUNG_KERNELS_X86_AVXVNNI_H
#define RUNG_KERNELS_X86_AVXVNNI_H

#include "kernels/x86/avx2.h"
#include "kernels/x86/panel.h"

void panel_unpack_avxvnni(enum tensor_type type, const struct source *s, struct panel *p, struct ahead *ahead);

#endif
