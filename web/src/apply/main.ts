// The page where people apply for permissions and access to models, and those decide who may. It changes by itself when anybody
// decides anything.
import { html, render, type TemplateResult } from 'lit-html';

import './apply.css';
import * as api from './api';
import { ask, command, Refused, SignedOut } from './api';
import { listed, watch, watched } from './live';
import type { Actions, Item, State } from './state';
import { page, signedOut, unreachable } from './view/page';
import { decidedKinds } from './view/decisions';

const LONGEST_WAIT = 8000;
const place = document.getElementById('page') as HTMLElement;
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The browser is signed in as somebody else than the page shows; it is being loaded anew. */
class SomebodyElse extends Error {}

function draw(content: TemplateResult): void {
  render(content, place);
}

async function start(): Promise<void> {
  const { viewer } = await ask<{ viewer: api.Viewer }>(api.READ);
  const address = new URLSearchParams(location.search);
  const state: State = {
    viewer,
    inbox: [],
    modelInbox: [],
    access: [],
    grants: [],
    givenAccess: [],
    past: null,
    wantedKind: address.get('kind'),
    wantedModel: address.get('model'),
    model: undefined,
    isLive: false,
    told: null,
    wrong: {},
    busy: new Set(),
  };
  let isOver = false;
  let stop = (): void => undefined;
  let tries = 0;
  let readings = 0;
  let soon: ReturnType<typeof setTimeout>;

  function show(): void {
    if (!isOver) draw(page(state, actions));
  }

  /** The page is no longer anybody's: what was shown goes, and nothing is shown again. */
  function end(): void {
    isOver = true;
    stop();
    removeEventListener('focus', readSoon);
  }

  function leave(): void {
    end();
    draw(signedOut());
  }

  function becomes(subject: string): void {
    if (subject === state.viewer.subject) return;
    end();
    place.hidden = true;
    location.reload();
    throw new SomebodyElse();
  }

  /** Make sure that the browser's session is still the shown person's: another tab may have signed in as another. */
  async function checkWho(): Promise<void> {
    becomes((await ask<{ viewer: api.Viewer }>(api.WHO)).viewer.subject);
  }

  function readSoon(): void {
    clearTimeout(soon);
    if (isOver) return;
    soon = setTimeout(() => void read(), 100);
  }

  /** Read what is not watched; of readings that overlap the last one counts. A failed one is made up for by the next. */
  async function read(): Promise<void> {
    const reading = ++readings;
    const kinds = decidedKinds(state);
    const wanted = state.wantedModel;
    try {
      const [past, given, model] = await Promise.all([
        ask<api.Past>(api.READ_PAST, { me: state.viewer.subject }),
        kinds.length ? ask<{ grants: { nodes: api.Grant[] } }>(api.READ_GIVEN, { kinds }) : null,
        wanted ? ask<{ setUpModel: api.Model | null }>(api.READ_MODEL, { id: wanted }) : null,
      ]);
      if (reading !== readings || isOver) return;
      Object.assign(state, { past, grants: given?.grants.nodes ?? [], model: model?.setUpModel });
      show();
    } catch (error) {
      if (error instanceof SignedOut && !isOver) leave();
    }
  }

  /** Do something for one part of the page, and tell what came of it. */
  async function does(part: string, done: string, work: () => Promise<void>, form?: HTMLFormElement): Promise<void> {
    state.busy.add(part);
    state.told = null;
    delete state.wrong[part];
    show();
    try {
      await checkWho();
      await work();
      state.told = { message: done, isError: false };
      form?.reset();
    } catch (error) {
      if (error instanceof SignedOut) return leave();
      const problems = error instanceof Refused ? error.problems.map(inFields) : [];
      const message = error instanceof Refused ? error.message : 'PLOG does not answer. Try again.';
      const named = problems.map((each) => `${each.field} ${each.message}`).join('; ');
      state.wrong[part] = problems;
      state.told = { message: named ? `Not done: ${named}.` : message, isError: true };
    } finally {
      state.busy.delete(part);
      show();
    }
    form?.querySelector<HTMLElement>('[aria-invalid="true"]:is(input, textarea)')?.focus();
    readSoon();
  }

  const given = (form: HTMLFormElement): Record<string, unknown> => {
    const fields = new FormData(form);
    return { reason: fields.get('reason'), until: moment(fields.get('until') as string) };
  };
  const actions: Actions = {
    signOut: () => void does('sign-out', 'Signed out.', async () => location.assign(await api.signOut())),
    apply(form) {
      const fields = new FormData(form);
      const input = { kinds: fields.getAll('kinds'), reason: fields.get('reason') };
      const key = crypto.randomUUID();
      void does('apply', 'Sent. You will see here what is decided.', () => command(api.APPLY, { input, key }), form);
    },
    applyForModel(form) {
      const fields = new FormData(form);
      const until = moment(fields.get('until') as string);
      const input = { modelId: state.wantedModel, purpose: fields.get('purpose'), until };
      const key = crypto.randomUUID();
      void does('model', 'Sent. You will see here what is decided.', () => command(api.APPLY_FOR_MODEL, { input, key }), form);
    },
    withdraw({ id, title, isOfModel }) {
      void does(id, `Withdrawn: ${title}.`, () => command(isOfModel ? api.WITHDRAW_ACCESS : api.WITHDRAW, { id }));
    },
    giveBack({ id, title, isOfModel, version }) {
      if (!confirm(`Give back “${title}”? What it opens closes within seconds.`)) return;
      const variables = { id, version, reason: 'Given back by its holder.' };
      void does(id, `Given back: ${title}.`, () => command(isOfModel ? api.REVOKE_ACCESS : api.REVOKE, variables));
    },
    decide(item, isApproved, form) {
      const { id, isOfModel } = item;
      const approve = isOfModel ? api.APPROVE_ACCESS : api.APPROVE;
      const reject = isOfModel ? api.REJECT_ACCESS : api.REJECT;
      const { reason, until } = given(form);
      const variables = isApproved ? { id, reason, until } : { id, reason };
      void does(id, decided(isApproved ? 'Approved' : 'Rejected', item), () => command(isApproved ? approve : reject, variables), form);
    },
    change(item, isRenewed, form) {
      const { id, isOfModel, version } = item;
      const renew = isOfModel ? api.RENEW_ACCESS : api.RENEW;
      const revoke = isOfModel ? api.REVOKE_ACCESS : api.REVOKE;
      const { reason, until } = given(form);
      const variables = isRenewed ? { id, version, reason, until } : { id, version, reason };
      void does(id, decided(isRenewed ? 'Renewed' : 'Revoked', item), () => command(isRenewed ? renew : revoke, variables), form);
    },
  };

  /** Show what a list has become, and read what may have changed with it. */
  const shows = <T extends { id: string }>(name: 'inbox' | 'modelInbox' | 'access' | 'givenAccess') =>
    listed<T>((items) => {
      Object.assign(state, { [name]: items });
      show();
      readSoon();
    });

  function connect(): void {
    const mine = { subject: state.viewer.subject, status: ['PENDING', 'APPROVED'] };
    const others = { isDecidable: true, status: ['APPROVED'] };
    const held = heldKinds(state.viewer);
    const all = [
      watched<api.Viewer>(api.WATCH_VIEWER, (now) => {
        becomes(now.subject);
        state.viewer = now;
        show();
        readSoon();
        // What is watched is seen with what the viewer had at its beginning: with more there is more to see.
        if (heldKinds(now) === held) return;
        stop();
        connect();
      }),
      watched(api.WATCH_INBOX, shows<api.Request>('inbox')),
      watched(api.WATCH_MODEL_INBOX, shows<api.Access>('modelInbox')),
      watched(api.WATCH_ACCESS, shows<api.Access>('access'), { filter: mine }),
      watched(api.WATCH_ACCESS, shows<api.Access>('givenAccess'), { filter: others }),
    ];
    stop = watch(all, () => {
      tries = 0;
      state.isLive = true;
      show();
    }, () => void interrupted());
  }

  /** The connection has ended, by whatever end: find out who is signed in, and connect anew, each time after a longer wait. */
  async function interrupted(): Promise<void> {
    state.isLive = false;
    show();
    for (let isKnown = false; !isOver && !isKnown; ) {
      try {
        await checkWho();
        isKnown = true;
      } catch (error) {
        if (error instanceof SignedOut) return leave();
      }
      await pause(Math.min(250 * 2 ** tries++, LONGEST_WAIT));
    }
    if (!isOver) connect();
  }

  addEventListener('focus', readSoon);
  show();
  connect();
}

/** A field's text as PLOG takes a time; what is none as it is, so that PLOG says so of the field. */
function moment(text: string): string | null {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? text || null : at.toISOString();
}

/** A problem under the name of the field on the page. */
function inFields({ field, message }: api.Problem): api.Problem {
  return { field: field.replace(/^input\./, '').replace(/^expiresAt/, 'until'), message };
}

/** The permissions that somebody has, as one text to compare. */
function heldKinds({ permissions }: api.Viewer): string {
  return permissions.flatMap(({ kind, grant }) => (grant ? [kind.name] : [])).join(' ');
}

function decided(what: string, { title, name }: Item): string {
  return `${what}: ${title} of ${name}.`;
}

async function open(): Promise<void> {
  draw(html`<p class="quiet">Loading …</p>`);
  try {
    await start();
  } catch (error) {
    draw(error instanceof SignedOut ? signedOut() : unreachable((error as Error).message, () => void open()));
  }
}

place.replaceChildren();
void open();
