// One websocket on which several things are watched; any end of any of them is the end of it all, and a new one begins anew.
import { createClient } from 'graphql-ws';

export type ListFrame<T> = { order: string[]; changed: { item: T }[] };
export type Watched = { query: string; variables?: Record<string, unknown>; take: (value: unknown) => void };

const PING_SECONDS = 10;
const PONG_SECONDS = 5;

/** Something that is watched, and what is done with each of its values. */
export function watched<T>(query: string, take: (value: T) => void, variables?: Record<string, unknown>): Watched {
  return { query, variables, take: (value) => take(value as T) };
}

/** Makes whole lists of the frames of one, which have what is new alone. */
export function listed<T extends { id: string }>(take: (items: T[]) => void): (frame: ListFrame<T>) => void {
  const known = new Map<string, T>();
  return ({ order, changed }) => {
    for (const { item } of changed) known.set(item.id, item);
    take(order.flatMap((id) => known.get(id) ?? []));
  };
}

/**
 * Watch on a connection of its own. `isLive` is called once all have said how they are, `lost` once when any of them has ended, by
 * whatever end: graphql-ws takes some of them for final (4401 when the session has ended, 1011) and would never try again by itself.
 * Returns what stops it all without `lost`.
 */
export function watch(all: Watched[], isLive: () => void, lost: () => void): () => void {
  let isOver = false;
  let silence: ReturnType<typeof setTimeout>;
  const silent = new Set(all);
  const client = createClient({
    url: `${location.protocol.replace('http', 'ws')}//${location.host}/graphql`,
    retryAttempts: 0,
    keepAlive: PING_SECONDS * 1000,
    on: {
      ping: (isReceived) => {
        if (!isReceived) silence = setTimeout(() => client.terminate(), PONG_SECONDS * 1000);
      },
      pong: (isReceived) => isReceived && clearTimeout(silence),
      closed: () => clearTimeout(silence),
    },
  });
  const stop = (): void => {
    isOver = true;
    void client.dispose();
  };
  const end = (): void => {
    if (isOver) return;
    stop();
    lost();
  };
  for (const each of all) {
    const next = ({ data, errors }: { data?: Record<string, unknown> | null; errors?: unknown }): void => {
      if (isOver) return;
      if (errors || !data) return end();
      each.take(Object.values(data)[0]);
      if (silent.delete(each) && !silent.size && !isOver) isLive();
    };
    client.subscribe({ query: each.query, variables: each.variables }, { next, error: end, complete: end });
  }
  return stop;
}
