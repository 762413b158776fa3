/* Lets the program that it is preloaded into connect to 127.0.0.1 from the address that
 * FAULTS_ADDRESS names, such as 127.0.0.2, so that a proxy knows whose a connection is. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct sockaddr_in own = { .sin_family = AF_INET };

__attribute__((constructor)) static void read_address(void) {
    const char *address = getenv("FAULTS_ADDRESS");
    if (address) inet_pton(AF_INET, address, &own.sin_addr);
}

int connect(int socket, const struct sockaddr *to, socklen_t length) {
    const struct sockaddr_in *there = (const struct sockaddr_in *)to;
    int is_here = to->sa_family == AF_INET && there->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    if (is_here && own.sin_addr.s_addr) {
        /* The kernel chooses the port later, when it knows both ends. */
        int late = 1;
        setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
        bind(socket, (const struct sockaddr *)&own, sizeof own);
    }
    return (int)syscall(SYS_connect, socket, to, length);
}
