// A backend: an HTTP service says which peer a client may have. It is sent a GET with the client's path and subprotocols
// in its query and with the client's own Authorization and Cookie, and answers with a route as JSON, for example
// {"peer":"tcp://10.0.0.7:5900","framing":"binary"}, with 404 for "nothing here", or with 401 or 403 and a line of text.

export default {
  apiVersion: 1,
  kind: 'backend',
  name: 'http-service',
  options: { url: { description: 'the service, as http://… or https://…' } },
  create(settings) {
    const service = readUrl(settings.get('url'));
    return {
      async query(request, signal) {
        const response = await ask(service, request, signal);
        const { status } = response;
        if (status === 200) {
          const { peer, framing, framingConfig, subprotocol } = await response.json();
          return { peer, framing, framingConfig, subprotocol, origin: service.href };
        }
        const text = await response.text(); // to its end, so that the connection can be used again
        if (status === 404) return null;
        if (status !== 401 && status !== 403) throw new Error(`${service.href} answered ${status}`);
        const challenge = response.headers.get('www-authenticate');
        return {
          status,
          reason: text.trim().split('\n', 1)[0].slice(0, 200) || undefined,
          headers: challenge === null ? [] : [['WWW-Authenticate', challenge]],
        };
      },
    };
  },
};

function readUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (/^https?:$/.test(url?.protocol) && url.username === '') return url; // fetch refuses a user name
  // The member `option` has the daemon say where that option was set.
  throw Object.assign(new Error('expected the http:// or https:// URL of the service'), { option: 'url' });
}

async function ask(service, { path, query, headers, subprotocols }, signal) {
  const url = new URL(service);
  url.searchParams.set('path', path);
  for (const offer of subprotocols) url.searchParams.append('subprotocol', offer);
  // A browser's WebSocket cannot send Authorization, so a token may stand in the query instead.
  const token = /^[\w.~+/-]+=*$/.exec(query.get('token') ?? '')?.[0];
  const proof = {
    authorization: headers.get('authorization') ?? (token && `Bearer ${token}`),
    cookie: headers.get('cookie'),
  };
  const given = Object.entries(proof).filter(([, value]) => value !== undefined);
  try {
    return await fetch(url, { headers: given, redirect: 'manual', signal });
  } catch (error) {
    // fetch says only that it failed; what failed is its cause.
    throw new Error(`${service.href}: ${error.cause?.message || error.cause?.code || error.message}`);
  }
}
