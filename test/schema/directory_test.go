package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	immutableID   = "ldap.users.idAttribute is immutable, since accounts are bound to its values: create another IdentityProvider instead"
	onlyOIDC      = "oidc must be set of the types OIDC and EntraID, and of no other"
	onlyLDAP      = "ldap must be set of the types LDAP and ActiveDirectory, and of no other"
	wrongServer   = "a server must be HOST:PORT, such as dc1.corp.example.org:636 or [2001:db8::1]:636"
	wrongBrackets = "what is in brackets must be an IPv6 address"
	sameServers   = "servers must differ, in more than upper and lower case"
	wrongUsers    = "baseDN must be a distinguished name, such as ou=people,dc=example,dc=org"
	wrongGroups   = "baseDN must be a distinguished name, such as ou=groups,dc=example,dc=org"
	unbalanced    = `filter must have as many opening as closing parentheses; one in a value is written \28 or \29`
	wrongRealm    = "realm must be in upper case, such as CORP.EXAMPLE.ORG"
	wrongService  = "servicePrincipal must be HTTP/HOST, such as HTTP/login.example.org: the host in lower case, as browsers ask for it, " +
		"and without the realm"
)

// leastDirectory is leastProvider for the types LDAP and ActiveDirectory.
func leastDirectory(kind string) map[string]any {
	ldap := map[string]any{"servers": []any{"dc1.corp.example.org:636"}, "bindSecretRef": map[string]any{"name": "corp"}}
	if kind == "LDAP" {
		ldap["users"] = map[string]any{"baseDN": "ou=people,dc=example,dc=org"}
	}

	return map[string]any{"type": kind, "displayName": "Contoso", "ldap": ldap}
}

// inDirectory makes a row of spec.ldap of an ActiveDirectory provider.
func inDirectory(content string, want ...string) refusal {
	return wrong(identityProvider, `{type: ActiveDirectory, ldap: {`+content+`}}`, want...)
}

// directoryRefusals are about directories.
func directoryRefusals() []refusal {
	const (
		needsGroups = "groupMappings need ldap.groups: without it no groups are read, and nobody would get a mapped one"
		needsDN     = "groupMappings of a directory must have the distinguished name of the group as from, such as " +
			"cn=engineers,ou=groups,dc=example,dc=org"
		noLookups = "revalidation may only be set of the types LDAP and ActiveDirectory: no other provider can be asked about people"
		noLockout = "lockout may only be set of the types LDAP and ActiveDirectory: people give their password to any other provider itself"
	)

	whole := func(content string, want ...string) refusal { return wrongWhole(identityProvider, content, want...) }
	directory := func(content string, want ...string) refusal {
		return wrong(identityProvider, `{type: ActiveDirectory, `+content+`}`, want...)
	}

	return slices.Concat(connectionRefusals(), entryRefusals(), kerberosRefusals(), []refusal{
		whole(`oidc: null`, rule("spec.oidc", onlyOIDC)),
		whole(`{type: LDAP, ldap: null}`, rule("spec.ldap", onlyLDAP)),
		whole(`{type: ActiveDirectory, ldap: null}`, rule("spec.ldap", onlyLDAP)),
		whole(`{type: EntraID, oidc: null}`, rule("spec.oidc", onlyOIDC)),
		whole(`{type: LDAP, oidc: {issuer: "https://id.example.org", clientID: a, clientSecretRef: {name: a}}}`, rule("spec.oidc", onlyOIDC)),
		whole(`ldap: {servers: ["dc1:636"], bindSecretRef: {name: a}}`, rule("spec.ldap", onlyLDAP)),
		whole(`revalidation: {}`, rule("spec.revalidation", noLookups)),
		whole(`lockout: {}`, rule("spec.lockout", noLockout)),

		whole(`{type: LDAP, ldap: {users: null}}`, rule("spec.ldap.users.baseDN",
			"ldap.users.baseDN must be set of the type LDAP, such as ou=people,dc=example,dc=org")),
		whole(`{type: LDAP, ldap: {users: {baseDN: null, nameAttribute: cn}}}`, rule("spec.ldap.users.baseDN",
			"ldap.users.baseDN must be set of the type LDAP, such as ou=people,dc=example,dc=org")),
		whole(`{type: LDAP, ldap: {groups: {}}}`, rule("spec.ldap.groups.baseDN",
			"ldap.groups.baseDN must be set of the type LDAP, such as ou=groups,dc=example,dc=org")),
		whole(`{type: LDAP, ldap: {groups: {baseDN: "o=g", nesting: InChain}}}`, rule("spec.ldap.groups.nesting",
			"ldap.groups.nesting may only be InChain of the type ActiveDirectory")),
		whole(`{type: ActiveDirectory, groupMappings: [{from: "cn=a", to: a}]}`, rule("spec.groupMappings", needsGroups)),
		whole(`{type: ActiveDirectory, ldap: {groups: {}}, groupMappings: [{from: "cn=a", to: a}, {from: Engineers, to: b}]}`,
			rule("spec.groupMappings", needsDN)),

		directory(`revalidation: {intervalMinutes: 0}`, tooSmall("spec.revalidation.intervalMinutes", 0, 1)),
		directory(`revalidation: {intervalMinutes: 1441}`, tooBig("spec.revalidation.intervalMinutes", 1441, 1440)),
		directory(`lockout: {maxFailures: 0}`, tooSmall("spec.lockout.maxFailures", 0, 1)),
		directory(`lockout: {maxFailures: 101}`, tooBig("spec.lockout.maxFailures", 101, 100)),
		directory(`lockout: {windowMinutes: 0}`, tooSmall("spec.lockout.windowMinutes", 0, 1)),
		directory(`lockout: {windowMinutes: 1441}`, tooBig("spec.lockout.windowMinutes", 1441, 1440)),
	})
}

// connectionRefusals are about how a directory is reached.
func connectionRefusals() []refusal {
	const name = "serverName must be the name of a host, such as dc1.corp.example.org"

	return slices.Concat(secretRefusals("bindSecretRef", func(content string, want ...string) refusal {
		return inDirectory(`bindSecretRef: `+content, want...)
	}), []refusal{
		inDirectory(`servers: null`, required("spec.ldap.servers")),
		inDirectory(`servers: []`, tooFew("spec.ldap.servers", 0, 1)),
		inDirectory(`servers: `+numbered(5, `"dc%d:636"`), tooMany("spec.ldap.servers", 5, 4)),
		inDirectory(`servers: [""]`, tooShort("spec.ldap.servers[0]", "", 3), valueRule("spec.ldap.servers[0]", "", wrongServer)),
		inDirectory(`servers: ["`+strings.Repeat("a", 260)+`:1"]`, tooLong("spec.ldap.servers[0]", 261)),
		inDirectory(`servers: ["dc1:636", dc2]`, valueRule("spec.ldap.servers[1]", "dc2", wrongServer)),
		inDirectory(`servers: ["[::1]:636", "[127.0.0.1]:636"]`, valueRule("spec.ldap.servers[1]", "[127.0.0.1]:636", wrongBrackets)),
		inDirectory(`servers: ["dc1:636", "dc2:636", "DC1:636"]`, rule("spec.ldap.servers", sameServers)),

		inDirectory(`tls: {mode: None}`, unsupported("spec.ldap.tls.mode", "None", "LDAPS", "StartTLS")),
		inDirectory(`tls: {serverName: ""}`, tooShort("spec.ldap.tls.serverName", "", 1), valueRule("spec.ldap.tls.serverName", "", name)),
		inDirectory(`tls: {serverName: `+strings.Repeat("a", 254)+`}`, tooLong("spec.ldap.tls.serverName", 253)),
		inDirectory(`tls: {serverName: "*.example.org"}`, valueRule("spec.ldap.tls.serverName", "*.example.org", name)),
	}, caRefusals("spec.ldap.tls", func(content string, want ...string) refusal { return inDirectory(`tls: {`+content+`}`, want...) }))
}

// secretRefusals are about a reference to a Secret below spec.ldap. row makes a row of what the reference is.
func secretRefusals(field string, row func(content string, want ...string) refusal) []refusal {
	const secret = "name must be that of a Secret: lowercase letters, digits, - and ."

	at := "spec.ldap." + field

	return []refusal{
		row(`null`, required(at)),
		row(`{name: null}`, required(at+".name")),
		row(`{name: ""}`, tooShort(at+".name", "", 1), valueRule(at+".name", "", secret)),
		row(`{name: `+strings.Repeat("a", 254)+`}`, tooLong(at+".name", 253)),
		row(`{name: acme/corp}`, valueRule(at+".name", "acme/corp", secret)),
	}
}

// entryRefusals are about how people and groups are found.
func entryRefusals() []refusal {
	row := func(part, content string, want ...string) refusal {
		return inDirectory(part+`: {`+content+`}`, want...)
	}
	entries := func(part, dn, parentheses string) []refusal {
		base, filter := "spec.ldap."+part+".baseDN", "spec.ldap."+part+".filter"

		return []refusal{
			row(part, `baseDN: ""`, tooShort(base, "", 3), valueRule(base, "", dn)),
			row(part, `baseDN: "dc=`+strings.Repeat("a", 510)+`"`, tooLong(base, 512)),
			row(part, `baseDN: corp.example.org`, valueRule(base, "corp.example.org", dn)),
			row(part, `filter: ""`, tooShort(filter, "", 3), valueRule(filter, "", parentheses)),
			row(part, `filter: "(cn=`+strings.Repeat("a", 1020)+`)"`, tooLong(filter, 1024)),
			row(part, `filter: cn=ada`, valueRule(filter, "cn=ada", parentheses)),
			row(part, `filter: "(&(cn=ada)(sn=*)"`, valueRule(filter, "(&(cn=ada)(sn=*)", unbalanced)),
		}
	}
	attribute := func(field, example string) []refusal {
		at, form := "spec.ldap.users."+field, field+" must be the name of an attribute, such as "+example

		return []refusal{
			row("users", field+`: ""`, tooShort(at, "", 1), valueRule(at, "", form)),
			row("users", field+`: `+strings.Repeat("a", 129), tooLong(at, 128)),
			row("users", field+`: "a=*)(b"`, valueRule(at, "a=*)(b", form)),
			row("users", field+`: 1a`, valueRule(at, "1a", form)),
		}
	}

	rows := slices.Concat(
		entries("users", wrongUsers, "filter must be one in parentheses, such as (objectClass=person)"),
		entries("groups", wrongGroups, "filter must be one in parentheses, such as (objectClass=groupOfNames)"),
		attribute("nameAttribute", "uid"), attribute("idAttribute", "entryUUID"),
		[]refusal{row("groups", `nesting: Deep`, unsupported("spec.ldap.groups.nesting", "Deep", "Direct", "InChain"))})

	for _, name := range []string{
		"uid", "userid", "cn", "commonName", "sn", "surname", "givenName", "name", "displayName", "initials", "mail", "rfc822Mailbox", "MAIL",
		"mailNickname", "proxyAddresses", "telephoneNumber", "mobile", "sAMAccountName", "userPrincipalName", "distinguishedName", "entryDN",
	} {
		rows = append(rows, row("users", `idAttribute: `+name, valueRule("spec.ldap.users.idAttribute", name,
			"idAttribute must not be a name or an address: these can be changed, and given to another person")))
	}

	return rows
}

// kerberosRefusals are about Windows sign-in.
func kerberosRefusals() []refusal {
	const realm, service = "spec.ldap.kerberos.realm", "spec.ldap.kerberos.servicePrincipal"

	// Each row has one field wrong beside the others that are needed.
	row := func(content string, want ...string) refusal {
		for field, value := range map[string]string{"realm": "A", "servicePrincipal": "HTTP/a", "keytabSecretRef": "{name: a}"} {
			if !strings.HasPrefix(content, field) {
				content += ", " + field + ": " + value
			}
		}

		return inDirectory(`kerberos: {`+content+`}`, want...)
	}

	return append(secretRefusals("kerberos.keytabSecretRef", func(content string, want ...string) refusal {
		return row(`keytabSecretRef: `+content, want...)
	}),
		row(`offer: Always`, unsupported("spec.ldap.kerberos.offer", "Always", "Link", "Automatic")),
		row(`realm: null`, required(realm)),
		row(`realm: ""`, tooShort(realm, "", 1), valueRule(realm, "", wrongRealm)),
		row(`realm: `+strings.Repeat("A", 256), tooLong(realm, 255)),
		row(`realm: corp.example.org`, valueRule(realm, "corp.example.org", wrongRealm)),
		row(`servicePrincipal: null`, required(service)),
		row(`servicePrincipal: ""`, tooShort(service, "", 6), valueRule(service, "", wrongService)),
		row(`servicePrincipal: HTTP/`+strings.Repeat("a", 256), tooLong(service, 260)),
		row(`servicePrincipal: HTTP/login.example.org@EXAMPLE.ORG`, valueRule(service, "HTTP/login.example.org@EXAMPLE.ORG", wrongService)))
}

// TestDirectoryTexts: what is connected to, searched with and compared has to be right or refused, however it is written. What no schema can
// know, such as whether a filter means something, the directory server tells in the condition Connected.
func TestDirectoryTexts(t *testing.T) {
	judge := func(field, template string, texts map[string]bool) {
		for text, allowed := range texts {
			o := declared(t, identityProvider, "judged", `{type: ActiveDirectory, ldap: {`+fmt.Sprintf(template, text)+`}}`)

			if err := api.Create(t.Context(), o, client.DryRunAll); allowed != (err == nil) {
				t.Errorf("%s %q: %v", field, text, err)
			}
		}
	}

	judge("server", `servers: [%q]`, map[string]bool{
		"dc1:636": true, "DC1.Corp.Example.ORG:3269": true, "192.0.2.1:389": true, "[2001:db8::1]:636": true, "[::1]:65535": true, "a_b-1.example:1": true,
		"dc1:0": false, "dc1:01": false, "dc1:65536": false, "dc1:70000": false, "dc1:99999": false, "dc1:100000": false, "dc1:65535": true, "dc1:ldaps": false,
		"dc1": false, "dc1:": false, ":636": false, "ldaps://dc1:636": false, "dc1:636/": false, "dc1:636 ": false, " dc1:636": false, "dc1:636\n": false,
		"2001:db8::1:636": false, "[2001:db8::1]": false, "[2001:db8::1:636": false, "[2001:db8::1%eth0]:636": false, "[::::]:636": false, "[.]:636": false,
		"[192.0.2.1]:636": false, "[2001:db8::1]:70000": false, "ada@dc1:636": false, "dc1.:636": false, "-dc1:636": false, "dс1:636": false, // a Cyrillic с
		"dc1:636,dc2:636": false, "dc1:636\x00": false, "*.example.org:636": false,
	})
	judge("base", `users: {baseDN: %q}`, map[string]bool{
		"dc=corp,dc=example,dc=org": true, "DC=corp": true, `ou=Größe\, klein,dc=example`: true, `o=a\2Cb+l=c`: true, "o=a b, c=d": true, `o="a,b"`: true,
		"2.5.4.11=people,o=x": true, "o=": false, "=o": false, "o": false, "o,ou=x": false, "o=\nx": false, "o=x\u2028": false, "\to=x": false, "o=\x00": false,
	})
	judge("filter", `groups: {filter: %q}`, map[string]bool{
		"(objectClass=*)": true, "(&(objectCategory=person)(!(cn=a*)))": true, `(cn=\28a\29)`: true, "(memberOf:1.2.840.113556.1.4.1941:=cn=a,dc=b)": true,
		"(cn=Größe)": true, "objectClass=*": false, "()": false, "(cn=a": false, "cn=a)": false, "(cn=a))": false, "((cn=a)": false, "(&(cn=a)(cn=b)": false,
		"(cn=a)\n": false, "(cn=\x00)": false, " (cn=a)": false, "(cn=a\u2029)": false, "(cn=a)(|)(": false,
		// No filter either, which only the directory server tells: their parentheses are as many.
		"(cn=a)(cn=b)": true, "(cn=a))((cn=b)": true, "(nonsense)": true,
	})
	judge("realm", `kerberos: {keytabSecretRef: {name: a}, servicePrincipal: HTTP/a, realm: %q}`, map[string]bool{
		"CORP.EXAMPLE.ORG": true, "A": true, "CORP-2": true, "Corp.Example.Org": false, "corp.example.org": false, "CORP.": false, ".CORP": false,
		"CORP/A": false, "CORP@A": false, "CORP A": false, "CORP\n": false, "CОRP": false, // a Cyrillic О
	})
	judge("service", `kerberos: {keytabSecretRef: {name: a}, realm: A, servicePrincipal: %q}`, map[string]bool{
		"HTTP/login.example.org": true, "HTTP/login": true, "HTTP/login.example.org@A": false, "http/login.example.org": false, "HTTPS/login.example.org": false,
		"HTTP/Login.example.org": false, "HTTP/login.example.org/x": false, "HTTP/login.example.org:443": false, "HTTP/": false, "login.example.org": false,
		"HTTP/login.example.org\n": false, "HTTP/*": false, "host/login.example.org": false,
	})
}
