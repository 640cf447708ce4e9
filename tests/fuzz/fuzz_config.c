// SPDX-License-Identifier: MIT
/*
 * Any bytes as a configuration file. Beyond "no crash": a refusal has a reason at a place in the
 * file, in order and without line ends; what is accepted and printed is accepted again and means
 * the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fuzz/require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_order(const struct ef_config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct ef_config_problem *problem = &problems->items[i];
        require(problem->text[0] && !strchr(problem->text, '\n'));
        require(problem->line >= 0 && (problem->line == 0) == (problem->column == 0));
        require(i == 0 || problems->items[i - 1].line <= problem->line);
    }
}

/* NULL, or a config whose problems are but warnings. */
static struct ef_config *parse(const void *data, size_t size)
{
    struct ef_config_problems problems = {0};
    struct ef_error err = {0};
    bool fatal = false;
    /* secret files stay closed: the text may name any file there is */
    struct ef_config *config = ef_config_parse("f", data, size, true, &problems, &err);
    require_order(&problems);
    for (size_t i = 0; i < problems.count; i++)
        fatal = fatal || !problems.items[i].warning;
    require(fatal == !config);
    require((err.class == EF_CLASS_NONE) == (config != NULL));
    ef_config_problems_free(&problems);
    return config;
}

static void require_round_trip(const struct ef_config *config)
{
    struct ef_buf once, twice;
    struct ef_strings changed, restart;
    ef_buf_init(&once, 16 << 20);
    ef_buf_init(&twice, 16 << 20);
    ef_config_print(config, &once);
    require(!once.overflow);
    struct ef_config *again = parse(once.data, once.len);
    require(again != NULL);
    ef_config_print(again, &twice);
    require(strcmp(once.data, twice.data) == 0);
    ef_config_diff(again, again, &changed, &restart);
    require(changed.count == 0 && restart.count == 0);
    ef_strings_free(&changed);
    ef_strings_free(&restart);
    ef_config_free(again);
    ef_buf_done(&once);
    ef_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ef_config *config = parse(data, size);
    /* what was masked is not what was read */
    if (config && config->masked.count == 0)
        require_round_trip(config);
    ef_config_free(config);
    return 0;
}
