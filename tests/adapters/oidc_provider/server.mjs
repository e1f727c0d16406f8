// A certified OpenID Connect issuer for the tests of PLOG's sign-in. It prints its address, obeys one word a line on standard
// input ("rotate": sign with new keys from now on, publish only these) and ends with its standard input.
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

// An access token for the resource https://plog.test/<algorithm> is a JWT signed with that algorithm.
function resource(indicator) {
  const algorithm = new URL(indicator).pathname.slice(1);
  return {
    audience: 'https://plog.test',
    scope: 'use',
    accessTokenFormat: 'jwt',
    accessTokenTTL: 600,
    jwt: { sign: { alg: algorithm } },
  };
}

function issuer(address) {
  const keys = Object.entries(KINDS).map(([alg, [kind, options]]) => ({
    ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID(),
  }));
  const provider = new Provider(address, {
    jwks: { keys },
    clients: [{
      client_id: 'service', client_secret: 'service-secret', grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], token_endpoint_auth_method: 'client_secret_post',
    }],
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
    extraTokenClaims: () => ({ name: 'Service', groups: ['robots', 'logic-engineers'] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_, indicator) => resource(indicator) },
    },
  });
  return provider.callback();
}

const server = createServer((request, response) => handle(request, response));
let handle;
server.listen(0, '127.0.0.1', () => {
  const address = `http://127.0.0.1:${server.address().port}`;
  handle = issuer(address);
  console.log(address);
  createInterface({ input: process.stdin }).on('line', () => {
    handle = issuer(address);
    console.log('rotated');
  }).on('close', () => process.exit(0));
});
