// Package oidc asks an OpenID Connect provider who somebody is: the second way of package authn, an assertion. Begin returns the address
// that the browser is sent to, Finish turns the provider's answer into the subject and the groups of a person. The authorization code flow
// with PKCE is the only one (OpenID Connect Core 1.0, section 3.1; RFC 9700).
//
// Every connection goes to a host that the provider's Secret names, over https, without following redirects. Tokens of the provider
// are looked at once and thrown away. No error of this package has a code, a token, the client's secret or text of the provider.
//
// The discovery document is kept for an hour, and the keys with it. Keys are fetched again within that hour when a token is signed by none of
// them, but at most once a minute: for so long after they were fetched, a token that is signed by a newer key is refused. Where one of the two
// cannot be used, it is asked for again after five seconds at the earliest; a provider that cannot be reached is left to the breaker.
package oidc
