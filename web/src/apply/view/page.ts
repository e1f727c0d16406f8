// How the page looks for what is known: a pure function of the state, rendered by lit-html, which leaves what is typed alone.
import { html, type TemplateResult } from 'lit-html';

import type { Actions, State } from '../state';
import { forModel, forPermissions } from './applying';
import { given, inbox } from './decisions';
import { holdings, past, waiting } from './own';

export function page(state: State, actions: Actions): TemplateResult {
  const { viewer, isLive } = state;
  return html`
    <header>
      <h1>Permissions</h1>
      <p class="who">${viewer.name} <span id="connection" class=${isLive ? 'live' : 'stale'}>${isLive ? 'live' : 'connecting …'}</span></p>
      <button type="button" class="plain" @click=${actions.signOut}>Sign out</button>
    </header>
    ${told(state)} ${inbox(state, actions)} ${forModel(state, actions)} ${holdings(state, actions)} ${waiting(state, actions)}
    ${forPermissions(state, actions)} ${given(state, actions)} ${past(state)}
  `;
}

/** What came of what was done last. Both places are always there: screen readers tell of what changes in one, not of new ones. */
function told({ told: last }: State): TemplateResult {
  return html`
    <div class="told">
      <p class="done" role="status">${last && !last.isError ? last.message : ''}</p>
      <p class="error" role="alert">${last?.isError ? last.message : ''}</p>
    </div>
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

export function unreachable(why: string, again: () => void): TemplateResult {
  return html`
    <h1>Permissions</h1>
    <p class="error" role="alert">PLOG could not be reached: ${why}</p>
    <p><button type="button" @click=${again}>Try again</button></p>
  `;
}
