// SPDX-License-Identifier: MIT
#include "config/config.h"

#include <stdlib.h>

#include "config/fill.h"
#include "config/secret.h"

enum { PASSWORD_MAX_BYTES = 64 * 1024 };

void ef_config_free(struct ef_config *config)
{
    if (!config)
        return;
    ef_fill_free("", config);
    ef_strings_free(&config->masked);
    free(config->path);
    free(config);
}

const struct ef_config_database *ef_config_database(const struct ef_config *config,
                                                    const char *name)
{
    for (size_t i = 0; i < config->database_count; i++)
        if (config->databases[i].name && strcmp(config->databases[i].name, name) == 0)
            return &config->databases[i];
    return NULL;
}

const struct ef_config_outbox *ef_config_outbox(const struct ef_config *config, const char *name)
{
    for (size_t i = 0; i < config->outbox_count; i++)
        if (config->outboxes[i].name && strcmp(config->outboxes[i].name, name) == 0)
            return &config->outboxes[i];
    return NULL;
}

const char *ef_config_property(const struct ef_config_kafka *kafka, const char *name)
{
    for (size_t i = kafka->properties.count; i > 0; i--)
        if (strcmp(kafka->properties.items[i - 1].name, name) == 0)
            return kafka->properties.items[i - 1].value;
    return NULL;
}

char *ef_config_header_column(const char *entry, const char **ret_header)
{
    const char *colon = strchr(entry, ':');
    *ret_header = colon ? colon + 1 : entry;
    return ef_xstrndup(entry, colon ? (size_t)(colon - entry) : strlen(entry));
}

bool ef_config_password(const struct ef_config_database *database, char **ret, struct ef_error *err)
{
    struct ef_buf text;
    *ret = NULL;
    if (!database->password_file)
        return true;
    ef_buf_init(&text, PASSWORD_MAX_BYTES);
    bool ok = ef_secret_read(database->password_file, &text, err);
    if (ok)
        *ret = ef_xstrdup(text.data);
    if (text.data)
        explicit_bzero(text.data, text.size);
    ef_buf_done(&text);
    return ok;
}

void ef_config_add_masked(struct ef_config *config, const char *path)
{
    struct ef_strings *masked = &config->masked;
    masked->items = ef_xrealloc(masked->items, (masked->count + 1) * sizeof(masked->items[0]));
    masked->items[masked->count++] = ef_xstrdup(path);
}

bool ef_config_is_masked(const struct ef_config *config, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < config->masked.count; i++) {
        const char *item = config->masked.items[i];
        if (strncmp(item, path, len) == 0 && (item[len] == '\0' || item[len] == '['))
            return true;
    }
    return false;
}
