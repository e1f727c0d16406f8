// What the sections of the page are made of.
import { html, nothing, type TemplateResult } from 'lit-html';

import { MOST, type Item, type State } from '../state';

export type Part = TemplateResult | typeof nothing;

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
export const when = (time: string): string => day.format(new Date(time));
export const untilOf = ({ until }: Item): string => (until ? `until ${when(until)}` : 'for good');

/** A time as a field of the browser has it: local, to the minute. */
function localTime(time: string): string {
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function section(id: string, title: string, content: unknown): TemplateResult {
  return html`
    <section aria-labelledby=${id}>
      <h2 id=${id}>${title}</h2>
      ${content}
    </section>
  `;
}

export const empty = (sentence: string): TemplateResult => html`<p class="quiet empty">${sentence}</p>`;

export const quote = (text: string | null): Part => (text ? html`<p class="quote">${text}</p>` : nothing);

/** Says so where a list may go on, as one page of it is shown. */
export const cutOff = (shown: number, which: string): Part =>
  shown < MOST ? nothing : html`<p class="quiet">These are the ${which} ${MOST}; there may be more.</p>`;

export const person = ({ name, subject }: Item): TemplateResult =>
  html`<strong>${name}</strong> <span class="quiet">${subject}</span>`;

/** A button of an item, which says to who can't see the row what it is about. */
export function button(label: string, of: string, isBusy: boolean, press: () => void): TemplateResult {
  return html`<button type="button" class="plain" aria-label=${`${label} ${of}`} ?disabled=${isBusy} @click=${press}>
    ${label}
  </button>`;
}

/** The button of a form, told apart by its value. */
export function submit(value: string, label: string, of: string, isBusy: boolean, isPlain = false): TemplateResult {
  return html`<button
    value=${value}
    class=${isPlain ? 'plain' : nothing}
    aria-label=${of ? `${label} ${of}` : nothing}
    ?disabled=${isBusy}
  >
    ${label}
  </button>`;
}

/** What is wrong in a field of a part of the page, under an id that the field is described by. */
export function wrong(state: State, part: string, field: string): { id: string | typeof nothing; isWrong: boolean; shown: Part } {
  const problems = (state.wrong[part] ?? []).filter((each) => each.field === field || each.field.startsWith(`${field}.`));
  if (!problems.length) return { id: nothing, isWrong: false, shown: nothing };
  const id = `${part}-${field}-wrong`;
  return { id, isWrong: true, shown: html`<p class="error" id=${id}>${problems.map((each) => each.message).join('; ')}</p>` };
}

export function textField(state: State, part: string, name: string, label: string): TemplateResult {
  const { id, isWrong, shown } = wrong(state, part, name);
  return html`
    <label for=${`${part}-${name}`}>${label}</label>
    <textarea
      id=${`${part}-${name}`}
      name=${name}
      rows="2"
      maxlength="2000"
      aria-invalid=${isWrong}
      aria-describedby=${id}
    ></textarea>
    ${shown}
  `;
}

/** A field for a time. The browser keeps years to four digits by `max`; what is none all the same PLOG refuses by name. */
export function timeField(state: State, part: string, label: string, value: string | null = null): TemplateResult {
  const { id, isWrong, shown } = wrong(state, part, 'until');
  return html`
    <label for=${`${part}-until`}>${label}</label>
    <input
      type="datetime-local"
      id=${`${part}-until`}
      name="until"
      max="9999-12-31T23:59"
      value=${value ? localTime(value) : nothing}
      aria-invalid=${isWrong}
      aria-describedby=${id}
    />
    ${shown}
  `;
}

/** A form that is sent to `send`, with the value of the button that was pressed. */
export function form(label: string, send: (form: HTMLFormElement, pressed: string) => void, content: unknown): TemplateResult {
  const sent = (event: SubmitEvent): void => {
    event.preventDefault();
    send(event.target as HTMLFormElement, (event.submitter as HTMLButtonElement | null)?.value ?? '');
  };
  return html`<form novalidate aria-label=${label} @submit=${sent}>${content}</form>`;
}
