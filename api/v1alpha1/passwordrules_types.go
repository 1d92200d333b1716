package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LengthRule bounds the length of a password.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min <= self.max",message="length.min must not be greater than length.max, which is 64 unless it is set",fieldPath=".min"
type LengthRule struct {
	// min is the least number of Unicode code points. NIST SP 800-63B-4 asks for 15 where the password is the only factor.
	// +optional
	// +default=8
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	Min *int32 `json:"min,omitempty"`

	// max is the greatest number of Unicode code points. NIST SP 800-63B-4 asks for at least 64.
	// +optional
	// +default=64
	// +kubebuilder:validation:Minimum=8
	// +kubebuilder:validation:Maximum=256
	Max *int32 `json:"max,omitempty"`
}

// CharacterRule holds the least numbers of characters of each class, and how often a character may be repeated. Unicode categories
// decide the class.
type CharacterRule struct {
	// uppercase is the least number of uppercase letters.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32
	Uppercase *int32 `json:"uppercase,omitempty"`

	// lowercase is the least number of lowercase letters.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32
	Lowercase *int32 `json:"lowercase,omitempty"`

	// digits is the least number of digits.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32
	Digits *int32 `json:"digits,omitempty"`

	// symbols is the least number of symbols: characters that are neither letters nor digits, such as ! # or a space.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32
	Symbols *int32 `json:"symbols,omitempty"`

	// maxRepeated is how many times the same character may stand in a row; case makes a difference. 0 turns the rule off.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32
	MaxRepeated *int32 `json:"maxRepeated,omitempty"`
}

// StrengthRule asks for an estimated resistance against guessing.
type StrengthRule struct {
	// minScore is the least zxcvbn score, from 0 (no demand) to 4 (more than 10^10 guesses).
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4
	MinScore *int32 `json:"minScore,omitempty"`
}

// DenyListRule names the passwords that are refused whatever they are made of. The whole password is compared,
// without regard to case: as it is, repeated, or with a few digits and symbols around it or in place of letters
// ("P@ssw0rd1!" is "password").
type DenyListRule struct {
	// common refuses the most common passwords, of a list that is part of Keyturn, and sequences, repetitions and dates.
	// +optional
	// +default="Enabled"
	Common Toggle `json:"common,omitempty"`

	// accountWords refuses the account's own words: its username, display name, e-mail address and organisation.
	// +optional
	// +default="Enabled"
	AccountWords Toggle `json:"accountWords,omitempty"`

	// configMapRefs name ConfigMaps in Keyturn's own namespace whose values hold more refused passwords, one a line.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	ConfigMapRefs []ConfigMapReference `json:"configMapRefs,omitempty"`
}

// ConfigMapReference names a ConfigMap in Keyturn's own namespace.
type ConfigMapReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="name must be that of a ConfigMap: lowercase letters, digits, - and ."
	Name string `json:"name,omitempty"`
}

// HistoryRule keeps previous passwords from coming back.
type HistoryRule struct {
	// count is how many previous passwords are refused besides the current one. 0 refuses the current one only.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=24
	Count *int32 `json:"count,omitempty"`
}

// MustChangeRule says when a handed-out password must be changed by its owner.
//
// +kubebuilder:validation:XValidation:rule="!has(self.withinHours) || self.withinHours == 0 || self.onInitialLogin == 'Required' || self.onReset == 'Required'",message="withinHours needs onInitialLogin or onReset to be Required",fieldPath=".withinHours"
type MustChangeRule struct {
	// onInitialLogin is about the first password of an account.
	// +optional
	// +default="Required"
	OnInitialLogin ChangeRequirement `json:"onInitialLogin,omitempty"`

	// onReset is about every later password that an administrator or a pipeline hands out.
	// +optional
	// +default="Required"
	OnReset ChangeRequirement `json:"onReset,omitempty"`

	// withinHours is how long a handed-out password that must be changed can be used for that. Then it stops working,
	// and another reset is needed. 0 turns it off.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8760
	WithinHours *int32 `json:"withinHours,omitempty"`
}

// LockoutRule says when failed logins lock an account.
type LockoutRule struct {
	// maxFailures within windowMinutes lock the account for durationMinutes. 0 turns this lock off.
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxFailures *int32 `json:"maxFailures,omitempty"`

	// windowMinutes is how long a failure counts. 0 means until a login succeeds.
	// +optional
	// +default=15
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=43200
	WindowMinutes *int32 `json:"windowMinutes,omitempty"`

	// durationMinutes is how long the lock lasts. 0 means until an administrator acts: unlockTime or a reset.
	// +optional
	// +default=15
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=43200
	DurationMinutes *int32 `json:"durationMinutes,omitempty"`

	// maxConsecutiveFailures is how many failures in a row, over all windows, lock the account until an administrator
	// acts. NIST SP 800-63B-4 (3.2.2) asks for at most 100. 0 turns this lock off.
	// +optional
	// +default=100
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxConsecutiveFailures *int32 `json:"maxConsecutiveFailures,omitempty"`
}

// HashingRule says how passwords are stored. Parameters may be given for the chosen algorithm only. The bounds keep
// one hash above the minimum of the OWASP Password Storage sheet, and below what would let a few logins stall a server.
//
// +kubebuilder:validation:XValidation:rule="!has(self.argon2id) || self.algorithm == 'Argon2id'",message="argon2id may only be set with algorithm Argon2id",fieldPath=".argon2id"
// +kubebuilder:validation:XValidation:rule="!has(self.bcrypt) || self.algorithm == 'Bcrypt'",message="bcrypt may only be set with algorithm Bcrypt",fieldPath=".bcrypt"
// +kubebuilder:validation:XValidation:rule="!has(self.pbkdf2sha512) || self.algorithm == 'PBKDF2SHA512'",message="pbkdf2sha512 may only be set with algorithm PBKDF2SHA512",fieldPath=".pbkdf2sha512"
type HashingRule struct {
	// algorithm is the password hashing scheme.
	// +optional
	// +default="Argon2id"
	Algorithm HashAlgorithm `json:"algorithm,omitempty"`

	// argon2id holds the parameters of Argon2id (RFC 9106). Default: 19456 KiB, 2 iterations, parallelism 1.
	// +optional
	Argon2id *Argon2idParameters `json:"argon2id,omitempty"`

	// bcrypt holds the parameters of bcrypt. Default: cost 12.
	// +optional
	Bcrypt *BcryptParameters `json:"bcrypt,omitempty"`

	// pbkdf2sha512 holds the parameters of PBKDF2-HMAC-SHA512 (RFC 8018). Default: 220000 iterations.
	// +optional
	PBKDF2SHA512 *PBKDF2Parameters `json:"pbkdf2sha512,omitempty"`
}

// Argon2idParameters are the cost of Argon2id.
//
// +kubebuilder:validation:XValidation:rule="self.memoryKiB * self.iterations >= 35840",message="memoryKiB times iterations must be at least 35840 (OWASP: 7 MiB with 5 iterations)",fieldPath=".memoryKiB"
// +kubebuilder:validation:XValidation:rule="self.memoryKiB * self.iterations <= 1048576",message="memoryKiB times iterations must be at most 1048576, or logins would take too long",fieldPath=".memoryKiB"
type Argon2idParameters struct {
	// memoryKiB is the memory of one hash, in KiB.
	// +optional
	// +default=19456
	// +kubebuilder:validation:Minimum=7168
	// +kubebuilder:validation:Maximum=262144
	MemoryKiB *int32 `json:"memoryKiB,omitempty"`

	// iterations is the number of passes over the memory.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Iterations *int32 `json:"iterations,omitempty"`

	// parallelism is the number of lanes.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Parallelism *int32 `json:"parallelism,omitempty"`
}

// BcryptParameters are the cost of bcrypt.
type BcryptParameters struct {
	// cost is the logarithm to base 2 of the number of rounds.
	// +optional
	// +default=12
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=15
	Cost *int32 `json:"cost,omitempty"`
}

// PBKDF2Parameters are the cost of PBKDF2.
type PBKDF2Parameters struct {
	// iterations is the number of iterations.
	// +optional
	// +default=220000
	// +kubebuilder:validation:Minimum=220000
	// +kubebuilder:validation:Maximum=5000000
	Iterations *int32 `json:"iterations,omitempty"`
}

// SessionRule bounds how long a login lasts.
//
// +kubebuilder:validation:XValidation:rule="!has(self.idleMinutes) || !has(self.maxMinutes) || self.idleMinutes <= self.maxMinutes",message="idleMinutes must not be greater than maxMinutes, which is 720 unless it is set",fieldPath=".idleMinutes"
type SessionRule struct {
	// idleMinutes is how long a session lasts without being used.
	// +optional
	// +default=60
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=43200
	IdleMinutes *int32 `json:"idleMinutes,omitempty"`

	// maxMinutes is how long a session lasts at most, whatever its use.
	// +optional
	// +default=720
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=43200
	MaxMinutes *int32 `json:"maxMinutes,omitempty"`

	// rememberMeDays is how long a session lasts for which the person chose to be remembered. 0 turns that off.
	// +optional
	// +default=30
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=365
	RememberMeDays *int32 `json:"rememberMeDays,omitempty"`
}

// AllowedNamespaces says from where a policy may be chosen by policyRef.
//
// +kubebuilder:validation:XValidation:rule="has(self.from) && self.from == 'Selector' ? has(self.selector) : !has(self.selector)",message="selector must be set where from is Selector, and only there",fieldPath=".selector"
type AllowedNamespaces struct {
	// from is None (nowhere), All (every namespace) or Selector (the namespaces that selector matches).
	// +optional
	// +default="None"
	From NamespacesFrom `json:"from,omitempty"`

	// selector chooses namespaces by their labels.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['Exists', 'DoesNotExist'] ? !has(e.values) || size(e.values) == 0 : e.operator in ['In', 'NotIn'] && has(e.values) && size(e.values) > 0)",message="an operator must be In or NotIn, with values, or Exists or DoesNotExist, without",fieldPath=".matchExpressions"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// Toggle turns a rule on or off.
// +kubebuilder:validation:Enum=Enabled;Disabled
type Toggle string

// The values of Toggle.
const (
	ToggleEnabled  Toggle = "Enabled"
	ToggleDisabled Toggle = "Disabled"
)

// ExpiryExemption says whether an account may be exempt from expiry.
// +kubebuilder:validation:Enum=Refused;Allowed
type ExpiryExemption string

// The values of ExpiryExemption.
const (
	ExpiryExemptionRefused ExpiryExemption = "Refused"
	ExpiryExemptionAllowed ExpiryExemption = "Allowed"
)

// ExistingPasswords says what becomes of passwords that were set before a policy applied.
// +kubebuilder:validation:Enum=Keep;Enforce
type ExistingPasswords string

// The values of ExistingPasswords.
const (
	ExistingPasswordsKeep    ExistingPasswords = "Keep"
	ExistingPasswordsEnforce ExistingPasswords = "Enforce"
)

// ChangeRequirement says whether a password must be changed.
// +kubebuilder:validation:Enum=Required;NotRequired
type ChangeRequirement string

// The values of ChangeRequirement.
const (
	ChangeRequired    ChangeRequirement = "Required"
	ChangeNotRequired ChangeRequirement = "NotRequired"
)

// HashAlgorithm names a password hashing scheme.
// +kubebuilder:validation:Enum=Argon2id;Bcrypt;PBKDF2SHA512
type HashAlgorithm string

// The values of HashAlgorithm.
const (
	HashArgon2id     HashAlgorithm = "Argon2id"
	HashBcrypt       HashAlgorithm = "Bcrypt"
	HashPBKDF2SHA512 HashAlgorithm = "PBKDF2SHA512"
)

// NamespacesFrom says which namespaces are meant.
// +kubebuilder:validation:Enum=None;All;Selector
type NamespacesFrom string

// The values of NamespacesFrom.
const (
	NamespacesFromNone     NamespacesFrom = "None"
	NamespacesFromAll      NamespacesFrom = "All"
	NamespacesFromSelector NamespacesFrom = "Selector"
)
