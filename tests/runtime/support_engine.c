/* The engine's rigs and tiny models, for the runtime's tests that look below generations. */
#include "../engine/support_engine.c"

#include "../engine/support_tiny.c"
