// What the page asks of PLOG: GraphQL by POST and over one websocket, signed in by the session's cookie.
import { createClient } from 'graphql-ws';

export type Capability = { isAllowed: boolean; reason: string | null };
export type Request = {
  id: string;
  number: number;
  kind: string;
  name: string;
  subject: string;
  reason: string;
  status: 'PENDING' | 'APPROVED' | 'REJECTED' | 'WITHDRAWN';
  createdAt: string;
  updatedAt: string;
  deciderName: string | null;
  decisionReason: string | null;
};
export type Grant = { id: string; number: number; expiresAt: string | null; version: number };
export type Permission = {
  kind: { name: string; title: string; description: string };
  grant: Grant | null;
  pendingRequest: Request | null;
  decides: boolean;
  viewerCanApply: Capability;
};
export type Viewer = { subject: string; name: string; permissions: Permission[] };
export type InboxFrame = { order: string[]; changed: { permissionRequest: Request }[] };
export type Problem = { field: string; message: string };

/** Nobody has signed in, or not any more. */
export class SignedOut extends Error {}

/** PLOG refused what was asked: a sentence, and what is wrong field by field. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly problems: Problem[] = [],
  ) {
    super(message);
  }
}

const REQUEST = `id number kind name subject reason status createdAt updatedAt deciderName decisionReason`;
const VIEWER = `subject name permissions { kind { name title description } grant { id number expiresAt version }
  pendingRequest { ${REQUEST} } decides viewerCanApply { isAllowed reason } }`;
const REFUSED = `... on UserError { code message } ... on ValidationFailed { problems { field message } }`;

export const READ = `query Permissions { viewer { ${VIEWER} } }`;
export const HISTORY = `query DecidedRequests($me: String!) {
  permissionRequests(first: 10, filter: { subject: $me, status: [APPROVED, REJECTED, WITHDRAWN] }) { nodes { ${REQUEST} } } }`;
export const WATCH_VIEWER = `subscription WatchViewer { viewer { ${VIEWER} } }`;
export const WATCH_INBOX = `subscription WatchInbox { permissionInbox(first: 100) {
  order changed { permissionRequest { ${REQUEST} } } } }`;
export const APPLY = `mutation Apply($input: PermissionRequestInput!, $key: String) {
  permissionRequestCreate(input: $input, idempotencyKey: $key) { ${REFUSED} } }`;
export const WITHDRAW = `mutation Withdraw($id: ID!) { permissionRequestWithdraw(id: $id) { ${REFUSED} } }`;
export const APPROVE = `mutation Approve($id: ID!, $reason: String, $expiresAt: AnyValue) {
  permissionRequestApprove(id: $id, reason: $reason, expiresAt: $expiresAt) { ${REFUSED} } }`;
export const REJECT = `mutation Reject($id: ID!, $reason: String) { permissionRequestReject(id: $id, reason: $reason) { ${REFUSED} } }`;
export const GIVE_BACK = `mutation GiveBack($id: ID!, $reason: String) { grantRevoke(id: $id, reason: $reason) { ${REFUSED} } }`;

type Answer = { data?: Record<string, unknown> | null; errors?: { message: string }[] };

/** The value of the only field of an operation. */
export async function ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  if (response.status === 401) throw new SignedOut();
  const answer = (await response.json()) as Answer;
  if (answer.errors?.length || !answer.data) throw new Refused(answer.errors?.[0]?.message ?? `PLOG answered ${response.status}.`);
  return Object.values(answer.data)[0] as T;
}

/** Let a mutation change something; throws `Refused` with the typed error. */
export async function command(query: string, variables: Record<string, unknown>): Promise<void> {
  const answer = await ask<{ message?: string; problems?: Problem[] }>(query, variables);
  if (answer.message !== undefined) throw new Refused(answer.message, answer.problems);
}

/** End the session, here and at the issuer, whose page the browser is led to. */
export async function signOut(): Promise<void> {
  const response = await fetch('/auth/sign-out', { method: 'POST', headers: { accept: 'application/json' } });
  const { location: next } = (await response.json()) as { location: string };
  location.assign(next);
}

/**
 * Watch something for as long as the page is open. Whatever closes the connection, it is tried again: each begins with what is there
 * now, so that nothing is missed. `interrupted` is called when the connection is lost.
 */
export function watching(interrupted: () => void) {
  const client = createClient({
    url: `${location.protocol.replace('http', 'ws')}//${location.host}/graphql`,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: (retries) => new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** retries, 8000))),
    on: { closed: interrupted },
  });
  return <T>(query: string, take: (value: T) => void): void => {
    client.subscribe<Record<string, T>>(
      { query },
      {
        next: ({ data }) => data && take(Object.values(data)[0] as T),
        error: interrupted,
        complete: () => undefined,
      },
    );
  };
}
