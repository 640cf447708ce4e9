// SPDX-License-Identifier: MIT
/* --print-options=schema: the option table as JSON Schema (draft 2020-12), for editors. */
#include <jansson.h>
#include <stdlib.h>

#include "config/describe.h"
#include "config/scalar.h"

static json_t *children(const char *prefix);

static json_t *reference(const char *name)
{
    char *path = ef_xprintf("#/$defs/%s", name);
    json_t *ref = json_pack("{s:s}", "$ref", path);
    free(path);
    return ref;
}

/* The value itself, or a text with ${...} in it. */
static json_t *or_substitution(json_t *value)
{
    return json_pack("{s:[o,o]}", "anyOf", value, reference("substitution"));
}

static json_t *words(const struct ef_option *option)
{
    json_t *list = json_array();
    for (const struct ef_word *word = option->words; word->text; word++)
        json_array_append_new(list, json_string(word->text));
    return json_pack("{s:o}", "enum", list);
}

/* Names must be plain objects of these keys only. */
static json_t *object(const char *prefix)
{
    json_t *required = json_array();
    for (size_t i = 0; i < ef_option_count; i++)
        if ((ef_options[i].flags & EF_OPT_REQUIRED) && ef_option_is_child(&ef_options[i], prefix))
            json_array_append_new(required, json_string(ef_option_name(&ef_options[i])));
    return json_pack("{s:s,s:b,s:o,s:o}", "type", "object", "additionalProperties", 0, "required",
                     required, "properties", children(prefix));
}

static json_t *collection(const struct ef_option *option)
{
    json_t *element = object(option->collection->scope);
    if (option->type == EF_OPT_LIST)
        return json_pack("{s:s,s:i,s:o}", "type", "array", "minItems", 1, "items", element);
    return json_pack("{s:s,s:i,s:o}", "type", "object", "minProperties",
                     option->flags & EF_OPT_REQUIRED ? 1 : 0, "additionalProperties", element);
}

static json_t *quantity(const struct ef_option *option)
{
    json_t *value = reference(option->type == EF_OPT_DURATION ? "duration" : "size");
    if (option->zero)
        return json_pack("{s:[o,{s:s},o]}", "anyOf", value, "const", option->zero,
                         reference("substitution"));
    return or_substitution(value);
}

static json_t *nested(const struct ef_option *option)
{
    char *prefix = ef_xprintf("%s.", option->path);
    json_t *value = object(prefix);
    free(prefix);
    return value;
}

static json_t *value_of(const struct ef_option *option)
{
    switch (option->type) {
    case EF_OPT_MAP:
        return nested(option);
    case EF_OPT_TABLE:
    case EF_OPT_LIST:
        return collection(option);
    case EF_OPT_BOOL:
        return or_substitution(json_pack("{s:s}", "type", "boolean"));
    case EF_OPT_INT:
        return or_substitution(json_pack("{s:s,s:I,s:I}", "type", "integer", "minimum",
                                         (json_int_t)option->min, "maximum",
                                         (json_int_t)option->max));
    case EF_OPT_DURATION:
    case EF_OPT_SIZE:
        return quantity(option);
    case EF_OPT_WORD:
    case EF_OPT_ENUM:
        return or_substitution(words(option));
    case EF_OPT_FLAGS:
        return json_pack("{s:s,s:o}", "type", "array", "items", words(option));
    case EF_OPT_STRINGS:
        return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "string");
    case EF_OPT_BROKERS:
        return json_pack("{s:[{s:s},{s:s,s:i,s:{s:s}}]}", "anyOf", "type", "string", "type",
                         "array", "minItems", 1, "items", "type", "string");
    case EF_OPT_PROPERTIES:
        return json_pack("{s:s,s:{s:[s,s,s]}}", "type", "object", "additionalProperties", "type",
                         "string", "number", "boolean");
    case EF_OPT_COLUMN:
        return json_pack("{s:[{s:[s,s]},{s:s,s:b,s:[s],s:{s:{}}}]}", "anyOf", "type", "string",
                         "null", "type", "object", "additionalProperties", 0, "required", "value",
                         "properties", "value");
    case EF_OPT_STRING:
        break;
    }
    return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *children(const char *prefix)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < ef_option_count; i++) {
        const struct ef_option *option = &ef_options[i];
        if (!ef_option_is_child(option, prefix))
            continue;
        json_t *value = value_of(option);
        json_object_set_new(value, "description", json_string(option->help));
        json_object_set_new(properties, ef_option_name(option), value);
    }
    return properties;
}

static json_t *definitions(void)
{
    return json_pack("{s:{s:s,s:s},s:{s:s,s:s},s:{s:s,s:s}}", "duration", "type", "string",
                     "pattern", "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$", "size", "type", "string",
                     "pattern", "^[0-9]+(\\.[0-9]+)?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$",
                     "substitution", "type", "string", "pattern",
                     "\\$\\{(env|file|credential):[^}]+\\}");
}

void ef_document_schema(struct ef_buf *out)
{
    json_t *schema = object("");
    json_object_set_new(schema, "$schema",
                        json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(schema, "title", json_string("eventferry.yaml"));
    json_object_set_new(schema, "$defs", definitions());
    char *text = json_dumps(schema, JSON_INDENT(2));
    json_decref(schema);
    if (text)
        ef_buf_printf(out, "%s\n", text);
    free(text);
}
