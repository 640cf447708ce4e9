// SPDX-License-Identifier: MIT
#include "store/tell.h"

#include "store/my_store.h"
#include "store/pg_session.h"
#include "store/pg_store.h"

static bool is_postgres(const struct ef_store *store)
{
    return strcmp(store->ops->driver, "postgres") == 0;
}

static void postgres_names(const struct ef_pg_layout *l, struct ef_store_names *ret)
{
    *ret = (struct ef_store_names){
        .outbox_id = l->outbox_id,
        .table = l->table,
        .ours = l->ours,
        .lease = "lease",
        .registry = "outbox",
        .id = l->column[EF_COL_ID],
        .status = l->column[EF_COL_STATUS],
        .payload = l->column[EF_COL_PAYLOAD],
        .topic = l->has[EF_COL_TOPIC] ? l->column[EF_COL_TOPIC] : NULL,
        .payload_is_json = strncmp(l->payload_type, "json", 4) == 0,
    };
}

static void mysql_names(const struct ef_my_layout *l, struct ef_store_names *ret)
{
    *ret = (struct ef_store_names){
        .outbox_id = l->outbox_id,
        .table = l->table,
        .ours = l->database,
        .lease = "eventferry_lease",
        .registry = "eventferry_outbox",
        .id = l->column[EF_COL_ID],
        .status = l->column[EF_COL_STATUS],
        .payload = l->column[EF_COL_PAYLOAD],
        .topic = l->has[EF_COL_TOPIC] ? l->column[EF_COL_TOPIC] : NULL,
        .payload_is_json = l->payload_is_json,
    };
}

bool ef_store_names(struct ef_store *store, struct ef_store_names *ret)
{
    if (is_postgres(store)) {
        if (!ef_pg_store_of(store)->layout_known)
            return false;
        postgres_names(&ef_pg_store_of(store)->layout, ret);
        return true;
    }
    if (strcmp(store->ops->driver, "mysql") != 0 || !ef_my_store_of(store)->layout_known)
        return false;
    mysql_names(&ef_my_store_of(store)->layout, ret);
    return true;
}

bool ef_store_statements(struct ef_store *store,
                         void (*fn)(void *arg, const char *name, const char *sql), void *arg,
                         char *settings, size_t size)
{
    if (!is_postgres(store) || !ef_pg_store_of(store)->layout_known)
        return false;
    const struct ef_pg_store *s = ef_pg_store_of(store);
    const struct ef_pg_sql *sql = &s->sql;
    const struct {
        const char *name, *sql;
    } all[] = {
        {"fetch", sql->fetch},
        {"fetch of gaps", sql->fetch_gaps},
        {"settle", sql->settle},
        {"settle durably", sql->settle_durably},
        {"decide", sql->decide},
        {"release of a topic", sql->release_topic},
        {"look at waiting rows", sql->waiting},
        {"count of the backlog", sql->lag},
        {"acquire", sql->acquire},
        {"renew", sql->renew},
        {"release", sql->release},
    };
    ef_pg_session_set_sql(s->database, true, settings, size);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        fn(arg, all[i].name, all[i].sql);
    return true;
}
