// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "kafka"
#include "kafka/embedded.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/str.h"

struct ef_embedded {
    rd_kafka_t *rk; /* the mock's bookkeeping hangs on an instance; it connects to nothing */
    rd_kafka_mock_cluster_t *cluster;
    int partitions;
};

/* Called by librdkafka's threads. The mock has a line for each connection: of interest only in a
 * search. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    ef_debug("embedded broker", EF_STR("facility", facility), EF_STR("text", text));
}

static int port_of(const char *bootstrap)
{
    const char *colon = strrchr(bootstrap, ':');
    return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

static bool listens_on(int fd, int port)
{
    int listening = 0;
    socklen_t len = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return false;
    struct sockaddr_in at = {0};
    len = sizeof(at);
    return getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sin_family == AF_INET &&
           ntohs(at.sin_port) == port;
}

/*
 * The mock does not switch Nagle's algorithm off on the connections it accepts: its small answers
 * then wait for the client's delayed acknowledgement, some 40 ms each. On Linux an accepted socket
 * inherits TCP_NODELAY from the listening one, which is ours to find: it is a descriptor of this
 * process that listens on the port we know.
 */
void ef_embedded_nodelay(struct ef_embedded *embedded)
{
    int port = port_of(ef_embedded_bootstrap(embedded));
    int found = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *end;
        int fd = (int)strtol(entry->d_name, &end, 10);
        int one = 1;
        if (*end == '\0' && listens_on(fd, port) &&
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0)
            found++;
    }
    if (dir)
        closedir(dir);
    if (!found)
        ef_debug("embedded broker answers slowly: no TCP_NODELAY", EF_INT("port", port));
}

static rd_kafka_t *new_instance(struct ef_error *err)
{
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set(conf, "client.id", "eventferryd-embedded", NULL, 0);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        ef_error_set(err, EF_CLASS_FATAL, "could not start the embedded broker: %s", reason);
    }
    return rk;
}

struct ef_embedded *ef_embedded_new(int partitions, struct ef_error *err)
{
    rd_kafka_t *rk = new_instance(err);
    if (!rk)
        return NULL;
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 1);
    if (!cluster) {
        ef_error_set(err, EF_CLASS_FATAL,
                     "could not start the embedded broker: no port of 127.0.0.1 to listen on");
        rd_kafka_destroy(rk);
        return NULL;
    }
    struct ef_embedded *embedded = ef_xcalloc(1, sizeof(*embedded));
    *embedded = (struct ef_embedded){
        .rk = rk, .cluster = cluster, .partitions = partitions > 0 ? partitions : 1};
    ef_embedded_nodelay(embedded);
    return embedded;
}

void ef_embedded_free(struct ef_embedded *embedded)
{
    if (!embedded)
        return;
    rd_kafka_mock_cluster_destroy(embedded->cluster);
    rd_kafka_destroy(embedded->rk);
    free(embedded);
}

const char *ef_embedded_bootstrap(const struct ef_embedded *embedded)
{
    return rd_kafka_mock_cluster_bootstraps(embedded->cluster);
}

bool ef_embedded_topic(struct ef_embedded *embedded, const char *name, struct ef_error *err)
{
    rd_kafka_resp_err_t code =
        rd_kafka_mock_topic_create(embedded->cluster, name, embedded->partitions, 1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return true;
    return ef_error_set(err, EF_CLASS_DESTINATION, "could not make topic \"%s\": %s", name,
                        rd_kafka_err2str(code));
}

void *ef_embedded_cluster(struct ef_embedded *embedded)
{
    return embedded->cluster;
}
