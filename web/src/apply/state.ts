// What the page knows, what can be done on it, and one shape for all that people apply for, have and had.
import type { Access, Grant, Kind, Model, Past, Permission, Problem, Request, Viewer } from './api';

/** As many as one list shows, which is PLOG's own limit of a page. */
export const MOST = 100;

/** A permission or access to a model: applied for, given or ended. */
export type Item = {
  id: string;
  /** Whether it is about a set-up model, and not a permission. */
  isOfModel: boolean;
  title: string;
  subject: string;
  name: string;
  text: string;
  status: string;
  /** When it became what it is. */
  at: string;
  until: string | null;
  version: number;
  decider: string | null;
  why: string | null;
};

export type State = {
  viewer: Viewer;
  inbox: Request[];
  modelInbox: Access[];
  /** The viewer's own access to models, open or applied for. */
  access: Access[];
  /** What others have of what the viewer decides on. */
  grants: Grant[];
  givenAccess: Access[];
  past: Past | null;
  /** The kind and the model that the address names; of a model null where it is none that the viewer can see. */
  wantedKind: string | null;
  wantedModel: string | null;
  model: Model | null | undefined;
  isLive: boolean;
  /** What came of what was done last. */
  told: { message: string; isError: boolean } | null;
  /** What is wrong in the fields of a part of the page: `apply`, `model`, or the id of an item. */
  wrong: Record<string, Problem[]>;
  /** The parts of the page that wait for an answer. */
  busy: Set<string>;
};

export type Actions = {
  signOut: () => void;
  apply: (form: HTMLFormElement) => void;
  applyForModel: (form: HTMLFormElement) => void;
  withdraw: (item: Item) => void;
  giveBack: (item: Item) => void;
  decide: (item: Item, isApproved: boolean, form: HTMLFormElement) => void;
  change: (item: Item, isRenewed: boolean, form: HTMLFormElement) => void;
};

const titleOf = (viewer: Viewer, kind: string): string =>
  viewer.permissions.find((each) => each.kind.name === kind)?.kind.title ?? kind;

export function itemOfRequest(viewer: Viewer, request: Request): Item {
  const { id, subject, name, status, reason: text, deciderName: decider, decisionReason: why } = request;
  const at = status === 'PENDING' ? request.createdAt : request.updatedAt;
  const title = titleOf(viewer, request.kind);
  return { id, isOfModel: false, title, subject, name, text, status, at, until: null, version: 0, decider, why };
}

export function itemOfGrant(viewer: Viewer, grant: Grant): Item {
  const { id, subject, name, status, expiresAt: until, version, revokedBy: decider, revocationReason: why } = grant;
  const title = titleOf(viewer, grant.kind);
  const at = grant.endedAt ?? (status === 'EXPIRED' ? until : null) ?? grant.grantedAt;
  return { id, isOfModel: false, title, subject, name, text: '', status, at, until, version, decider, why };
}

export function itemOfAccess(access: Access): Item {
  const { id, subject, name, purpose: text, status, until, version, deciderName: decider, decisionReason: why, model } = access;
  const at = status === 'PENDING' ? access.createdAt : access.updatedAt;
  const title = model ? `access to ${model.name} (${model.productLine})` : 'access to a set-up model';
  return { id, isOfModel: true, title, subject, name, text, status, at, until, version, decider, why };
}

/** What the viewer's last applications came to, and what of theirs has ended; the latest first. */
export function history({ viewer, past }: State): Item[] {
  if (!past) return [];
  const items = [
    ...past.requests.nodes.map((each) => itemOfRequest(viewer, each)),
    ...past.ended.nodes.map((each) => itemOfGrant(viewer, each)),
    ...past.access.nodes.map(itemOfAccess),
  ];
  return items.sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, 10);
}

/** The permission of the viewer that opens all that this kind would; null where none does. */
export function including(viewer: Viewer, kind: Kind): Permission | null {
  const opens = ({ productLine, action }: Kind['opens'][number]): string => `${productLine} ${action}`;
  const holds = ({ kind: other, grant }: Permission): boolean => {
    const given = new Set(other.opens.map(opens));
    return grant !== null && other.name !== kind.name && kind.opens.every((each) => given.has(opens(each)));
  };
  return viewer.permissions.find(holds) ?? null;
}
