// An OpenID provider for tests and for trying Keyturn out: two issuers behind TLS, one with what is particular to Microsoft Entra ID and
// one without. The argument is the file with the settings that the Go package writes.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { Issuer } from './issuer.mjs';
import { commonDiscovery, entra, generic } from './kinds.mjs';
import { readBody } from './body.mjs';
import { page } from './pages.mjs';

const settings = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const people = new Map(settings.people.map((person) => [person.username, person]));
const issuers = [entra(settings), generic(settings)].map((kind) => new Issuer(kind, settings, people));

// How every request is answered until the tests ask for something else.
let behaviour = { delayMilliseconds: 0, status: 0 };

const changePassword = page('Change your password', '<p>This sample provider changes no passwords. A real one would do it here.</p>');

async function answer(request, response) {
  const { delayMilliseconds, status } = behaviour;
  if (delayMilliseconds > 0) await pause(delayMilliseconds);
  if (status > 0) {
    response.writeHead(status).end();
    return;
  }

  const { pathname } = new URL(request.url, settings.origin);
  const issuer = issuers.find((one) => pathname.startsWith(`${one.mount}/`));
  if (issuer) {
    await issuer.answer(request, response);
  } else if (pathname === '/common/v2.0/.well-known/openid-configuration') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(commonDiscovery(settings)));
  } else if (pathname === '/change-password') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(changePassword);
  } else {
    response.writeHead(404).end();
  }
}

// What the Go package asks for while the server runs. It asks over a socket that nobody else can open.
async function control(request, response) {
  const body = await readBody(request);
  switch (`${request.method} ${request.url}`) {
    case 'POST /rotate-keys':
      issuers.forEach((issuer) => issuer.rotateKeys());
      break;
    case 'PUT /behaviour':
      behaviour = JSON.parse(body);
      break;
    case 'PUT /person': {
      const person = JSON.parse(body);
      people.set(person.username, person);
      break;
    }
    default:
      response.writeHead(404).end();
      return;
  }
  response.writeHead(204).end();
}

function guarded(handle) {
  return (request, response) => handle(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
}

const tls = { cert: fs.readFileSync(settings.certificateFile), key: fs.readFileSync(settings.keyFile) };
http.createServer(guarded(control)).listen(settings.controlSocket, () => {
  https.createServer(tls, guarded(answer)).listen(settings.port, '127.0.0.1');
});
process.on('SIGTERM', () => process.exit(0));
