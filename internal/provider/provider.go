package provider

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// MaxProviders is how many IdentityProviders count: the oldest ones. Each has connections and a place on login pages.
const MaxProviders = 32

const (
	// defaultRevalidationInterval is how often people are looked up where revalidation.intervalMinutes does not say.
	defaultRevalidationInterval = 5 * time.Minute
	// defaultMaxFailures and defaultFailureWindow are the limit of a directory where lockout does not say.
	defaultMaxFailures, defaultFailureWindow = 5, 30 * time.Minute
)

// defaultMaxSession is how long a login through an OIDC provider lasts where session.maxMinutes does not say.
const defaultMaxSession = 480 * time.Minute

// Resolution is the provider that verifies an account, or why there is none.
type Resolution struct {
	// Provider that was named; nil where there is no such one.
	Provider *v1alpha1.IdentityProvider
	// Problem is why nobody can log in through it; empty where people can.
	Problem v1alpha1.StandingReason
	// Message tells people about Problem and what to do; empty without one.
	Message string
	// Binding says whose the declared subject is. Only catalog.Provider looks, and has its problem in Problem unless the provider itself
	// has one.
	Binding Binding
}

// Resolve returns the provider of a name for accounts in a namespace with these labels, out of all. One that is being deleted does not
// exist, nor does one whose declaration cannot be read, or that is younger than MaxProviders others. The arguments are not changed.
func Resolve(name string, namespaceLabels map[string]string, all []*v1alpha1.IdentityProvider) Resolution {
	i := slices.IndexFunc(all, func(p *v1alpha1.IdentityProvider) bool { return p.Name == name && p.DeletionTimestamp == nil })
	notFound := func(format string, args ...any) Resolution {
		return Resolution{Problem: v1alpha1.ReasonProviderNotFound, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case i < 0:
		return notFound("IdentityProvider %q does not exist, or is being deleted: choose another providerRef, or have it created", name)
	case len(all[i].Spec.Unreadable) > 0:
		return notFound("IdentityProvider %q was stored in a form that cannot be read: have it applied anew", name)
	case IsSurplus(all[i], all):
		return notFound("IdentityProvider %q does not count, since there are %d older ones: have one of them deleted", name, MaxProviders)
	case policy.TooManyLabels(all[i].Spec.AllowedNamespaces, namespaceLabels):
		return Resolution{Provider: all[i], Problem: v1alpha1.ReasonProviderNotAllowed, Message: fmt.Sprintf(
			"IdentityProvider %q allows namespaces by their labels, and this one has too many to be compared: take labels off the namespace", name)}
	case !Allows(all[i], namespaceLabels):
		return Resolution{Provider: all[i], Problem: v1alpha1.ReasonProviderNotAllowed, Message: fmt.Sprintf(
			"IdentityProvider %q does not allow this namespace: choose another providerRef, or have it allowed in the provider's allowedNamespaces", name)}
	case all[i].Spec.Access == v1alpha1.AccessDisabled:
		return Resolution{Provider: all[i], Problem: v1alpha1.ReasonProviderDisabled, Message: fmt.Sprintf(
			"IdentityProvider %q is turned off: nobody logs in through it until its access is Enabled", name)}
	}
	return Resolution{Provider: all[i]}
}

// Allows tells whether a namespace with these labels may use a provider.
func Allows(p *v1alpha1.IdentityProvider, namespaceLabels map[string]string) bool {
	return policy.AllowsNamespace(p.Spec.AllowedNamespaces, namespaceLabels)
}

// Offered returns the providers that the login page of a namespace with these labels offers, by their display names.
func Offered(namespaceLabels map[string]string, all []*v1alpha1.IdentityProvider) []*v1alpha1.IdentityProvider {
	var offered []*v1alpha1.IdentityProvider
	for _, p := range all {
		if Resolve(p.Name, namespaceLabels, all).Problem == "" {
			offered = append(offered, p)
		}
	}
	slices.SortFunc(offered, func(a, b *v1alpha1.IdentityProvider) int {
		return cmp.Or(cmp.Compare(a.Spec.DisplayName, b.Spec.DisplayName), cmp.Compare(a.Name, b.Name))
	})
	return offered
}

// IsSurplus tells whether a provider does not count because there are MaxProviders older ones.
func IsSurplus(p *v1alpha1.IdentityProvider, all []*v1alpha1.IdentityProvider) bool {
	if len(all) <= MaxProviders {
		return false
	}
	older := 0
	for _, other := range all {
		if other.DeletionTimestamp == nil && cmp.Or(other.CreationTimestamp.Compare(p.CreationTimestamp.Time), cmp.Compare(other.Name, p.Name)) < 0 {
			older++
		}
	}
	return older >= MaxProviders
}

// IsDirectory tells whether a provider is a directory, which is asked by LDAP.
func IsDirectory(p *v1alpha1.IdentityProvider) bool {
	return p.Spec.Type == v1alpha1.IdentityProviderLDAP || p.Spec.Type == v1alpha1.IdentityProviderActiveDirectory
}

// ExternalName returns the name by which a directory knows the person of an account.
func ExternalName(a *v1alpha1.UserAccount) string {
	return cmp.Or(a.Spec.Authentication.ExternalName, a.Username())
}

// RevalidationInterval returns how often the people of a directory are looked up.
func RevalidationInterval(p *v1alpha1.IdentityProvider) time.Duration {
	if v := p.Spec.Revalidation; v != nil && v.IntervalMinutes != nil {
		return time.Duration(*v.IntervalMinutes) * time.Minute
	}
	return defaultRevalidationInterval
}

// Lockout limits wrong passwords of people in a directory.
type Lockout struct {
	// MaxFailures lock an account.
	MaxFailures int
	// Window is how long after the last failure they are forgotten, and how long the account is locked at least.
	Window time.Duration
}

// LockoutOf returns the limit of a directory.
func LockoutOf(p *v1alpha1.IdentityProvider) Lockout {
	l := Lockout{MaxFailures: defaultMaxFailures, Window: defaultFailureWindow}
	if v := p.Spec.Lockout; v != nil && v.MaxFailures != nil {
		l.MaxFailures = int(*v.MaxFailures)
	}
	if v := p.Spec.Lockout; v != nil && v.WindowMinutes != nil {
		l.Window = time.Duration(*v.WindowMinutes) * time.Minute
	}
	return l
}

// WithLockouts returns a policy with the strictest of its own lockout and those of the directories that a namespace with these labels may use. It binds
// every name of the namespace: otherwise the limit would tell whose password is kept where.
func WithLockouts(p policy.Policy, namespaceLabels map[string]string, all []*v1alpha1.IdentityProvider) policy.Policy {
	for _, directory := range all {
		if IsDirectory(directory) && Resolve(directory.Name, namespaceLabels, all).Problem == "" {
			limit := LockoutOf(directory)
			p = p.WithLockout(limit.MaxFailures, limit.Window)
		}
	}
	return p
}

// SubjectClaim returns the claim of the ID token that names the person.
func SubjectClaim(p *v1alpha1.IdentityProvider) string {
	if p.Spec.Type == v1alpha1.IdentityProviderEntraID {
		return "oid"
	}
	return cmp.Or(p.Spec.OIDC.SubjectClaim, "sub")
}

// GroupsClaim returns the claim of the ID token that lists the person's groups; empty where none is asked for.
func GroupsClaim(p *v1alpha1.IdentityProvider) string {
	if p.Spec.Type == v1alpha1.IdentityProviderEntraID {
		return cmp.Or(p.Spec.OIDC.GroupsClaim, "groups")
	}
	return p.Spec.OIDC.GroupsClaim
}

// Tenant returns the ID of the tenant that a provider of Entra ID stands for; empty for any other provider.
func Tenant(p *v1alpha1.IdentityProvider) string {
	if p.Spec.Type != v1alpha1.IdentityProviderEntraID {
		return ""
	}
	parts := strings.Split(strings.TrimSuffix(p.Spec.OIDC.Issuer, "/v2.0"), "/")
	return parts[len(parts)-1]
}

// MaxSession returns how long a session that began at a provider lasts at most; false where only the policy says that. A directory is asked
// about people between logins, so that their sessions need no limit of its own.
func MaxSession(p *v1alpha1.IdentityProvider) (time.Duration, bool) {
	switch s := p.Spec.Session; {
	case s != nil && s.MaxMinutes != nil:
		return time.Duration(*s.MaxMinutes) * time.Minute, true
	case IsDirectory(p):
		return 0, false
	default:
		return defaultMaxSession, true
	}
}

// Mapped returns those groups of a person at a provider that are mapped, sorted, each once.
func Mapped(p *v1alpha1.IdentityProvider, groups []string) []string {
	var mapped []string
	for _, m := range p.Spec.GroupMappings {
		if slices.Contains(groups, m.From) {
			mapped = append(mapped, m.From)
		}
	}
	slices.Sort(mapped)
	return slices.Compact(mapped)
}

// MapGroups returns the groups of an account with those that the person has at the provider, by their names here. groups are as Mapped
// returned them at the last login: a mapping that was taken away since counts no more. The result must not be changed.
func MapGroups(p *v1alpha1.IdentityProvider, declared, groups []string) []string {
	all := declared
	for _, m := range p.Spec.GroupMappings {
		if slices.Contains(groups, m.From) && !slices.Contains(all, m.To) {
			all = append(slices.Clip(all), m.To)
		}
	}
	return all
}

// Identity is a digest of who somebody is at a provider. Sessions have it: they end when the account is declared to be another person's,
// or verified by another provider. It does not tell the subject.
func Identity(providerUID, subject string) string {
	sum := sha256.Sum256([]byte(providerUID + "\x00" + subject))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// OwnerFunc returns the UID of the credential that is bound to an identity, if there is one. A nil one knows of none.
type OwnerFunc func(identity string) (credentialUID string, found bool)

// IsOwnedElsewhere tells whether somebody at a provider belongs to another account than that of a credential.
func (f OwnerFunc) IsOwnedElsewhere(providerUID, subject, credentialUID string) bool {
	if f == nil {
		return false
	}
	owner, found := f(Identity(providerUID, subject))
	return found && owner != credentialUID
}
