// A certified OpenID Connect issuer for the tests of PLOG's sign-in. It prints its address, obeys one order a line on standard
// input and ends with it. "rotate": sign with new keys from now on, publish only these. "client {…}": know a client by whose pages
// people sign in, as JSON with its metadata as `client`, and whether id tokens tell all that is known of them (`tellsAll`).
// "name …": say to be that issuer from now on, with the same keys; without a name, the one of its address.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

// An access token for the resource https://plog.test/<algorithm> is a JWT for https://plog.test signed with that algorithm.
function resource(indicator) {
  const { origin, pathname } = new URL(indicator);
  const algorithm = pathname.slice(1);
  return {
    audience: origin,
    scope: 'use',
    accessTokenFormat: 'jwt',
    accessTokenTTL: 600,
    jwt: { sign: { alg: algorithm } },
  };
}

const PEOPLE = {
  ada: { name: 'Ada of the directory', groups: ['logic-engineers', 'robots'] },
  bela: { name: 'Bela of the directory', groups: ['dram-engineers'] },
};

let browsers = { client: null, tellsAll: false };
let keys;

async function grantOf(context) {
  const { provider, client, session, params } = context.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

// Where people say who they are: a page with a button for each, as the embedded issuer has one.
async function interact(provider, request, response) {
  if (request.method !== 'POST') {
    const buttons = [...Object.keys(PEOPLE), ''].map((name) => `<button name="username" value="${name}">${name}</button>`);
    response.setHeader('content-type', 'text/html').end(`<form method="post">${buttons.join('')}</form>`);
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const username = new URLSearchParams(body).get('username');
  const result = username ? { login: { accountId: username } } : { error: 'access_denied', error_description: '<b>no</b>' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

function rotate() {
  keys = Object.entries(KINDS).map(([alg, [kind, options]]) => ({
    ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID(),
  }));
}

function issuer(address) {
  const provider = new Provider(address, {
    jwks: { keys },
    clients: [{
      client_id: 'service', client_secret: 'service-secret', grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], token_endpoint_auth_method: 'client_secret_post',
    }, ...(browsers.client ? [browsers.client] : [])],
    scopes: ['openid', 'profile', 'groups'],
    claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
    conformIdTokenClaims: !browsers.tellsAll,
    cookies: { keys: ['a key of the tests'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: grantOf,
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
    extraTokenClaims: () => ({ name: 'Service', groups: ['robots', 'logic-engineers'] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_, indicator) => resource(indicator) },
    },
  });
  const callback = provider.callback();
  return (request, response) => (
    request.url.startsWith('/interaction/') ? interact(provider, request, response) : callback(request, response)
  );
}

const server = createServer((request, response) => handle(request, response));
let handle;
server.listen(0, '127.0.0.1', () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  let name = address;
  rotate();
  handle = issuer(name);
  console.log(address);
  createInterface({ input: process.stdin }).on('line', (order) => {
    if (order.startsWith('client ')) browsers = JSON.parse(order.slice('client '.length));
    else if (order.startsWith('name ')) name = order.slice('name '.length) || address;
    else rotate();
    handle = issuer(name);
    console.log('done');
  }).on('close', () => process.exit(0));
});
