package directories

import "github.com/go-ldap/ldap/v3"

func escapeDN(value string) string { return ldap.EscapeDN(value) }
