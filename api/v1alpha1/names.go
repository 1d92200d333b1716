package v1alpha1

import corev1 "k8s.io/api/core/v1"

const (
	// AnnotationInitialized marks an account whose credential has been created. Its value is that account's NAMESPACE/NAME, so
	// that a copy under another name is a new person; earlier versions wrote "true", which holds for every account that
	// bears it. It has no authority of its own: it only tells an account that was restored from a backup from one that was
	// deleted and created again.
	AnnotationInitialized = GroupName + "/initialized"

	// AnnotationResetHandledTime bears the last resetTime of an account that took effect. It keeps a reset of long ago
	// from starting an account anew whose credential is missing for a moment, and has no other authority.
	AnnotationResetHandledTime = GroupName + "/reset-handled-time"

	// AnnotationDefaultPolicy, "true" on a PasswordPolicy, makes it the policy of every namespace that names none.
	AnnotationDefaultPolicy = GroupName + "/is-default-policy"

	// LabelPasswordPolicy on a Namespace names the PasswordPolicy of its accounts.
	LabelPasswordPolicy = GroupName + "/password-policy"

	// AnnotationDeletion, "Allowed" on a PasswordPolicy that applies to accounts, on an IdentityProvider that accounts name, on a
	// CustomResourceDefinition of Keyturn or on one of its namespaces, lets it be deleted. The admission policies of config refuse that without it.
	AnnotationDeletion = GroupName + "/deletion"
	// DeletionAllowed is the value of AnnotationDeletion.
	DeletionAllowed = "Allowed"

	// FinalizerInUse was set on PasswordPolicies by former versions. The operator takes it off; nothing sets it.
	FinalizerInUse = GroupName + "/in-use"

	// SecretTypePassword is the type of a Secret that hands out a password. A Secret of any other type is never
	// evaluated, so that no account can be pointed at a foreign Secret to guess at its content.
	SecretTypePassword corev1.SecretType = GroupName + "/password"

	// SecretTypeOIDCClient is the type of a Secret in the providers' namespace that holds the secret of an OIDC client.
	SecretTypeOIDCClient corev1.SecretType = GroupName + "/oidc-client"

	// ClientSecretKey is the key of the client's secret in such a Secret.
	ClientSecretKey = "clientSecret"

	// SecretTypeLDAPBind is the type of a Secret in the providers' namespace that holds the name and the password of the account that searches a
	// directory.
	SecretTypeLDAPBind corev1.SecretType = GroupName + "/ldap-bind"

	// BindNameKey is the key of the account's name in such a Secret: a distinguished name or, of Active Directory, a userPrincipalName.
	BindNameKey = "username"

	// BindPasswordKey is the key of the account's password in such a Secret.
	BindPasswordKey = "password"

	// SecretTypeKeytab is the type of a Secret in the providers' namespace that holds a keytab.
	SecretTypeKeytab corev1.SecretType = GroupName + "/keytab"

	// KeytabKey is the key of the keytab in such a Secret.
	KeytabKey = "keytab"

	// ServersKey is the key, in every Secret of a provider but a keytab, of the servers that its content may be sent to, separated by spaces, commas or
	// line breaks. Each is HOST, of which port 443 is meant and 636 of a directory, or HOST:PORT; an IPv6 address with a port is in brackets. Who
	// edits a provider's address cannot have the Secret sent elsewhere.
	ServersKey = "servers"

	// DefaultPasswordKey is the key of the password in such a Secret unless the account names another.
	DefaultPasswordKey = "password"
)
