// Package provider says what the declaration of an IdentityProvider means: which one verifies an account (Resolve), which ones a
// login page offers (Offered), what the groups of a person there are called here (MapGroups), and how to reach it (Source).
//
// All of it is a function of what is declared; Source reads the Secret and the certificates that go with it. The package asks no
// provider anything: that is for the packages below internal/authn.
package provider
