/*
 * A WebSocket bridge with nothing in it but the way of the bytes: what one thread of C can do, the ceiling for the
 * others. Not to be used: no timeouts, no pings answered, no fragments told apart, no limits on what a client asks for.
 *
 *     c-bridge PORT PEER-PORT
 *
 * Epoll, level-triggered. Each direction of a connection has one buffer for what could not be written at once; while
 * something waits in it, the side that it came from is not read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* 64 KiB are read at once: more does not stay in the processor's nearest caches. */
enum { READ_SIZE = 65536, HEAD_SIZE = 4096, CLOSE = 8 };

/* Of a client's read the payloads move to its start, unmasked on the way; a peer's read gets a header set before it. */
static uint8_t input[READ_SIZE + 10];
static int poller;

struct pair;
struct side {
  int fd;
  uint32_t events;
  uint8_t *waiting; /* to be written to this side */
  size_t from, to;
  struct pair *pair;
};
struct pair {
  struct side client, peer;
  bool open, closing, ended;
  char *head;
  size_t head_length;
  uint8_t header[14]; /* of the client's frame that is being read */
  size_t header_length;
  uint64_t payload_left;
  uint8_t key[4]; /* turned, so that its first byte belongs to the next one of the payload */
  int opcode;
};
static struct pair *ended_pairs[512]; /* freed after the events at hand, which may name them */
static int ended_count;

/* ------------------------------------------------- SHA-1 and Base64 (FIPS 180-4, RFC 4648), for §4.2.2 */

static uint32_t rotate(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void sha1_block(uint32_t state[5], const uint8_t block[64]) {
  uint32_t w[80];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
           block[4 * i + 3];
  for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (int i = 0; i < 80; i++) {
    uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                              : (b ^ c ^ d) + 0xca62c1d6;
    uint32_t next = rotate(a, 5) + mixed + e + w[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

/* Of a key of 24 characters: with the GUID 60 bytes, which with padding are two blocks. */
static void accept_value(const char *key, char answer[29]) {
  static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t blocks[128] = {0};
  memcpy(blocks, key, 24);
  memcpy(blocks + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  blocks[60] = 0x80;
  blocks[126] = 60 * 8 >> 8;
  blocks[127] = 60 * 8 & 255;
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  sha1_block(state, blocks);
  sha1_block(state, blocks + 64);
  uint8_t digest[21] = {0};
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
  for (int i = 0; i < 7; i++) {
    uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
    for (int k = 0; k < 4; k++) answer[4 * i + k] = ALPHABET[three >> (18 - 6 * k) & 63];
  }
  answer[27] = '=';
  answer[28] = 0;
}

/* ------------------------------------------------- sockets */

static void watch(struct side *side, uint32_t events) {
  if (side->events == events) return;
  side->events = events;
  struct epoll_event event = {.events = events, .data.ptr = side};
  epoll_ctl(poller, EPOLL_CTL_MOD, side->fd, &event);
}

static void adopt(struct side *side, int fd, struct pair *pair, uint32_t events) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  *side = (struct side){.fd = fd, .events = events, .pair = pair};
  struct epoll_event event = {.events = events, .data.ptr = side};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void end(struct pair *pair) {
  if (pair->ended) return;
  pair->ended = true;
  close(pair->client.fd);
  if (pair->open) close(pair->peer.fd);
  ended_pairs[ended_count++] = pair;
}

static struct side *other(struct side *side) {
  return side == &side->pair->client ? &side->pair->peer : &side->pair->client;
}

/* Writes, and keeps what does not fit; what comes from the other side then waits there. */
static void put(struct side *side, const uint8_t *bytes, size_t length) {
  if (side->pair->ended || length == 0) return;
  size_t written = 0;
  if (side->to == side->from) {
    ssize_t result = send(side->fd, bytes, length, MSG_NOSIGNAL);
    if (result < 0 && errno != EAGAIN && errno != ENOTCONN) {
      end(side->pair);
      return;
    }
    if (result > 0) written = (size_t)result;
    side->from = side->to = 0;
  }
  if (written == length) return;
  size_t left = length - written;
  side->waiting = realloc(side->waiting, side->to + left);
  memcpy(side->waiting + side->to, bytes + written, left);
  side->to += left;
  watch(side, side->events | EPOLLOUT);
  struct side *source = other(side);
  if (side->pair->open) watch(source, source->events & ~(uint32_t)EPOLLIN);
}

static void on_writable(struct side *side) {
  size_t left = side->to - side->from;
  ssize_t written = left == 0 ? 0 : send(side->fd, side->waiting + side->from, left, MSG_NOSIGNAL);
  if (written < 0 && errno == EAGAIN) return;
  if (written < 0) {
    end(side->pair);
    return;
  }
  side->from += (size_t)written;
  if (side->from < side->to) return;
  side->from = side->to = 0;
  free(side->waiting);
  side->waiting = NULL;
  watch(side, side->events & ~(uint32_t)EPOLLOUT);
  if (side->pair->closing) {
    end(side->pair);
    return;
  }
  struct side *source = other(side);
  watch(source, source->events | EPOLLIN);
}

/* ------------------------------------------------- the two ways */

/* §5.5.1: a Close is answered with one, and then the connection ends. */
static void say_close(struct pair *pair) {
  static const uint8_t FRAME[] = {0x88, 2, 0x03, 0xe8};
  put(&pair->client, FRAME, sizeof FRAME);
  if (pair->ended) return;
  pair->closing = true;
  if (pair->client.to == 0) end(pair);
}

static void from_peer(struct pair *pair, size_t length) {
  /* The header ends where the payload begins. */
  uint8_t *header = input + 10;
  if (length < 126) {
    header -= 2;
    header[1] = (uint8_t)length;
  } else if (length < 65536) {
    header -= 4;
    header[1] = 126;
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;
  } else {
    header -= 10;
    header[1] = 127;
    for (int i = 0; i < 8; i++) header[2 + i] = (uint8_t)((uint64_t)length >> (56 - 8 * i));
  }
  header[0] = 0x82;
  put(&pair->client, header, (size_t)(input + 10 - header) + length);
}

/* `to` may be before `from` in the same memory. */
static void unmask(uint8_t *to, const uint8_t *from, size_t length, const uint8_t key[4]) {
  uint8_t twice[8];
  memcpy(twice, key, 4);
  memcpy(twice + 4, key, 4);
  uint64_t mask;
  memcpy(&mask, twice, 8);
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    memcpy(&word, from + i, 8);
    word ^= mask;
    memcpy(to + i, &word, 8);
  }
  for (; i < length; i++) to[i] = from[i] ^ key[i & 3];
}

static size_t header_size(const struct pair *pair) {
  if (pair->header_length < 2) return 2;
  uint8_t length = pair->header[1] & 127;
  return (length == 126 ? 4 : length == 127 ? 10 : 2) + 4;
}

static void on_header(struct pair *pair) {
  size_t size = pair->header_length;
  uint8_t length = pair->header[1] & 127;
  pair->opcode = pair->header[0] & 15;
  pair->payload_left = length;
  if (length >= 126) {
    pair->payload_left = 0;
    for (size_t i = 2; i < size - 4; i++) pair->payload_left = pair->payload_left << 8 | pair->header[i];
  }
  memcpy(pair->key, pair->header + size - 4, 4);
  pair->header_length = 0;
}

/* All payload of one read goes on in one write. */
static void from_client(struct pair *pair, const uint8_t *bytes, size_t length) {
  size_t produced = 0;
  bool closed = false;
  while (length > 0 && !closed) {
    if (pair->payload_left == 0) {
      pair->header[pair->header_length++] = *bytes++;
      length--;
      if (pair->header_length >= 2 && pair->header_length == header_size(pair)) on_header(pair);
      closed = pair->header_length == 0 && pair->opcode == CLOSE;
      continue;
    }
    size_t part = length < pair->payload_left ? length : (size_t)pair->payload_left;
    if (pair->opcode < CLOSE) {
      unmask(input + produced, bytes, part, pair->key);
      produced += part;
    }
    uint8_t key[4];
    for (size_t i = 0; i < 4; i++) key[i] = pair->key[(i + part) & 3];
    memcpy(pair->key, key, 4);
    pair->payload_left -= part;
    bytes += part;
    length -= part;
  }
  put(&pair->peer, input, produced);
  if (closed && !pair->ended) say_close(pair);
}

static struct sockaddr_in peer_address;

static void on_head(struct pair *pair, const uint8_t *bytes, size_t length) {
  if (pair->head_length + length >= HEAD_SIZE) {
    end(pair);
    return;
  }
  if (pair->head == NULL) pair->head = malloc(HEAD_SIZE);
  memcpy(pair->head + pair->head_length, bytes, length);
  pair->head_length += length;
  pair->head[pair->head_length] = 0;
  if (strstr(pair->head, "\r\n\r\n") == NULL) return;
  char *key = strcasestr(pair->head, "\r\nSec-WebSocket-Key: ");
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (key == NULL || strlen(key) < 21 + 24 || fd < 0) {
    end(pair);
    return;
  }
  char value[29], answer[160];
  accept_value(key + 21, value);
  int size = snprintf(answer, sizeof answer,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      value);
  free(pair->head);
  pair->head = NULL;
  connect(fd, (struct sockaddr *)&peer_address, sizeof peer_address);
  adopt(&pair->peer, fd, pair, EPOLLIN);
  pair->open = true;
  put(&pair->client, (uint8_t *)answer, (size_t)size);
}

static void on_readable(struct side *side) {
  struct pair *pair = side->pair;
  ssize_t length = recv(side->fd, input + 10, READ_SIZE, 0);
  if (length < 0 && errno == EAGAIN) return;
  if (length <= 0 && side == &pair->peer)
    say_close(pair);
  else if (length <= 0)
    end(pair);
  else if (side == &pair->peer)
    from_peer(pair, (size_t)length);
  else if (pair->open)
    from_client(pair, input + 10, (size_t)length);
  else
    on_head(pair, input + 10, (size_t)length);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    struct pair *pair = calloc(1, sizeof *pair);
    adopt(&pair->client, fd, pair, EPOLLIN);
  }
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "c-bridge PORT PEER-PORT\n");
    return 2;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  peer_address = address;
  address.sin_port = htons((uint16_t)atoi(arguments[1]));
  peer_address.sin_port = htons((uint16_t)atoi(arguments[2]));
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) {
    perror("c-bridge");
    return 1;
  }
  poller = epoll_create1(0);
  struct epoll_event events[256], event = {.events = EPOLLIN};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event); /* its events have no side */
  for (;;) {
    int happened = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < happened; i++) {
      struct side *side = events[i].data.ptr;
      if (side == NULL) {
        accept_all(listener);
        continue;
      }
      if (!side->pair->ended && (events[i].events & EPOLLOUT)) on_writable(side);
      if (!side->pair->ended && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) on_readable(side);
    }
    while (ended_count > 0) {
      struct pair *pair = ended_pairs[--ended_count];
      free(pair->client.waiting);
      free(pair->peer.waiting);
      free(pair->head);
      free(pair);
    }
  }
}
