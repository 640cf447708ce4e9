// SPDX-License-Identifier: MIT
/* Runs a fuzz target without libFuzzer: feeds it every file of the directories named as arguments,
 * so that what fuzzing once found stays found in the normal tests. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void die(const char *doing, const char *path)
{
    fprintf(stderr, "could not %s \"%s\": %s\n", doing, path, strerror(errno));
    exit(1);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die("open", path);
    long size = ftell(file);
    rewind(file);
    // Exactly as large as the input, so that a sanitizer sees the first byte read too far.
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    if (size < 0 || data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size)
        die("read", path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

static unsigned run_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        die("open", path);
    unsigned file_count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char file[4096];
        if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) >= sizeof(file))
            die("name", path);
        run_file(file);
        file_count++;
    }
    closedir(directory);
    return file_count;
}

int main(int argc, char **argv)
{
    unsigned file_count = 0;
    for (int i = 1; i < argc; i++)
        file_count += run_directory(argv[i]);
    printf("%u corpus files\n", file_count);
    // An empty corpus would pass without testing anything.
    return file_count > 0 ? 0 : 1;
}
