/*
 * The load of `npm run bench`: the TCP peer behind a bridge, or the WebSocket client in front of it. One thread, epoll.
 *
 *     load peer MODE                                            sink, source, echo or hello
 *     load client PORT PROTOCOL TEST CONNECTIONS SIZE DEPTH     websocket or raw; upload, download, echo, connect, idle
 *
 * Behind these words, for both ends alike: `stream=FILE`, the pattern (see below) is what is in it, a whole number of
 * messages; `text`, messages both ways are text; `exact=N`, each message of the bridge has N bytes.
 *
 * Each line on its standard input is answered with one line of JSON, the counters so far; the end of the input ends it,
 * so that it never outlives who started it. What is wrong with a bridge ends it as well, with {"failed":"why"}.
 *
 * Every stream carries the same pattern, a byte that depends on its position, and every byte that arrives is compared.
 * The period is no power of two, so that a buffer lost, doubled or in the wrong place shows. Frames are made before the
 * clock starts. A Ping is answered unless something is being sent, which tells a bridge as much.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  PERIOD = 15 * 65536, /* 15 frames of 64 KiB, 960 of 1 KiB, 15,360 of 64 B */
  LARGE = 65536,       /* messages above this are not made before, but put together from header and pattern */
  READ_SIZE = 262144,
  WRITE_SIZE = 262144,
  TURN = 4, /* reads or writes of one connection before it is the next one's turn */
};

static uint8_t *pattern; /* one read longer than the period: a comparison never wraps */
static size_t period = PERIOD;
static const char *stream_file;
static bool text;
static uint64_t exact;
static uint8_t buffer[READ_SIZE];
static int poller;

/* ------------------------------------------------------------------ both */

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("{\"failed\":\"");
  vprintf(format, arguments);
  printf("\"}\n");
  fflush(stdout);
  va_end(arguments);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint32_t random_state = 2463534242u;
static uint32_t next_random(void) { /* xorshift: the same numbers in every run, in both processes */
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

static void read_stream(FILE *file) {
  struct stat about;
  if (file == NULL || fstat(fileno(file), &about) < 0 || about.st_size == 0) fail("no stream in %s", stream_file);
  period = (size_t)about.st_size;
  pattern = malloc(period + READ_SIZE);
  if (fread(pattern, 1, period, file) != period) fail("%s is cut short", stream_file);
  fclose(file);
}

static void make_pattern(void) {
  if (stream_file != NULL) {
    read_stream(fopen(stream_file, "rb"));
  } else {
    pattern = malloc(period + READ_SIZE);
    for (size_t i = 0; i < period; i++) pattern[i] = (uint8_t)(next_random() >> 24);
  }
  for (size_t i = 0; i < READ_SIZE; i++) pattern[period + i] = pattern[i % period];
}

/* Compares what arrived at a position of a stream with what belongs there. */
static void verify(const uint8_t *bytes, size_t length, uint64_t position) {
  const uint8_t *expected = pattern + position % period;
  if (memcmp(bytes, expected, length) == 0) return;
  size_t i = 0;
  while (bytes[i] == expected[i]) i++;
  fail("byte %llu of a stream is wrong", (unsigned long long)(position + i));
}

static void watch(int operation, int fd, uint32_t events, void *of) {
  struct epoll_event event = {.events = events, .data.ptr = of};
  if (epoll_ctl(poller, operation, fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

static void no_delay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Reads commands: each line asks for the counters. */
static void answer_commands(void (*report)(void)) {
  char commands[256];
  ssize_t length = read(STDIN_FILENO, commands, sizeof commands);
  if (length <= 0) exit(0);
  for (ssize_t i = 0; i < length; i++)
    if (commands[i] == '\n') report();
}

/* ------------------------------------------------------------------ peer */

enum mode { SINK, SOURCE, ECHO, HELLO };
static const char *const MODES[] = {"sink", "source", "echo", "hello"};

struct accepted {
  int fd;
  uint64_t received, sent;
  uint8_t *pending; /* what an echo could not yet write */
  size_t pending_from, pending_to;
};

static enum mode mode;
static uint64_t peer_received, peer_sent, peer_accepted, peer_open;

static void report_peer(void) {
  printf("{\"time\":%llu,\"received\":%llu,\"sent\":%llu,\"accepted\":%llu,\"open\":%llu}\n",
         (unsigned long long)now(), (unsigned long long)peer_received, (unsigned long long)peer_sent,
         (unsigned long long)peer_accepted, (unsigned long long)peer_open);
  fflush(stdout);
}

static void forget(struct accepted *connection) {
  close(connection->fd);
  free(connection->pending);
  free(connection);
  peer_open--;
}

/* Writes; false if the connection is gone. `written` is 0 when there is no room. */
static bool put(struct accepted *connection, const uint8_t *bytes, size_t length, size_t *written) {
  ssize_t result = send(connection->fd, bytes, length, MSG_NOSIGNAL);
  if (result < 0 && errno != EAGAIN) return false;
  *written = result < 0 ? 0 : (size_t)result;
  connection->sent += *written;
  peer_sent += *written;
  return true;
}

/* What a source has to say, from its position on. */
static bool pour(struct accepted *connection) {
  for (int turn = 0; turn < TURN; turn++) {
    size_t written;
    if (!put(connection, pattern + connection->sent % period, WRITE_SIZE, &written)) return false;
    if (written < WRITE_SIZE) return true;
  }
  return true;
}

static bool echo_pending(struct accepted *connection) {
  size_t written;
  size_t left = connection->pending_to - connection->pending_from;
  if (!put(connection, connection->pending + connection->pending_from, left, &written)) return false;
  connection->pending_from += written;
  if (written == left) watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
  return true;
}

static bool echo(struct accepted *connection, size_t length) {
  size_t written;
  if (!put(connection, buffer, length, &written)) return false;
  if (written == length) return true;
  if (connection->pending == NULL) connection->pending = malloc(READ_SIZE);
  memcpy(connection->pending, buffer + written, length - written);
  connection->pending_from = 0;
  connection->pending_to = length - written;
  watch(EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
  return true;
}

static bool take(struct accepted *connection) {
  for (int turn = 0; turn < TURN; turn++) {
    ssize_t length = recv(connection->fd, buffer, READ_SIZE, 0);
    if (length < 0 && errno == EAGAIN) return true;
    if (length <= 0) return false;
    if (mode == SINK) verify(buffer, (size_t)length, connection->received);
    connection->received += (uint64_t)length;
    peer_received += (uint64_t)length;
    if (mode == ECHO) return echo(connection, (size_t)length);
    if (length < READ_SIZE) return true;
  }
  return true;
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    no_delay(fd);
    struct accepted *connection = calloc(1, sizeof *connection);
    connection->fd = fd;
    peer_accepted++;
    peer_open++;
    watch(EPOLL_CTL_ADD, fd, mode == SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN, connection);
    size_t written;
    if (mode == HELLO) put(connection, pattern, 1, &written);
  }
}

static void serve_peer(const char *name) {
  while (strcmp(MODES[mode], name) != 0)
    if (++mode > HELLO) fail("no such mode: %s", name);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0)
    fail("cannot listen: %s", strerror(errno));
  getsockname(listener, (struct sockaddr *)&address, &size);
  static char commands, connections; /* their addresses tell the events of these two apart */
  watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &commands);
  watch(EPOLL_CTL_ADD, listener, EPOLLIN, &connections);
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == &commands) {
        answer_commands(report_peer);
      } else if (events[i].data.ptr == &connections) {
        accept_all(listener);
      } else {
        struct accepted *connection = events[i].data.ptr;
        bool alive = true;
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) alive = take(connection);
        if (alive && (events[i].events & EPOLLOUT))
          alive = mode == SOURCE ? pour(connection) : echo_pending(connection);
        if (!alive) forget(connection);
      }
    }
  }
}

/* ---------------------------------------------------------------- client */

enum test { UPLOAD, DOWNLOAD, ECHOES, CONNECT, IDLE };
static const char *const TESTS[] = {"upload", "download", "echo", "connect", "idle"};
enum state { CONNECTING, UPGRADING, GREETED, OPEN, CLOSING };

/* RFC 6455 §1.3: the example's key, and the answer that belongs to it. */
static const char KEY[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { HEAD_SIZE = 2048, OPENING_AT_ONCE = 64, LONGEST_CONTROL = 125 };

struct client {
  int fd;
  enum state state;
  uint32_t events;
  char *head; /* the answer to the handshake, until it is whole */
  size_t head_length;
  uint8_t header[10]; /* of the frame that is being read */
  size_t header_length;
  uint64_t payload_left;
  uint64_t message_length;          /* of the message that is being read, as far as its headers came */
  uint8_t control[LONGEST_CONTROL]; /* payload of a Ping */
  size_t control_length;
  uint64_t received;
  uint64_t sent; /* bytes of the wire */
  uint64_t owed; /* bytes of the wire that are to be sent */
  bool closed;   /* a Close came */
};

static enum test test;
static bool raw;
static struct sockaddr_in bridge;
static int connection_count, started;
static uint32_t depth, message_size;
static struct client *clients;
static uint8_t *wire; /* one period of the pattern as masked frames, or as it is; of large messages the payload alone */
static size_t wire_size, frame_size;
static uint8_t large_header[14];
static size_t large_header_size;
static char request[512];
static size_t request_length;
static uint64_t received, messages, answers, pings, cycles, unanswered_closes;
static int open_count;

static void report_client(void) {
  printf("{\"time\":%llu,\"received\":%llu,\"messages\":%llu,\"answers\":%llu,\"pings\":%llu,"
         "\"cycles\":%llu,\"unansweredCloses\":%llu,\"open\":%d}\n",
         (unsigned long long)now(), (unsigned long long)received, (unsigned long long)messages,
         (unsigned long long)answers, (unsigned long long)pings, (unsigned long long)cycles,
         (unsigned long long)unanswered_closes, open_count);
  fflush(stdout);
}

static void say_ready(void) {
  printf("{\"ready\":true}\n");
  fflush(stdout);
}

/* §5.2: a final frame's header, with its masking key; its length. */
static size_t frame_header(uint8_t *to, int opcode, uint64_t length, const uint8_t key[4]) {
  size_t at = 2;
  to[0] = (uint8_t)(0x80 | opcode);
  if (length < 126) {
    to[1] = (uint8_t)(0x80 | length);
  } else if (length < 65536) {
    to[1] = 0x80 | 126;
    to[at++] = (uint8_t)(length >> 8);
    to[at++] = (uint8_t)length;
  } else {
    to[1] = 0x80 | 127;
    for (int shift = 56; shift >= 0; shift -= 8) to[at++] = (uint8_t)(length >> shift);
  }
  memcpy(to + at, key, 4);
  return at + 4;
}

static void mask(uint8_t *to, const uint8_t *from, size_t length, const uint8_t key[4]) {
  for (size_t i = 0; i < length; i++) to[i] = from[i] ^ key[i & 3];
}

static void random_key(uint8_t key[4]) {
  uint32_t random = next_random();
  memcpy(key, &random, 4);
}

static void make_small_frames(void) {
  if (period % message_size != 0) fail("a message does not fit the pattern");
  size_t count = period / message_size;
  wire = malloc(count * (message_size + sizeof large_header));
  for (size_t frame = 0; frame < count; frame++) {
    uint8_t key[4];
    uint8_t *to = wire + wire_size;
    random_key(key);
    size_t header = frame_header(to, text ? TEXT : BINARY, message_size, key);
    mask(to + header, pattern + frame * message_size, message_size, key);
    frame_size = header + message_size;
    wire_size += frame_size;
  }
}

/* All with one key. Message and period are multiples of its four bytes: the masked pattern has the pattern's period. */
static void make_large_payload(void) {
  if (message_size % 4 != 0 || period % 4 != 0) fail("a message does not fit the pattern");
  uint8_t key[4];
  random_key(key);
  large_header_size = frame_header(large_header, text ? TEXT : BINARY, message_size, key);
  frame_size = large_header_size + message_size;
  wire = malloc(period);
  mask(wire, pattern, period, key);
}

static void make_wire(void) {
  if (raw) {
    wire = pattern;
    wire_size = period;
    frame_size = message_size;
  } else if (message_size <= LARGE) {
    make_small_frames();
  } else {
    make_large_payload();
  }
}

/* What a connection has to send next; where it is the header of a large message, the payload may go with it. */
static const uint8_t *next_of_wire(const struct client *client, size_t *length, int *flags) {
  *flags = MSG_NOSIGNAL;
  if (large_header_size == 0) {
    size_t at = client->sent % wire_size;
    *length = wire_size - at;
    return wire + at;
  }
  size_t in_frame = client->sent % frame_size;
  if (in_frame < large_header_size) {
    *flags |= MSG_MORE;
    *length = large_header_size - in_frame;
    return large_header + in_frame;
  }
  uint64_t position = client->sent / frame_size * message_size + in_frame - large_header_size;
  size_t at = position % period;
  *length = frame_size - in_frame < period - at ? frame_size - in_frame : period - at;
  return wire + at;
}

static void want(struct client *client, uint32_t events) {
  if (client->events == events) return;
  client->events = events;
  watch(EPOLL_CTL_MOD, client->fd, events, client);
}

/* Each connection from an address of its own among some: many that were closed do not use up the ports of one. */
static void start(struct client *client) {
  char *head = client->head;
  *client = (struct client){.head = head, .events = EPOLLOUT};
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (client->fd < 0) fail("socket: %s", strerror(errno));
  no_delay(client->fd);
  int one = 1;
  setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  struct sockaddr_in source = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(started++ % 64))};
  if (bind(client->fd, (struct sockaddr *)&source, sizeof source) < 0) fail("bind: %s", strerror(errno));
  watch(EPOLL_CTL_ADD, client->fd, client->events, client);
  if (connect(client->fd, (struct sockaddr *)&bridge, sizeof bridge) < 0 && errno != EINPROGRESS)
    fail("connect: %s", strerror(errno));
}

/* Sends what is owed, as far as there is room. */
static void flush(struct client *client) {
  for (int turn = 0; turn < TURN && client->owed > 0; turn++) {
    size_t length;
    int flags;
    const uint8_t *bytes = next_of_wire(client, &length, &flags);
    if (length > WRITE_SIZE) length = WRITE_SIZE;
    if (length > client->owed) length = client->owed;
    ssize_t written = send(client->fd, bytes, length, flags);
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) fail("a connection was lost while sending: %s", strerror(errno));
    client->owed -= (uint64_t)written;
    client->sent += (uint64_t)written;
    if ((size_t)written < length) break;
  }
  want(client, client->owed > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* When every connection is open, and not before, the load begins. */
static void begin(void) {
  say_ready();
  for (int i = 0; i < connection_count; i++) {
    struct client *client = &clients[i];
    client->owed = test == UPLOAD ? UINT64_MAX : test == ECHOES ? (uint64_t)depth * frame_size : 0;
    if (client->owed > 0) flush(client);
  }
}

static void opened(struct client *client) {
  if (test == CONNECT || test == IDLE) {
    client->state = GREETED;
    return;
  }
  client->state = OPEN;
  if (++open_count == connection_count) begin();
}

static void send_control(const struct client *client, int opcode, const uint8_t *payload, size_t length) {
  static const uint8_t CONTROL_KEY[4] = {1, 2, 3, 4};
  uint8_t frame[6 + LONGEST_CONTROL];
  size_t header = frame_header(frame, opcode, length, CONTROL_KEY);
  mask(frame + header, payload, length, CONTROL_KEY);
  ssize_t size = (ssize_t)(header + length);
  if (send(client->fd, frame, (size_t)size, MSG_NOSIGNAL) != size) fail("no room for a control frame");
}

static void say_goodbye(struct client *client) {
  static const uint8_t NORMAL[2] = {0x03, 0xe8}; /* §7.4.1: 1000 */
  client->state = CLOSING;
  if (raw)
    shutdown(client->fd, SHUT_WR);
  else
    send_control(client, CLOSE, NORMAL, sizeof NORMAL);
}

/* The peer's first byte came through: it is connected. */
static void greeted(struct client *client) {
  if (test == CONNECT) {
    say_goodbye(client);
    return;
  }
  client->state = OPEN;
  if (++open_count == connection_count) say_ready();
  if (started < connection_count) start(&clients[started]);
}

static void on_payload(struct client *client, const uint8_t *bytes, size_t length) {
  verify(bytes, length, client->received);
  uint64_t whole = client->received / message_size;
  client->received += length;
  received += length;
  if (client->state == GREETED) {
    greeted(client);
  } else if (test == ECHOES) {
    uint64_t answered = client->received / message_size - whole;
    answers += answered;
    client->owed += answered * frame_size;
  }
}

static size_t header_size(const struct client *client) {
  if (client->header_length < 2) return 2;
  uint8_t length = client->header[1] & 127;
  return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static void on_header(struct client *client) {
  uint8_t length = client->header[1] & 127;
  if (client->header[1] & 0x80) fail("a frame of the bridge is masked"); /* §5.1 */
  int opcode = client->header[0] & 15;
  if (client->header[0] & 0x70) fail("a frame has a reserved bit"); /* §5.2: nothing was agreed on */
  if (opcode == TEXT && !text) fail("a text frame came");
  if (opcode == BINARY && text && client->state == OPEN) fail("a binary frame came");
  client->payload_left = length;
  if (length >= 126) {
    client->payload_left = 0;
    for (size_t i = 2; i < header_size(client); i++)
      client->payload_left = client->payload_left << 8 | client->header[i];
  }
  if (opcode >= CLOSE && client->payload_left > LONGEST_CONTROL) fail("a control frame is too long"); /* §5.5 */
  if (opcode == CLOSE) client->closed = true;
  if (opcode <= BINARY) client->message_length += client->payload_left;
  client->control_length = 0;
  client->header_length = 0;
}

static void on_frame_end(struct client *client) {
  int opcode = client->header[0] & 15;
  pings += opcode == PING;
  if (opcode == PING && client->owed == 0) send_control(client, PONG, client->control, client->control_length);
  if (opcode >= CLOSE || !(client->header[0] & 0x80)) return;
  if (exact != 0 && client->message_length != exact)
    fail("a message of %llu bytes came, not of %llu", (unsigned long long)client->message_length,
         (unsigned long long)exact);
  client->message_length = 0;
  messages++;
}

/* §5.2: the bridge's frames, cut anywhere. */
static void on_bytes(struct client *client, const uint8_t *bytes, size_t length) {
  if (raw) {
    on_payload(client, bytes, length);
    return;
  }
  while (length > 0) {
    if (client->payload_left == 0) {
      client->header[client->header_length++] = *bytes++;
      length--;
      if (client->header_length < 2 || client->header_length < header_size(client)) continue;
      on_header(client);
      if (client->payload_left == 0) on_frame_end(client);
      continue;
    }
    size_t part = length < client->payload_left ? length : (size_t)client->payload_left;
    if ((client->header[0] & 15) <= BINARY) {
      on_payload(client, bytes, part);
    } else {
      memcpy(client->control + client->control_length, bytes, part);
      client->control_length += part;
    }
    client->payload_left -= part;
    bytes += part;
    length -= part;
    if (client->payload_left == 0) on_frame_end(client);
  }
}

/* Takes the head of the answer away; how many of the bytes belonged to it. */
static size_t on_handshake(struct client *client, const uint8_t *bytes, size_t length) {
  if (client->head == NULL) client->head = malloc(HEAD_SIZE + 1);
  size_t before = client->head_length;
  size_t part = length < HEAD_SIZE - before ? length : HEAD_SIZE - before;
  memcpy(client->head + before, bytes, part);
  client->head_length += part;
  client->head[client->head_length] = 0;
  char *end = strstr(client->head, "\r\n\r\n");
  if (end == NULL && client->head_length == HEAD_SIZE) fail("the answer to the handshake has no end");
  if (end == NULL) return part;
  if (strncmp(client->head, "HTTP/1.1 101", 12) != 0) fail("the handshake was refused: %.12s", client->head);
  if (strstr(client->head, ACCEPT) == NULL) fail("Sec-WebSocket-Accept is wrong");
  size_t used = (size_t)(end + 4 - client->head) - before;
  if (test == IDLE) {
    free(client->head);
    client->head = NULL;
  }
  opened(client);
  return used;
}

static void on_end(struct client *client) {
  if (test != CONNECT || client->state != CLOSING) fail("the bridge closed a connection");
  if (!raw && !client->closed) unanswered_closes++;
  cycles++;
  close(client->fd);
  start(client);
}

static void on_connected(struct client *client) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) fail("connect: %s", strerror(error));
  want(client, EPOLLIN);
  if (raw) {
    opened(client);
    return;
  }
  client->state = UPGRADING;
  if (send(client->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
    fail("no room for a handshake");
}

static void on_readable(struct client *client) {
  for (int turn = 0; turn < TURN; turn++) {
    ssize_t length = recv(client->fd, buffer, READ_SIZE, 0);
    if (length < 0 && errno == EAGAIN) break;
    if (length <= 0) {
      on_end(client);
      return;
    }
    size_t used = client->state == UPGRADING ? on_handshake(client, buffer, (size_t)length) : 0;
    if (used < (size_t)length) on_bytes(client, buffer + used, (size_t)length - used);
    if (length < READ_SIZE) break;
  }
  if (test == ECHOES && client->owed > 0) flush(client);
}

static void serve_client(char **arguments) {
  bridge = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(arguments[0])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  raw = strcmp(arguments[1], "raw") == 0;
  while (strcmp(TESTS[test], arguments[2]) != 0)
    if (++test > IDLE) fail("no such test: %s", arguments[2]);
  connection_count = atoi(arguments[3]);
  message_size = (uint32_t)atoi(arguments[4]);
  depth = (uint32_t)atoi(arguments[5]);
  if (message_size == 0) fail("a message has no bytes");
  if (test == UPLOAD || test == ECHOES) make_wire();
  request_length = (size_t)snprintf(request, sizeof request,
                                    "GET / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\n"
                                    "Connection: Upgrade\r\nOrigin: http://127.0.0.1:%s\r\n"
                                    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                                    arguments[0], arguments[0], KEY);
  clients = calloc((size_t)connection_count, sizeof *clients);
  static char commands;
  watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &commands);
  if (test == CONNECT) say_ready();
  int at_once = test == IDLE && connection_count > OPENING_AT_ONCE ? OPENING_AT_ONCE : connection_count;
  for (int i = 0; i < at_once; i++) start(&clients[i]);
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct client *client = events[i].data.ptr;
      uint32_t happened = events[i].events;
      if (events[i].data.ptr == &commands) {
        answer_commands(report_client);
      } else if (client->state == CONNECTING) {
        on_connected(client);
      } else {
        /* Not written at once after a new start: a connection of the connect test never owes anything. */
        if (happened & (EPOLLIN | EPOLLERR | EPOLLHUP)) on_readable(client);
        if ((happened & EPOLLOUT) && client->owed > 0) flush(client);
      }
    }
  }
}

/* Takes the options away from the end of the words; how many are left. */
static int read_options(int count, char **arguments) {
  for (; count > 2; count--) {
    const char *word = arguments[count - 1];
    if (strcmp(word, "text") == 0)
      text = true;
    else if (strncmp(word, "stream=", 7) == 0)
      stream_file = word + 7;
    else if (strncmp(word, "exact=", 6) == 0)
      exact = strtoull(word + 6, NULL, 10);
    else
      break;
  }
  return count;
}

int main(int count, char **arguments) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  count = read_options(count, arguments);
  make_pattern();
  poller = epoll_create1(0);
  if (count == 3 && strcmp(arguments[1], "peer") == 0) serve_peer(arguments[2]);
  if (count == 8 && strcmp(arguments[1], "client") == 0) serve_client(arguments + 2);
  fprintf(stderr, "load peer MODE | load client PORT PROTOCOL TEST CONNECTIONS SIZE DEPTH [OPTIONS]\n");
  return 2;
}
