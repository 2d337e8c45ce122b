/* Writes down, in order, every change that a process makes below one folder; loaded with LD_PRELOAD.
 *
 *   POWER_CUT_FOLDER  changes below this absolute path are recorded
 *   POWER_CUT_TRACE   the file that the events are appended to
 *
 * An event is a `struct event` and its payload, as trace.rs reads them. One lock orders them. A change of
 * files is made and recorded under the lock, so that the trace has the order of the kernel. A sync is
 * recorded twice, before it begins and after it has returned, and runs without the lock: what it covers was
 * recorded before the first, what it promises holds from the second on. The answer to a push is recorded
 * before it is sent, and an upstream's answer before the process hears of it, so the trace never shows an
 * effect ahead of its cause.
 *
 * Everything goes to the kernel with syscall(2): a call that went through libc would come back here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation {
    OPENED = 1,  /* file, value: O_CREAT and O_TRUNC as bits 0 and 1, payload: path */
    WRITTEN,     /* file, value: offset, payload: data */
    TRUNCATED,   /* file, value: size */
    EXTENDED,    /* file, value: size at least */
    SYNC_BEGUN,  /* file, value: number of the sync */
    SYNC_ENDED,  /* file, value: number of the sync */
    RENAMED,     /* payload: path, zero byte, new path */
    LINKED,      /* payload: path, zero byte, new path */
    REMOVED,     /* payload: path */
    FOLDER_MADE, /* payload: path */
    ANSWERED,    /* value: the peer's port; success is about to be sent to it */
    SETTLED,     /* success came in from an upstream */
};

struct event {
    uint32_t operation;
    uint32_t length; /* of the payload */
    uint64_t file;   /* names an open file, in all processes that write to the trace */
    uint64_t value;
};

#define FILES 65536
static uint64_t files[FILES]; /* by descriptor; 0 where it is none of ours */
static uint64_t next_file, next_sync;
static int trace = -1;
static const char *folder;
static size_t folder_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_CUT_TRACE");
    folder = getenv("POWER_CUT_FOLDER");
    if (!path || !folder) return;
    folder_length = strlen(folder);
    trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (trace < 0) abort();
    next_file = next_sync = (uint64_t)getpid() << 32;
}

static int is_ours(const char *path) {
    if (trace < 0 || strncmp(path, folder, folder_length) != 0) return 0;
    return path[folder_length] == '/' || path[folder_length] == 0;
}

/* With the lock held. A trace with a hole would prove nothing. */
static void put(uint32_t operation, uint64_t file, uint64_t value, const struct iovec *payload, int count,
                size_t length) {
    struct event event = {operation, (uint32_t)length, file, value};
    size_t left = length;
    if (syscall(SYS_write, trace, &event, sizeof event) != sizeof event) abort();
    for (int at = 0; at < count && left > 0; at++) {
        size_t part = payload[at].iov_len < left ? payload[at].iov_len : left;
        if (syscall(SYS_write, trace, payload[at].iov_base, part) != (long)part) abort();
        left -= part;
    }
}

static void put_paths(uint32_t operation, const char *path, const char *to) {
    struct iovec payload[2] = {{(void *)path, strlen(path)}, {NULL, 0}};
    if (to) {
        payload[0].iov_len += 1;
        payload[1] = (struct iovec){(void *)to, strlen(to)};
    }
    put(operation, 0, 0, payload, 2, payload[0].iov_len + payload[1].iov_len);
}

static void enter(void) { pthread_mutex_lock(&lock); }

static long leave(long result) {
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static uint64_t file_of(int fd) {
    return fd >= 0 && fd < FILES ? __atomic_load_n(&files[fd], __ATOMIC_ACQUIRE) : 0;
}

/* --- names --- */

static int open_any(int at, const char *path, int flags, mode_t mode) {
    if (!is_ours(path)) return syscall(SYS_openat, at, path, flags, mode);
    enter();
    int fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= FILES) abort();
    if (fd >= 0) {
        struct iovec payload = {(void *)path, strlen(path)};
        uint64_t value = (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0);
        __atomic_store_n(&files[fd], ++next_file, __ATOMIC_RELEASE);
        put(OPENED, next_file, value, &payload, 1, payload.iov_len);
    }
    return leave(fd);
}

#define OPEN(name)                                                                                           \
    int name(const char *path, int flags, ...) {                                                             \
        __builtin_va_list rest;                                                                              \
        __builtin_va_start(rest, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? __builtin_va_arg(rest, mode_t) : 0;                  \
        __builtin_va_end(rest);                                                                              \
        return open_any(AT_FDCWD, path, flags, mode);                                                        \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                         \
    int name(int at, const char *path, int flags, ...) {                                                     \
        __builtin_va_list rest;                                                                              \
        __builtin_va_start(rest, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? __builtin_va_arg(rest, mode_t) : 0;                  \
        __builtin_va_end(rest);                                                                              \
        return open_any(at, path, flags, mode);                                                              \
    }
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* Before the call: once the descriptor is free, another thread may be given it. */
int close(int fd) {
    if (file_of(fd)) __atomic_store_n(&files[fd], 0, __ATOMIC_RELEASE);
    return syscall(SYS_close, fd);
}

int fclose(FILE *stream) {
    static int (*real)(FILE *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fclose");
    int fd = fileno(stream);
    if (file_of(fd)) __atomic_store_n(&files[fd], 0, __ATOMIC_RELEASE);
    return real(stream);
}

int rename(const char *path, const char *to) {
    if (!is_ours(path) && !is_ours(to)) return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, 0);
    enter();
    long done = syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, 0);
    if (done == 0) put_paths(RENAMED, path, to);
    return leave(done);
}

int link(const char *path, const char *to) {
    if (!is_ours(path) && !is_ours(to)) return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, to, 0);
    enter();
    long done = syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, to, 0);
    if (done == 0) put_paths(LINKED, path, to);
    return leave(done);
}

static int remove_any(const char *path, int flags) {
    if (!is_ours(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    enter();
    long done = syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    if (done == 0) put_paths(REMOVED, path, NULL);
    return leave(done);
}

int unlink(const char *path) { return remove_any(path, 0); }

int rmdir(const char *path) { return remove_any(path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    if (!is_ours(path)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    enter();
    long done = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (done == 0) put_paths(FOLDER_MADE, path, NULL);
    return leave(done);
}

/* --- data --- */

static const char SUCCESS[] = "HTTP/1.1 204";

static int is_success(const void *data, ssize_t length) {
    return length >= (ssize_t)sizeof SUCCESS - 1 && memcmp(data, SUCCESS, sizeof SUCCESS - 1) == 0;
}

/* Something is about to be sent to what may be a pusher. */
static void note_answer(int fd, const void *data, size_t length) {
    if (trace < 0 || !is_success(data, length)) return;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0) return;
    enter();
    put(ANSWERED, 0, ntohs(peer.sin_port), NULL, 0, 0);
    leave(0);
}

/* Something came in from what may be an upstream. */
static ssize_t note_settled(const void *data, ssize_t length) {
    if (trace < 0 || !is_success(data, length)) return length;
    enter();
    put(SETTLED, 0, 0, NULL, 0, 0);
    return leave(length);
}

ssize_t write(int fd, const void *data, size_t length) {
    uint64_t file = file_of(fd);
    if (!file) {
        note_answer(fd, data, length);
        return syscall(SYS_write, fd, data, length);
    }
    enter();
    ssize_t done = syscall(SYS_write, fd, data, length);
    struct iovec payload = {(void *)data, length};
    if (done > 0) put(WRITTEN, file, lseek(fd, 0, SEEK_CUR) - done, &payload, 1, done);
    return leave(done);
}

ssize_t writev(int fd, const struct iovec *data, int count) {
    uint64_t file = file_of(fd);
    if (!file) {
        if (count > 0) note_answer(fd, data[0].iov_base, data[0].iov_len);
        return syscall(SYS_writev, fd, data, count);
    }
    enter();
    ssize_t done = syscall(SYS_writev, fd, data, count);
    if (done > 0) put(WRITTEN, file, lseek(fd, 0, SEEK_CUR) - done, data, count, done);
    return leave(done);
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t offset) {
    uint64_t file = file_of(fd);
    if (!file) return syscall(SYS_pwrite64, fd, data, length, offset);
    enter();
    ssize_t done = syscall(SYS_pwrite64, fd, data, length, offset);
    struct iovec payload = {(void *)data, length};
    if (done > 0) put(WRITTEN, file, offset, &payload, 1, done);
    return leave(done);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return write_at(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    return write_at(fd, data, length, offset);
}

static int truncate_to(int fd, off_t size) {
    uint64_t file = file_of(fd);
    if (!file) return syscall(SYS_ftruncate, fd, size);
    enter();
    long done = syscall(SYS_ftruncate, fd, size);
    if (done == 0) put(TRUNCATED, file, size, NULL, 0, 0);
    return leave(done);
}

int ftruncate(int fd, off_t size) { return truncate_to(fd, size); }

int ftruncate64(int fd, off64_t size) { return truncate_to(fd, size); }

/* Blocks set aside, or given back, beyond the end change nothing that is read. Holes would, and nobody makes
 * them. */
static int allocate(int fd, int mode, off_t offset, off_t length) {
    uint64_t file = file_of(fd);
    if (!file) return syscall(SYS_fallocate, fd, mode, offset, length);
    struct stat now;
    if (fstat(fd, &now) != 0) abort();
    int keeps_size = mode & FALLOC_FL_KEEP_SIZE;
    if (mode & ~FALLOC_FL_KEEP_SIZE && !(keeps_size && offset >= now.st_size)) abort();
    enter();
    long done = syscall(SYS_fallocate, fd, mode, offset, length);
    if (done == 0 && !keeps_size) put(EXTENDED, file, offset + length, NULL, 0, 0);
    return leave(done);
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return allocate(fd, mode, offset, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    return allocate(fd, mode, offset, length);
}

/* --- syncs; sync_file_range promises nothing and is not recorded --- */

static int sync_with(long number, int fd) {
    uint64_t file = file_of(fd);
    if (!file) return syscall(number, fd);
    enter();
    uint64_t sync = ++next_sync;
    put(SYNC_BEGUN, file, sync, NULL, 0, 0);
    leave(0);
    long done = syscall(number, fd);
    int error = errno;
    if (done == 0) {
        enter();
        put(SYNC_ENDED, file, sync, NULL, 0, 0);
        leave(0);
    }
    errno = error;
    return done;
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }

int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

/* --- sockets --- */

ssize_t send(int fd, const void *data, size_t length, int flags) {
    note_answer(fd, data, length);
    return syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

ssize_t recv(int fd, void *data, size_t length, int flags) {
    ssize_t done = syscall(SYS_recvfrom, fd, data, length, flags, NULL, NULL);
    return flags & MSG_PEEK ? done : note_settled(data, done);
}

ssize_t read(int fd, void *data, size_t length) {
    ssize_t done = syscall(SYS_read, fd, data, length);
    return file_of(fd) ? done : note_settled(data, done);
}
