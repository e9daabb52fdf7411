/**
 * The client's side of every scenario, over the interface that browsers have: for `ws`, undici, Node's own and, as
 * text that is evaluated in a page, Chromium.
 *
 * `runScenario` is one function that refers to nothing outside of itself, because a page gets its source alone. It
 * answers with the facts that the client saw; what they should be is for the orchestrator to judge.
 */

/**
 * @param {(protocols: string[]) => WebSocket} connect opens a connection.
 * @param {string} command which scenario.
 * @param {string[]} args of the scenario.
 * @param {{ sendFragments?: Function, ping?: Function }} abilities what the library can do beyond that interface.
 * @returns what is printed as the result: see README.md.
 */
export async function runScenario(connect, command, args, abilities = {}) {
  if (command === 'fragments' && !abilities.sendFragments)
    return { unsupported: 'its API sends whole messages only' };
  if (command === 'ping' && !abilities.ping) return { unsupported: 'its API has no Ping' };

  const PATTERN = 'grüße, 世界 🎈 ';
  const encoder = new TextEncoder();
  const patternBytes = encoder.encode(PATTERN).length;
  const KiB = 1024;

  /** Text of so many bytes as UTF-8: a pattern over and over, which compresses, and `x` for what is left. */
  const textOf = (size) => PATTERN.repeat(Math.floor(size / patternBytes)) + 'x'.repeat(size % patternBytes);

  /** Bytes that do not compress. */
  function randomBytes(size) {
    const bytes = new Uint8Array(size);
    // 64 KiB: the most that getRandomValues gives at a time.
    for (let at = 0; at < size; at += 64 * KiB) crypto.getRandomValues(bytes.subarray(at, at + 64 * KiB));
    return bytes;
  }

  /** Throws what is different, if anything is. */
  function compare(what, sent, received) {
    if (typeof sent === 'string') {
      if (typeof received !== 'string') throw new Error(`${what}: text came back as binary`);
      if (received !== sent) throw new Error(`${what}: other text came back, ${received.length} units`);
      return;
    }
    if (typeof received === 'string') throw new Error(`${what}: binary came back as text`);
    if (received.length !== sent.length) throw new Error(`${what}: ${received.length} bytes came back`);
    for (let at = 0; at < sent.length; at += 1)
      if (received[at] !== sent[at]) throw new Error(`${what}: another byte came back at ${at}`);
  }

  const socket = connect(command === 'subprotocol' ? args : []);
  socket.binaryType = 'arraybuffer';
  const inbox = [];
  let ending;
  let wake = () => {};
  socket.addEventListener('message', ({ data }) => {
    inbox.push(typeof data === 'string' ? data : new Uint8Array(data));
    wake();
  });
  let failure = '';
  socket.addEventListener('error', ({ message }) => {
    failure = message ?? '';
  });
  const closed = new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => {
      ending = { code, reason };
      wake();
      resolve();
    });
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    closed.then(() => reject(new Error(`the handshake failed ${failure}`)));
  });

  async function nextMessage(what) {
    while (inbox.length === 0) {
      if (ending) throw new Error(`${what}: closed with ${ending.code} '${ending.reason}' ${failure}`);
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
    return inbox.shift();
  }

  async function echo(what, message) {
    socket.send(message);
    compare(what, message, await nextMessage(what));
  }

  const commands = {
    async echo() {
      for (const size of args.map(Number)) {
        await echo(`binary of ${size} bytes`, randomBytes(size));
        await echo(`text of ${size} bytes`, textOf(size));
      }
    },
    async repeats() {
      // 20,000: more than half of the largest window, so that each smaller one must not reach back so far.
      const block = randomBytes(20_000);
      const twice = new Uint8Array([...block, ...block]);
      for (const message of [textOf(126), textOf(126), twice, block, new Uint8Array(0), textOf(1024 * KiB)])
        await echo(`a repetition of ${message.length}`, message);
    },
    async flood() {
      const messages = [];
      for (let i = 0; i < Number(args[0]); i += 1)
        messages.push(i % 2 === 0 ? `${i} ${textOf((i * 37) % 4000)}` : randomBytes((i * 41) % 4000));
      for (const message of messages) socket.send(message);
      for (const [i, message] of messages.entries())
        compare(`message ${i}`, message, await nextMessage(`message ${i}`));
    },
    async stream() {
      const sent = randomBytes(Number(args[0]));
      // 60,000: not a divisor of anything, so that messages and the peer's reads end at different places.
      for (let at = 0; at < sent.length; at += 60_000) socket.send(sent.subarray(at, at + 60_000));
      const received = new Uint8Array(sent.length);
      for (let at = 0; at < sent.length; ) {
        const message = await nextMessage(`after ${at} bytes`);
        if (typeof message === 'string') throw new Error(`after ${at} bytes: a text message`);
        if (at + message.length > sent.length) throw new Error('more bytes came back than were sent');
        received.set(message, at);
        at += message.length;
      }
      compare('the bytes', sent, received);
    },
    async close() {
      await echo('a message before the end', 'before the end');
      socket.close(Number(args[0]), args[1]);
      await closed;
    },
    async wait() {
      socket.send(randomBytes(Number(args[0])));
      await closed;
    },
    async subprotocol() {
      await echo('a message', 'under a subprotocol');
    },
    async fragments() {
      const text = encoder.encode(textOf(20_000));
      for (const [binary, bytes] of [
        [false, text],
        [true, randomBytes(20_000)],
      ]) {
        // 1,001 bytes: cuts through characters.
        const pieces = [];
        for (let at = 0; at < bytes.length; at += 1001) pieces.push(bytes.subarray(at, at + 1001));
        await abilities.sendFragments(socket, pieces, binary);
        const what = binary ? 'fragmented binary' : 'fragmented text';
        compare(what, binary ? bytes : textOf(20_000), await nextMessage(what));
      }
    },
    async ping() {
      await abilities.ping(socket, 'are you there?');
    },
  };

  let error;
  try {
    await commands[command]();
  } catch (thrown) {
    error = thrown.message;
  }
  if (!ending) socket.close(1000, 'done');
  await closed;
  return { error, extension: socket.extensions, subprotocol: socket.protocol, ...ending };
}
