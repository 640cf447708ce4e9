// SPDX-License-Identifier: MIT
/*
 * The daemon of wood (fake_view.h) for the admin tests, and a client that talks to the server from
 * a thread of its own while the loop runs. To be included by one .c file of a test program only.
 */
#pragma once

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/fake_view.h"

/* --- a client beside the loop --- */

struct fake_client {
    pthread_t thread;
    int event_fd;
    struct ef_io io;
    void (*talk)(void);
};

static void *fake_talk(void *arg)
{
    struct fake_client *client = arg;
    client->talk();
    uint64_t one = 1;
    ck_assert_int_eq(write(client->event_fd, &one, sizeof(one)), sizeof(one));
    return NULL;
}

static void fake_talked(void *arg, int events)
{
    (void)arg;
    (void)events;
    ef_loop_stop(fake.loop);
}

/* Run the loop until talk(), which may block and must not touch the loop's objects, has returned.
 */
__attribute__((unused)) static void fake_run(void (*talk)(void))
{
    struct fake_client client = {.talk = talk, .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    ck_assert_int_ge(client.event_fd, 0);
    ef_io_init(&client.io, fake.loop, "test", fake_talked, NULL);
    ef_io_start(&client.io, client.event_fd, EF_IO_READ);
    ck_assert_int_eq(pthread_create(&client.thread, NULL, fake_talk, &client), 0);
    ef_loop_run(fake.loop);
    pthread_join(client.thread, NULL);
    ef_io_stop(&client.io);
    close(client.event_fd);
}

__attribute__((unused)) static int fake_scale(void)
{
    const char *text = getenv("EF_TEST_TIMEOUT_SCALE");
    int scale = text ? atoi(text) : 1;
    return scale > 0 ? scale : 1;
}
