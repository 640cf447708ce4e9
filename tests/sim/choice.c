// SPDX-License-Identifier: MIT
#include "sim/choice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "sim/names.h"

static const struct {
    const char *name;
    enum sim_whose whose;
    enum sim_labels labels;
} sites[SITE_COUNT] = {
#define X(name, text, whose, labels) {text, WHOSE_##whose, LABELS_##labels},
    SIM_SITES(X) PRODSIM_SITES(X)
#undef X
};

static struct {
    struct ef_rng rng, product, apart;
    bool replaying;
    struct sim_choices *record;
    uint32_t asked[SITE_COUNT][SIM_ACTORS];
    bool any_asked[SITE_COUNT];
    /* replay: values in order of site, actor, number; where each pair stands */
    struct sim_choices sorted;
    int next[SITE_COUNT][SIM_ACTORS];
} c;

void sim_choices_add(struct sim_choices *choices, struct sim_choice choice)
{
    if (choices->count == choices->size) {
        choices->size = choices->size ? choices->size * 2 : 256;
        choices->items =
            ef_xrealloc(choices->items, (size_t)choices->size * sizeof(*choices->items));
    }
    choices->items[choices->count++] = choice;
}

void sim_choices_done(struct sim_choices *choices)
{
    free(choices->items);
    *choices = (struct sim_choices){0};
}

static void begin(uint64_t seed)
{
    for (int i = 0; i < SITE_COUNT; i++)
        if (c.any_asked[i])
            memset(c.asked[i], 0, sizeof(c.asked[i]));
    memset(c.any_asked, 0, sizeof(c.any_asked));
    ef_rng_seed(&c.rng, seed);
    ef_rng_seed(&c.product, seed ^ UINT64_C(0x5bd1e9955bd1e995));
    ef_rng_seed(&c.apart, seed ^ UINT64_C(0x9e3779b97f4a7c15));
}

void sim_choices_seed(uint64_t seed, struct sim_choices *record)
{
    begin(seed);
    c.replaying = false;
    c.record = record;
    if (record)
        record->count = 0;
}

static int by_place(const void *a, const void *b)
{
    const struct sim_choice *x = a, *y = b;
    if (x->site != y->site)
        return x->site - y->site;
    if (x->actor != y->actor)
        return x->actor - y->actor;
    return x->number < y->number ? -1 : x->number > y->number;
}

void sim_choices_replay(uint64_t seed, const struct sim_choices *choices)
{
    begin(seed);
    c.replaying = true;
    c.record = NULL;
    c.sorted.count = 0;
    for (int i = 0; i < choices->count; i++)
        sim_choices_add(&c.sorted, choices->items[i]);
    if (c.sorted.count > 0)
        qsort(c.sorted.items, (size_t)c.sorted.count, sizeof(*c.sorted.items), by_place);
    memset(c.next, -1, sizeof(c.next));
    for (int i = c.sorted.count - 1; i >= 0; i--)
        c.next[c.sorted.items[i].site][c.sorted.items[i].actor] = i;
}

static int64_t replayed(enum sim_site site, int actor, uint32_t number)
{
    int i = c.next[site][actor];
    if (i < 0)
        return 0;
    const struct sim_choice *x = &c.sorted.items[i];
    if (x->number != number)
        return 0;
    bool more = i + 1 < c.sorted.count && x[1].site == x->site && x[1].actor == x->actor;
    c.next[site][actor] = more ? i + 1 : -1;
    return x->value;
}

static uint32_t next_number(enum sim_site site, int actor)
{
    c.any_asked[site] = true;
    return c.asked[site][actor]++;
}

static int64_t keep(enum sim_site site, int actor, uint32_t number, int64_t value)
{
    if (value != 0 && c.record)
        sim_choices_add(c.record,
                        (struct sim_choice){(uint8_t)site, (uint8_t)actor, number, value});
    return value;
}

static int64_t choose(struct ef_rng *rng, enum sim_site site, int actor, int64_t n)
{
    uint32_t number = next_number(site, actor);
    if (c.replaying) {
        int64_t value = replayed(site, actor, number);
        return value < n ? value : n - 1;
    }
    return n <= 1 ? 0 : keep(site, actor, number, (int64_t)ef_rng_below(rng, (uint64_t)n));
}

int64_t sim_choose(enum sim_site site, int actor, int64_t n)
{
    return choose(&c.rng, site, actor, n);
}

int64_t sim_choose_apart(enum sim_site site, int actor, int64_t n)
{
    return choose(&c.apart, site, actor, n);
}

int64_t sim_choose_of(enum sim_site site, int actor, const int64_t *of, int n, int64_t limit)
{
    uint32_t number = next_number(site, actor);
    if (c.replaying) {
        int64_t value = replayed(site, actor, number);
        return value < limit ? value : value % limit; /* a fuzzer's may be any number */
    }
    return keep(site, actor, number, of[ef_rng_below(&c.rng, (uint64_t)n)]);
}

bool sim_happens(enum sim_site site, int actor, int permille)
{
    uint32_t number = next_number(site, actor);
    if (c.replaying)
        return replayed(site, actor, number) != 0;
    return permille > 0 &&
           keep(site, actor, number, ef_rng_below(&c.rng, 1000) < (uint64_t)permille);
}

int64_t sim_delay(enum sim_site site, int actor, int64_t low, int64_t high)
{
    uint32_t number = next_number(site, actor);
    if (c.replaying) {
        int64_t more = replayed(site, actor, number);
        return more < high - low ? low + more : high;
    }
    uint64_t random = ef_rng_next(&c.rng);
    int doublings = 0;
    while (low << (doublings + 1) <= high)
        doublings++;
    int64_t base = low << (random % (uint64_t)(doublings + 1));
    int64_t value = base + (int64_t)((random >> 8) % (uint64_t)base);
    if (value > high)
        value = high;
    return low + keep(site, actor, number, value - low);
}

void sim_random_bytes(void *out, unsigned size)
{
    unsigned char *p = out;
    while (size-- > 0)
        *p++ = (unsigned char)ef_rng_next(&c.product);
}

/* --- as text --- */

static const char *const whose_names[] = {
    [WHOSE_WORLD] = "world",        [WHOSE_RELAY] = "relay-", [WHOSE_WRITER] = "writer-",
    [WHOSE_PRODUCER] = "producer-", [WHOSE_USER] = "user-",   [WHOSE_AGGREGATE] = "aggregate-"};

/* NULL: there is no such label. */
static const char *label_name(enum sim_labels labels, int label)
{
    switch (labels) {
    case LABELS_STATEMENT:
        return sim_statement_name(label);
    case LABELS_PARTITION:
        return sim_partition_name(label);
    case LABELS_FAULT:
        return sim_fault_name(label);
    case LABELS_NONE:
        break;
    }
    return NULL;
}

/* The name, or what is left of a fuzzer's number. */
static void print_name(char *out, size_t size, const char *name, int64_t number)
{
    if (name)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%" PRId64, number);
}

void sim_choice_print(const struct sim_choice *choice, char *out, unsigned size)
{
    enum sim_labels labels = sites[choice->site].labels;
    int who = choice->actor % SIM_WHO, label = choice->actor / SIM_WHO;
    enum sim_whose whose = sites[choice->site].whose;
    char number[8] = "", labelled[32] = "", value[32];
    if (whose != WHOSE_WORLD)
        snprintf(number, sizeof(number), "%d", who);
    if (labels != LABELS_NONE) {
        labelled[0] = ' ';
        print_name(labelled + 1, sizeof(labelled) - 1, label_name(labels, label), label);
    }
    const char *fault = choice->site == SITE_NEMESIS ? sim_fault_name((int)choice->value) : NULL;
    print_name(value, sizeof(value), fault, choice->value);
    snprintf(out, size, "%s %s%s%s #%u = %s", sites[choice->site].name, whose_names[whose], number,
             labelled, choice->number + 1, value);
}

static int site_by_name(const char *name)
{
    for (int i = 0; i < SITE_COUNT; i++)
        if (strcmp(sites[i].name, name) == 0)
            return i;
    return -1;
}

static int label_by_name(enum sim_labels labels, const char *name)
{
    for (int i = 0; i < SIM_LABELS; i++) {
        const char *other = label_name(labels, i);
        if (other && strcmp(other, name) == 0)
            return i;
    }
    return -1;
}

static int who_by_name(enum sim_whose whose, const char *text)
{
    size_t len = strlen(whose_names[whose]);
    if (strncmp(text, whose_names[whose], len) != 0)
        return -1;
    int who = whose == WHOSE_WORLD ? 0 : text[len] - '0';
    bool whole = text[len] == '\0' ? whose == WHOSE_WORLD : text[len + 1] == '\0';
    return whole && who >= 0 && who < SIM_WHO ? who : -1;
}

bool sim_choice_parse(struct sim_choice *ret, const char *line)
{
    char name[64], whose[64], label[64] = "", value[64];
    unsigned number;
    if (sscanf(line, "%63s %63s #%u = %63s", name, whose, &number, value) != 4 &&
        sscanf(line, "%63s %63s %63s #%u = %63s", name, whose, label, &number, value) != 5)
        return false;
    int site = site_by_name(name);
    if (site < 0 || number == 0)
        return false;
    enum sim_labels labels = sites[site].labels;
    int who = who_by_name(sites[site].whose, whose);
    int labelled = labels == LABELS_NONE ? (label[0] ? -1 : 0) : label_by_name(labels, label);
    int fault = site == SITE_NEMESIS ? label_by_name(LABELS_FAULT, value) : 0;
    if (who < 0 || labelled < 0 || fault < 0)
        return false;
    *ret = (struct sim_choice){.site = (uint8_t)site,
                               .actor = (uint8_t)sim_for(who, labelled),
                               .number = number - 1,
                               .value = fault ? fault : strtoll(value, NULL, 10)};
    return true;
}
