// SPDX-License-Identifier: MIT
#include "store/my_dial.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/known_host.h"

static atomic_int threads; /* that have not ended, those of attempts that were left too */

struct ef_my_dial {
    pthread_t thread;
    atomic_int refs; /* the loop's and the thread's: the last one frees */
    atomic_bool ended, left;
    MYSQL *my;         /* the thread's until ended, then the loop's */
    atomic_int socket; /* a second descriptor of its socket; -1: there is none yet */
    bool connected;
    int fd;
    char *host, *address, *user, *password, *database;
    int port;
};

static void release(struct ef_my_dial *dial)
{
    if (atomic_fetch_sub(&dial->refs, 1) != 1)
        return;
    if (dial->my)
        mysql_close(dial->my);
    if (dial->fd >= 0)
        close(dial->fd);
    if (dial->socket >= 0)
        close(dial->socket);
    if (dial->password)
        explicit_bzero(dial->password, strlen(dial->password));
    free(dial->host);
    free(dial->address);
    free(dial->user);
    free(dial->password);
    free(dial->database);
    free(dial);
}

/* --- the thread --- */

/* The loop may end the attempt by this descriptor whatever libmariadb does with its own. */
static void show_socket(struct ef_my_dial *dial)
{
    if (atomic_load(&dial->socket) < 0)
        atomic_store(&dial->socket, fcntl((int)mysql_get_socket(dial->my), F_DUPFD_CLOEXEC, 0));
    if (atomic_load(&dial->left) && atomic_load(&dial->socket) >= 0)
        shutdown(dial->socket, SHUT_RDWR);
}

static int wait_for(MYSQL *my, int what)
{
    struct pollfd fd = {.fd = (int)mysql_get_socket(my)};
    fd.events =
        (short)((what & MYSQL_WAIT_READ ? POLLIN : 0) | (what & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                (what & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));
    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        ;
    int seen = (fd.revents & POLLIN ? MYSQL_WAIT_READ : 0) |
               (fd.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0) |
               (fd.revents & POLLPRI ? MYSQL_WAIT_EXCEPT : 0);
    return seen ? seen : what; /* an error or the end: the next call finds it */
}

/* What OpenSSL keeps for the thread, which it would free later than the last line of ours. */
static void end_tls(void)
{
    void (*stop)(void);
    *(void **)&stop = dlsym(RTLD_DEFAULT, "OPENSSL_thread_stop");
    if (stop)
        stop();
}

static void *run(void *arg)
{
    struct ef_my_dial *dial = arg;
    MYSQL *my = NULL;
    if (dial->address)
        ef_known_host_set(dial->host, dial->address);
    int wait =
        mysql_real_connect_start(&my, dial->my, dial->host, dial->user, dial->password,
                                 dial->database, (unsigned)dial->port, NULL, EF_MY_CLIENT_FLAGS);
    ef_known_host_set(NULL, NULL);
    while (wait) {
        show_socket(dial);
        wait = mysql_real_connect_cont(&my, dial->my, wait_for(dial->my, wait));
    }
    dial->connected = my != NULL;
    atomic_store(&dial->ended, true);
    if (eventfd_write(dial->fd, 1) != 0)
        abort(); /* only a closed descriptor or a full counter refuses */
    release(dial);
    end_tls();
    atomic_fetch_sub(&threads, 1);
    return NULL;
}

/* --- the loop --- */

static char *copy(const char *text)
{
    return text ? ef_xstrdup(text) : NULL;
}

/* Signals are the loop's. */
static bool start_thread(struct ef_my_dial *dial)
{
    sigset_t all, before;
    sigfillset(&all);
    atomic_fetch_add(&threads, 1);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&dial->thread, NULL, run, dial) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started)
        atomic_fetch_sub(&threads, 1);
    return started;
}

struct ef_my_dial *ef_my_dial_start(MYSQL *my, const struct ef_my_target *target,
                                    const char *database)
{
    struct ef_my_dial *dial = ef_xcalloc(1, sizeof(*dial));
    dial->my = my;
    dial->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dial->host = copy(target->host);
    dial->address = copy(target->address);
    dial->user = copy(target->url.user);
    dial->password = copy(target->url.password);
    dial->database = copy(database);
    dial->port = target->port;
    atomic_store(&dial->socket, -1);
    atomic_store(&dial->refs, 2);
    if (dial->fd >= 0 && start_thread(dial))
        return dial;
    atomic_store(&dial->refs, 1);
    release(dial);
    return NULL;
}

int ef_my_dial_fd(const struct ef_my_dial *dial)
{
    return dial->fd;
}

MYSQL *ef_my_dial_take(struct ef_my_dial *dial, bool *ret_connected)
{
    if (!atomic_load(&dial->ended))
        abort();                      /* the descriptor was not readable: a bug */
    pthread_join(dial->thread, NULL); /* it is on its way out */
    MYSQL *my = dial->my;
    *ret_connected = dial->connected;
    dial->my = NULL;
    release(dial);
    return my;
}

void ef_my_dial_leave(struct ef_my_dial *dial)
{
    pthread_detach(dial->thread);
    atomic_store(&dial->left, true);
    if (atomic_load(&dial->socket) >= 0)
        shutdown(dial->socket, SHUT_RDWR);
    release(dial);
}

bool ef_my_dial_lingers(void)
{
    return atomic_load(&threads) > 0;
}
