// SPDX-License-Identifier: MIT
#include "config/node.h"

#include <yaml.h>

enum { DEPTH_MAX = 16, NODES_MAX = 100000 };

struct reader {
    yaml_parser_t yaml;
    struct ef_arena *arena;
    struct ef_config_problems *problems;
    const char *data;
    size_t len;
    int node_count;
    bool failed; /* the text is no YAML, or a bound was passed: reading has ended */
};

static int line_of(yaml_mark_t mark)
{
    return (int)mark.line + 1;
}

static int column_of(yaml_mark_t mark)
{
    return (int)mark.column + 1;
}

static void problem(struct reader *reader, yaml_mark_t mark, const char *text)
{
    ef_problems_add(reader->problems, line_of(mark), column_of(mark), false, "%s", text);
}

/* libyaml gives a byte offset, no line, for bytes that are no text. */
static yaml_mark_t mark_of_offset(const struct reader *reader, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < reader->len; i++) {
        if (reader->data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)reader->data[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* The line (from 0) as written, without its end; for hints only. */
static struct ef_slice line_text(const struct reader *reader, size_t line)
{
    const char *p = reader->data, *end = reader->data + reader->len;
    while (line > 0 && p < end)
        if (*p++ == '\n')
            line--;
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    return (struct ef_slice){p, (size_t)((stop ? stop : end) - p)};
}

static const char *hint(const struct reader *reader, yaml_mark_t mark)
{
    struct ef_slice line = line_text(reader, mark.line);
    size_t indent = 0;
    while (indent < line.len && (line.p[indent] == ' ' || line.p[indent] == '\t'))
        indent++;
    if (memchr(line.p, '\t', indent))
        return "; YAML indents with spaces, not with tabs";
    const char *dollar = memmem(line.p, line.len, "${", 2);
    if (dollar && (memchr(line.p, '{', (size_t)(dollar - line.p)) ||
                   memchr(line.p, '[', (size_t)(dollar - line.p))))
        return "; inside {...} and [...] a value with ${...} needs quotes";
    if (memchr(line.p, '%', line.len) || memchr(line.p, '@', line.len) ||
        memchr(line.p, '`', line.len))
        return "; a value that begins with %, @ or ` needs quotes";
    return "";
}

/* What libyaml found, once. */
static void syntax_error(struct reader *reader)
{
    const yaml_parser_t *yaml = &reader->yaml;
    reader->failed = true;
    if (yaml->error == YAML_READER_ERROR) {
        problem(reader, mark_of_offset(reader, yaml->problem_offset),
                "the file is not UTF-8 text: write the character another way or save it as UTF-8");
        return;
    }
    if (!yaml->problem) { /* the library says what is wrong with a text; not so of its memory */
        ef_problems_add(reader->problems, 0, 0, false, "could not read on: out of memory");
        return;
    }
    const char *what = yaml->problem;
    yaml_mark_t mark = yaml->problem_mark;
    if (yaml->context)
        ef_problems_add(reader->problems, line_of(mark), column_of(mark), false,
                        "this is not YAML: %s %s that began at line %d%s", what, yaml->context,
                        line_of(yaml->context_mark), hint(reader, mark));
    else
        ef_problems_add(reader->problems, line_of(mark), column_of(mark), false,
                        "this is not YAML: %s%s", what, hint(reader, mark));
}

static bool next_event(struct reader *reader, yaml_event_t *event)
{
    if (reader->failed)
        return false;
    if (yaml_parser_parse(&reader->yaml, event))
        return true;
    syntax_error(reader);
    return false;
}

static struct ef_node *new_node(struct reader *reader, enum ef_node_kind kind, yaml_mark_t mark)
{
    if (++reader->node_count > NODES_MAX) {
        if (!reader->failed)
            problem(reader, mark, "the file is too large: more than 100000 values");
        reader->failed = true;
    }
    struct ef_node *node = ef_arena_alloc(reader->arena, sizeof(*node));
    *node = (struct ef_node){.kind = kind, .line = line_of(mark), .column = column_of(mark)};
    return node;
}

static void add_child(struct ef_node *parent, struct ef_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->children = child;
    parent->last = child;
    parent->count++;
}

/* Anchors and tags would give a value a meaning that the option table does not know of. */
static bool decorated(struct reader *reader, yaml_mark_t mark, const yaml_char_t *anchor,
                      const yaml_char_t *tag)
{
    if (anchor)
        problem(reader, mark, "anchors (&name) are not accepted: write the value where it is used");
    if (tag)
        problem(reader, mark, "tags (!name) are not accepted: an option's type is fixed");
    return anchor || tag;
}

static struct ef_node *read_node(struct reader *reader, yaml_event_t *event, int depth);

static struct ef_node *read_scalar(struct reader *reader, yaml_event_t *event)
{
    struct ef_node *node = new_node(reader, EF_NODE_SCALAR, event->start_mark);
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = ef_arena_copy(reader->arena, text, len);
    if (decorated(reader, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag))
        node->kind = EF_NODE_BAD;
    if (memchr(text, '\0', len)) {
        problem(reader, event->start_mark, "a NUL character (\\0) is not accepted in a value");
        node->kind = EF_NODE_BAD;
    }
    return node;
}

static struct ef_node *read_sequence(struct reader *reader, yaml_event_t *start, int depth)
{
    struct ef_node *node = new_node(reader, EF_NODE_SEQUENCE, start->start_mark);
    yaml_event_t event;
    if (decorated(reader, start->start_mark, start->data.sequence_start.anchor,
                  start->data.sequence_start.tag))
        node->kind = EF_NODE_BAD;
    while (next_event(reader, &event)) {
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end)
            add_child(node, read_node(reader, &event, depth + 1));
        yaml_event_delete(&event);
        if (end)
            break;
    }
    return node;
}

/* The key of a pair, or NULL after a problem: keys are plain names. */
static const char *usable_key(struct reader *reader, const struct ef_node *mapping,
                              const struct ef_node *key)
{
    if (key->kind == EF_NODE_BAD)
        return NULL;
    if (key->kind != EF_NODE_SCALAR) {
        ef_problems_add(reader->problems, key->line, key->column, false,
                        "a key must be a name, not %s", ef_node_kind_name(key->kind));
        return NULL;
    }
    if (key->plain && strcmp(key->text, "<<") == 0) {
        ef_problems_add(reader->problems, key->line, key->column, false,
                        "merge keys (<<) are not accepted: write the options where they are used");
        return NULL;
    }
    const struct ef_node *first = ef_node_get(mapping, key->text);
    if (first) {
        struct ef_buf quoted;
        ef_buf_init(&quoted, 256);
        ef_problems_quote(&quoted, key->text);
        ef_problems_add(reader->problems, key->line, key->column, false,
                        "%s is given twice; the first is at line %d", quoted.data, first->key_line);
        ef_buf_done(&quoted);
        return NULL;
    }
    return key->text;
}

static struct ef_node *read_mapping(struct reader *reader, yaml_event_t *start, int depth)
{
    struct ef_node *node = new_node(reader, EF_NODE_MAPPING, start->start_mark);
    struct ef_node *key = NULL;
    yaml_event_t event;
    if (decorated(reader, start->start_mark, start->data.mapping_start.anchor,
                  start->data.mapping_start.tag))
        node->kind = EF_NODE_BAD;
    while (next_event(reader, &event)) {
        bool end = event.type == YAML_MAPPING_END_EVENT;
        if (!end && !key) {
            key = read_node(reader, &event, depth + 1);
        } else if (!end) {
            struct ef_node *value = read_node(reader, &event, depth + 1);
            const char *name = usable_key(reader, node, key);
            if (name) {
                value->key = (char *)name;
                value->key_line = key->line;
                value->key_column = key->column;
                add_child(node, value);
            }
            key = NULL;
        }
        yaml_event_delete(&event);
        if (end)
            break;
    }
    return node;
}

static struct ef_node *read_node(struct reader *reader, yaml_event_t *event, int depth)
{
    if (depth > DEPTH_MAX) {
        problem(reader, event->start_mark,
                "nested too deeply: no option is more than 16 levels down");
        reader->failed = true;
        return new_node(reader, EF_NODE_BAD, event->start_mark);
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return read_sequence(reader, event, depth);
    case YAML_MAPPING_START_EVENT:
        return read_mapping(reader, event, depth);
    default: /* an alias: no other event can stand where a node is due */
        problem(reader, event->start_mark,
                "aliases (*name) are not accepted: write the value where it is used; "
                "a value that begins with * needs quotes");
        return new_node(reader, EF_NODE_BAD, event->start_mark);
    }
}

static struct ef_node *read_stream(struct reader *reader)
{
    struct ef_node *root = NULL;
    bool in_document = false, second = false;
    yaml_event_t event;
    while (next_event(reader, &event)) {
        bool end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            second = root != NULL;
            in_document = true;
            if (second) {
                problem(reader, event.start_mark, "a second document (---) is not accepted");
                reader->failed = true;
            }
        } else if (event.type == YAML_DOCUMENT_END_EVENT) {
            in_document = false;
        } else if (in_document) {
            root = read_node(reader, &event, 0);
        }
        yaml_event_delete(&event);
        if (end)
            break;
    }
    if (!root && !reader->failed)
        ef_problems_add(reader->problems, 0, 0, false, "the file is empty");
    return reader->failed && !second ? NULL : root;
}

struct ef_node *ef_node_read(struct ef_arena *arena, const void *data, size_t len,
                             struct ef_config_problems *problems)
{
    if (len >= 3 &&
        memcmp(data, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, as some editors write */
        data = (const char *)data + 3;
        len -= 3;
    }
    struct reader reader = {.arena = arena, .problems = problems, .data = data, .len = len};
    if (!yaml_parser_initialize(&reader.yaml)) {
        ef_problems_add(problems, 0, 0, false, "could not begin reading: out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&reader.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.yaml, data, len);
    struct ef_node *root = read_stream(&reader);
    yaml_parser_delete(&reader.yaml);
    return root;
}

const struct ef_node *ef_node_get(const struct ef_node *node, const char *key)
{
    if (!node || node->kind != EF_NODE_MAPPING)
        return NULL;
    for (const struct ef_node *child = node->children; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

const struct ef_node *ef_node_find(const struct ef_node *node, const char *path)
{
    char key[64];
    while (node && *path) {
        size_t len = strcspn(path, ".");
        if (len >= sizeof(key))
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        node = ef_node_get(node, key);
        path += len + (path[len] == '.');
    }
    return node;
}

bool ef_node_is_null(const struct ef_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != EF_NODE_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

const char *ef_node_kind_name(enum ef_node_kind kind)
{
    switch (kind) {
    case EF_NODE_SCALAR:
        return "a single value";
    case EF_NODE_MAPPING:
        return "a mapping";
    case EF_NODE_SEQUENCE:
        return "a list";
    case EF_NODE_BAD:
        break;
    }
    return "an unreadable value";
}
