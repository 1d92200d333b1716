package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UserAccountStatus is a projection of the spec, the policy, the credential and the time. Nothing reads it back:
// losing it loses nothing.
type UserAccountStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// policyName is the PasswordPolicy that applies; empty where it is Keyturn's built-in default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// username is the login name in force.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Username string `json:"username,omitempty"`

	// standing is how the account stands, in one word.
	// +optional
	Standing Standing `json:"standing,omitempty"`

	// standingReason says why the standing is not Active.
	// +optional
	StandingReason StandingReason `json:"standingReason,omitempty"`

	// password is what is known of the password in force.
	// +optional
	Password *PasswordStatus `json:"password,omitempty"`

	// login is what is known of logins.
	// +optional
	Login *LoginStatus `json:"login,omitempty"`

	// conditions are Ready, PasswordApplied, PolicyResolved, UsernameAccepted, CredentialFound, ProviderResolved, SubjectBound,
	// SpecReadable, Stalled and RequestPending.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Unreadable names the fields that are stored in a form that cannot be read, such as status.conditions. A write of the status has to
	// replace them.
	Unreadable []string `json:"-"`
}

// PasswordStatus is what is known of the password in force.
type PasswordStatus struct {
	// setTime is when the password was set.
	// +optional
	SetTime *Instant `json:"setTime,omitempty"`

	// setBy says who set it.
	// +optional
	SetBy PasswordSetter `json:"setBy,omitempty"`

	// mustChange says whether it must be changed at the next login.
	// +optional
	MustChange ChangeRequirement `json:"mustChange,omitempty"`

	// mustChangeReason says why.
	// +optional
	MustChangeReason MustChangeReason `json:"mustChangeReason,omitempty"`

	// expirationTime is when the password ceases to log in as it is.
	// +optional
	ExpirationTime *Instant `json:"expirationTime,omitempty"`
}

// LoginStatus is what is known of logins.
type LoginStatus struct {
	// lastSuccessTime is when the last login succeeded, to within an hour.
	// +optional
	LastSuccessTime *Instant `json:"lastSuccessTime,omitempty"`

	// failures is the number of failed logins since.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failures int32 `json:"failures,omitempty"`

	// lockedUntilTime is when the lock ends by itself; none where an administrator has to end it.
	// +optional
	LockedUntilTime *Instant `json:"lockedUntilTime,omitempty"`
}

// Standing is how an account stands, in one word. It is derived at every look, never read back.
// +kubebuilder:validation:Enum=Active;ChangeRequired;ResetRequired;Expired;Locked;Disabled;NoPassword
type Standing string

// The values of Standing.
const (
	// StandingActive: the right password logs in.
	StandingActive Standing = "Active"
	// StandingChangeRequired: the right password only serves to choose a new one.
	StandingChangeRequired Standing = "ChangeRequired"
	// StandingResetRequired: a change is required and the person may not make it; an administrator has to reset the
	// password.
	StandingResetRequired Standing = "ResetRequired"
	// StandingExpired: the password, or the account, is past its time; the reason tells.
	StandingExpired Standing = "Expired"
	// StandingLocked: too many failures, or too long without a login.
	StandingLocked Standing = "Locked"
	// StandingDisabled: turned off, or not valid yet.
	StandingDisabled Standing = "Disabled"
	// StandingNoPassword: nothing has been set that could log in.
	StandingNoPassword Standing = "NoPassword"
)

// StandingReason says why an account is not Active. The login answers account-unavailable with the same words.
// +kubebuilder:validation:Enum=InitialLogin;Reset;Requested;PolicyChanged;PasswordExpired;GraceLogin;PasswordLapsed;AccountDisabled;SpecUnreadable;AccountNotStarted;AccountEnded;TooManyFailures;TooManyConsecutiveFailures;Idle;NoPassword;External;CredentialNotFound;UsernameNotAccepted;CredentialInvalid;ProviderNotFound;ProviderNotAllowed;ProviderDisabled;SubjectNotDeclared;SubjectInvalid;SubjectConflict;SubjectMismatch;ExternalPasswordExpired;ExternalMustChange;ExternalDisabled;ExternalAccountExpired;ExternalRestricted;ExternalGone
type StandingReason string

// The values of StandingReason.
const (
	// ReasonInitialLogin: the first password must be changed.
	ReasonInitialLogin StandingReason = "InitialLogin"
	// ReasonReset: a password that was handed out later must be changed.
	ReasonReset StandingReason = "Reset"
	// ReasonRequested: an administrator asked for a change.
	ReasonRequested StandingReason = "Requested"
	// ReasonPolicyChanged: the policy asks for a change of passwords that were set before.
	ReasonPolicyChanged StandingReason = "PolicyChanged"
	// ReasonPasswordExpired: the password is older than the policy's maxAgeDays.
	ReasonPasswordExpired StandingReason = "PasswordExpired"
	// ReasonGraceLogin: the password has expired, but a grace login is left.
	ReasonGraceLogin StandingReason = "GraceLogin"
	// ReasonPasswordLapsed: a handed-out password was not changed within the policy's withinHours.
	ReasonPasswordLapsed StandingReason = "PasswordLapsed"
	// ReasonAccountDisabled: spec.access is Disabled.
	ReasonAccountDisabled StandingReason = "AccountDisabled"
	// ReasonSpecUnreadable: what is declared was stored in a form that cannot be read, so it cannot be known that the account is
	// valid.
	ReasonSpecUnreadable StandingReason = "SpecUnreadable"
	// ReasonAccountNotStarted: spec.startTime is in the future.
	ReasonAccountNotStarted StandingReason = "AccountNotStarted"
	// ReasonAccountEnded: spec.endTime is past.
	ReasonAccountEnded StandingReason = "AccountEnded"
	// ReasonTooManyFailures: failed logins locked the account.
	ReasonTooManyFailures StandingReason = "TooManyFailures"
	// ReasonTooManyConsecutiveFailures: failed logins locked the account until an administrator acts.
	ReasonTooManyConsecutiveFailures StandingReason = "TooManyConsecutiveFailures"
	// ReasonIdle: nobody logged in for the policy's idleLockDays.
	ReasonIdle StandingReason = "Idle"
	// ReasonNoPassword: no password has been set.
	ReasonNoPassword StandingReason = "NoPassword"
	// ReasonExternal: the account is verified elsewhere, and names no provider, so that it cannot log in.
	ReasonExternal StandingReason = "External"
	// ReasonCredentialNotFound: the credential of a restored account is missing.
	ReasonCredentialNotFound StandingReason = "CredentialNotFound"
	// ReasonUsernameNotAccepted: another account has the username, or it is not a username.
	ReasonUsernameNotAccepted StandingReason = "UsernameNotAccepted"
	// ReasonCredentialInvalid: the credential cannot be read.
	ReasonCredentialInvalid StandingReason = "CredentialInvalid"
	// ReasonProviderNotFound: there is no IdentityProvider of the name, or it cannot be read, or there are too many.
	ReasonProviderNotFound StandingReason = "ProviderNotFound"
	// ReasonProviderNotAllowed: the IdentityProvider does not allow the account's namespace.
	ReasonProviderNotAllowed StandingReason = "ProviderNotAllowed"
	// ReasonProviderDisabled: spec.access of the IdentityProvider is Disabled.
	ReasonProviderDisabled StandingReason = "ProviderDisabled"
	// ReasonSubjectNotDeclared: the provider needs spec.authentication.subject.
	ReasonSubjectNotDeclared StandingReason = "SubjectNotDeclared"
	// ReasonSubjectInvalid: the directory gives no such subject to anybody.
	ReasonSubjectInvalid StandingReason = "SubjectInvalid"
	// ReasonSubjectConflict: another account declares the same subject, or the same name in a directory, and had it first.
	ReasonSubjectConflict StandingReason = "SubjectConflict"
	// ReasonSubjectMismatch: the name belongs to another entry of the directory than the one that the account is bound to.
	ReasonSubjectMismatch StandingReason = "SubjectMismatch"
	// ReasonExternalPasswordExpired: the password has expired in the directory that keeps it.
	ReasonExternalPasswordExpired StandingReason = "ExternalPasswordExpired"
	// ReasonExternalMustChange: the password has to be changed in the directory before it logs in.
	ReasonExternalMustChange StandingReason = "ExternalMustChange"
	// ReasonExternalDisabled: the directory has the person disabled.
	ReasonExternalDisabled StandingReason = "ExternalDisabled"
	// ReasonExternalAccountExpired: the account in the directory has expired.
	ReasonExternalAccountExpired StandingReason = "ExternalAccountExpired"
	// ReasonExternalRestricted: the directory does not let the person log in at this time or from this computer.
	ReasonExternalRestricted StandingReason = "ExternalRestricted"
	// ReasonExternalGone: the person is no longer in the directory.
	ReasonExternalGone StandingReason = "ExternalGone"
)

// PasswordSetter says who set a password.
// +kubebuilder:validation:Enum=Reset;User
type PasswordSetter string

// The values of PasswordSetter.
const (
	// SetByReset: handed out by a Secret.
	SetByReset PasswordSetter = "Reset"
	// SetByUser: chosen by the person.
	SetByUser PasswordSetter = "User"
)

// MustChangeReason says why a password must be changed.
// +kubebuilder:validation:Enum=InitialLogin;Reset;Requested;Expired;PolicyChanged
type MustChangeReason string

// The values of MustChangeReason.
const (
	// MustChangeInitialLogin: it is the account's first, and was handed out.
	MustChangeInitialLogin MustChangeReason = "InitialLogin"
	// MustChangeReset: it was handed out.
	MustChangeReset MustChangeReason = "Reset"
	// MustChangeRequested: an administrator asked for it.
	MustChangeRequested MustChangeReason = "Requested"
	// MustChangeExpired: it is older than the policy's maxAgeDays.
	MustChangeExpired MustChangeReason = "Expired"
	// MustChangePolicyChanged: it does not meet the policy, or was set before the policy's changeRequiredTime.
	MustChangePolicyChanged MustChangeReason = "PolicyChanged"
)
