package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UserAccountSpec declares an account. The times in it that ask for something (resetTime, changeRequiredTime,
// unlockTime, signOutTime) are one-shot requests: one that is later than the last that was handled and not in the
// future takes effect once and for good, whatever becomes of the field afterwards.
//
// +kubebuilder:validation:XValidation:rule="!has(self.password) || self.authentication.type == 'Local'",message="password may only be set with authentication.type Local: the passwords of other accounts are kept elsewhere",fieldPath=".password"
// +kubebuilder:validation:XValidation:rule="!has(self.startTime) || !has(self.endTime) || !(self.startTime.matches('^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !self.startTime.matches('^(0000-|0001-01-01T(00:00:00([.][0-9]+)?Z|.*[+])|9999-12-31T.*-)')) || !(self.endTime.matches('^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !self.endTime.matches('^(0000-|0001-01-01T(00:00:00([.][0-9]+)?Z|.*[+])|9999-12-31T.*-)')) || timestamp(self.startTime) < timestamp(self.endTime)",message="endTime must be later than startTime",fieldPath=".endTime"
type UserAccountSpec struct {
	// username is the login name, by default metadata.name. It is unique in its namespace without regard to case, and
	// cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._@+-]+$')",message="username may only have ASCII letters, digits and the characters . _ @ + -"
	Username string `json:"username,omitempty"`

	// displayName is the name that people read.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\p{Cc}\\p{Zl}\\p{Zp}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]')",message="displayName must not have control characters, line breaks or characters that turn the direction of writing"
	DisplayName string `json:"displayName,omitempty"`

	// email is the e-mail address. Keyturn sends nothing to it; it is told to the applications that people log in to.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[^@\\p{Z}\\p{C}]+@[^@\\p{Z}\\p{C}]+$')",message="email must be an address such as ada@example.org"
	Email string `json:"email,omitempty"`

	// groups are the groups of the account in its organisation.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:XValidation:rule="!self.matches(r'[,:\\p{Cc}\\p{Zl}\\p{Zp}]')",message="a group must not have commas, colons or control characters"
	Groups []string `json:"groups,omitempty"`

	// authentication says where the password is verified.
	// +optional
	// +default={}
	Authentication Authentication `json:"authentication,omitzero"`

	// access turns the account on or off. Disabling it ends its sessions for good.
	// +optional
	// +default="Enabled"
	Access Access `json:"access,omitempty"`

	// startTime is when the account becomes valid.
	// +optional
	StartTime *Instant `json:"startTime,omitempty"`

	// endTime is when the account ceases to be valid. Its sessions end for good.
	// +optional
	EndTime *Instant `json:"endTime,omitempty"`

	// policyRef chooses a PasswordPolicy that allows this namespace. Without it, the namespace's policy applies.
	// +optional
	PolicyRef *PolicyReference `json:"policyRef,omitempty"`

	// password says where the password comes from and what may become of it.
	// +optional
	Password *PasswordSpec `json:"password,omitempty"`

	// unlockTime is a request: forget failed logins and end a lockout.
	// +optional
	UnlockTime *Instant `json:"unlockTime,omitempty"`

	// signOutTime is a request: end all sessions.
	// +optional
	SignOutTime *Instant `json:"signOutTime,omitempty"`

	// Unreadable names the fields that are stored in a form that cannot be read, such as spec.groups, instants aside.
	Unreadable []string `json:"-"`
}

// Authentication says where the password of an account is verified.
//
// +kubebuilder:validation:XValidation:rule="!has(self.providerRef) || self.type == 'External'",message="providerRef may only be set with type External: Keyturn itself keeps the passwords of Local accounts",fieldPath=".providerRef"
// +kubebuilder:validation:XValidation:rule="!has(self.externalName) || has(self.providerRef)",message="externalName needs providerRef: it is the name of the person in the directory",fieldPath=".externalName"
// +kubebuilder:validation:XValidation:rule="!has(self.subject) || has(self.providerRef)",message="subject needs providerRef: it is the provider that names the person so",fieldPath=".subject"
type Authentication struct {
	// type is Local (by Keyturn) or External (by the provider that providerRef names). An External account without providerRef
	// cannot log in. An account that becomes External loses its password, and needs a reset when it becomes Local again; either
	// change ends its sessions.
	// +optional
	// +default="Local"
	Type AuthenticationType `json:"type,omitempty"`

	// providerRef names the IdentityProvider that verifies who the person is.
	// +optional
	ProviderRef *IdentityProviderReference `json:"providerRef,omitempty"`

	// externalName is the name of the person in a directory (LDAP, Active Directory), such as ada or ada@corp.example.org. By default it is the username.
	// No two accounts may have the same one in a directory.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\p{Cc}\\p{Zl}\\p{Zp}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]')",message="externalName must not have control characters, line breaks or characters that turn the direction of writing"
	// +kubebuilder:validation:XValidation:rule="self.matches(r'^[^\\s\\p{Z}](.*[^\\s\\p{Z}])?$')",message="externalName must not have spaces around it"
	ExternalName string `json:"externalName,omitempty"`

	// subject is how the provider names the person: the value of its subject claim, such as the object ID of Entra ID, or the ID of the entry in a
	// directory, such as its objectGUID, in lower case. It is never given to another person, unlike a username or an e-mail address. Of a directory it
	// may be left out: the first right password or ticket binds the account to the entry that has the name then.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]([ -~]*[!-~])?$')",message="subject may only have printable ASCII characters, and no spaces around it"
	Subject string `json:"subject,omitempty"`
}

// IdentityProviderReference names an IdentityProvider.
type IdentityProviderReference struct {
	// name of the IdentityProvider.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name must be that of an IdentityProvider: lowercase letters, digits and -"
	Name string `json:"name,omitempty"`
}

// PolicyReference names a PasswordPolicy.
type PolicyReference struct {
	// name of the PasswordPolicy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be that of a PasswordPolicy: lowercase letters, digits, - and ."
	Name string `json:"name,omitempty"`
}

// PasswordSpec says where the password of an account comes from and what may become of it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.resetTime) || has(self.secretRef)",message="resetTime needs secretRef: it applies the Secret's password again",fieldPath=".resetTime"
type PasswordSpec struct {
	// secretRef names the Secret that hands out the password: the first one and, when its value changes, the next one.
	// Without it the account keeps the password it has.
	// +optional
	SecretRef *PasswordSecretReference `json:"secretRef,omitempty"`

	// resetTime is a request: apply the Secret's password again, though its value is the same.
	// +optional
	ResetTime *Instant `json:"resetTime,omitempty"`

	// change says whether the person may change the password. Where it is Forbidden, everything that would require a
	// change makes the account unavailable until an administrator resets the password.
	// +optional
	// +default="Allowed"
	Change PasswordChange `json:"change,omitempty"`

	// changeRequiredTime is a request: the password must be changed at the next login.
	// +optional
	ChangeRequiredTime *Instant `json:"changeRequiredTime,omitempty"`

	// expiry is Policy (the password expires as the policy says) or Never, where the policy's expiryExemption allows it.
	// +optional
	// +default="Policy"
	Expiry PasswordExpiry `json:"expiry,omitempty"`
}

// PasswordSecretReference names the key of a Secret of type accounts.keyturn.dev/password in the account's namespace.
type PasswordSecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be that of a Secret: lowercase letters, digits, - and ."
	Name string `json:"name,omitempty"`

	// key of the password in the Secret's data.
	// +optional
	// +default="password"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key may only have letters, digits and the characters - _ ."
	Key string `json:"key,omitempty"`
}

// AuthenticationType says where a password is verified.
// +kubebuilder:validation:Enum=Local;External
type AuthenticationType string

// The values of AuthenticationType.
const (
	AuthenticationLocal    AuthenticationType = "Local"
	AuthenticationExternal AuthenticationType = "External"
)

// Access turns an account on or off.
// +kubebuilder:validation:Enum=Enabled;Disabled
type Access string

// The values of Access.
const (
	AccessEnabled  Access = "Enabled"
	AccessDisabled Access = "Disabled"
)

// PasswordChange says whether the person may change the password.
// +kubebuilder:validation:Enum=Allowed;Forbidden
type PasswordChange string

// The values of PasswordChange.
const (
	PasswordChangeAllowed   PasswordChange = "Allowed"
	PasswordChangeForbidden PasswordChange = "Forbidden"
)

// PasswordExpiry says whether a password expires.
// +kubebuilder:validation:Enum=Policy;Never
type PasswordExpiry string

// The values of PasswordExpiry.
const (
	PasswordExpiryPolicy PasswordExpiry = "Policy"
	PasswordExpiryNever  PasswordExpiry = "Never"
)

// UserAccount is an account of one person or machine. Its namespace is its organisation: who may edit UserAccounts, or
// write password Secrets, in a namespace administers the accounts of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=ua,categories=keyturn
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Standing",type=string,JSONPath=`.status.standing`
// +kubebuilder:printcolumn:name="Password-Expires",type=string,JSONPath=`.status.password.expirationTime`
// +kubebuilder:printcolumn:name="Last-Login",type=date,JSONPath=`.status.login.lastSuccessTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Username",type=string,priority=1,JSONPath=`.status.username`
// +kubebuilder:printcolumn:name="Policy",type=string,priority=1,JSONPath=`.status.policyName`
// +kubebuilder:printcolumn:name="Locked-Until",type=string,priority=1,JSONPath=`.status.login.lockedUntilTime`
// +kubebuilder:printcolumn:name="Must-Change-Reason",type=string,priority=1,JSONPath=`.status.password.mustChangeReason`
// +kubebuilder:validation:XValidation:rule="(has(self.spec.username) ? self.spec.username : self.metadata.name) == (has(oldSelf.spec.username) ? oldSelf.spec.username : oldSelf.metadata.name)",message="username is immutable: create another account instead",fieldPath=".spec.username"
type UserAccount struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec declares the account.
	// +optional
	// +default={}
	Spec UserAccountSpec `json:"spec,omitzero"`

	// status is a projection of the spec, the policy, the credential and the time.
	// +optional
	Status UserAccountStatus `json:"status,omitzero"`
}

// Username is the login name as it was declared: spec.username or, without it, metadata.name.
func (a *UserAccount) Username() string {
	if a.Spec.Username != "" {
		return a.Spec.Username
	}
	return a.Name
}

// UserAccountList is a list of UserAccounts.
//
// +kubebuilder:object:root=true
type UserAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	// Items of the list.
	Items []UserAccount `json:"items"`
}
