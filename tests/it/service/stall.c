/* Makes syncs hang while the file that STALL names is there; loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int descriptor) {
    const char *stall = getenv("STALL");
    while (stall && access(stall, F_OK) == 0)
        usleep(10000);
    return syscall(SYS_fdatasync, descriptor);
}
