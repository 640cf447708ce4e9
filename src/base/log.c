// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "base"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_events.h"
#include "base/str.h"
#include "base/utf8.h"

/* A line is cut at PIPE_BUF so that one write to a pipe that polls writable never blocks (pipe(7)).
 */
enum { LINE_MAX_BYTES = 4096, RING_BYTES = 256 * 1024 };
/* Kept free by long values for what ends a line: quote, "truncated", bracket, newline. */
enum { LINE_END_BYTES = 48 };

static struct {
    pthread_mutex_t mutex;
    enum ef_log_level level;
    enum ef_log_format format;
    bool identifiers;
    char ring[RING_BYTES]; /* finished lines: length (2 bytes), bytes */
    size_t head, used;
    bool cut;    /* a value of the line being made did not fit */
    bool broken; /* the last write failed: a line about dropped lines would only be one more */
    uint64_t dropped;
    uint64_t dropped_told; /* how many of them a line already told of */
    ef_log_observer *observer;
    void *observer_arg;
} logger = {.mutex = PTHREAD_MUTEX_INITIALIZER, .level = EF_LOG_INFO, .format = EF_LOG_LOGFMT};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* systemd sets JOURNAL_STREAM to device:inode of the stderr it gave us (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void ef_log_setup(enum ef_log_level level, enum ef_log_format format, bool identifiers)
{
    pthread_mutex_lock(&logger.mutex);
    if (format == EF_LOG_AUTO)
        format = stderr_is_journal() ? EF_LOG_JOURNAL : EF_LOG_LOGFMT;
    logger.level = level;
    logger.format = format;
    logger.identifiers = identifiers;
    pthread_mutex_unlock(&logger.mutex);
}

/* --- another level for a while --- */

static const char *const rooms[] = {"admin", "base", "daemon", "kafka",
                                    "loop",  "main", "relay",  "store"};

static struct {
    atomic_int count; /* read without the mutex: most of the time there is none */
    struct {
        char room[EF_LOG_ROOM_MAX_BYTES + 1];
        enum ef_log_level level;
        int64_t until_us; /* ef_clock_mono */
    } items[EF_LOG_OVERRIDES_MAX];
} overrides;

const char *ef_log_level_name(enum ef_log_level level)
{
    return level_names[level];
}

bool ef_log_level_parse(const char *name, enum ef_log_level *ret)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(level_names[i], name) == 0) {
            *ret = (enum ef_log_level)i;
            return true;
        }
    }
    return false;
}

bool ef_log_room_known(const char *room)
{
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        if (strcmp(rooms[i], room) == 0)
            return true;
    return false;
}

const char *ef_log_rooms(void)
{
    return "admin, base, daemon, kafka, loop, main, relay, store";
}

static void drop_override(int i)
{
    int last = atomic_load(&overrides.count) - 1;
    overrides.items[i] = overrides.items[last];
    atomic_store(&overrides.count, last);
}

/* The one of exactly this room; -1: none. With the mutex. */
static int find_override(const char *room)
{
    for (int i = 0; i < atomic_load(&overrides.count); i++)
        if (strcmp(overrides.items[i].room, room) == 0)
            return i;
    return -1;
}

static void expire_locked(void)
{
    int64_t now = ef_clock_mono().us;
    for (int i = atomic_load(&overrides.count); i-- > 0;)
        if (overrides.items[i].until_us <= now)
            drop_override(i);
}

void ef_log_override(const char *room, enum ef_log_level level, int64_t for_us)
{
    pthread_mutex_lock(&logger.mutex);
    expire_locked();
    int i = find_override(room ? room : "");
    if (i < 0 && atomic_load(&overrides.count) < EF_LOG_OVERRIDES_MAX)
        i = atomic_fetch_add(&overrides.count, 1);
    if (i >= 0) {
        snprintf(overrides.items[i].room, sizeof(overrides.items[i].room), "%s", room ? room : "");
        overrides.items[i].level = level;
        overrides.items[i].until_us = ef_clock_mono().us + for_us;
    }
    pthread_mutex_unlock(&logger.mutex);
}

void ef_log_restore(const char *room)
{
    pthread_mutex_lock(&logger.mutex);
    int i = room ? find_override(room) : -1;
    if (i >= 0)
        drop_override(i);
    if (!room)
        atomic_store(&overrides.count, 0);
    pthread_mutex_unlock(&logger.mutex);
}

int ef_log_overrides(struct ef_log_override *ret)
{
    pthread_mutex_lock(&logger.mutex);
    expire_locked();
    int count = atomic_load(&overrides.count);
    int64_t now = ef_clock_mono().us;
    for (int i = 0; i < count; i++) {
        snprintf(ret[i].room, sizeof(ret[i].room), "%s", overrides.items[i].room);
        ret[i].level = overrides.items[i].level;
        ret[i].left_us = overrides.items[i].until_us - now;
    }
    pthread_mutex_unlock(&logger.mutex);
    return count;
}

enum ef_log_level ef_log_configured(void)
{
    return logger.level;
}

static enum ef_log_level overridden(const char *room)
{
    pthread_mutex_lock(&logger.mutex);
    expire_locked();
    int i = find_override(room);
    if (i < 0)
        i = find_override("");
    enum ef_log_level level = i < 0 ? logger.level : overrides.items[i].level;
    pthread_mutex_unlock(&logger.mutex);
    return level;
}

bool ef_log_wanted(enum ef_log_level level, const char *room)
{
    if (atomic_load_explicit(&overrides.count, memory_order_relaxed) == 0)
        return level >= logger.level;
    return level >= overridden(room);
}

bool ef_log_identifiers(void)
{
    return logger.identifiers;
}

uint64_t ef_log_dropped(void)
{
    pthread_mutex_lock(&logger.mutex);
    uint64_t n = logger.dropped;
    pthread_mutex_unlock(&logger.mutex);
    return n;
}

bool ef_log_pending(void)
{
    pthread_mutex_lock(&logger.mutex);
    bool pending = logger.used > 0;
    pthread_mutex_unlock(&logger.mutex);
    return pending;
}

static void ring_put(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        logger.ring[(logger.head + logger.used + i) % RING_BYTES] = data[i];
    logger.used += len;
}

static void ring_peek(size_t offset, char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = logger.ring[(logger.head + offset + i) % RING_BYTES];
}

/* A closed descriptor takes everything: the write then fails at once. */
static bool stderr_takes_a_line(void)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&fd, 1, 0) == 1;
}

/* One datagram per line in the native protocol, see systemd's "Native Journal Protocol". */
static int journal_socket(void)
{
    static int fd = -2;
    if (fd != -2)
        return fd;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* True if the line is done with (written, or can never be written), false if it must wait. */
static bool emit(const char *line, size_t len)
{
    if (logger.format == EF_LOG_JOURNAL && journal_socket() >= 0)
        return send(journal_socket(), line, len, MSG_NOSIGNAL) >= 0;
    if (!stderr_takes_a_line())
        return false;
    bool written = write(STDERR_FILENO, line, len) >= 0;
    if (!written && (errno == EAGAIN || errno == EINTR))
        return false;
    if (!written)
        logger.dropped++; /* nobody reads any more, which must not stop the relay */
    logger.broken = !written;
    return true;
}

static void flush_locked(void)
{
    while (logger.used > 0) {
        char line[LINE_MAX_BYTES];
        unsigned short len;
        ring_peek(0, (char *)&len, sizeof(len));
        ring_peek(sizeof(len), line, len);
        if (!emit(line, len))
            return;
        logger.head = (logger.head + sizeof(len) + len) % RING_BYTES;
        logger.used -= sizeof(len) + len;
    }
}

void ef_log_flush(void)
{
    pthread_mutex_lock(&logger.mutex);
    flush_locked();
    pthread_mutex_unlock(&logger.mutex);
}

/* Cuts what does not fit at a character's end; bytes that are not UTF-8 become U+FFFD, which JSON
 * needs. */
static void add_escaped(struct ef_buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        size_t n = ef_utf8_length(&s[i], len - i);
        if (b->len + LINE_END_BYTES > b->max) {
            logger.cut = true;
            return;
        }
        if (n == 0)
            ef_buf_puts(b, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            ef_buf_printf(b, "\\%c", c);
        else if (c == '\n')
            ef_buf_puts(b, "\\n");
        else if (c < 0x20 || c == 0x7f)
            ef_buf_printf(b, "\\u%04x", c);
        else
            ef_buf_add(b, &s[i], n);
        i += n ? n : 1;
    }
}

static bool needs_quotes(const char *s)
{
    if (!*s)
        return true;
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
            return true;
    return false;
}

static void add_logfmt(struct ef_buf *b, const char *key, const char *value)
{
    ef_buf_printf(b, "%s%s=", b->len ? " " : "", key);
    bool quote = needs_quotes(value);
    if (quote)
        ef_buf_puts(b, "\"");
    add_escaped(b, value, strlen(value));
    if (quote)
        ef_buf_puts(b, "\"");
}

static void add_json(struct ef_buf *b, const char *key, const char *value, bool number)
{
    ef_buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", key);
    if (number) {
        ef_buf_puts(b, value);
        return;
    }
    ef_buf_puts(b, "\"");
    add_escaped(b, value, strlen(value));
    ef_buf_puts(b, "\"");
}

/* Journal field names: upper case; values with a newline would need the binary form, so escape it.
 */
static void add_journal(struct ef_buf *b, const char *key, const char *value)
{
    char name[64];
    size_t len = strnlen(key, sizeof(name) - 1);
    for (size_t i = 0; i < len; i++)
        name[i] = (char)(key[i] >= 'a' && key[i] <= 'z' ? key[i] - 32 : key[i]);
    name[len] = '\0';
    bool standard = strcmp(name, "MESSAGE") == 0 || strcmp(name, "PRIORITY") == 0 ||
                    strcmp(name, "SYSLOG_IDENTIFIER") == 0 || strcmp(name, "MESSAGE_ID") == 0;
    ef_buf_printf(b, "%s%s=", standard ? "" : "EVENTFERRY_", name);
    for (const char *p = value; *p; p++)
        ef_buf_add(b, *p == '\n' ? " " : p, 1);
    ef_buf_puts(b, "\n");
}

static void add(struct ef_buf *b, const char *key, const char *value, bool number)
{
    if (b->len + strlen(key) + 2 * LINE_END_BYTES > b->max) {
        logger.cut = true;
        return;
    }
    if (logger.format == EF_LOG_JSON)
        add_json(b, key, value, number);
    else if (logger.format == EF_LOG_JOURNAL)
        add_journal(b, key, value);
    else
        add_logfmt(b, key, value);
}

static void add_field(struct ef_buf *b, const struct ef_field *f)
{
    char number[40];
    switch (f->type) {
    case EF_FIELD_STR:
        if (f->s)
            add(b, f->key, f->s, false);
        break;
    case EF_FIELD_INT:
        snprintf(number, sizeof(number), "%lld", (long long)f->i);
        add(b, f->key, number, true);
        break;
    case EF_FIELD_DOUBLE:
        snprintf(number, sizeof(number), "%.6g", f->d);
        add(b, f->key, number, isfinite(f->d)); /* JSON has no number for the others */
        break;
    case EF_FIELD_ERR:
        add(b, "class", ef_class_name(f->err->class), false);
        if (f->err->name[0])
            add(b, "code", f->err->name, false);
        add(b, "error", f->err->text, false);
        break;
    case EF_FIELD_END:
        break;
    }
}

static void journal_message(struct ef_buf *b, const char *msg, const struct ef_field *fields)
{
    /* people read MESSAGE, so it carries the fields too */
    struct ef_buf text;
    ef_buf_init(&text, LINE_MAX_BYTES / 2);
    enum ef_log_format keep = logger.format;
    logger.format = EF_LOG_LOGFMT;
    ef_buf_puts(&text, msg);
    for (const struct ef_field *f = fields; f->type != EF_FIELD_END; f++)
        add_field(&text, f);
    logger.format = keep;
    add_journal(b, "MESSAGE", text.data);
    ef_buf_done(&text);
}

static void format_line(struct ef_buf *b, enum ef_log_level level, const char *room,
                        const char *msg, const struct ef_field *fields)
{
    static const char *const priorities[] = {"7", "6", "4", "3"}; /* syslog(3) */
    const char *event = ef_log_event(msg);
    char stamp[32], uuid[EF_LOG_UUID_BYTES];
    logger.cut = false;
    if (logger.format == EF_LOG_JOURNAL) {
        add_journal(b, "PRIORITY", priorities[level]);
        add_journal(b, "SYSLOG_IDENTIFIER", "eventferryd");
        journal_message(b, msg, fields);
        if (event) {
            ef_log_event_uuid(event, uuid);
            add_journal(b, "MESSAGE_ID", uuid);
        }
    } else {
        if (logger.format == EF_LOG_JSON)
            ef_buf_puts(b, "{");
        ef_wall_iso8601(ef_clock_wall(), stamp, sizeof(stamp));
        add(b, "ts", stamp, false);
        add(b, "level", level_names[level], false);
    }
    add(b, "room", room, false);
    if (event)
        add(b, "event", event, false);
    if (logger.format != EF_LOG_JOURNAL)
        add(b, "msg", msg, false);
    for (const struct ef_field *f = fields; f->type != EF_FIELD_END; f++)
        add_field(b, f);
    if (logger.cut && logger.format != EF_LOG_JOURNAL)
        ef_buf_puts(b, logger.format == EF_LOG_JSON ? ",\"truncated\":true" : " truncated=true");
    if (logger.format == EF_LOG_JSON)
        ef_buf_puts(b, "}");
    if (logger.format != EF_LOG_JOURNAL)
        ef_buf_puts(b, "\n");
}

static void enqueue(const char *line, size_t len)
{
    unsigned short n = (unsigned short)len;
    if (logger.used + sizeof(n) + len > RING_BYTES) {
        logger.dropped++;
        return;
    }
    ring_put((const char *)&n, sizeof(n));
    ring_put(line, len);
}

static void write_locked(enum ef_log_level level, const char *room, const char *msg,
                         const struct ef_field *fields)
{
    struct ef_buf b;
    ef_buf_init(&b, LINE_MAX_BYTES - 1);
    format_line(&b, level, room, msg, fields);
    if (b.overflow && b.len) /* cut, but still one line */
        b.data[b.len - 1] = '\n';
    enqueue(b.data, b.len);
    ef_buf_done(&b);
}

void ef_log_write(enum ef_log_level level, const char *room, const char *msg,
                  const struct ef_field *fields)
{
    pthread_mutex_lock(&logger.mutex);
    flush_locked();
    if (logger.dropped > logger.dropped_told && logger.used == 0 && !logger.broken) {
        uint64_t count = logger.dropped - logger.dropped_told;
        logger.dropped_told = logger.dropped;
        const struct ef_field told[] = {EF_INT("count", count), {.type = EF_FIELD_END}};
        write_locked(EF_LOG_WARN, EF_LOG_ROOM, "log lines dropped", told);
    }
    write_locked(level, room, msg, fields);
    flush_locked();
    if (logger.observer)
        logger.observer(logger.observer_arg, level, msg, fields);
    pthread_mutex_unlock(&logger.mutex);
}

void ef_log_observe(ef_log_observer *fn, void *arg)
{
    pthread_mutex_lock(&logger.mutex);
    logger.observer = fn;
    logger.observer_arg = arg;
    pthread_mutex_unlock(&logger.mutex);
}

bool ef_log_allow(struct ef_log_limit *limit, int burst, int64_t every_us, uint64_t *suppressed)
{
    int64_t now = ef_clock_mono().us;
    if (limit->window_start_us == 0)
        limit->window_start_us = now;
    int64_t regained = (now - limit->window_start_us) / every_us;
    limit->window_start_us += regained * every_us;
    limit->burst_used = regained < limit->burst_used ? limit->burst_used - (int)regained : 0;
    if (limit->burst_used >= burst) {
        limit->suppressed++;
        return false;
    }
    limit->burst_used++;
    if (suppressed)
        *suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}
