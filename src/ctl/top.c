// SPDX-License-Identifier: MIT
/* eventferryctl top: the outboxes at work, drawn again and again. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/asking.h"
#include "ctl/table.h"
#include "ctl/top_frame.h"

enum { DEFAULT_INTERVAL_MS = 2000, FRAME_MAX_BYTES = 1 << 20 };

static const char usage_text[] =
    "usage: eventferryctl top [--interval DURATION] [--once] [--socket PATH] [OUTBOX]\n\n"
    "Watches the outboxes at work: rows delivered a second and how that went lately, lag, what "
    "is in\n"
    "flight, how long rows take to be read, acknowledged and settled, blocked aggregates, dead "
    "rows.\n"
    "q or ^C ends it.\n\n"
    "  --interval DURATION  between two looks (2s)\n"
    "  --once               one look, without the screen; rates are the daemon's own\n";

/* --- the screen --- */

static struct termios former; /* of the terminal before we came */
static bool screen_taken;
static volatile sig_atomic_t signalled; /* by which signal */

static void on_signal(int number)
{
    signalled = number;
}

static void take_screen(void)
{
    struct termios quiet;
    if (screen_taken || tcgetattr(STDIN_FILENO, &former) != 0)
        return;
    quiet = former;
    quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    fputs("\033[?1049h\033[?25l", stdout); /* another screen, no cursor */
    fflush(stdout);
    screen_taken = true;
}

static void leave_screen(void)
{
    if (!screen_taken)
        return;
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &former);
    screen_taken = false;
}

static void handle_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    struct sigaction action = {.sa_handler = on_signal}; /* interrupts poll */
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
}

/* Suspended by ^Z: the shell gets its own screen. */
static void suspend(void)
{
    leave_screen();
    raise(SIGSTOP);
    signalled = 0;
    take_screen();
}

/* As many lines as the terminal has, so that nothing scrolls away. */
static size_t cut(const char *text, size_t len)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 3)
        return len;
    int lines = 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\n' && ++lines == size.ws_row - 1)
            return i;
    return len;
}

static void draw(const struct ef_buf *frame, bool screen)
{
    if (!screen) {
        fwrite(frame->data, 1, frame->len, stdout);
    } else {
        size_t len = cut(frame->data, frame->len);
        fputs("\033[H", stdout);
        for (size_t i = 0; i < len; i++) {
            if (frame->data[i] == '\n')
                fputs("\033[K", stdout);
            putchar(frame->data[i]);
        }
        fputs("\033[K\033[J", stdout);
    }
    fflush(stdout);
}

/* --- watching --- */

struct watch {
    const struct ef_ctl *ctl;
    const struct ef_args *args;
    struct ef_top *top;
    bool screen, utf8;
};

static bool look(struct watch *w, int *ret_code)
{
    struct ef_buf frame;
    json_t *request = json_pack("{s:s}", "verb", "status");
    if (w->args->word_count)
        json_object_set_new(request, "outbox", json_string(w->args->words[0]));
    json_t *status =
        ef_ctl_request_ok(w->ctl, w->args->socket, request, EF_CTL_ANSWER_TIMEOUT_MS, ret_code);
    if (!status)
        return false;
    json_t *page = ef_ctl_request_ok(w->ctl, w->args->socket, json_pack("{s:s}", "verb", "metrics"),
                                     EF_CTL_ANSWER_TIMEOUT_MS, ret_code);
    if (page) {
        const json_t *shown = json_object_get(status, "status");
        ef_top_take(w->top, shown, ef_ctl_text(page, "text"), ef_clock_mono().us);
        ef_buf_init(&frame, FRAME_MAX_BYTES);
        ef_top_frame(w->top, shown, ef_ctl_wants_colors(), w->utf8, &frame);
        draw(&frame, w->screen);
        ef_buf_done(&frame);
    }
    bool ok = page != NULL;
    json_decref(page);
    json_decref(status);
    return ok;
}

/* False: it is the end. */
static bool wait_for_next(const struct watch *w, int64_t interval_ms)
{
    ef_mono end = {ef_clock_mono().us + interval_ms * EF_MS_US};
    while (!signalled || signalled == SIGTSTP) {
        struct pollfd keys = {.fd = w->screen ? STDIN_FILENO : -1, .events = POLLIN};
        int64_t left_ms = (end.us - ef_clock_mono().us) / EF_MS_US;
        if (signalled == SIGTSTP)
            suspend();
        if (left_ms <= 0)
            return true;
        char key = 0;
        if (poll(&keys, 1, left_ms > 1000 ? 1000 : (int)left_ms) > 0 &&
            (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q'))
            return false;
    }
    return false;
}

static int watch(struct watch *w, int64_t interval_ms, bool once)
{
    int code = EF_CTL_DONE;
    handle_signals();
    if (w->screen) {
        take_screen();
        ef_ctl_before_complaint(leave_screen);
    }
    if (!look(w, &code) || once)
        goto out;
    while (wait_for_next(w, interval_ms)) {
        if (!w->screen)
            putchar('\n');
        if (!look(w, &code))
            break;
    }
out:
    leave_screen();
    ef_ctl_before_complaint(NULL);
    return code;
}

int ef_ctl_top(struct ef_ctl *ctl, int argc, char **argv)
{
    bool once = false;
    int64_t interval_ms = DEFAULT_INTERVAL_MS;
    int code;
    const struct ef_arg options[] = {{"once", EF_ARG_FLAG, &once},
                                     {"interval", EF_ARG_DURATION, &interval_ms},
                                     {.kind = EF_ARG_END}};
    struct ef_args args = {.verb = "top", .usage = usage_text, .options = options, .words_max = 1};
    if (!ef_args_read(ctl, &args, argc, argv, &code))
        return code;
    struct watch w = {.ctl = ctl, .args = &args, .top = ef_top_new()};
    setlocale(LC_CTYPE, "");
    w.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    w.screen = !once && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
    code = watch(&w, interval_ms, once);
    ef_top_free(w.top);
    return code;
}
