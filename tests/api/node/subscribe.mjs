// node subscribe.mjs ws|sse URL TOKEN QUERY [COUNT]: subscribe as an SPA does and print what happens, one JSON line each:
// {"connected": true}, {"result": …}, {"closed": code}, {"error": …}, {"complete": true}. Ends itself after COUNT results.
import { createClient as createEventClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';

const [transport, url, token, query, count = 'Infinity'] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
const retries = { retryAttempts: Infinity, retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)) };
const bearer = `Bearer ${token}`;

const clients = {
  ws: () =>
    createSocketClient({
      ...retries,
      shouldRetry: () => true, // a refused connection is an error here, where browsers give a close event
      url,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: bearer },
      on: { connected: () => say({ connected: true }), closed: ({ code }) => say({ closed: code }) },
    }),
  sse: () =>
    createEventClient({
      ...retries,
      url,
      headers: { authorization: bearer },
      on: { connected: () => say({ connected: true }) },
    }),
};

let results = 0;
const client = clients[transport]();
const stop = client.subscribe(
  { query },
  {
    next: (result) => {
      say({ result });
      if (++results >= Number(count)) stop();
    },
    error: (error) => say({ error: Array.isArray(error) ? error : error.message ?? `closed with ${error.code}` }),
    complete: () => say({ complete: true }),
  },
);
