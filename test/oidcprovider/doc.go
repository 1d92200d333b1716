// Package oidcprovider runs an OpenID provider on this machine: the npm package oidc-provider, behind TLS with an authority of its own.
// Tests start one, and make provider shows one beside the local cluster.
//
// It has two issuers. EntraIssuer behaves as the documents of Microsoft Entra ID describe a tenant; GenericIssuer as the standard does.
// Both know the same people and the same client. People log in with an HTML form, which needs no JavaScript.
//
// The script hack/npm-packages provides the npm package, and Node.js where it is missing. Where it cannot, Start fails. The server is
// not Entra ID: it shows that what Microsoft documents works, and no more.
package oidcprovider
