/*
 * AF_UNIX datagram sockets, which Node.js does not have: the system calls and a uv_poll on Node's own loop, nothing more.
 * What to do when is decided in unix-dgram.ts. Linux only: it alone binds a name of the kernel's choice (autobind), and
 * tells by MSG_TRUNC how large the next datagram is.
 *
 *     open(peer, local | undefined, onReady) -> { socket, sendBuffer } or a negative errno
 *     watch(socket, events)      1: readable, 2: writable, 0: neither; onReady(events or a negative errno) follows
 *     send(socket, bytes)        0 or a negative errno
 *     receive(socket)            a Buffer, or a negative errno
 *     close(socket)
 *
 * A socket is in use until its uv_close has come back and its JavaScript object is gone, whichever is later.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

typedef struct {
  uv_poll_t poll;
  napi_env env;
  napi_ref on_ready;
  napi_async_cleanup_hook_handle cleanup;
  int fd;
  int users;     /* the loop and the JavaScript object */
  int ending;    /* the environment is being torn down: no call into it any more */
} dgram;

/* Any failure of N-API's here means that the arguments were not what unix-dgram.ts passes, or that memory is out. */
#define CHECK(env, call)                                         \
  do {                                                           \
    if ((call) != napi_ok) {                                     \
      napi_throw_error((env), NULL, "unix-dgram: " #call);       \
      return NULL;                                               \
    }                                                            \
  } while (0)

static void unuse(dgram *socket) {
  if (--socket->users == 0) free(socket);
}

static void on_closed(uv_handle_t *handle) {
  dgram *socket = (dgram *)handle;
  if (!socket->ending) napi_delete_reference(socket->env, socket->on_ready);
  napi_remove_async_cleanup_hook(socket->cleanup);
  unuse(socket);
}

static void shut(dgram *socket) {
  if (socket->fd < 0) return;
  uv_close((uv_handle_t *)&socket->poll, on_closed);
  close(socket->fd);
  socket->fd = -1;
}

static void on_teardown(napi_async_cleanup_hook_handle handle, void *data) {
  dgram *socket = data;
  (void)handle;
  socket->ending = 1;
  shut(socket);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  shut(data);
  unuse(data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  dgram *socket = (dgram *)poll;
  napi_env env = socket->env;
  napi_handle_scope scope;
  napi_value receiver, callback, argument, thrown;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (napi_get_global(env, &receiver) == napi_ok &&
      napi_get_reference_value(env, socket->on_ready, &callback) == napi_ok &&
      napi_create_int32(env, status < 0 ? status : events, &argument) == napi_ok &&
      napi_make_callback(env, NULL, receiver, callback, 1, &argument, NULL) == napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown); /* as Node does with what an event handler throws */
  }
  napi_close_handle_scope(env, scope);
}

static napi_value number(napi_env env, int value) {
  napi_value result;
  CHECK(env, napi_create_int32(env, value, &result));
  return result;
}

/* Fills in an address from the bytes of its path, of which the first is NUL for an abstract name. */
static socklen_t fill(struct sockaddr_un *address, const void *path, size_t length) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (length >= sizeof address->sun_path) length = sizeof address->sun_path - 1;
  memcpy(address->sun_path, path, length);
  int abstract = length > 0 && address->sun_path[0] == '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
}

/* A bound and connected descriptor, or a negative errno. */
static int make_socket(const struct sockaddr_un *peer, socklen_t peer_length, const struct sockaddr_un *local,
                       socklen_t local_length, int *send_buffer) {
  int wanted = 1 << 24; /* the kernel cuts it at net.core.wmem_max */
  socklen_t size = sizeof *send_buffer;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) == 0 &&
      getsockopt(fd, SOL_SOCKET, SO_SNDBUF, send_buffer, &size) == 0 &&
      bind(fd, (const struct sockaddr *)local, local_length) == 0 &&
      /* Whoever may enter the folder may answer: the peer mostly runs as another user. */
      (local->sun_path[0] == '\0' || chmod(local->sun_path, 0666) == 0) &&
      connect(fd, (const struct sockaddr *)peer, peer_length) == 0) {
    return fd;
  }
  int failure = errno;
  close(fd);
  return -failure;
}

static napi_value Open(napi_env env, napi_callback_info info) {
  napi_value argv[3], result, external, size;
  size_t argc = 3, peer_size, local_size;
  void *peer_path, *local_path;
  struct sockaddr_un peer, local;
  bool has_local;
  int send_buffer = 0;
  uv_loop_t *loop;
  CHECK(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  CHECK(env, napi_get_buffer_info(env, argv[0], &peer_path, &peer_size));
  CHECK(env, napi_is_buffer(env, argv[1], &has_local));
  CHECK(env, napi_get_uv_event_loop(env, &loop));
  socklen_t peer_length = fill(&peer, peer_path, peer_size);
  socklen_t local_length = sizeof(sa_family_t); /* unix(7): autobind */
  memset(&local, 0, sizeof local);
  local.sun_family = AF_UNIX;
  if (has_local) {
    CHECK(env, napi_get_buffer_info(env, argv[1], &local_path, &local_size));
    local_length = fill(&local, local_path, local_size);
  }

  int fd = make_socket(&peer, peer_length, &local, local_length, &send_buffer);
  if (fd < 0) return number(env, fd);
  dgram *socket = calloc(1, sizeof *socket);
  int failure = socket == NULL ? UV_ENOMEM : uv_poll_init(loop, &socket->poll, fd);
  if (failure != 0) {
    free(socket);
    close(fd);
    return number(env, failure);
  }
  socket->env = env;
  socket->fd = fd;
  socket->users = 1;
  if (napi_create_reference(env, argv[2], 1, &socket->on_ready) != napi_ok ||
      napi_add_async_cleanup_hook(env, on_teardown, socket, &socket->cleanup) != napi_ok) {
    napi_throw_error(env, NULL, "unix-dgram: out of memory");
    return NULL; /* and of this socket; nothing better can be done */
  }
  CHECK(env, napi_create_external(env, socket, on_collected, NULL, &external));
  socket->users = 2;
  CHECK(env, napi_create_object(env, &result));
  CHECK(env, napi_set_named_property(env, result, "socket", external));
  CHECK(env, napi_create_int32(env, send_buffer, &size));
  CHECK(env, napi_set_named_property(env, result, "sendBuffer", size));
  return result;
}

/* The arguments of a call, the first of which is a socket. NULL: an exception is pending. */
static dgram *arguments(napi_env env, napi_callback_info info, size_t argc, napi_value *argv) {
  void *socket;
  CHECK(env, napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
  CHECK(env, napi_get_value_external(env, argv[0], &socket));
  return socket;
}

static napi_value Watch(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t events;
  dgram *socket = arguments(env, info, 2, argv);
  if (socket == NULL) return NULL;
  CHECK(env, napi_get_value_int32(env, argv[1], &events));
  if (socket->fd < 0) return number(env, UV_EBADF);
  return number(env, events == 0 ? uv_poll_stop(&socket->poll) : uv_poll_start(&socket->poll, events, on_poll));
}

static napi_value Send(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  void *bytes;
  size_t size;
  ssize_t sent;
  dgram *socket = arguments(env, info, 2, argv);
  if (socket == NULL) return NULL;
  CHECK(env, napi_get_buffer_info(env, argv[1], &bytes, &size));
  do {
    sent = send(socket->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return number(env, sent < 0 ? -errno : 0);
}

static napi_value Receive(napi_env env, napi_callback_info info) {
  napi_value argv[1], result;
  void *bytes;
  ssize_t size, received;
  dgram *socket = arguments(env, info, 1, argv);
  if (socket == NULL) return NULL;
  do {
    size = recv(socket->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return number(env, -errno);
  CHECK(env, napi_create_buffer(env, (size_t)size, &bytes, &result));
  do {
    received = recv(socket->fd, bytes, (size_t)size, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  return received < 0 ? number(env, -errno) : result;
}

static napi_value Close(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  dgram *socket = arguments(env, info, 1, argv);
  if (socket != NULL) shut(socket);
  return NULL;
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback function;
  } members[] = {{"open", Open}, {"watch", Watch}, {"send", Send}, {"receive", Receive}, {"close", Close}};
  for (size_t i = 0; i < sizeof members / sizeof *members; i += 1) {
    napi_value function;
    CHECK(env, napi_create_function(env, members[i].name, NAPI_AUTO_LENGTH, members[i].function, NULL, &function));
    CHECK(env, napi_set_named_property(env, exports, members[i].name, function));
  }
  return exports;
}
