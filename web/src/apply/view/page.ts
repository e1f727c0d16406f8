// How the page looks for what is known: a pure function of the state, rendered by lit-html, which leaves what is typed alone.
import { html, nothing, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import type { Permission, Problem, Request, Viewer } from './api';

export type State = {
  viewer: Viewer;
  inbox: Request[];
  decided: Request[];
  isLive: boolean;
  /** What was refused or done last, by the part of the page that it belongs to: `apply`, a request's or a grant's id. */
  said: Record<string, { message: string; problems: Problem[]; isError: boolean }>;
  /** The parts of the page that wait for an answer. */
  busy: Set<string>;
  wanted: string | null;
};

export type Actions = {
  signOut: () => void;
  apply: (form: HTMLFormElement) => void;
  withdraw: (request: Request) => void;
  decide: (request: Request, isApproved: boolean, form: HTMLFormElement) => void;
  giveBack: (permission: Permission) => void;
};

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const when = (time: string): string => day.format(new Date(time));

export function page(state: State, actions: Actions): TemplateResult {
  const { viewer } = state;
  const decides = viewer.permissions.some((each) => each.decides);
  return html`
    <header>
      <h1>Permissions</h1>
      <p class="who">
        ${viewer.name}
        <span class=${state.isLive ? 'live' : 'stale'} role="status">${state.isLive ? 'live' : 'connecting …'}</span>
      </p>
      <button class="plain" @click=${actions.signOut}>Sign out</button>
    </header>
    ${decides ? inbox(state, actions) : nothing}
    <section aria-labelledby="have">
      <h2 id="have">What you have</h2>
      <ul class="permissions">
        ${repeat(viewer.permissions, (each) => each.kind.name, (each) => standing(each, state, actions))}
      </ul>
    </section>
    ${application(state, actions)} ${history(state)}
  `;
}

export function signedOut(): TemplateResult {
  const next = encodeURIComponent(location.pathname + location.search);
  return html`
    <h1>Permissions</h1>
    <p>Sign in to see what you may do in PLOG, and to apply for more.</p>
    <p><a class="button" href=${`/auth/sign-in?next=${next}`}>Sign in</a></p>
  `;
}

function standing(permission: Permission, state: State, actions: Actions): TemplateResult {
  const { kind, grant, pendingRequest: pending } = permission;
  return html`
    <li data-kind=${kind.name}>
      <div>
        <strong>${kind.title}</strong>
        ${grant
          ? html`<span class="badge granted">${grant.expiresAt ? `until ${when(grant.expiresAt)}` : 'granted'}</span>`
          : nothing}
        ${pending ? html`<span class="badge pending">applied for, ${when(pending.createdAt)}</span>` : nothing}
        ${permission.decides ? html`<span class="badge">you decide</span>` : nothing}
        <p class="quiet">${kind.description}</p>
        ${pending ? html`<p class="quote">${pending.reason}</p>` : nothing} ${told(state, pending?.id)} ${told(state, grant?.id)}
      </div>
      <div>
        ${pending
          ? html`<button class="plain" ?disabled=${state.busy.has(pending.id)} @click=${() => actions.withdraw(pending)}>
              Withdraw
            </button>`
          : nothing}
        ${grant
          ? html`<button class="plain" ?disabled=${state.busy.has(grant.id)} @click=${() => actions.giveBack(permission)}>
              Give back
            </button>`
          : nothing}
      </div>
    </li>
  `;
}

function application(state: State, actions: Actions): TemplateResult {
  const open = state.viewer.permissions.filter((each) => each.viewerCanApply.isAllowed);
  if (!open.length) {
    return html`<section><h2>Apply</h2><p class="quiet">There is nothing that you could apply for now.</p></section>`;
  }
  const submit = (event: Event): void => {
    event.preventDefault();
    actions.apply(event.target as HTMLFormElement);
  };
  return html`
    <section aria-labelledby="apply">
      <h2 id="apply">Apply</h2>
      <form id="application" @submit=${submit}>
        <fieldset>
          <legend>Permission</legend>
          ${repeat(
            open,
            (each) => each.kind.name,
            (each) => html`
              <label>
                <input type="checkbox" name="kinds" value=${each.kind.name} ?checked=${each.kind.name === state.wanted} />
                ${each.kind.title}${each.grant ? ' (to have it longer)' : ''}
              </label>
            `,
          )}
        </fieldset>
        ${wrong(state, 'apply', 'input.kinds')}
        <label for="reason">Why do you need it?</label>
        <textarea id="reason" name="reason" rows="3" maxlength="2000"></textarea>
        ${wrong(state, 'apply', 'input.reason')}
        <button ?disabled=${state.busy.has('apply')}>Apply for permission</button>
        ${told(state, 'apply')}
      </form>
    </section>
  `;
}

function inbox(state: State, actions: Actions): TemplateResult {
  return html`
    <section aria-labelledby="inbox">
      <h2 id="inbox">Waiting for your decision</h2>
      ${state.inbox.length ? nothing : html`<p class="quiet">Nobody waits for a decision of yours.</p>`}
      <ul class="inbox">
        ${repeat(state.inbox, (each) => each.id, (each) => decision(each, state, actions))}
      </ul>
    </section>
  `;
}

function decision(request: Request, state: State, actions: Actions): TemplateResult {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const isApproved = (event.submitter as HTMLButtonElement).value === 'approve';
    actions.decide(request, isApproved, event.target as HTMLFormElement);
  };
  const title = state.viewer.permissions.find((each) => each.kind.name === request.kind)?.kind.title ?? request.kind;
  const isBusy = state.busy.has(request.id);
  return html`
    <li data-request=${request.number}>
      <p>
        <strong>${request.name}</strong> <span class="quiet">${request.subject}</span> asks for <strong>${title}</strong>,
        ${when(request.createdAt)}
      </p>
      <p class="quote">${request.reason}</p>
      <form @submit=${submit}>
        <label>Reason <textarea name="reason" rows="2" maxlength="2000"></textarea></label>
        ${wrong(state, request.id, 'reason')}
        <label>Until (empty: for good) <input type="datetime-local" name="expiresAt" /></label>
        ${wrong(state, request.id, 'expiresAt')}
        <button value="approve" ?disabled=${isBusy}>Approve</button>
        <button value="reject" class="plain" ?disabled=${isBusy}>Reject</button>
        ${told(state, request.id)}
      </form>
    </li>
  `;
}

function history(state: State): TemplateResult | typeof nothing {
  if (!state.decided.length) return nothing;
  const titles = new Map(state.viewer.permissions.map((each) => [each.kind.name, each.kind.title]));
  return html`
    <section aria-labelledby="history">
      <h2 id="history">Your last applications</h2>
      <ul class="history">
        ${repeat(
          state.decided,
          (each) => each.id,
          (each) => html`
            <li>
              <span class="badge ${each.status.toLowerCase()}">${each.status.toLowerCase()}</span>
              <strong>${titles.get(each.kind) ?? each.kind}</strong>, ${when(each.updatedAt)}
              ${each.status === 'WITHDRAWN' ? nothing : html`by ${each.deciderName}`}
              ${each.decisionReason ? html`<p class="quote">${each.decisionReason}</p>` : nothing}
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

function told(state: State, part: string | undefined): TemplateResult | typeof nothing {
  const said = part === undefined ? undefined : state.said[part];
  if (!said || said.problems.length) return nothing;
  return html`<p class=${said.isError ? 'error' : 'done'} role="alert">${said.message}</p>`;
}

function wrong(state: State, part: string, field: string): TemplateResult[] {
  const problems = state.said[part]?.problems.filter((each) => each.field === field || each.field.startsWith(`${field}.`)) ?? [];
  return problems.map((each) => html`<p class="error" role="alert">${each.message}</p>`);
}
