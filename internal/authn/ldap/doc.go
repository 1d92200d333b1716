// Package ldap asks a directory, LDAP or Active Directory, who somebody is: a verifier of package authn, which binds with the password that was
// typed. It also finds people for other ways to log in, looks up many of them at once for the sweep, and tests a connection.
//
// An attempt searches for the person with the account of the provider's Secret, and then binds once, over a connection of its own, with
// the name of the entry that was found. A password is sent to one server, once: whatever goes wrong after that, nobody sends it again. The names that
// are searched for are declared ones. Referrals are not followed.
//
// The package dials and encrypts itself, and gives go-ldap connections that end: each operation has a deadline, at which the connection is closed,
// and a budget of bytes and of BER elements. It is the only one that uses go-ldap.
//
// No error of this package has a password or text of the directory in it. What a directory writes beside a result is looked at for Active
// Directory's codes, and for nothing else.
//
// Groups are those that list the person in their attribute member. The primary group of a person in Active Directory (Domain Users, as a rule) has no
// such list, so it never counts.
package ldap
