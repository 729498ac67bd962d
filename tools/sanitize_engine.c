/* What stands in for libchdb.so beside an instrumented program: loading it turns the process into
   the ordinary program with the same arguments, PROGRAM, which loads the library beside itself.
   libchdb does not live with sanitizers: it locks mutexes in its own way and brings its own
   unwinder, and the thread sanitizer hangs while it reports that. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { arguments_max = 64, bytes_max = 1 << 20 };

__attribute__((constructor)) static void become_program(void) {
    static char text[bytes_max];
    static char *arguments[arguments_max + 1];
    const int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    const ssize_t bytes = file < 0 ? -1 : read(file, text, sizeof text);
    int count = 0;
    for (ssize_t at = 0; at < bytes && bytes < bytes_max && count < arguments_max; ++at) {
        if (at == 0 || text[at - 1] == '\0') {
            arguments[count++] = text + at;
        }
    }
    unsetenv("ROUNDHOUSE_LIBCHDB");
    execv(PROGRAM, arguments);
    perror(PROGRAM);
    _exit(1);
}
