package v1alpha1

// Condition types. All but Stalled and RequestPending are good when True.
const (
	// ConditionReady (every kind): everything that is declared has been applied. A person who is locked out, or who
	// must change the password, does not make it False: it is about the declaration.
	ConditionReady = "Ready"
	// ConditionPasswordApplied: the password that is declared is stored. Only there where a Secret is declared.
	ConditionPasswordApplied = "PasswordApplied"
	// ConditionPolicyResolved: the policy that is declared applies.
	ConditionPolicyResolved = "PolicyResolved"
	// ConditionUsernameAccepted: the username is this account's.
	ConditionUsernameAccepted = "UsernameAccepted"
	// ConditionCredentialFound: the credential of the account is there and can be read.
	ConditionCredentialFound = "CredentialFound"
	// ConditionProviderResolved: the IdentityProvider that is declared verifies the account. Only there where one is declared.
	ConditionProviderResolved = "ProviderResolved"
	// ConditionSubjectBound: the subject at the provider is this account's. Only there where a provider is declared.
	ConditionSubjectBound = "SubjectBound"
	// ConditionCredentialsFound (IdentityProvider): the Secret and the certificates that the provider names are there, and may be used
	// for its address.
	ConditionCredentialsFound = "CredentialsFound"
	// ConditionConnected (IdentityProvider): the last test of the connection succeeded.
	ConditionConnected = "Connected"
	// ConditionKeytabUsable (IdentityProvider): the keytab for Windows sign-in has the keys that are needed. Only there where one is declared.
	ConditionKeytabUsable = "KeytabUsable"
	// ConditionLockoutMargin (IdentityProvider): guesses here cannot lock people out of the directory itself. Only there of a directory; it has no part
	// in Ready.
	ConditionLockoutMargin = "LockoutMargin"
	// ConditionSweepCurrent (IdentityProvider): it is known which people of the directory have left. Only there of a directory; it has no part in Ready.
	ConditionSweepCurrent = "SweepCurrent"
	// ConditionSpecReadable, only there when False: a field of the spec was stored in a form that cannot be read.
	ConditionSpecReadable = "SpecReadable"
	// ConditionStalled, only there when True: somebody has to act before Ready can become True. Tools that follow
	// kstatus (Flux, Argo CD) then stop waiting.
	ConditionStalled = "Stalled"
	// ConditionRequestPending, only there when True: a request lies in the future, as one does that was written by a clock that
	// is ahead. It has no part in Ready, since such a request may be meant.
	ConditionRequestPending = "RequestPending"
)

// Reasons of conditions; events bear the same words.
const (
	// ConditionReasonSucceeded (Ready): everything has been applied.
	ConditionReasonSucceeded = "Succeeded"
	// ConditionReasonApplied (PasswordApplied): the Secret's password is, or was, the account's. It stays so when the Secret
	// is deleted afterwards.
	ConditionReasonApplied = "Applied"
	// ConditionReasonSecretNotFound (PasswordApplied): there is no such Secret, and none was applied. Waits for it.
	ConditionReasonSecretNotFound = "SecretNotFound"
	// ConditionReasonSecretNotUsable (PasswordApplied): the Secret is not of type accounts.keyturn.dev/password.
	ConditionReasonSecretNotUsable = "SecretNotUsable"
	// ConditionReasonKeyNotFound (PasswordApplied): the Secret has no such key.
	ConditionReasonKeyNotFound = "KeyNotFound"
	// ConditionReasonValueInvalid (PasswordApplied): the value is empty, over 1 KiB, not UTF-8, or has characters that
	// no password may have.
	ConditionReasonValueInvalid = "ValueInvalid"
	// ConditionReasonPolicyViolation (PasswordApplied): the value does not meet the policy.
	ConditionReasonPolicyViolation = "PolicyViolation"
	// ConditionReasonDenyListNotFound (PasswordApplied, PasswordPolicy Ready): a ConfigMap of refused passwords is missing.
	ConditionReasonDenyListNotFound = "DenyListNotFound"
	// ConditionReasonPending (PasswordApplied, CredentialFound; CredentialsFound and Connected, which are Unknown then): waits for what another condition tells.
	ConditionReasonPending = "Pending"

	// ConditionReasonResolved (PolicyResolved): the policy applies.
	ConditionReasonResolved = "Resolved"
	// ConditionReasonPolicyNotFound (PolicyResolved): there is no such policy; the next in line applies.
	ConditionReasonPolicyNotFound = "PolicyNotFound"
	// ConditionReasonPolicyNotAllowed (PolicyResolved): the policy does not allow this namespace; the namespace's applies.
	ConditionReasonPolicyNotAllowed = "PolicyNotAllowed"
	// ConditionReasonExpiryExemptionRefused (PolicyResolved): the policy refuses expiry: Never.
	ConditionReasonExpiryExemptionRefused = "ExpiryExemptionRefused"

	// ConditionReasonAccepted (UsernameAccepted): the username is this account's.
	ConditionReasonAccepted = "Accepted"
	// ConditionReasonUsernameConflict (UsernameAccepted): another account had the username first.
	ConditionReasonUsernameConflict = "UsernameConflict"
	// ConditionReasonUsernameInvalid (UsernameAccepted): metadata.name is longer than a username may be.
	ConditionReasonUsernameInvalid = "UsernameInvalid"

	// ConditionReasonFound (CredentialFound): the credential is there. (CredentialsFound): so is what the provider names.
	ConditionReasonFound = "Found"
	// ConditionReasonCredentialNotFound (CredentialFound): the account was restored and its credential is not there yet.
	ConditionReasonCredentialNotFound = "CredentialNotFound"
	// ConditionReasonCredentialInvalid (CredentialFound, PasswordApplied): the credential, or a hash in it, cannot be read.
	ConditionReasonCredentialInvalid = "CredentialInvalid"

	// ConditionReasonSpecUnreadable (SpecReadable, PasswordPolicy Ready): a field of the spec, which the message names, was stored in a
	// form that cannot be read. It counts as not given.
	ConditionReasonSpecUnreadable = "SpecUnreadable"
	// ConditionReasonInFuture (RequestPending): the request takes effect when its time has come.
	ConditionReasonInFuture = "InFuture"

	// ConditionReasonProviderNotFound (ProviderResolved): there is no such IdentityProvider, or it is being deleted.
	ConditionReasonProviderNotFound = string(ReasonProviderNotFound)
	// ConditionReasonProviderNotAllowed (ProviderResolved): the IdentityProvider does not allow this namespace.
	ConditionReasonProviderNotAllowed = string(ReasonProviderNotAllowed)
	// ConditionReasonProviderDisabled (ProviderResolved, which stays True): the IdentityProvider is turned off.
	ConditionReasonProviderDisabled = string(ReasonProviderDisabled)
	// ConditionReasonBound (SubjectBound): the subject is this account's.
	ConditionReasonBound = "Bound"
	// ConditionReasonSubjectNotDeclared (SubjectBound): the provider needs spec.authentication.subject.
	ConditionReasonSubjectNotDeclared = string(ReasonSubjectNotDeclared)
	// ConditionReasonSubjectInvalid (SubjectBound): the directory gives no such subject to anybody.
	ConditionReasonSubjectInvalid = string(ReasonSubjectInvalid)
	// ConditionReasonSubjectNotBound (SubjectBound, Unknown): nobody has given the right password, or a ticket, yet, so that the account is not bound to
	// an entry of the directory.
	ConditionReasonSubjectNotBound = "SubjectNotBound"
	// ConditionReasonSubjectMismatch (SubjectBound): the name belongs to another entry of the directory than the one that the account is bound to.
	ConditionReasonSubjectMismatch = string(ReasonSubjectMismatch)
	// ConditionReasonSubjectConflict (SubjectBound): another account had the subject, or the name in the directory, first.
	ConditionReasonSubjectConflict = string(ReasonSubjectConflict)

	// ConditionReasonServerNotAllowed (CredentialsFound, Connected): the Secret does not name a host, with its port, that it would be sent
	// to, or names something that is neither HOST nor HOST:PORT.
	ConditionReasonServerNotAllowed = "ServerNotAllowed"
	// ConditionReasonCANotFound (CredentialsFound): the ConfigMap of certificates, its key, or a certificate in it is missing.
	ConditionReasonCANotFound = "CANotFound"
	// ConditionReasonConnected (Connected): the provider answers as declared.
	ConditionReasonConnected = "Connected"
	// ConditionReasonDialFailed (Connected): the provider cannot be reached, or does not answer in time.
	ConditionReasonDialFailed = "DialFailed"
	// ConditionReasonCertificateNotTrusted (Connected): the provider's certificate is not signed by the ones that count, is of another
	// name, or has expired.
	ConditionReasonCertificateNotTrusted = "CertificateNotTrusted"
	// ConditionReasonIssuerMismatch (Connected): the discovery document is of another issuer.
	ConditionReasonIssuerMismatch = "IssuerMismatch"
	// ConditionReasonDiscoveryFailed (Connected): the discovery document or the keys cannot be used.
	ConditionReasonDiscoveryFailed = "DiscoveryFailed"
	// ConditionReasonClientRefused (Connected): the provider refuses the client's ID or secret.
	ConditionReasonClientRefused = "ClientRefused"
	// ConditionReasonBindRefused (Connected): the directory refuses the name or the password of the account that searches it.
	ConditionReasonBindRefused = "BindRefused"
	// ConditionReasonBaseNotFound (Connected): an entry below which people or groups should be does not exist, or may not be read.
	ConditionReasonBaseNotFound = "BaseNotFound"
	// ConditionReasonSearchFailed (Connected): the directory refuses to search, for example since a filter is wrong.
	ConditionReasonSearchFailed = "SearchFailed"
	// ConditionReasonKeytabUsable (KeytabUsable): the keytab has a key of the service principal.
	ConditionReasonKeytabUsable = "KeytabUsable"
	// ConditionReasonKeytabNotUsable (KeytabUsable): the keytab cannot be read, or has no key of the service principal that may be used.
	ConditionReasonKeytabNotUsable = "KeytabNotUsable"
	// ConditionReasonSufficient (LockoutMargin): guesses here do not lock people out of the directory.
	ConditionReasonSufficient = "Sufficient"
	// ConditionReasonTooSmall (LockoutMargin): guesses here can lock people out of the directory.
	ConditionReasonTooSmall = "TooSmall"
	// ConditionReasonThresholdUnknown (LockoutMargin, Unknown): the directory does not tell its own limit.
	ConditionReasonThresholdUnknown = "ThresholdUnknown"
	// ConditionReasonCurrent (SweepCurrent): all accounts were looked up within two intervals.
	ConditionReasonCurrent = "Current"
	// ConditionReasonOverdue (SweepCurrent): the accounts could not be looked up, or credentials not be written, so that sessions of people who left go on.
	ConditionReasonOverdue = "Overdue"
	// ConditionReasonIncomplete (SweepCurrent): for two intervals, what the directory says of some people, or of groups, could not be read, or not be recorded, so that
	// their sessions, or everybody's groups, stay as they are.
	ConditionReasonIncomplete = "Incomplete"
	// ConditionReasonMassDisappearance (SweepCurrent): the directory no longer has more than half of the people, all at once. That is taken for a
	// mistake, such as a base DN that was moved, and nobody counts as gone.
	ConditionReasonMassDisappearance = "MassDisappearance"
	// ConditionReasonTooManyProviders (IdentityProvider Ready): there are 32 older ones.
	ConditionReasonTooManyProviders = "TooManyProviders"

	// ConditionReasonSeveralDefaults (PasswordPolicy Ready, False only on those that lose): more than one policy is
	// annotated as the default.
	ConditionReasonSeveralDefaults = "SeveralDefaultPolicies"
)

// Reasons of events that no condition bears.
const (
	// EventPasswordReset: the Secret's password was applied, or an administrator reset the password by hand.
	EventPasswordReset = "PasswordReset"
	// EventNewlineTrimmed: a newline at the end of the Secret's value was left out.
	EventNewlineTrimmed = "NewlineTrimmed"
	// EventPasswordChanged: the person changed the password.
	EventPasswordChanged = "PasswordChanged"
	// EventLocked: failed logins locked the account.
	EventLocked = "Locked"
	// EventUnlocked: a lock ended.
	EventUnlocked = "Unlocked"
	// EventAdopted: a restored account found its credential.
	EventAdopted = "CredentialAdopted"
	// EventReplaced: the credential of a former account of the same name was replaced.
	EventReplaced = "CredentialReplaced"
)
