package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IdentityProviderSpec says where the passwords of External accounts are kept, and how Keyturn asks there who somebody is.
//
// +kubebuilder:validation:XValidation:rule="self.type == oldSelf.type",message="type is immutable: create another IdentityProvider instead",fieldPath=".type"
// +kubebuilder:validation:XValidation:rule="(self.type in ['OIDC', 'EntraID']) == has(self.oidc)",message="oidc must be set of the types OIDC and EntraID, and of no other",fieldPath=".oidc"
// +kubebuilder:validation:XValidation:rule="(self.type in ['LDAP', 'ActiveDirectory']) == has(self.ldap)",message="ldap must be set of the types LDAP and ActiveDirectory, and of no other",fieldPath=".ldap"
// +kubebuilder:validation:XValidation:rule="!has(self.revalidation) || self.type in ['LDAP', 'ActiveDirectory']",message="revalidation may only be set of the types LDAP and ActiveDirectory: no other provider can be asked about people",fieldPath=".revalidation"
// +kubebuilder:validation:XValidation:rule="!has(self.lockout) || self.type in ['LDAP', 'ActiveDirectory']",message="lockout may only be set of the types LDAP and ActiveDirectory: people give their password to any other provider itself",fieldPath=".lockout"
// +kubebuilder:validation:XValidation:rule="self.type != 'EntraID' || !has(self.oidc) || self.oidc.issuer.matches('^https://[^/]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/v2[.]0$')",message="oidc.issuer of an EntraID provider must name one tenant by its ID, in lower case, as https://login.microsoftonline.com/TENANT-ID/v2.0 does (common, organizations and consumers stand for many tenants)",fieldPath=".oidc.issuer"
// +kubebuilder:validation:XValidation:rule="self.type != 'EntraID' || !has(self.oidc) || !has(self.oidc.subjectClaim) || self.oidc.subjectClaim == 'oid'",message="oidc.subjectClaim of an EntraID provider must be oid, the object ID, which is its default",fieldPath=".oidc.subjectClaim"
// +kubebuilder:validation:XValidation:rule="!has(self.oidc) || !has(oldSelf.oidc) || (has(self.oidc.subjectClaim) ? self.oidc.subjectClaim : self.type == 'EntraID' ? 'oid' : 'sub') == (has(oldSelf.oidc.subjectClaim) ? oldSelf.oidc.subjectClaim : oldSelf.type == 'EntraID' ? 'oid' : 'sub')",message="oidc.subjectClaim is immutable, since accounts declare its values: create another IdentityProvider instead",fieldPath=".oidc.subjectClaim"
// +kubebuilder:validation:XValidation:rule="self.type != 'EntraID' || !has(self.oidc) || !has(self.oidc.scopes) || 'profile' in self.oidc.scopes",message="oidc.scopes of an EntraID provider must have profile: without it Entra ID leaves out the claim oid, and nobody could log in",fieldPath=".oidc.scopes"
// +kubebuilder:validation:XValidation:rule="self.type != 'LDAP' || !has(self.ldap) || has(self.ldap.users) && has(self.ldap.users.baseDN)",message="ldap.users.baseDN must be set of the type LDAP, such as ou=people,dc=example,dc=org",fieldPath=".ldap.users.baseDN"
// +kubebuilder:validation:XValidation:rule="self.type != 'LDAP' || !has(self.ldap) || !has(self.ldap.groups) || has(self.ldap.groups.baseDN)",message="ldap.groups.baseDN must be set of the type LDAP, such as ou=groups,dc=example,dc=org",fieldPath=".ldap.groups.baseDN"
// +kubebuilder:validation:XValidation:rule="self.type == 'ActiveDirectory' || !has(self.ldap) || !has(self.ldap.groups) || self.ldap.groups.nesting == 'Direct'",message="ldap.groups.nesting may only be InChain of the type ActiveDirectory",fieldPath=".ldap.groups.nesting"
// +kubebuilder:validation:XValidation:rule="!has(self.ldap) || !has(oldSelf.ldap) || (has(self.ldap.users) && has(self.ldap.users.idAttribute) ? self.ldap.users.idAttribute : self.type == 'ActiveDirectory' ? 'objectGUID' : 'entryUUID').lowerAscii() == (has(oldSelf.ldap.users) && has(oldSelf.ldap.users.idAttribute) ? oldSelf.ldap.users.idAttribute : oldSelf.type == 'ActiveDirectory' ? 'objectGUID' : 'entryUUID').lowerAscii()",message="ldap.users.idAttribute is immutable, since accounts are bound to its values: create another IdentityProvider instead",fieldPath=".ldap.users.idAttribute"
// +kubebuilder:validation:XValidation:rule="!has(self.ldap) || !has(self.groupMappings) || has(self.ldap.groups)",message="groupMappings need ldap.groups: without it no groups are read, and nobody would get a mapped one",fieldPath=".groupMappings"
// +kubebuilder:validation:XValidation:rule="!has(self.ldap) || !has(self.groupMappings) || self.groupMappings.all(m, m.from.matches('^[^=,]+=.+$'))",message="groupMappings of a directory must have the distinguished name of the group as from, such as cn=engineers,ou=groups,dc=example,dc=org",fieldPath=".groupMappings"
type IdentityProviderSpec struct {
	// type is LDAP (a directory), ActiveDirectory (one domain), OIDC (any provider of OpenID Connect) or EntraID (one tenant of Microsoft
	// Entra ID). It cannot be changed.
	// +required
	Type IdentityProviderType `json:"type,omitempty"`

	// displayName is the name that people read: "Your password is kept by Contoso."
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\p{Cc}\\p{Zl}\\p{Zp}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]')",message="displayName must not have control characters, line breaks or characters that turn the direction of writing"
	// +kubebuilder:validation:XValidation:rule="self.matches(r'[\\p{L}\\p{N}]')",message="displayName must have a letter or a digit: people read it on a button"
	DisplayName string `json:"displayName,omitempty"`

	// passwordChangeURL is where people change the password, which they cannot do at Keyturn.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[1-9][0-9]{0,4})?([/?#]([A-Za-z0-9._~!$&()*+,;=:@/?#-]|%[0-9A-Fa-f]{2})*)?$')",message="passwordChangeURL must be an address such as https://mysignins.microsoft.com/security-info/password/change: https, in ASCII (other characters as %XX), and without user"
	PasswordChangeURL string `json:"passwordChangeURL,omitempty"`

	// access turns the provider on or off. While it is Disabled nobody logs in through it, and sessions that began there are over.
	// +optional
	// +default="Enabled"
	Access Access `json:"access,omitempty"`

	// allowedNamespaces says whose accounts may be verified here.
	// +optional
	// +default={}
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitzero"`

	// oidc says how to reach a provider of type OIDC or EntraID.
	// +optional
	OIDC OIDCSettings `json:"oidc,omitzero"`

	// ldap says how to reach a directory, of type LDAP or ActiveDirectory.
	// +optional
	LDAP LDAPSettings `json:"ldap,omitzero"`

	// groupMappings give groups of the provider a name here. A group that is not mapped counts for nothing.
	// +optional
	// +listType=map
	// +listMapKey=from
	// +listMapKey=to
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	GroupMappings []GroupMapping `json:"groupMappings,omitempty"`

	// session bounds how long a login through the provider lasts.
	// +optional
	Session *ProviderSession `json:"session,omitempty"`

	// revalidation says how often it is looked up in a directory whether people may still use their sessions.
	// +optional
	Revalidation *ProviderRevalidation `json:"revalidation,omitempty"`

	// lockout limits wrong passwords of people in a directory.
	// +optional
	Lockout *ProviderLockout `json:"lockout,omitempty"`

	// Unreadable names the fields that are stored in a form that cannot be read, such as spec.oidc.
	Unreadable []string `json:"-"`
}

// OIDCSettings say how to reach a provider of OpenID Connect.
//
// +kubebuilder:validation:XValidation:rule="self.issuer == oldSelf.issuer",message="issuer is immutable, since subjects are unique in one issuer only: create another IdentityProvider instead",fieldPath=".issuer"
type OIDCSettings struct {
	// issuer is the address by which the provider names itself, exactly as its discovery document has it. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[1-9][0-9]{0,4})?(/([A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?$')",message="issuer must be an address such as https://id.example.org/realms/staff: https, in ASCII (other characters as %XX), and without user, query, fragment and placeholders"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(?i)^https://([^/]*[.])?(microsoftonline[.](com|us|de|cn)|windows[.]net|chinacloudapi[.]cn)(:[0-9]+)?/(common|organizations|consumers)(/|$)')",message="issuer must name one tenant by its ID, as https://login.microsoftonline.com/TENANT-ID/v2.0 does (common, organizations and consumers stand for many tenants)"
	Issuer string `json:"issuer,omitempty"`

	// clientID is the ID under which Keyturn is registered at the provider.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="clientID may only have printable ASCII characters"
	ClientID string `json:"clientID,omitempty"`

	// clientSecretRef names the Secret with the client's secret.
	// +required
	ClientSecretRef ProviderSecretReference `json:"clientSecretRef,omitzero"`

	// caConfigMapRef names the ConfigMap with the certificates that the provider's must be signed by. Without it the
	// certificates of the system count.
	// +optional
	CAConfigMapRef *CAConfigMapReference `json:"caConfigMapRef,omitempty"`

	// scopes are asked for.
	// +optional
	// +default=["openid","profile"]
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches(r'^[!#-\\[\\]-~]+$')",message="a scope must not have spaces, quotation marks or backslashes"
	// +kubebuilder:validation:XValidation:rule="'openid' in self",message="scopes must have openid"
	Scopes []string `json:"scopes,omitempty"`

	// subjectClaim is the claim of the ID token that accounts declare as their subject. The provider must never give a value of
	// it to another person. By default it is sub, and oid of Entra ID. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.:/-]+$')",message="subjectClaim may only have letters, digits and the characters _ . : / -"
	// +kubebuilder:validation:XValidation:rule="!(self in ['name', 'given_name', 'family_name', 'middle_name', 'nickname', 'preferred_username', 'username', 'upn', 'unique_name', 'login_hint', 'email', 'verified_primary_email', 'verified_secondary_email', 'phone_number'])",message="subjectClaim must not be a name or an address: these can be changed, and given to another person (OpenID Connect Core 1.0, section 5.7)"
	// +kubebuilder:validation:XValidation:rule="!(self in ['iss', 'aud', 'azp', 'tid', 'exp', 'iat', 'nbf', 'nonce', 'acr', 'amr', 'auth_time', 'at_hash', 'c_hash', 'email_verified', 'phone_number_verified', 'locale', 'zoneinfo'])",message="subjectClaim must name the person: this claim is about the token, or the same for many people"
	SubjectClaim string `json:"subjectClaim,omitempty"`

	// groupsClaim is the claim of the ID token that lists the person's groups. By default there is none, and groups of Entra ID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.:/-]+$')",message="groupsClaim may only have letters, digits and the characters _ . : / -"
	GroupsClaim string `json:"groupsClaim,omitempty"`
}

// ProviderSecretReference names a Secret in the namespace keyturn-providers.
type ProviderSecretReference struct {
	// name of the Secret. Its type has to be accounts.keyturn.dev/oidc-client for the secret of a client, accounts.keyturn.dev/ldap-bind for the
	// account that searches a directory, and accounts.keyturn.dev/keytab for a keytab.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be that of a Secret: lowercase letters, digits, - and ."
	Name string `json:"name,omitempty"`
}

// CAConfigMapReference names the key of a ConfigMap in the namespace keyturn-providers.
type CAConfigMapReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be that of a ConfigMap: lowercase letters, digits, - and ."
	Name string `json:"name,omitempty"`

	// key of the certificates (PEM) in the ConfigMap's data.
	// +optional
	// +default="ca.crt"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key may only have letters, digits and the characters - _ ."
	Key string `json:"key,omitempty"`
}

// GroupMapping gives a group of the provider a name here.
type GroupMapping struct {
	// from is the group as the provider names it, such as its object ID, or its distinguished name in a directory.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\p{Cc}\\p{Zl}\\p{Zp}]')",message="from must not have control characters or line breaks"
	From string `json:"from,omitempty"`

	// to is the group of the account.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[,:\\p{Cc}\\p{Zl}\\p{Zp}]')",message="a group must not have commas, colons or control characters"
	To string `json:"to,omitempty"`
}

// ProviderSession bounds how long a login through a provider lasts.
type ProviderSession struct {
	// maxMinutes is how long a session lasts at most, however often it is renewed; shorter than the policy's where that is
	// longer. By default it is 480, since Keyturn does not learn that somebody was disabled at the provider until the next login. Of a directory it
	// is the policy's by default.
	// +optional
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=43200
	MaxMinutes *int32 `json:"maxMinutes,omitempty"`
}

// IdentityProviderType says how a provider is asked.
// +kubebuilder:validation:Enum=LDAP;ActiveDirectory;OIDC;EntraID
type IdentityProviderType string

// The values of IdentityProviderType.
const (
	// IdentityProviderLDAP is a directory that is asked by LDAP.
	IdentityProviderLDAP IdentityProviderType = "LDAP"
	// IdentityProviderActiveDirectory is one domain of Active Directory.
	IdentityProviderActiveDirectory IdentityProviderType = "ActiveDirectory"
	// IdentityProviderOIDC is any provider of OpenID Connect.
	IdentityProviderOIDC IdentityProviderType = "OIDC"
	// IdentityProviderEntraID is one tenant of Microsoft Entra ID.
	IdentityProviderEntraID IdentityProviderType = "EntraID"
)

// IdentityProviderStatus is what is observed of a provider. Nothing reads it back but the admission policy against deleting
// one in use.
type IdentityProviderStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// accounts is the number of accounts that name the provider.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Accounts *int32 `json:"accounts,omitempty"`

	// conditions are Ready, CredentialsFound and Connected, and of a directory KeytabUsable, LockoutMargin and SweepCurrent.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Unreadable names the fields that are stored in a form that cannot be read, such as status.conditions. A write of the status has to
	// replace them.
	Unreadable []string `json:"-"`
}

// IdentityProvider is a system that keeps the passwords of External accounts and tells Keyturn who somebody is. Only platform teams
// write it, since its addresses are those that Keyturn's servers connect to. Its Secrets are in the namespace
// keyturn-providers. At most 32 count.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=idp,categories=keyturn
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Accounts",type=integer,JSONPath=`.status.accounts`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="the name must be at most 63 lowercase letters, digits and -, since it is part of addresses and metrics"
type IdentityProvider struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the provider.
	// +required
	Spec IdentityProviderSpec `json:"spec,omitzero"`

	// status is what is observed.
	// +optional
	Status IdentityProviderStatus `json:"status,omitzero"`
}

// IdentityProviderList is a list of IdentityProviders.
//
// +kubebuilder:object:root=true
type IdentityProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	// Items of the list.
	Items []IdentityProvider `json:"items"`
}
