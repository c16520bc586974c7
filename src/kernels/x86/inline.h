/* How the vector kernels are written once for many types: functions that take the type's properties and are always
 * inlined. */
#ifndef RUNG_KERNELS_X86_INLINE_H
#define RUNG_KERNELS_X86_INLINE_H

#include "kernels/level.h"

#define INLINE static inline __attribute__((always_inline))

/* Before a loop whose vectors must stay in registers. A sanitizer would instrument every copy, and take minutes. */
#if defined(__SANITIZE_ADDRESS__)
#define UNROLL
#elif defined(__clang__)
#if __has_feature(address_sanitizer)
#define UNROLL
#endif
#endif
#ifndef UNROLL
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
