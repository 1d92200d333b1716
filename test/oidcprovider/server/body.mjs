const maxBody = 64 * 1024;

// Reads the body of a request as text.
export async function readBody(request) {
  let body = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    body += chunk;
    if (body.length > maxBody) throw new Error('the body of the request is too long');
  }
  return body;
}
