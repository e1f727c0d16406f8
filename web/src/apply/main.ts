// The page where people apply for permissions and approvers decide. It changes by itself when anybody decides anything.
import { render } from 'lit-html';

import './apply.css';
import {
  APPLY,
  APPROVE,
  ask,
  command,
  GIVE_BACK,
  HISTORY,
  READ,
  Refused,
  REJECT,
  SignedOut,
  signOut,
  WATCH_INBOX,
  WATCH_VIEWER,
  watching,
  WITHDRAW,
  type InboxFrame,
  type Request,
  type Viewer,
} from './api';
import { page, signedOut, type Actions, type State } from './view';

const place = document.getElementById('page') as HTMLElement;

async function start(): Promise<void> {
  const viewer = await ask<Viewer>(READ);
  const wanted = new URLSearchParams(location.search).get('kind');
  const state: State = { viewer, inbox: [], decided: [], isLive: false, said: {}, busy: new Set(), wanted };
  const show = (): void => void render(page(state, actions), place);
  const requests = new Map<string, Request>();

  async function readHistory(): Promise<void> {
    const { nodes } = await ask<{ nodes: Request[] }>(HISTORY, { me: viewer.subject });
    state.decided = nodes;
    show();
  }

  /** Do something for one part of the page, and say there what came of it. */
  async function does(part: string, done: string, work: () => Promise<void>): Promise<boolean> {
    state.busy.add(part);
    delete state.said[part];
    show();
    try {
      await work();
      state.said[part] = { message: done, problems: [], isError: false };
      return true;
    } catch (error) {
      if (error instanceof SignedOut) return leave();
      const problems = error instanceof Refused ? error.problems : [];
      const message = error instanceof Refused ? error.message : 'PLOG does not answer. Try again.';
      state.said[part] = { message, problems, isError: true };
      return false;
    } finally {
      state.busy.delete(part);
      show();
    }
  }

  const actions: Actions = {
    signOut: () => void signOut(),
    async apply(form) {
      const given = new FormData(form);
      const input = { kinds: given.getAll('kinds'), reason: given.get('reason') };
      const key = crypto.randomUUID();
      if (await does('apply', 'Sent. You will see here what is decided.', () => command(APPLY, { input, key }))) form.reset();
    },
    withdraw: (request) => void does(request.id, 'Withdrawn.', () => command(WITHDRAW, { id: request.id })),
    async decide(request, isApproved, form) {
      const given = new FormData(form);
      const until = given.get('expiresAt');
      const variables = { id: request.id, reason: given.get('reason') };
      const expiresAt = until ? new Date(until as string).toISOString() : null;
      await does(request.id, 'Decided.', () =>
        isApproved ? command(APPROVE, { ...variables, expiresAt }) : command(REJECT, variables),
      );
    },
    giveBack({ kind, grant }) {
      if (!grant || !confirm(`Give back “${kind.title}”? What it opens closes within seconds.`)) return;
      void does(grant.id, 'Given back.', () => command(GIVE_BACK, { id: grant.id, reason: 'Given back by its holder.' }));
    },
  };

  const watch = watching(() => {
    state.isLive = false;
    show();
    ask(READ).catch((error: unknown) => error instanceof SignedOut && leave());
  });
  watch<Viewer>(WATCH_VIEWER, (now) => {
    state.viewer = now;
    state.isLive = true;
    show();
    void readHistory();
  });
  watch<InboxFrame>(WATCH_INBOX, ({ order, changed }) => {
    for (const { permissionRequest } of changed) requests.set(permissionRequest.id, permissionRequest);
    state.inbox = order.map((id) => requests.get(id)).filter((each) => each !== undefined);
    show();
  });
  show();
}

/** The session is over: what was shown goes, as the page is no longer anybody's. */
function leave(): false {
  render(signedOut(), place);
  return false;
}

place.textContent = '';
start().catch((error: unknown) => {
  if (error instanceof SignedOut) leave();
  else place.textContent = `PLOG could not be reached: ${(error as Error).message}`;
});
