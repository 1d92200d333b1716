// What the two issuers differ in.
import crypto from 'node:crypto';

// More groups than this are not put into a token of Entra ID, which then tells where to ask for them ("groups overage"):
// https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
const maxEntraGroups = 200;

// A provider as the standard describes it. Its subjects are the same for every client.
export function generic(settings) {
  return {
    name: 'generic',
    displayName: 'the sample provider',
    mount: '/generic',
    issuer: `${settings.origin}/generic`,
    discoveryPath: '/generic/.well-known/openid-configuration',
    routes: {},
    scopedClaims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email', 'email_verified'] },
    subject: (person) => person.subject,
    claims(person) {
      return {
        name: person.name,
        preferred_username: person.username,
        email: person.email,
        email_verified: true,
        groups: person.groups ?? [],
      };
    },
    discovery: (document) => document,
    redirect: (address) => address,
  };
}

// One tenant of Microsoft Entra ID, as its documents describe it:
// - the discovery document does not say that PKCE is supported (https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc);
// - the addresses of its endpoints do not begin with the issuer, and the user info is on another host;
// - keys have no algorithm;
// - sub is another one for every client, oid is the person;
// - authorization responses have session_state, and no issuer (RFC 9207).
export function entra(settings) {
  const mount = `/${settings.tenant}`;
  return {
    name: 'entra',
    displayName: 'Contoso',
    mount,
    issuer: `${settings.origin}${mount}/v2.0`,
    discoveryPath: `${mount}/v2.0/.well-known/openid-configuration`,
    routes: {
      authorization: '/oauth2/v2.0/authorize',
      token: '/oauth2/v2.0/token',
      end_session: '/oauth2/v2.0/logout',
      jwks: '/discovery/v2.0/keys',
    },
    keysWithoutAlgorithm: true,
    scopedClaims: {
      openid: ['sub', 'ver', 'groups', '_claim_names', '_claim_sources'],
      profile: ['name', 'preferred_username', 'oid', 'tid'],
      email: ['email'],
    },
    subject: (person) => crypto.createHash('sha256').update(`${settings.clientID} ${person.objectID}`).digest('base64url'),
    claims(person) {
      return {
        ver: '2.0',
        oid: person.objectID,
        tid: settings.tenant,
        name: person.name,
        preferred_username: person.email,
        email: person.email,
        ...entraGroups(settings, person),
      };
    },
    discovery(document) {
      delete document.code_challenge_methods_supported;
      delete document.authorization_response_iss_parameter_supported;
      return {
        ...document,
        subject_types_supported: ['pairwise'],
        tenant_region_scope: 'EU',
        userinfo_endpoint: 'https://graph.microsoft.example/oidc/userinfo',
      };
    },
    redirect(address) {
      const changed = new URL(address);
      changed.searchParams.delete('iss');
      changed.searchParams.set('session_state', crypto.randomUUID());
      return changed.href;
    },
  };
}

function entraGroups(settings, person) {
  const groups = person.groups ?? [];
  if (groups.length === 0) return {};
  if (groups.length <= maxEntraGroups) return { groups };
  const endpoint = `https://graph.microsoft.example/${settings.tenant}/users/${person.objectID}/getMemberObjects`;
  return { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint } } };
}

// The discovery document for all tenants of Entra ID, whose issuer is a template.
export function commonDiscovery(settings) {
  return {
    issuer: `${settings.origin}/{tenantid}/v2.0`,
    authorization_endpoint: `${settings.origin}/common/oauth2/v2.0/authorize`,
    token_endpoint: `${settings.origin}/common/oauth2/v2.0/token`,
    jwks_uri: `${settings.origin}/common/discovery/v2.0/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
  };
}
