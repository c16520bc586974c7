/* Log lines to stderr: "rung: LEVEL: text". Secrets and prompts never go into a log line. Thread-safe. */
#ifndef RUNG_BASE_LOG_H
#define RUNG_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO };

void log_set_level(enum log_level level);    /* LOG_WARN at the start */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)

#endif
