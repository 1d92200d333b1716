// One issuer: the library with its settings, a form for the login, and what the kind of issuer changes in its answers.
import crypto from 'node:crypto';
import { interactionPolicy, Provider } from 'oidc-provider';
import { readBody } from './body.mjs';
import { errorPage, loggedOutPage, loginPage, logoutPage } from './pages.mjs';
import { newStorage } from './storage.mjs';

function newKey() {
  const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: crypto.randomBytes(8).toString('hex'), use: 'sig' };
}

// When somebody has to log in: also where the session is that of somebody who has been disabled.
function newPolicy() {
  const policy = interactionPolicy.base();
  policy.get('login').checks.add(new interactionPolicy.Check('no_account', 'nobody has this account', ({ oidc }) => Boolean(
    oidc.session.accountId && !oidc.account && !oidc.result?.login,
  )));
  return policy;
}

export class Issuer {
  constructor(kind, settings, people) {
    Object.assign(this, { kind, settings, people, mount: kind.mount });
    this.cookieKey = crypto.randomBytes(32).toString('hex');
    this.storage = newStorage();
    this.rotateKeys();
  }

  // Signs with another key from now on, and no longer publishes the one before. Sessions at the provider go on.
  rotateKeys() {
    this.provider = new Provider(this.kind.issuer, this.configuration());
    this.handle = this.provider.callback();
  }

  configuration() {
    const { kind, settings } = this;
    return {
      clients: [{
        client_id: settings.clientID,
        client_secret: settings.clientSecret,
        redirect_uris: settings.redirectURIs,
        response_types: ['code'],
        grant_types: ['authorization_code'],
      }],
      adapter: this.storage,
      jwks: { keys: [newKey()] },
      cookies: {
        keys: [this.cookieKey],
        names: { session: `${kind.name}_session`, interaction: `${kind.name}_interaction`, resume: `${kind.name}_resume` },
      },
      routes: kind.routes,
      scopes: ['openid', 'profile', 'email'],
      claims: kind.scopedClaims,
      conformIdTokenClaims: false, // The ID token has all claims, as nobody asks for the user info.
      pkce: { required: () => true },
      features: {
        devInteractions: { enabled: false },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (context, form) => { context.body = logoutPage(kind.displayName, form); },
          postLogoutSuccessSource: (context) => { context.body = loggedOutPage(kind.displayName); },
        },
      },
      renderError: (context, error) => { context.type = 'html'; context.body = errorPage(error); },
      interactions: { policy: newPolicy(), url: (context, interaction) => `${kind.mount}/interaction/${interaction.uid}` },
      findAccount: (context, subject) => this.findAccount(subject),
      loadExistingGrant,
      ttl: { Session: 8 * 3600, Interaction: 3600, Grant: 8 * 3600, IdToken: 3600, AccessToken: 3600, AuthorizationCode: 60 },
    };
  }

  findAccount(subject) {
    const person = [...this.people.values()].find((one) => this.kind.subject(one) === subject);
    if (!person || person.disabled) return undefined;
    return { accountId: subject, claims: async () => ({ sub: subject, ...this.kind.claims(person) }) };
  }

  async answer(request, response) {
    const { pathname } = new URL(request.url, this.settings.origin);
    if (pathname.startsWith(`${this.mount}/interaction/`)) {
      await this.interact(request, response);
      return;
    }

    if (pathname === this.kind.discoveryPath) {
      request.url = `${this.mount}/.well-known/openid-configuration`;
      changeJSON(response, this.kind.discovery);
    } else if (pathname === `${this.mount}${this.kind.routes.jwks}` && this.kind.keysWithoutAlgorithm) {
      changeJSON(response, ({ keys }) => ({ keys: keys.map(({ alg, ...key }) => key) }));
    }
    this.changeRedirect(response);

    // The library wants to see addresses below its own, and to be told what is before them.
    request.originalUrl = request.url;
    request.url = request.url.slice(this.mount.length);
    await this.handle(request, response);
  }

  // The form of the login.
  async interact(request, response) {
    const { prompt, params } = await this.provider.interactionDetails(request, response);
    if (prompt.name !== 'login') throw new Error(`nobody can answer the prompt ${prompt.name}`);

    const show = (problem, username) => {
      const people = [...this.people.values()];
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
      response.end(loginPage({ provider: this.kind.displayName, problem, username, people }));
    };
    if (request.method !== 'POST') {
      show('', params.login_hint ?? '');
      return;
    }

    const form = new URLSearchParams(await readBody(request));
    const username = form.get('username') ?? '';
    const person = this.people.get(username);
    let result;
    if (form.get('action') === 'cancel') {
      result = { error: 'access_denied', error_description: 'The person cancelled the login.' };
    } else if (!person || person.password !== form.get('password')) {
      show('The username or the password is wrong.', username);
      return;
    } else if (person.disabled) {
      show('This account is disabled.', username);
      return;
    } else {
      result = { login: { accountId: this.kind.subject(person) } };
    }
    await this.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  // Has the kind of issuer change the address by which a browser is sent back to the client.
  changeRedirect(response) {
    const setHeader = response.setHeader.bind(response);
    response.setHeader = (name, value) => {
      const isResponse = name.toLowerCase() === 'location' && this.settings.redirectURIs.some((address) => value.startsWith(`${address}?`));
      return setHeader(name, isResponse ? this.kind.redirect(value) : value);
    };
  }
}

// Nobody is asked for consent: an administrator has given it for all.
async function loadExistingGrant(context) {
  const { client, params, provider, session } = context.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

// Has the response's JSON changed before it is sent.
function changeJSON(response, change) {
  const end = response.end.bind(response);
  response.end = (body) => {
    if (response.statusCode !== 200 || !body) return end(body);
    const changed = JSON.stringify(change(JSON.parse(body)));
    response.setHeader('content-length', Buffer.byteLength(changed));
    return end(changed);
  };
}
