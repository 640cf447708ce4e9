// SPDX-License-Identifier: MIT
/*
 * Logging: a constant message plus fields, as logfmt, JSON or native journal fields.
 *
 * Owns: a bounded ring of finished lines between the callers and stderr, so that a stalled reader
 * never stalls the loop: what does not fit is dropped and counted (ef_log_dropped). Thread: any
 * (one mutex). Life: usable at once with defaults (info, logfmt); ef_log_setup changes level and
 * format at any time.
 *
 * Never log payloads or secrets; keys and aggregate ids only behind log.identifiers
 * (ef_log_identifiers).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum ef_log_level { EF_LOG_DEBUG, EF_LOG_INFO, EF_LOG_WARN, EF_LOG_ERROR };
enum ef_log_format { EF_LOG_AUTO, EF_LOG_LOGFMT, EF_LOG_JSON, EF_LOG_JOURNAL };

enum ef_field_type { EF_FIELD_END, EF_FIELD_STR, EF_FIELD_INT, EF_FIELD_DOUBLE, EF_FIELD_ERR };

struct ef_field {
    const char *key;
    enum ef_field_type type;
    union {
        const char *s; /* NULL: the field is left out */
        int64_t i;
        double d;
        const struct ef_error *err; /* expands to class=, code= and error= */
    };
};

#define EF_STR(k, v) ((struct ef_field){.key = (k), .type = EF_FIELD_STR, .s = (v)})
#define EF_INT(k, v) ((struct ef_field){.key = (k), .type = EF_FIELD_INT, .i = (int64_t)(v)})
#define EF_DBL(k, v) ((struct ef_field){.key = (k), .type = EF_FIELD_DOUBLE, .d = (v)})
#define EF_ERR(e)    ((struct ef_field){.key = "error", .type = EF_FIELD_ERR, .err = (e)})

/* Each .c file that logs defines EF_LOG_ROOM ("relay", "store", ...) before including this header.
 */
#ifndef EF_LOG_ROOM
#define EF_LOG_ROOM "main"
#endif

#define ef_log(level, msg, ...)                                                                    \
    do {                                                                                           \
        if (ef_log_wanted((level), EF_LOG_ROOM))                                                   \
            ef_log_write(                                                                          \
                (level), EF_LOG_ROOM, (msg),                                                       \
                (const struct ef_field[]){__VA_ARGS__ __VA_OPT__(, ){.type = EF_FIELD_END}});      \
    } while (0)
#define ef_debug(msg, ...) ef_log(EF_LOG_DEBUG, msg __VA_OPT__(, ) __VA_ARGS__)
#define ef_info(msg, ...)  ef_log(EF_LOG_INFO, msg __VA_OPT__(, ) __VA_ARGS__)
#define ef_warn(msg, ...)  ef_log(EF_LOG_WARN, msg __VA_OPT__(, ) __VA_ARGS__)
#define ef_err(msg, ...)   ef_log(EF_LOG_ERROR, msg __VA_OPT__(, ) __VA_ARGS__)

void ef_log_setup(enum ef_log_level level, enum ef_log_format format, bool identifiers);
bool ef_log_wanted(enum ef_log_level level, const char *room);
/* NULL if there is no such level. */
const char *ef_log_level_name(enum ef_log_level level);
bool ef_log_level_parse(const char *name, enum ef_log_level *ret);

/*
 * Another level for one room, or for all ("" or NULL), for a while: it ends by itself. A room's own
 * goes before that of all. Rooms are the values of EF_LOG_ROOM.
 */
enum { EF_LOG_OVERRIDES_MAX = 16, EF_LOG_ROOM_MAX_BYTES = 15 };

struct ef_log_override {
    char room[EF_LOG_ROOM_MAX_BYTES + 1]; /* "": all */
    enum ef_log_level level;
    int64_t left_us;
};

bool ef_log_room_known(const char *room);
/* "admin, base, ..." for people. */
const char *ef_log_rooms(void);
void ef_log_override(const char *room, enum ef_log_level level, int64_t for_us);
/* Back to the configured level: of this room, or of everything (NULL). */
void ef_log_restore(const char *room);
/* Those in force; ret has EF_LOG_OVERRIDES_MAX elements. */
int ef_log_overrides(struct ef_log_override *ret);
enum ef_log_level ef_log_configured(void);
bool ef_log_identifiers(void);
void ef_log_write(enum ef_log_level level, const char *room, const char *msg,
                  const struct ef_field *fields);

/*
 * Called for every line that is written, with its parts; NULL ends it. One observer at a time,
 * which is called on whatever thread writes and under the log's mutex: it copies what it wants, is
 * quick, and does not log. Once ef_log_observe has returned, the former observer runs no more.
 */
typedef void ef_log_observer(void *arg, enum ef_log_level level, const char *msg,
                             const struct ef_field *fields);
void ef_log_observe(ef_log_observer *fn, void *arg);

/* Write what waits in the ring, as far as stderr takes it without blocking. Called by the loop. */
void ef_log_flush(void);
/* True if lines wait that stderr did not take yet. */
bool ef_log_pending(void);
uint64_t ef_log_dropped(void);

/*
 * "One log line per handled error, rate-limited": true if a line about this subject may be written
 * now. A struct per subject (zeroed at first); it allows `burst` lines, then one each `every_us`.
 * *suppressed receives how many were held back since the last allowed one.
 */
struct ef_log_limit {
    int64_t window_start_us;
    int burst_used;
    uint64_t suppressed;
};
bool ef_log_allow(struct ef_log_limit *limit, int burst, int64_t every_us, uint64_t *suppressed);
