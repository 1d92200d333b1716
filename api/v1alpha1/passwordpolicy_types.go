package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PasswordPolicySpec says what passwords must be like, how they age, when accounts are locked and how long sessions
// live. An empty spec is Keyturn's built-in default.
//
// +kubebuilder:validation:XValidation:rule="!has(self.characters) || !has(self.length) || self.characters.uppercase + self.characters.lowercase + self.characters.digits + self.characters.symbols <= self.length.max",message="the minimum counts of characters add up to more than length.max",fieldPath=".characters"
// +kubebuilder:validation:XValidation:rule="!has(self.hashing) || self.hashing.algorithm != 'Bcrypt' || !has(self.length) || self.length.max <= 72",message="length.max must be at most 72 with hashing.algorithm Bcrypt, which cannot hash more than 72 bytes",fieldPath=".length.max"
// +kubebuilder:validation:XValidation:rule="!has(self.minAgeHours) || !has(self.maxAgeDays) || self.maxAgeDays <= 0 || self.minAgeHours < self.maxAgeDays * 24",message="minAgeHours must be shorter than maxAgeDays, or passwords expire before their owners may change them",fieldPath=".minAgeHours"
// +kubebuilder:validation:XValidation:rule="!has(self.graceLogins) || self.graceLogins == 0 || (has(self.maxAgeDays) && self.maxAgeDays > 0)",message="graceLogins needs maxAgeDays: without it no password expires",fieldPath=".graceLogins"
type PasswordPolicySpec struct {
	// length bounds the length of a password in Unicode code points, after normalisation.
	// +optional
	// +default={}
	Length LengthRule `json:"length,omitzero"`

	// characters are the least numbers of characters of each class, and how often a character may be repeated.
	// +optional
	// +default={}
	Characters CharacterRule `json:"characters,omitzero"`

	// minCharacterClasses is how many of the four classes (uppercase, lowercase, digits, symbols) must appear. 0 means
	// none must.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4
	MinCharacterClasses *int32 `json:"minCharacterClasses,omitempty"`

	// strength asks for an estimated resistance against guessing.
	// +optional
	// +default={}
	Strength StrengthRule `json:"strength,omitzero"`

	// denyList names the passwords that are refused whatever they are made of: as they are, repeated, or with a few digits
	// and symbols around them or in place of letters.
	// +optional
	// +default={}
	DenyList DenyListRule `json:"denyList,omitzero"`

	// history keeps previous passwords from coming back.
	// +optional
	// +default={}
	History HistoryRule `json:"history,omitzero"`

	// minAgeHours is how long a password must have been in use before its owner may change it again. It does not
	// apply when a change is required. 0 turns it off.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8760
	MinAgeHours *int32 `json:"minAgeHours,omitempty"`

	// maxAgeDays is how long a password lasts before it must be changed. 0 turns expiry off, as NIST SP 800-63B-4 asks.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3650
	MaxAgeDays *int32 `json:"maxAgeDays,omitempty"`

	// expiryWarningDays is how long before its password expires a person is warned at login. 0 turns warnings off.
	// +optional
	// +default=14
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=365
	ExpiryWarningDays *int32 `json:"expiryWarningDays,omitempty"`

	// graceLogins is how many logins succeed after the password has expired. Needs maxAgeDays.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	GraceLogins *int32 `json:"graceLogins,omitempty"`

	// expiryExemption says whether an account may ask for a password that never expires (spec.password.expiry: Never).
	// +optional
	// +default="Refused"
	ExpiryExemption ExpiryExemption `json:"expiryExemption,omitempty"`

	// mustChange says when a handed-out password must be changed by its owner.
	// +optional
	// +default={}
	MustChange MustChangeRule `json:"mustChange,omitzero"`

	// changeRequiredTime makes every password under this policy that was set at or before it be changed at the next
	// login, as after a breach.
	// +optional
	ChangeRequiredTime *Instant `json:"changeRequiredTime,omitempty"`

	// existingPasswords says what becomes of passwords that were set before this policy applied. Keep: the policy binds
	// at the next change. Enforce: a password that is found not to meet it at login must be changed.
	// +optional
	// +default="Keep"
	ExistingPasswords ExistingPasswords `json:"existingPasswords,omitempty"`

	// lockout says when failed logins lock an account.
	// +optional
	// +default={}
	Lockout LockoutRule `json:"lockout,omitzero"`

	// idleLockDays locks accounts that were not logged in to for so long; of one that was never used, since its creation.
	// 0 turns it off.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3650
	IdleLockDays *int32 `json:"idleLockDays,omitempty"`

	// hashing says how passwords are stored. A password is hashed anew at the next login when this changes.
	// +optional
	// +default={}
	Hashing HashingRule `json:"hashing,omitzero"`

	// session bounds how long a login lasts.
	// +optional
	// +default={}
	Session SessionRule `json:"session,omitzero"`

	// allowedNamespaces says from where accounts may choose this policy by policyRef. It does not bind a namespace's
	// label, nor the default policy: who may label namespaces chooses policies.
	// +optional
	// +default={}
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitzero"`

	// Unreadable names the fields that are stored in a form that cannot be read, such as spec.lockout, instants aside.
	Unreadable []string `json:"-"`
}

// PasswordPolicyStatus is what is observed of a policy.
type PasswordPolicyStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// accounts is the number of accounts that this policy applies to.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Accounts *int32 `json:"accounts,omitempty"`

	// requirements are the rules for a password as people read them when they choose one.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Requirements []string `json:"requirements,omitempty"`

	// advice says where the policy departs from NIST SP 800-63B-4, and why that matters.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Advice []string `json:"advice,omitempty"`

	// conditions hold Ready: it is True when the policy can be applied as it is declared.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Unreadable names the fields that are stored in a form that cannot be read, such as status.conditions. A write of the status has to
	// replace them.
	Unreadable []string `json:"-"`
}

// PasswordPolicy says what passwords must be like, how they age, when accounts are locked and how long sessions live.
// Platform teams write policies, as they write StorageClasses; a namespace takes one by its label
// accounts.keyturn.dev/password-policy, and the one annotated accounts.keyturn.dev/is-default-policy: "true" applies where
// there is no label.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=pwp,categories=keyturn
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.metadata.annotations.accounts\.keyturn\.dev/is-default-policy`
// +kubebuilder:printcolumn:name="Min-Length",type=integer,JSONPath=`.spec.length.min`
// +kubebuilder:printcolumn:name="Max-Age-Days",type=integer,JSONPath=`.spec.maxAgeDays`
// +kubebuilder:printcolumn:name="Accounts",type=integer,JSONPath=`.status.accounts`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PasswordPolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the policy.
	// +optional
	// +default={}
	Spec PasswordPolicySpec `json:"spec,omitzero"`

	// status is what is observed.
	// +optional
	Status PasswordPolicyStatus `json:"status,omitzero"`
}

// PasswordPolicyList is a list of PasswordPolicies.
//
// +kubebuilder:object:root=true
type PasswordPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	// Items of the list.
	Items []PasswordPolicy `json:"items"`
}
