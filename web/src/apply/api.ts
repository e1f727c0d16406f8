// What the page asks of PLOG: GraphQL by POST, signed in by the session's cookie.
export type Capability = { isAllowed: boolean; reason: string | null };
export type Kind = { name: string; title: string; description: string; opens: { productLine: string; action: string }[] };
export type Request = {
  id: string;
  number: number;
  kind: string;
  subject: string;
  name: string;
  reason: string;
  status: string;
  createdAt: string;
  updatedAt: string;
  deciderName: string | null;
  decisionReason: string | null;
};
export type Grant = {
  id: string;
  kind: string;
  subject: string;
  name: string;
  status: string;
  grantedAt: string;
  expiresAt: string | null;
  endedAt: string | null;
  revokedBy: string | null;
  revocationReason: string | null;
  version: number;
};
export type Permission = {
  kind: Kind;
  grant: Grant | null;
  pendingRequest: Request | null;
  decides: boolean;
  viewerCanApply: Capability;
};
export type Viewer = { subject: string; name: string; permissions: Permission[] };
/** An application for access to a set-up model, and the access that it gave. */
export type Access = {
  id: string;
  number: number;
  subject: string;
  name: string;
  purpose: string;
  until: string;
  status: string;
  createdAt: string;
  updatedAt: string;
  deciderName: string | null;
  decisionReason: string | null;
  version: number;
  model: { id: string; name: string; productLine: string } | null;
};
export type Model = {
  id: string;
  number: number;
  name: string;
  productLine: string;
  ownerName: string;
  description: string;
  viewerCanApply: Capability;
};
export type Past = { requests: { nodes: Request[] }; ended: { nodes: Grant[] }; access: { nodes: Access[] } };
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

const REQUEST = `id number kind subject name reason status createdAt updatedAt deciderName decisionReason`;
const GRANT = `id kind subject name status grantedAt expiresAt endedAt revokedBy revocationReason version`;
const ACCESS = `id number subject name purpose until status createdAt updatedAt deciderName decisionReason version
  model { id name productLine }`;
const CAPABILITY = `{ isAllowed reason }`;
const VIEWER = `subject name permissions { kind { name title description opens { productLine action } } grant { ${GRANT} }
  pendingRequest { ${REQUEST} } decides viewerCanApply ${CAPABILITY} }`;
const REFUSED = `... on UserError { code message } ... on ValidationFailed { problems { field message } }`;

export const WHO = `query Who { viewer { subject } }`;
export const READ = `query Permissions { viewer { ${VIEWER} } }`;
export const READ_MODEL = `query ModelToApplyFor($id: ID!) { setUpModel(id: $id) {
  id number name productLine ownerName description viewerCanApply ${CAPABILITY} } }`;
export const READ_GIVEN = `query Given($kinds: [String!]) { grants(first: 100, filter: { status: [ACTIVE], kinds: $kinds }) {
  nodes { ${GRANT} } } }`;
export const READ_PAST = `query Past($me: String!) {
  requests: permissionRequests(first: 10, filter: { subject: $me, status: [APPROVED, REJECTED, WITHDRAWN] }) { nodes { ${REQUEST} } }
  ended: grants(first: 10, filter: { subject: $me, status: [REVOKED, EXPIRED] }) { nodes { ${GRANT} } }
  access: modelAccessRequests(first: 10, filter: { subject: $me, status: [APPROVED, REJECTED, WITHDRAWN, REVOKED, EXPIRED] }) {
    nodes { ${ACCESS} } } }`;

export const WATCH_VIEWER = `subscription WatchViewer { viewer { ${VIEWER} } }`;
export const WATCH_INBOX = `subscription WatchInbox { permissionInbox(first: 100) {
  order changed { item: permissionRequest { ${REQUEST} } } } }`;
export const WATCH_MODEL_INBOX = `subscription WatchModelInbox { modelAccessInbox(first: 100) {
  order changed { item: modelAccessRequest { ${ACCESS} } } } }`;
export const WATCH_ACCESS = `subscription WatchAccess($filter: ModelAccessRequestFilter!) {
  modelAccessRequests(first: 100, filter: $filter) { order changed { item: modelAccessRequest { ${ACCESS} } } } }`;

export const APPLY = `mutation Apply($input: PermissionRequestInput!, $key: String) {
  permissionRequestCreate(input: $input, idempotencyKey: $key) { ${REFUSED} } }`;
export const APPLY_FOR_MODEL = `mutation ApplyForModel($input: ModelAccessRequestInput!, $key: String) {
  modelAccessRequestCreate(input: $input, idempotencyKey: $key) { ${REFUSED} } }`;
export const WITHDRAW = `mutation Withdraw($id: ID!) { permissionRequestWithdraw(id: $id) { ${REFUSED} } }`;
export const WITHDRAW_ACCESS = `mutation WithdrawAccess($id: ID!) { modelAccessRequestWithdraw(id: $id) { ${REFUSED} } }`;
export const APPROVE = `mutation Approve($id: ID!, $reason: String, $until: AnyValue) {
  permissionRequestApprove(id: $id, reason: $reason, expiresAt: $until) { ${REFUSED} } }`;
export const APPROVE_ACCESS = `mutation ApproveAccess($id: ID!, $reason: String, $until: AnyValue) {
  modelAccessRequestApprove(id: $id, reason: $reason, until: $until) { ${REFUSED} } }`;
export const REJECT = `mutation Reject($id: ID!, $reason: String) { permissionRequestReject(id: $id, reason: $reason) { ${REFUSED} } }`;
export const REJECT_ACCESS = `mutation RejectAccess($id: ID!, $reason: String) {
  modelAccessRequestReject(id: $id, reason: $reason) { ${REFUSED} } }`;
export const RENEW = `mutation Renew($id: ID!, $reason: String, $until: AnyValue, $version: Int) {
  grantRenew(id: $id, reason: $reason, expiresAt: $until, expectedVersion: $version) { ${REFUSED} } }`;
export const RENEW_ACCESS = `mutation RenewAccess($id: ID!, $reason: String, $until: AnyValue, $version: Int) {
  modelAccessRenew(id: $id, reason: $reason, until: $until, expectedVersion: $version) { ${REFUSED} } }`;
export const REVOKE = `mutation Revoke($id: ID!, $reason: String, $version: Int) {
  grantRevoke(id: $id, reason: $reason, expectedVersion: $version) { ${REFUSED} } }`;
export const REVOKE_ACCESS = `mutation RevokeAccess($id: ID!, $reason: String, $version: Int) {
  modelAccessRevoke(id: $id, reason: $reason, expectedVersion: $version) { ${REFUSED} } }`;

type Answer = { data?: Record<string, unknown> | null; errors?: { message: string }[] };

/** The data of an operation. */
export async function ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  if (response.status === 401) throw new SignedOut();
  const answer = (await response.json()) as Answer;
  if (answer.errors?.length || !answer.data) throw new Refused(answer.errors?.[0]?.message ?? `PLOG answered ${response.status}.`);
  return answer.data as T;
}

/** Let a mutation change something; throws `Refused` with the typed error. */
export async function command(query: string, variables: Record<string, unknown>): Promise<void> {
  const answers = await ask<Record<string, { message?: string; problems?: Problem[] }>>(query, variables);
  for (const { message, problems } of Object.values(answers)) if (message !== undefined) throw new Refused(message, problems);
}

/** End the session, here and at the issuer; returns where the browser is to go then. Throws `Refused` where it has not ended. */
export async function signOut(): Promise<string> {
  const response = await fetch('/auth/sign-out', { method: 'POST', headers: { accept: 'application/json' } });
  const answer = (await response.json()) as { location?: string; message?: string };
  if (!response.ok || !answer.location) throw new Refused(answer.message ?? `PLOG answered ${response.status}.`);
  return answer.location;
}
