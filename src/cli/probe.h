/* Who sits on a port that is taken: asked only when listening on it failed, and only on this machine. */
#ifndef RUNG_CLI_PROBE_H
#define RUNG_CLI_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Ollama", "another Rung", "an HTTP server (llama.cpp)", "something that does not speak HTTP", "another program". */
void probe_port(const char *host, uint16_t port, char *ret, size_t size);

#endif
