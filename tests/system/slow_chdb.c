/* A libchdb that does nothing until a file appears, and is the real one from then on: an engine that starts
   as slowly as a test wants. GATE and REAL name the file and the library. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void *real(const char *name) {
    static void *library;
    if (library == NULL) {
        library = dlopen(getenv("REAL"), RTLD_NOW | RTLD_LOCAL);
    }
    return library == NULL ? NULL : dlsym(library, name);
}

void *chdb_query_cmdline(int argc, char **argv) {
    while (access(getenv("GATE"), F_OK) != 0) {
        usleep(10000);
    }
    return ((void *(*)(int, char **))real("chdb_query_cmdline"))(argc, argv);
}

const char *chdb_result_error(void *result) {
    return ((const char *(*)(void *))real("chdb_result_error"))(result);
}

char *chdb_result_buffer(void *result) {
    return ((char *(*)(void *))real("chdb_result_buffer"))(result);
}

size_t chdb_result_length(void *result) {
    return ((size_t (*)(void *))real("chdb_result_length"))(result);
}
