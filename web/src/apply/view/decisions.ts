// What the viewer decides on: what waits for a decision, and what others have by earlier ones.
import { html, nothing, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import { itemOfAccess, itemOfGrant, itemOfRequest, MOST, type Actions, type Item, type State } from '../state';
import { cutOff, empty, form, person, quote, section, submit, textField, timeField, untilOf, when, type Part } from './parts';

/** The permissions on which the viewer decides, by name. */
export const decidedKinds = ({ viewer }: State): string[] =>
  viewer.permissions.filter((each) => each.decides).map((each) => each.kind.name);

/** What waits for a decision of the viewer; nothing for who decides on nothing. */
export function inbox(state: State, actions: Actions): Part {
  const requests = state.inbox.map((each) => itemOfRequest(state.viewer, each));
  const items = [...requests, ...state.modelInbox.map(itemOfAccess)];
  if (!items.length && !decidedKinds(state).length && !state.givenAccess.length) return nothing;
  const content = html`
    ${items.length ? nothing : empty('Nobody waits for a decision of yours.')}
    <ul class="inbox">${repeat(items, (each) => each.id, (each) => asked(each, state, actions))}</ul>
    ${state.inbox.length < MOST && state.modelInbox.length < MOST
      ? nothing
      : html`<p class="quiet">These are the oldest ${MOST} of their sort. What follows is shown as you decide.</p>`}
  `;
  return section('inbox', 'Waiting for your decision', content);
}

function asked(item: Item, state: State, actions: Actions): TemplateResult {
  const of = `${item.title} of ${item.name}`;
  const isBusy = state.busy.has(item.id);
  const fields = html`
    ${textField(state, item.id, 'reason', 'Reason')}
    ${timeField(state, item.id, item.isOfModel ? 'Until (empty: as applied for)' : 'Until (empty: for good)')}
    <div class="buttons">${submit('approve', 'Approve', of, isBusy)} ${submit('reject', 'Reject', of, isBusy, true)}</div>
  `;
  return html`
    <li data-item=${item.id}>
      <p>${person(item)} asks for <strong>${item.title}</strong>${item.isOfModel ? ` ${untilOf(item)}` : ''}</p>
      <p class="quiet">sent ${when(item.at)}</p>
      ${quote(item.text)} ${form(`Decide on ${of}`, (sent, pressed) => actions.decide(item, pressed === 'approve', sent), fields)}
    </li>
  `;
}

/** What others have that the viewer may renew and revoke; nothing for who decides on nothing. */
export function given(state: State, actions: Actions): Part {
  const { viewer } = state;
  const grants = state.grants.filter((each) => each.subject !== viewer.subject).map((each) => itemOfGrant(viewer, each));
  const items = [...grants, ...state.givenAccess.map(itemOfAccess)];
  if (!items.length && !decidedKinds(state).length) return nothing;
  const content = html`
    ${items.length ? nothing : empty('Nobody has anything that you decide on.')}
    <ul class="given">${repeat(items, (each) => each.id, (each) => held(each, state, actions))}</ul>
    ${cutOff(Math.max(state.grants.length, state.givenAccess.length), 'latest')}
  `;
  return section('given', 'Given to others', content);
}

function held(item: Item, state: State, actions: Actions): TemplateResult {
  const of = `${item.title} of ${item.name}`;
  const isBusy = state.busy.has(item.id);
  const fields = html`
    ${textField(state, item.id, 'reason', 'Reason')}
    ${timeField(state, item.id, item.isOfModel ? 'New end' : 'New end (empty: for good)', item.until)}
    <div class="buttons">${submit('renew', 'Renew', of, isBusy)} ${submit('revoke', 'Revoke', of, isBusy, true)}</div>
  `;
  return html`
    <li data-item=${item.id}>
      <p>${person(item)} has <strong>${item.title}</strong> <span class="badge granted">${untilOf(item)}</span></p>
      <details>
        <summary aria-label=${`Renew or revoke ${of}`}>Renew or revoke</summary>
        ${form(`Renew or revoke ${of}`, (sent, pressed) => actions.change(item, pressed === 'renew', sent), fields)}
      </details>
    </li>
  `;
}
