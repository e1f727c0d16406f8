// Applying: for permissions, and for access to the set-up model that the address names.
import { html, nothing, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import type { Permission } from '../api';
import { including, type Actions, type State } from '../state';
import { empty, form, section, submit, textField, timeField, wrong, type Part } from './parts';

export function forPermissions(state: State, actions: Actions): TemplateResult {
  const { permissions } = state.viewer;
  const { id, isWrong, shown } = wrong(state, 'apply', 'kinds');
  const content = html`
    <fieldset aria-describedby=${id}>
      <legend>Permission</legend>
      ${repeat(permissions, (each) => each.kind.name, (each) => choice(each, state, isWrong, id))} ${shown}
    </fieldset>
    ${textField(state, 'apply', 'reason', 'Why do you need it?')}
    <div class="buttons">${submit('apply', 'Apply for permission', '', state.busy.has('apply'))}</div>
  `;
  const isOpen = permissions.some((each) => each.viewerCanApply.isAllowed);
  const closed = html`
    ${empty('There is nothing that you could apply for.')}
    <ul class="plain">${permissions.map((each) => html`<li>${each.kind.title}: ${each.viewerCanApply.reason}</li>`)}</ul>
  `;
  return section('apply', 'Apply for a permission', isOpen ? form('Application', (sent) => actions.apply(sent), content) : closed);
}

function choice(permission: Permission, state: State, isWrong: boolean, why: string | typeof nothing): TemplateResult {
  const { kind, grant, viewerCanApply: can } = permission;
  const whole = including(state.viewer, kind);
  const note = can.reason ?? (grant ? 'You have it; apply to have it longer.' : whole ? `${whole.kind.title} includes it.` : null);
  const id = `about-${kind.name}`;
  return html`
    <label class="choice">
      <input
        type="checkbox"
        name="kinds"
        value=${kind.name}
        ?disabled=${!can.isAllowed}
        ?checked=${can.isAllowed && kind.name === state.wantedKind}
        aria-invalid=${isWrong && can.isAllowed}
        aria-describedby=${isWrong ? `${id} ${String(why)}` : id}
      />
      <span>${kind.title}</span>
    </label>
    <p class="quiet note" id=${id}>${note ?? kind.description}</p>
  `;
}

/** The form for the model that the address names; nothing where it names none. */
export function forModel(state: State, actions: Actions): Part {
  const { model, wantedModel } = state;
  if (!wantedModel || model === undefined) return nothing;
  if (!model) {
    const why = 'There is no set-up model here that you can see: it takes a permission of its product line.';
    return section('model', 'Apply for access to a model', empty(`${why} Apply for one below, then come back to this address.`));
  }
  const { viewerCanApply: can, name, productLine, number, ownerName, description } = model;
  const fields = html`
    ${textField(state, 'model', 'purpose', 'What do you need it for?')} ${timeField(state, 'model', 'Until')}
    <div class="buttons">${submit('apply', 'Apply for access', '', state.busy.has('model'))}</div>
  `;
  const content = html`
    <p class="quiet">Set-up model ${number} of ${productLine}, of ${ownerName}</p>
    ${description ? html`<p>${description}</p>` : nothing}
    ${can.isAllowed
      ? form(`Application for access to ${name}`, (sent) => actions.applyForModel(sent), fields)
      : html`<p class="reason">${can.reason}</p>`}
  `;
  return section('model', `Apply for access to ${name}`, content);
}
