/* Shifts the wall clock of the program that it is preloaded into: by the number of milliseconds,
 * a signed 64-bit integer, at the start of the file that FAULTS_CLOCK_FILE names. The file may
 * change while the program runs. The monotonic clock stays as it is. It asks the kernel itself,
 * because looking the real functions up needs memory, and Redis brings its own allocator. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *shift_ms;

__attribute__((constructor)) static void open_clock(void) {
    const char *path = getenv("FAULTS_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) shift_ms = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    int wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (failed || !wall || !shift_ms) return failed;
    long long ms = *shift_ms, nanos = now->tv_nsec + ms % 1000 * 1000000;
    now->tv_sec += ms / 1000;
    if (nanos < 0) { nanos += 1000000000; now->tv_sec--; }
    if (nanos >= 1000000000) { nanos -= 1000000000; now->tv_sec++; }
    now->tv_nsec = nanos;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec time;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &time)) return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
