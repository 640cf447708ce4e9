// SPDX-License-Identifier: MIT
#include "admin/control_filter.h"

#include <stdlib.h>
#include <string.h>

#include "outbox/row.h"

static bool fail(struct ef_error *err, const char *name, const char *what)
{
    return ef_error_set(err, EF_CLASS_CONFIG, "filter: \"%.64s\" must be %s", name, what);
}

static bool take_statuses(const json_t *value, struct ef_row_filter *ret, struct ef_error *err)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value))
        return fail(err, "statuses", "a list of numbers from 0 to 4");
    json_array_foreach(value, i, item)
    {
        json_int_t status = json_is_integer(item) ? json_integer_value(item) : -1;
        if (status < EF_STATUS_PENDING || status > EF_STATUS_DEAD)
            return fail(err, "statuses", "a list of numbers from 0 to 4");
        ret->statuses |= 1u << status;
    }
    return true;
}

static bool take_ids(const json_t *value, struct ef_row_filter *ret, struct ef_error *err)
{
    size_t i, count = json_array_size(value);
    json_t *item;
    if (!json_is_array(value) || count == 0 || count > EF_COMMAND_IDS_MAX)
        return fail(err, "ids", "a list of 1 to 1000 row numbers");
    int64_t *ids = ef_xcalloc(count, sizeof(*ids));
    ret->ids = ids;
    ret->id_count = (int)count;
    json_array_foreach(value, i, item)
    {
        if (!json_is_integer(item))
            return fail(err, "ids", "a list of 1 to 1000 row numbers");
        ids[i] = json_integer_value(item);
    }
    return true;
}

static bool take_text(const char *name, const json_t *value, struct ef_slice *ret,
                      struct ef_error *err)
{
    if (!json_is_string(value))
        return fail(err, name, "a string");
    *ret = (struct ef_slice){json_string_value(value), json_string_length(value)};
    return true;
}

static bool take_number(const char *name, const json_t *value, int64_t *ret, struct ef_error *err)
{
    if (!json_is_integer(value))
        return fail(err, name, "a whole number");
    *ret = json_integer_value(value);
    return true;
}

static bool take_limit(const json_t *value, struct ef_row_filter *ret, struct ef_error *err)
{
    json_int_t limit = json_is_integer(value) ? json_integer_value(value) : 0;
    if (limit < 1 || limit > EF_COMMAND_IDS_MAX)
        return fail(err, "limit", "1 to 1000");
    ret->limit = (int)limit;
    return true;
}

static bool take_flag(const char *name, const json_t *value, bool *ret, struct ef_error *err)
{
    *ret = json_is_true(value);
    return json_is_boolean(value) || fail(err, name, "true or false");
}

static bool take_member(const char *name, const json_t *value, struct ef_row_filter *ret,
                        struct ef_error *err)
{
    if (strcmp(name, "statuses") == 0)
        return take_statuses(value, ret, err);
    if (strcmp(name, "ids") == 0)
        return take_ids(value, ret, err);
    if (strcmp(name, "topic") == 0)
        return take_text(name, value, &ret->topic, err);
    if (strcmp(name, "aggregate") == 0)
        return take_text(name, value, &ret->aggregate_id, err);
    if (strcmp(name, "error") == 0)
        return take_text(name, value, &ret->error, err);
    if (strcmp(name, "created_from_us") == 0)
        return take_number(name, value, &ret->created_from_us, err);
    if (strcmp(name, "created_to_us") == 0)
        return take_number(name, value, &ret->created_to_us, err);
    if (strcmp(name, "after_id") == 0)
        return take_number(name, value, &ret->after_id, err);
    if (strcmp(name, "limit") == 0)
        return take_limit(value, ret, err);
    if (strcmp(name, "newest") == 0)
        return take_flag(name, value, &ret->newest, err);
    if (strcmp(name, "payload") == 0)
        return take_flag(name, value, &ret->payload, err);
    if (strcmp(name, "successors") == 0)
        return take_flag(name, value, &ret->successors, err);
    ret->count = ret->count || strcmp(name, "count_older_ms") == 0;
    if (strcmp(name, "count_older_ms") == 0)
        return take_number(name, value, &ret->older_than_ms, err);
    if (strcmp(name, "archived") == 0)
        return take_flag(name, value, &ret->archived, err);
    return ef_error_set(err, EF_CLASS_CONFIG, "filter: unknown member \"%.64s\"", name);
}

bool ef_control_filter(const json_t *json, struct ef_row_filter *ret, struct ef_error *err)
{
    const char *name;
    json_t *value;
    *ret = (struct ef_row_filter){.after_id = INT64_MIN, .limit = EF_COMMAND_IDS_MAX};
    json_object_foreach((json_t *)json, name, value)
    {
        if (!take_member(name, value, ret, err))
            return false;
    }
    /* an archive has no index by anything that people ask for */
    if (ret->archived && !ret->ids)
        return ef_error_set(err, EF_CLASS_CONFIG, "filter: \"archived\" needs \"ids\"");
    return true;
}

void ef_control_filter_done(struct ef_row_filter *filter)
{
    free((int64_t *)filter->ids);
    filter->ids = NULL;
}
