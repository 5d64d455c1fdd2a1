/* LD_PRELOAD: a file system without locks. ERROR is ENOSYS as of Lustre by default, or ENOLCK as of an NFS whose server of
   locks is down. */
#include <errno.h>

int flock(int file, int operation) {
    (void)file;
    (void)operation;
    errno = ERROR;
    return -1;
}
