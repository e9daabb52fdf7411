/*
 * A Unix datagram server for the tests: bound to argv[1], it tells on standard output of each datagram and sends what
 * standard input says. Records both ways: a letter, the length of an address, the length of a payload, both 32 bits of
 * this machine's order, then both. Out: R(eady), D(atagram, from whom), E(rror, errno in decimal), H and G (done). In:
 * S(end, to whom), H(old: take nothing), G(o on).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGEST (16 << 20)
static char payload[LARGEST];

static void tell(char kind, const char *address, uint32_t address_length, const char *bytes, uint32_t length) {
  fwrite(&kind, 1, 1, stdout);
  fwrite(&address_length, 4, 1, stdout);
  fwrite(&length, 4, 1, stdout);
  fwrite(address, 1, address_length, stdout);
  fwrite(bytes, 1, length, stdout);
  fflush(stdout);
}

static void take(void *to, size_t length) {
  for (size_t have = 0; have < length;) {
    ssize_t got = read(0, (char *)to + have, length - have);
    if (got <= 0) exit(0);
    have += (size_t)got;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int wanted = LARGEST, held = 0, fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  const size_t header = offsetof(struct sockaddr_un, sun_path);
  if (argc != 2 || fd < 0) return 1;
  strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
  socklen_t size = (socklen_t)(header + strlen(argv[1]));
  if (argv[1][0] == '@') address.sun_path[0] = '\0';
  if (bind(fd, (struct sockaddr *)&address, size) != 0) return 1;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  tell('R', "", 0, "", 0);
  for (;;) {
    struct pollfd ready[2] = {{0, POLLIN, 0}, {held ? -1 : fd, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) return 1;
    if (ready[1].revents != 0) {
      size = sizeof address;
      ssize_t got = recvfrom(fd, payload, LARGEST, 0, (struct sockaddr *)&address, &size);
      uint32_t path = size > header ? (uint32_t)(size - header) : 0;
      if (got >= 0) tell('D', address.sun_path, path, payload, (uint32_t)got);
    }
    if (ready[0].revents != 0) {
      char kind;
      uint32_t lengths[2];
      take(&kind, 1);
      take(lengths, 8);
      memset(&address, 0, sizeof address);
      address.sun_family = AF_UNIX;
      take(address.sun_path, lengths[0]);
      take(payload, lengths[1]);
      if (kind != 'S') {
        held = kind == 'H';
        tell(kind, "", 0, "", 0);
      } else if (sendto(fd, payload, lengths[1], 0, (struct sockaddr *)&address, (socklen_t)(header + lengths[0])) < 0) {
        char text[16];
        tell('E', "", 0, text, (uint32_t)snprintf(text, sizeof text, "%d", errno));
      }
    }
  }
}
