// What the viewer has, waits for, and had.
import { html, nothing, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import { history, including, itemOfAccess, itemOfGrant, itemOfRequest, type Actions, type Item, type State } from '../state';
import { button, empty, quote, section, untilOf, when, type Part } from './parts';

/** What is open to the viewer: permissions, those that others include, and models. */
export function holdings(state: State, actions: Actions): TemplateResult {
  const { viewer } = state;
  const granted = viewer.permissions.flatMap(({ kind, grant }) => {
    if (grant) return [holding(itemOfGrant(viewer, grant), kind.name, kind.description, state, actions)];
    const whole = including(viewer, kind);
    return whole ? [included(kind.name, kind.title, kind.description, whole.kind.title)] : [];
  });
  const models = state.access.filter((each) => each.status === 'APPROVED').map(itemOfAccess);
  const open = models.map((each) => holding(each, null, '', state, actions));
  if (!granted.length && !open.length) return section('have', 'What you have', empty('You have nothing yet. Apply for it below.'));
  return section('have', 'What you have', html`<ul class="rows">${[...granted, ...open]}</ul>`);
}

function holding(item: Item, kind: string | null, description: string, state: State, actions: Actions): TemplateResult {
  return html`
    <li data-kind=${kind ?? nothing} data-model=${item.isOfModel ? item.title : nothing}>
      <div>
        <strong class="title">${item.title}</strong>
        <span class="badge granted">${item.until ? untilOf(item) : 'granted'}</span>
        ${description ? html`<p class="quiet">${description}</p>` : nothing}
      </div>
      ${button('Give back', item.title, state.busy.has(item.id), () => actions.giveBack(item))}
    </li>
  `;
}

function included(kind: string, title: string, description: string, whole: string): TemplateResult {
  return html`
    <li data-kind=${kind}>
      <div>
        <strong class="title">${title}</strong> <span class="badge granted">included in ${whole}</span>
        <p class="quiet">${description}</p>
      </div>
    </li>
  `;
}

/** What the viewer has applied for and nobody has decided. */
export function waiting(state: State, actions: Actions): Part {
  const { viewer } = state;
  const items = [
    ...viewer.permissions.flatMap(({ pendingRequest: each }) => (each ? [itemOfRequest(viewer, each)] : [])),
    ...state.access.filter((each) => each.status === 'PENDING').map(itemOfAccess),
  ];
  if (!items.length) return nothing;
  const row = (item: Item): TemplateResult => html`
    <li class="waits">
      <div>
        <strong class="title">${item.title}</strong>
        <span class="badge pending">applied for, ${when(item.at)}</span>
        ${item.isOfModel ? html`<p class="quiet">${untilOf(item)}</p>` : nothing} ${quote(item.text)}
      </div>
      ${button('Withdraw', item.title, state.busy.has(item.id), () => actions.withdraw(item))}
    </li>
  `;
  return section('waits', 'What you wait for', html`<ul class="rows">${repeat(items, (each) => each.id, row)}</ul>`);
}

/** What the last applications came to, and what has ended. */
export function past(state: State): Part {
  const items = history(state);
  if (!items.length) return nothing;
  const row = (item: Item): TemplateResult => html`
    <li>
      <span class="badge ${item.status.toLowerCase()}">${item.status.toLowerCase()}</span>
      <strong class="title">${item.title}</strong>, ${when(item.at)}
      ${item.decider && item.status !== 'WITHDRAWN' ? html`by ${item.decider}` : nothing} ${quote(item.why)}
    </li>
  `;
  return section('history', 'What was decided', html`<ul class="history">${repeat(items, (each) => each.id, row)}</ul>`);
}
