// SPDX-License-Identifier: MIT
/*
 * The ONE table of options. Parsing, checking, printing, comparing, freeing, the sample file, the
 * man page part, the reference in docs/ and the JSON Schema all walk it; an option exists nowhere
 * else.
 *
 * Owns: constant data. Thread: any.
 *
 * A path names an option in the file: "log.level", "databases.*.url", "outboxes[].batch.max_rows".
 * The part up to the last "[]." or "*." is its scope, the struct that `offset` counts from. A
 * mapping without a struct of its own (batch) has a row of type MAP, so that it has a sentence too.
 */
#pragma once

#include "config/config.h"

enum ef_option_type {
    EF_OPT_MAP,      /* its options have rows of their own, in the same scope */
    EF_OPT_TABLE,    /* name -> struct of another scope; collection */
    EF_OPT_LIST,     /* list of structs of another scope; collection */
    EF_OPT_STRING,   /* char * */
    EF_OPT_WORD,     /* char *, one of words */
    EF_OPT_BOOL,     /* bool */
    EF_OPT_INT,      /* int or int64_t */
    EF_OPT_DURATION, /* int64_t, milliseconds */
    EF_OPT_SIZE,     /* int64_t, bytes */
    EF_OPT_ENUM,     /* an enum, by words */
    EF_OPT_FLAGS,    /* unsigned, list of words */
    EF_OPT_STRINGS,  /* struct ef_strings */
    EF_OPT_BROKERS,  /* embedded and brokers of struct ef_config_kafka, at whose offset it stands */
    EF_OPT_PROPERTIES, /* struct ef_properties */
    EF_OPT_COLUMN,     /* struct ef_column_map */
};

enum ef_option_flags {
    EF_OPT_RELOAD = 1, /* a reload applies a change; without it: restart */
    EF_OPT_REQUIRED = 2,
    EF_OPT_SECRET = 4,      /* printed as ********, never quoted in a message */
    EF_OPT_URL = 8,         /* the same for its password only; never quoted in a message */
    EF_OPT_PATH = 16,       /* a relative path starts at the configuration file's directory */
    EF_OPT_TOPIC = 32,      /* ${topic} is accepted */
    EF_OPT_CONSTANT = 64,   /* COLUMN: {value: ...} is accepted */
    EF_OPT_TYPE_WORD = 128, /* and may hold ${aggregate_type} */
};

struct ef_word {
    const char *text;
    int value;
    bool alias; /* accepted, not advertised */
};

struct ef_collection {
    size_t count_offset; /* of the size_t beside the pointer to the elements */
    size_t element_size;
    size_t name_offset; /* of the element's char * name: in a TABLE its key, in a LIST an option */
    size_t line_offset; /* of its int line; SIZE_MAX: none */
    const char *scope;  /* prefix of the elements' options: "outboxes[]." */
    const char *noun;   /* "outbox" */
};

struct ef_option {
    const char *path;
    enum ef_option_type type;
    unsigned flags;
    size_t offset, size;
    int64_t min, max; /* INT, DURATION (ms), SIZE (bytes) */
    const char *def;  /* as it would be written; NULL: none, or worked out (default_note) */
    const char *default_note;
    const char *zero;            /* a word that stands for 0, outside the range: "never" */
    const struct ef_word *words; /* ends with text NULL */
    const struct ef_collection *collection;
    /* Syntax of a STRING, of each of STRINGS, of the keys of a TABLE; err as in value.h. */
    bool (*check)(const char *value, struct ef_error *err);
    const char *example; /* for the sample, where the default is not one */
    const char *help;    /* whole sentences */
};

extern const struct ef_option ef_options[];
extern const size_t ef_option_count;

/* Last part of the path: "max_rows". */
const char *ef_option_name(const struct ef_option *option);
/* Length of the scope's prefix in the path: 11 for "outboxes[].batch.max_rows", 0 for "log.level".
 */
size_t ef_option_scope_len(const char *path);
/* True if the option stands directly below the prefix ("", "outboxes[].batch."). */
bool ef_option_is_child(const struct ef_option *option, const char *prefix);
/* The child of prefix with that name; NULL if there is none. */
const struct ef_option *ef_option_find(const char *prefix, const char *name);
/* NULL if the text is not among the words. */
const struct ef_word *ef_option_word(const struct ef_option *option, const char *text);
/* What stands for a part of each row in this option's text: "${topic}"; NULL: nothing. */
const char *ef_option_placeholder(const struct ef_option *option);
/* The word printed for a value. */
const char *ef_option_word_text(const struct ef_option *option, int value);

/* INT, DURATION, SIZE, ENUM, FLAGS, BOOL of any width. */
int64_t ef_option_get_int(const struct ef_option *option, const void *base);
void ef_option_set_int(const struct ef_option *option, void *base, int64_t value);
/* Address of the option's value. */
static inline void *ef_option_at(const struct ef_option *option, const void *base)
{
    return (char *)(uintptr_t)base + option->offset;
}
/* The elements of a TABLE or LIST. */
size_t ef_option_elements(const struct ef_option *option, const void *base);
void *ef_option_element(const struct ef_option *option, const void *base, size_t i);
char **ef_option_element_name(const struct ef_option *option, void *element);
