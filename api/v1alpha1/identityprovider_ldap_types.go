package v1alpha1

// LDAPSettings say how to reach a directory, and how a person is found in it.
type LDAPSettings struct {
	// servers of the directory, each as HOST:PORT. The next one is tried where a connection to one cannot be made, and for nothing else: a password is
	// sent to one of them, once.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=261
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]]):([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$')",message="a server must be HOST:PORT, such as dc1.corp.example.org:636 or [2001:db8::1]:636"
	// +kubebuilder:validation:items:XValidation:rule="!self.startsWith('[') || self.indexOf(']') < 0 || isIP(self.substring(1, self.indexOf(']'))) && ip(self.substring(1, self.indexOf(']'))).family() == 6",message="what is in brackets must be an IPv6 address"
	// +kubebuilder:validation:XValidation:rule="self.all(s, self.exists_one(t, t.lowerAscii() == s.lowerAscii()))",message="servers must differ, in more than upper and lower case"
	Servers []string `json:"servers,omitempty"`

	// tls says how the connection is encrypted. There is none without, and certificates are always verified.
	// +optional
	// +default={}
	TLS LDAPTLS `json:"tls,omitzero"`

	// bindSecretRef names the Secret with the account that searches the directory. It needs to read, and nothing else.
	// +required
	BindSecretRef ProviderSecretReference `json:"bindSecretRef,omitzero"`

	// users say which entries are people. Of Active Directory everything has a default.
	// +optional
	Users LDAPUsers `json:"users,omitzero"`

	// groups say which entries are groups. Without them no groups are read.
	// +optional
	Groups *LDAPGroups `json:"groups,omitempty"`

	// kerberos lets people log in with the ticket that their computer has: Windows sign-in.
	// +optional
	Kerberos *KerberosSettings `json:"kerberos,omitempty"`
}

// LDAPTLS says how the connection to a directory is encrypted.
type LDAPTLS struct {
	// mode is LDAPS, or StartTLS where the directory only encrypts once it is asked to.
	// +optional
	// +default="LDAPS"
	Mode LDAPTLSMode `json:"mode,omitempty"`

	// serverName is the name that the certificates of the servers must have. By default it is the host of each.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$')",message="serverName must be the name of a host, such as dc1.corp.example.org"
	ServerName string `json:"serverName,omitempty"`

	// caConfigMapRef names the ConfigMap with the certificates that those of the servers must be signed by. Without it the certificates of the
	// system count.
	// +optional
	CAConfigMapRef *CAConfigMapReference `json:"caConfigMapRef,omitempty"`
}

// LDAPTLSMode says when a connection is encrypted.
// +kubebuilder:validation:Enum=LDAPS;StartTLS
type LDAPTLSMode string

// The values of LDAPTLSMode.
const (
	// LDAPTLSFromStart encrypts from the first byte on.
	LDAPTLSFromStart LDAPTLSMode = "LDAPS"
	// LDAPTLSStart asks the directory to encrypt, before anything else (RFC 4511, section 4.14).
	LDAPTLSStart LDAPTLSMode = "StartTLS"
)

// LDAPUsers say which entries of a directory are people.
type LDAPUsers struct {
	// baseDN is the entry below which people are. An LDAP provider has to have it; that of Active Directory is the domain's.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[^=,\\p{Cc}\\p{Zl}\\p{Zp}]+=[^\\p{Cc}\\p{Zl}\\p{Zp}]+$')",message="baseDN must be a distinguished name, such as ou=people,dc=example,dc=org"
	BaseDN string `json:"baseDN,omitempty"`

	// filter narrows people down (RFC 4515). By default it is (sAMAccountType=805306368) of Active Directory, and (objectClass=*) otherwise.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[(][^\\p{Cc}\\p{Zl}\\p{Zp}]+[)]$')",message="filter must be one in parentheses, such as (objectClass=person)"
	// +kubebuilder:validation:XValidation:rule="self.split('(').size() == self.split(')').size()",message="filter must have as many opening as closing parentheses; one in a value is written \\28 or \\29"
	Filter string `json:"filter,omitempty"`

	// nameAttribute has the name of a person, which accounts declare as externalName. By default it is uid; of Active Directory sAMAccountName, or
	// userPrincipalName for a name with an @.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9-]*$')",message="nameAttribute must be the name of an attribute, such as uid"
	NameAttribute string `json:"nameAttribute,omitempty"`

	// idAttribute has the ID of a person, which is never given to anybody else. By default it is entryUUID (RFC 4530), and objectGUID of Active
	// Directory. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9-]*$')",message="idAttribute must be the name of an attribute, such as entryUUID"
	// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['uid', 'userid', 'cn', 'commonname', 'sn', 'surname', 'givenname', 'name', 'displayname', 'initials', 'mail', 'rfc822mailbox', 'mailnickname', 'proxyaddresses', 'telephonenumber', 'mobile', 'samaccountname', 'userprincipalname', 'distinguishedname', 'entrydn'])",message="idAttribute must not be a name or an address: these can be changed, and given to another person"
	IDAttribute string `json:"idAttribute,omitempty"`
}

// LDAPGroups say which entries of a directory are groups.
type LDAPGroups struct {
	// baseDN is the entry below which groups are. An LDAP provider has to have it; that of Active Directory is the domain's.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[^=,\\p{Cc}\\p{Zl}\\p{Zp}]+=[^\\p{Cc}\\p{Zl}\\p{Zp}]+$')",message="baseDN must be a distinguished name, such as ou=groups,dc=example,dc=org"
	BaseDN string `json:"baseDN,omitempty"`

	// filter narrows groups down (RFC 4515). By default it is (objectClass=group) of Active Directory, and (objectClass=groupOfNames) otherwise.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[(][^\\p{Cc}\\p{Zl}\\p{Zp}]+[)]$')",message="filter must be one in parentheses, such as (objectClass=groupOfNames)"
	// +kubebuilder:validation:XValidation:rule="self.split('(').size() == self.split(')').size()",message="filter must have as many opening as closing parentheses; one in a value is written \\28 or \\29"
	Filter string `json:"filter,omitempty"`

	// nesting is Direct, or InChain (Active Directory only) to count groups of groups as well. InChain is slow in large domains.
	// +optional
	// +default="Direct"
	Nesting LDAPGroupNesting `json:"nesting,omitempty"`
}

// LDAPGroupNesting says whether groups of groups count.
// +kubebuilder:validation:Enum=Direct;InChain
type LDAPGroupNesting string

// The values of LDAPGroupNesting.
const (
	// LDAPGroupsDirect counts the groups that list the person.
	LDAPGroupsDirect LDAPGroupNesting = "Direct"
	// LDAPGroupsInChain counts the groups of these groups as well, by the rule LDAP_MATCHING_RULE_IN_CHAIN of Active Directory.
	LDAPGroupsInChain LDAPGroupNesting = "InChain"
)

// KerberosSettings let people log in with the ticket that their computer has.
type KerberosSettings struct {
	// keytabSecretRef names the Secret with the keytab of the service principal.
	// +required
	KeytabSecretRef ProviderSecretReference `json:"keytabSecretRef,omitzero"`

	// realm of the people, in upper case.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z0-9]([A-Z0-9.-]*[A-Z0-9])?$')",message="realm must be in upper case, such as CORP.EXAMPLE.ORG"
	Realm string `json:"realm,omitempty"`

	// servicePrincipal is what tickets must be for, such as HTTP/login.example.org: the name of the host that people use.
	// +required
	// +kubebuilder:validation:MinLength=6
	// +kubebuilder:validation:MaxLength=260
	// +kubebuilder:validation:XValidation:rule="self.matches('^HTTP/[a-z0-9]([a-z0-9_.-]*[a-z0-9])?$')",message="servicePrincipal must be HTTP/HOST, such as HTTP/login.example.org: the host in lower case, as browsers ask for it, and without the realm"
	ServicePrincipal string `json:"servicePrincipal,omitempty"`

	// offer is Link, a link on the login page, or Automatic: the login page tries it once by itself, in each browser.
	// +optional
	// +default="Link"
	Offer KerberosOffer `json:"offer,omitempty"`
}

// KerberosOffer says how the login page offers Windows sign-in.
// +kubebuilder:validation:Enum=Link;Automatic
type KerberosOffer string

// The values of KerberosOffer.
const (
	// KerberosLink shows a link.
	KerberosLink KerberosOffer = "Link"
	// KerberosAutomatic tries it once in each browser, and never after a logout, and shows a link besides.
	KerberosAutomatic KerberosOffer = "Automatic"
)

// ProviderRevalidation says how often it is looked up whether people may still use their sessions.
type ProviderRevalidation struct {
	// intervalMinutes is how often. By default it is 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1440
	IntervalMinutes *int32 `json:"intervalMinutes,omitempty"`
}

// ProviderLockout limits wrong passwords, so that guesses here do not lock people out of the directory. The stricter of this and of the policy's
// lockout counts, for all names of the namespaces that the provider allows.
type ProviderLockout struct {
	// maxFailures is how many wrong passwords lock an account. It has to be below the limit of the directory itself. By default it is 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxFailures *int32 `json:"maxFailures,omitempty"`

	// windowMinutes is how long after the last wrong password they are forgotten, and how long the account is locked at least. It has to be as
	// long as that of the directory. By default it is 30.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1440
	WindowMinutes *int32 `json:"windowMinutes,omitempty"`
}
