"""The client of `websockets` for Python: its side of every scenario. What it is asked and what it prints: ../README.md."""

import asyncio
import json
import os
import platform
import sys

import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import State

PATTERN = "grüße, 世界 🎈 "
PATTERN_BYTES = len(PATTERN.encode())


def text_of(size):
    """Text of so many bytes as UTF-8: a pattern over and over, which compresses, and `x` for what is left."""
    return PATTERN * (size // PATTERN_BYTES) + "x" * (size % PATTERN_BYTES)


def options(compression):
    """The library's options for what the orchestrator asks for."""
    if compression == "off":
        return {"compression": None}
    if compression == "on":
        return {"compression": "deflate"}
    if compression == "no-takeover":
        factory = ClientPerMessageDeflateFactory(
            server_no_context_takeover=True, client_no_context_takeover=True
        )
    else:
        bits = int(compression.removeprefix("window="))
        factory = ClientPerMessageDeflateFactory(
            server_max_window_bits=bits, client_max_window_bits=bits
        )
    return {"compression": None, "extensions": [factory]}


def compare(what, sent, received):
    """Raises if what came back is not what was sent, of its type."""
    if type(received) is not type(sent):
        raise AssertionError(f"{what}: came back as {type(received).__name__}")
    if received != sent:
        raise AssertionError(f"{what}: {len(received)} other bytes or characters came back")


async def exchange(what, socket, message):
    await socket.send(message)
    compare(what, message, await socket.recv())


async def echo(socket, *sizes):
    for size in map(int, sizes):
        await exchange(f"binary of {size} bytes", socket, os.urandom(size))
        await exchange(f"text of {size} bytes", socket, text_of(size))


async def repeats(socket):
    # 20,000: more than half of the largest window, so that each smaller one must not reach back so far.
    block = os.urandom(20_000)
    for message in (text_of(126), text_of(126), block + block, block, b"", text_of(2**20)):
        await exchange(f"a repetition of {len(message)}", socket, message)


async def flood(socket, count):
    messages = [
        os.urandom((i * 41) % 4000) if i % 2 else f"{i} {text_of((i * 37) % 4000)}"
        for i in range(int(count))
    ]

    async def send_all():
        for message in messages:
            await socket.send(message)

    sending = asyncio.create_task(send_all())
    for i, message in enumerate(messages):
        compare(f"message {i}", message, await socket.recv())
    await sending


async def stream(socket, size):
    sent = os.urandom(int(size))

    async def send_all():
        # 60,000: not a divisor of anything, so that messages and the peer's reads end at different places.
        for at in range(0, len(sent), 60_000):
            await socket.send(sent[at : at + 60_000])

    sending = asyncio.create_task(send_all())
    received = bytearray()
    while len(received) < len(sent):
        message = await socket.recv()
        if isinstance(message, str):
            raise AssertionError(f"after {len(received)} bytes: a text message")
        received += message
    await sending
    compare("the bytes", sent, bytes(received))


async def close(socket, code, reason):
    await exchange("a message before the end", socket, "before the end")
    await socket.close(int(code), reason)


async def wait(socket, size):
    try:
        await socket.send(os.urandom(int(size)))
    except ConnectionClosed:
        pass  # how it was closed is reported
    await socket.wait_closed()


async def subprotocol(socket, *_):
    await exchange("a message", socket, "under a subprotocol")


async def fragments(socket):
    text = text_of(20_000)
    for message, as_text in ((text.encode(), True), (os.urandom(20_000), False)):
        # 1,001 bytes: cuts through characters.
        pieces = (message[at : at + 1001] for at in range(0, len(message), 1001))
        await socket.send(pieces, text=as_text)
        compare("a fragmented message", text if as_text else message, await socket.recv())


async def ping(socket):
    await (await socket.ping(b"are you there?"))  # done when a Pong with the same payload is there


COMMANDS = {
    command.__name__: command
    for command in (echo, repeats, flood, stream, close, wait, subprotocol, fragments, ping)
}


async def run(command, url, compression, *args):
    subprotocols = args if command == "subprotocol" else None
    socket = await connect(
        url,
        subprotocols=subprotocols,
        max_size=None,
        proxy=None,
        # How long it may take is the orchestrator's to say.
        open_timeout=None,
        close_timeout=None,
        ping_interval=None,
        **options(compression),
    )
    result = {}
    try:
        await COMMANDS[command](socket, *args)
    except Exception as error:
        result["error"] = f"{type(error).__name__}: {error}"
    # Not if it has ended already: with a message half sent the library then trips over what is gone.
    if socket.state is State.OPEN:
        await socket.close(1000, "done")
    result["extension"] = ", ".join(socket.response.headers.get_all("Sec-WebSocket-Extensions"))
    result["subprotocol"] = socket.subprotocol or ""
    received = socket.protocol.close_rcvd
    result["code"] = received.code if received else 1006
    result["reason"] = received.reason if received else ""
    return result


def main():
    command, *rest = sys.argv[1:]
    if command == "version":
        result = {"version": f"{websockets.__version__} (Python {platform.python_version()})"}
    else:
        result = asyncio.run(run(command, *rest))
    print(json.dumps(result))


main()
