/* Remembers how much of each file is on the disk: after each fsync and fdatasync, the length of
 * the file is written to a file beside it, with the ending `.on-disk`. Whoever emulates a loss of
 * power kills the server and cuts its files to these lengths. Before each of these calls it waits
 * for the number of microseconds at the start of the file that FAULTS_DISK_FILE names, as a
 * slow disk does. Files that were never written to the disk have no such file beside them, and
 * with FAULTS_DISK_NOTES=off no file has. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *wait_us;
static int has_notes = 1;

__attribute__((constructor)) static void open_disk(void) {
    const char *path = getenv("FAULTS_DISK_FILE"), *notes = getenv("FAULTS_DISK_NOTES");
    has_notes = !notes || strcmp(notes, "off") != 0;
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) wait_us = mapped;
}

static int remember(int file, int call) {
    long long us = wait_us ? *wait_us : 0;
    if (us > 0) {
        struct timespec pause = {us / 1000000, us % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
    struct stat before;
    /* The length before the call: what is written meanwhile may not be on the disk. */
    int known = has_notes && fstat(file, &before) == 0 && S_ISREG(before.st_mode);
    int failed = (int)syscall(call, file);
    if (failed || !known) return failed;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 16);
    if (length <= 0) return 0;
    strcpy(path + length, ".on-disk");
    int note = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (note < 0) return 0;
    char text[32];
    int size = snprintf(text, sizeof text, "%020lld", (long long)before.st_size);
    if (pwrite(note, text, size, 0) != size) { /* the loss of power will lose more */ }
    close(note);
    return 0;
}

int fsync(int file) { return remember(file, SYS_fsync); }

int fdatasync(int file) { return remember(file, SYS_fdatasync); }
