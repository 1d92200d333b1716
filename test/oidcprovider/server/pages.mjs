// The pages that people see. They work without JavaScript.

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:4rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
label{display:block;margin-top:1rem}input{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}
button{font:inherit;padding:.4rem 1rem;margin:1.2rem .5rem 0 0}.wrong{color:#a00000}`;

const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => entities[character]);
}

// The content is HTML.
export function page(title, content) {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escape(title)}</h1>
${content}
</main>
</body>
</html>
`;
}

export function loginPage({ provider, problem, username, people }) {
  const names = people.map((person) => escape(person.username)).join(', ');
  return page(`Log in to ${provider}`, `${problem ? `<p class="wrong">${escape(problem)}</p>` : ''}
<form method="post">
<label for="username">Username</label>
<input id="username" name="username" value="${escape(username)}" autocomplete="username">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button id="login" type="submit" name="action" value="login">Log in</button>
<button id="cancel" type="submit" name="action" value="cancel">Cancel</button>
</form>
<p>This is a sample provider. It knows: ${names}.</p>`);
}

// The form is that of the library, which lacks a button.
export function logoutPage(provider, form) {
  return page(`Log out of ${provider}`, `${form}
<button id="logout" type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button>`);
}

export function loggedOutPage(provider) {
  return page(`You are logged out of ${provider}`, '');
}

export function errorPage(error) {
  return page('Something is wrong', `<p>${escape(error.error)}: ${escape(error.error_description ?? '')}</p>`);
}
