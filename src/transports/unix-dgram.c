/*
 * AF_UNIX datagram sockets, which Node.js does not have: the system calls and a uv_poll on Node's own loop, nothing more.
 * What to do when is decided in unix-dgram.ts. Linux only: it alone binds a name of the kernel's choice (autobind), and
 * tells by MSG_TRUNC how large the next datagram is.
 *
 *     open(peer, local | undefined, onReady) -> { socket, sendBuffer }, or { call, error }: what failed, a negative errno
 *     watch(socket, events)      1: readable, 2: writable, 0: neither; onReady(events or a negative errno) follows
 *     send(socket, bytes)        0 or a negative errno
 *     receive(socket)            a Buffer, or a negative errno
 *     close(socket)              again: nothing
 *
 * A socket's memory is in use until its uv_close has come back and its JavaScript object is gone, whichever is later.
 * It is closed by `close`, else when its object is collected, else when its environment (the process or a worker) ends.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stddef.h>
#include <stdio.h>
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
  int fd;    /* -1: closed, or not open yet */
  int users; /* the loop and the JavaScript object */
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

/* The hook keeps the environment, and so the reference, alive until it is removed. */
static void release(dgram *socket) {
  napi_delete_reference(socket->env, socket->on_ready);
  napi_remove_async_cleanup_hook(socket->cleanup);
  unuse(socket);
}

static void on_closed(uv_handle_t *handle) {
  release((dgram *)handle);
}

static void shut(dgram *socket) {
  if (socket->fd < 0) return;
  uv_close((uv_handle_t *)&socket->poll, on_closed);
  close(socket->fd);
  socket->fd = -1;
}

static void on_teardown(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  shut(data);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  shut(data);
  unuse(data);
}

/* What stands behind a status of libuv's, which says EBADF for every POLLERR. */
static int cause_of(int status, int fd) {
  int pending = 0;
  socklen_t size = sizeof pending;
  if (status != UV_EBADF || getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size) != 0) return status;
  return pending == 0 ? status : -pending;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  dgram *socket = (dgram *)poll;
  napi_env env = socket->env;
  napi_handle_scope scope;
  napi_value receiver, callback, argument, thrown;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (napi_get_global(env, &receiver) == napi_ok &&
      napi_get_reference_value(env, socket->on_ready, &callback) == napi_ok &&
      napi_create_int32(env, status < 0 ? cause_of(status, socket->fd) : events, &argument) == napi_ok &&
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

/* Fills in an address from the bytes of its path, of which the first is NUL for an abstract name. 0: it is no path. */
static socklen_t fill(struct sockaddr_un *address, const void *path, size_t length) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  /* One byte is left for the NUL behind a path; cut, it would be another path. */
  if (length == 0 || length >= sizeof address->sun_path) return 0;
  memcpy(address->sun_path, path, length);
  int abstract = address->sun_path[0] == '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
}

/*
 * Whoever may enter the folder may answer: the peer mostly runs as another user. Not by chmod(path): in a folder that
 * others may write to, somebody could put a link to another file in its place.
 */
static int open_to_all(const char *path) {
  char link[32];
  struct stat found;
  int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int result = fstat(fd, &found);
  if (result == 0 && S_ISSOCK(found.st_mode)) result = chmod(link, 0666);
  int failure = errno;
  close(fd);
  errno = failure;
  return result;
}

/*
 * A connected and bound descriptor, or a negative errno, and then `call` says of what. In this order: from the connect on
 * only the peer gets through, and nothing is bound for a peer that is not there.
 */
static int make_socket(const struct sockaddr_un *peer, socklen_t peer_length, const struct sockaddr_un *local,
                       socklen_t local_length, int *send_buffer, const char **call) {
  int wanted = 1 << 24; /* the kernel cuts it at net.core.wmem_max */
  socklen_t size = sizeof *send_buffer;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  *call = "socket";
  if (fd < 0) return -errno;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_SNDBUF, send_buffer, &size) != 0)
    goto failed;
  *call = "connect";
  if (connect(fd, (const struct sockaddr *)peer, peer_length) != 0) goto failed;
  *call = "bind";
  if (bind(fd, (const struct sockaddr *)local, local_length) != 0) goto failed;
  if (local->sun_path[0] != '\0' && open_to_all(local->sun_path) != 0) goto failed;
  return fd;
failed:;
  int failure = errno;
  close(fd);
  return -failure;
}

static napi_value failed_open(napi_env env, const char *call, int error) {
  napi_value result, name;
  CHECK(env, napi_create_object(env, &result));
  CHECK(env, napi_create_string_utf8(env, call, NAPI_AUTO_LENGTH, &name));
  CHECK(env, napi_set_named_property(env, result, "call", name));
  CHECK(env, napi_set_named_property(env, result, "error", number(env, error)));
  return result;
}

/* The JavaScript object of a socket that is yet to be opened. NULL: an exception is pending, and nothing is left. */
static dgram *make_object(napi_env env, napi_value on_ready, napi_value *external) {
  dgram *socket = calloc(1, sizeof *socket);
  if (socket == NULL) {
    napi_throw_error(env, NULL, "unix-dgram: out of memory");
    return NULL;
  }
  socket->env = env;
  socket->fd = -1;
  socket->users = 1;
  if (napi_create_external(env, socket, on_collected, NULL, external) != napi_ok) {
    free(socket);
    napi_throw_error(env, NULL, "unix-dgram: out of memory");
    return NULL;
  }
  if (napi_create_reference(env, on_ready, 1, &socket->on_ready) != napi_ok) {
    napi_throw_error(env, NULL, "unix-dgram: onReady is no function");
    return NULL;
  }
  if (napi_add_async_cleanup_hook(env, on_teardown, socket, &socket->cleanup) != napi_ok) {
    napi_delete_reference(env, socket->on_ready);
    napi_throw_error(env, NULL, "unix-dgram: the environment ends");
    return NULL;
  }
  socket->users = 2;
  return socket;
}

static napi_value Open(napi_env env, napi_callback_info info) {
  napi_value argv[3], result, external;
  size_t argc = 3, peer_size, local_size;
  void *peer_path, *local_path;
  struct sockaddr_un peer, local;
  bool has_local;
  int send_buffer = 0;
  const char *call;
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
  if (peer_length == 0) return failed_open(env, "connect", UV_ENAMETOOLONG);
  if (local_length == 0) return failed_open(env, "bind", UV_ENAMETOOLONG);
  CHECK(env, napi_create_object(env, &result));

  dgram *socket = make_object(env, argv[2], &external);
  if (socket == NULL) return NULL;
  int fd = make_socket(&peer, peer_length, &local, local_length, &send_buffer, &call);
  if (fd < 0) {
    release(socket);
    return failed_open(env, call, fd);
  }
  int failure = uv_poll_init(loop, &socket->poll, fd);
  if (failure != 0) {
    close(fd);
    release(socket);
    return failed_open(env, "uv_poll_init", failure);
  }
  /* From here on it is closed with its object, whatever happens. */
  socket->fd = fd;
  CHECK(env, napi_set_named_property(env, result, "socket", external));
  CHECK(env, napi_set_named_property(env, result, "sendBuffer", number(env, send_buffer)));
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
