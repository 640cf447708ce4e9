// SPDX-License-Identifier: MIT
/*
 * Which messages of a topic look like one that its broker refused.
 *
 * A refusal costs the whole batch and the instance (see topics.c), so what may be refused next is
 * told from the last refusals: about as large as the smallest that was too large, or without a key
 * where a key was missing. It is only a guess about the way a message goes, never a verdict: with
 * compression a larger message may well fit, and the topic's settings may have changed.
 */
#include "kafka/errors.h"
#include "kafka/producer_private.h"

/* Without another refusal for so long, the next one is found out anew. */
#define SUSPECT_US (60 * EF_S_US)
/* Near the limit, the request around it and compression make more difference than a few bytes. */
enum { NEARLY = 16 };

bool ef_topic_suspects(struct ef_topic *topic, size_t bytes, bool keyless, int64_t now_us)
{
    struct suspicion *s = &topic->suspicion;
    if (!s->bytes && !s->keyless)
        return false;
    if (now_us > s->until_us) {
        *s = (struct suspicion){0};
        return false;
    }
    return (s->bytes && bytes >= s->bytes) || (s->keyless && keyless);
}

static bool is_about_size(int code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE;
}

void ef_topic_refused_alone(struct ef_topic *topic, const struct ef_pmsg *m, int code,
                            int64_t now_us)
{
    struct suspicion *s = &topic->suspicion;
    size_t nearly = m->bytes - m->bytes / NEARLY;
    if (nearly <= s->taken_bytes && s->taken_bytes < m->bytes)
        nearly = s->taken_bytes + 1;
    if (is_about_size(code))
        s->bytes = s->bytes && s->bytes < nearly ? s->bytes : nearly;
    else if (!m->key.p)
        s->keyless = true;
    else
        return;
    s->until_us = now_us + SUSPECT_US;
}

void ef_topic_took_alone(struct ef_topic *topic, const struct ef_pmsg *m)
{
    struct suspicion *s = &topic->suspicion;
    if (s->bytes && m->bytes >= s->bytes) {
        s->taken_bytes = m->bytes;
        s->bytes = m->bytes + 1;
    }
    if (!m->key.p)
        s->keyless = false;
}
