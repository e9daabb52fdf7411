// Holds what each end of each connection saw against the other end's, and against what the daemon says that it took.
// Each function returns the connections that are wrong, in sentences.

/** No end has met a byte that was not the stream's next one, and none has ended other than in order. */
export function disturbed(clients, peers) {
  return [
    ...clients.filter(({ error, ended }) => error !== undefined || !ended).map((one) => told('client', one)),
    ...peers.filter(({ error, ended }) => error !== undefined || !ended).map((one) => told('its peer', one)),
  ];
}

const told = (who, { id, error, ended }) => `${id}: ${who} ${error ?? (ended ? '' : 'saw no end')}`;

/** Everything that was sent has come, both ways. */
export function lost(clients, peers) {
  const byId = new Map(peers.map((one) => [one.id, one]));
  return clients.flatMap((client) => {
    const peer = byId.get(client.id);
    if (!client.whole) return [`${client.id}: the client lacks bytes of an answer`];
    if (peer !== undefined && peer.got !== client.sent)
      return [`${client.id}: the client sent ${client.sent} B, its peer got ${peer.got}`];
    if (peer !== undefined && client.got !== peer.sent)
      return [`${client.id}: the peer sent ${peer.sent} B, its client got ${client.got}`];
    return [];
  });
}

/**
 * Everything that the daemon took has come: what its log says that it carried is what each end got, and it left nothing
 * undelivered. `lines` are the last ones of each connection, by the number in its target.
 */
export function notDelivered(clients, peers, lines) {
  const byId = new Map(peers.map((one) => [one.id, one]));
  return clients.flatMap((client) => {
    const { id, got } = client;
    const fields = lines.get(id);
    if (fields === undefined) return [`${id}: the log has no line of its end`];
    const { up, down, 'undelivered-up': left, 'undelivered-down': leftDown } = fields;
    const peer = byId.get(id);
    if (Number(down) !== got)
      return [`${id}: the daemon took ${down} B from the peer, the client got ${got}`];
    if (peer !== undefined && Number(up) !== peer.got)
      return [`${id}: the daemon took ${up} B from the client, the peer got ${peer.got}`];
    if (left !== undefined || leftDown !== undefined)
      return [`${id}: undelivered: ${left ?? 0} B up, ${leftDown ?? 0} B down`];
    if (peer !== undefined && (peer.got > client.sent || got > peer.sent))
      return [`${id}: more has come than was sent`];
    return [];
  });
}

/** The last lines of the honest clients' connections, by their numbers. */
export function endings(log) {
  const lines = new Map();
  for (const { event, fields } of log) {
    if (event !== 'closed') continue;
    const number = /[?&]n=(\d+)/.exec(fields.target)?.[1];
    if (number !== undefined) lines.set(Number(number), fields);
  }
  return lines;
}

/** The first few, for a table. */
export const some = (wrong) =>
  wrong.length === 0 ? '0' : `${wrong.length}: ${wrong.slice(0, 3).join('; ')}`;
