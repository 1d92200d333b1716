package oidc

import (
	"crypto/subtle"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

const (
	// maxGroups of a person are read.
	maxGroups = 1000
	// maxSeconds is the last second of the year 9999.
	maxSeconds = 253_402_300_799
	// maxSubject is how long a subject may be (OpenID Connect Core 1.0, section 2).
	maxSubject = 255
)

// declarable are the subjects that an account can declare.
var declarable = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)

// claims of an ID token. Names are compared exactly, and each is there once.
type claims map[string]json.RawMessage

// read reads a claim: nil where it is missing or null, and false where it is something else.
func read[T any](c claims, name string) (*T, bool) {
	text, found := c[name]
	if !found {
		return nil, true
	}
	var value *T
	if json.Unmarshal(text, &value) != nil {
		return nil, false
	}
	return value, true
}

// text reads a claim that has to be a text; empty where it is none.
func (c claims) text(name string) string {
	if value, ok := read[string](c, name); ok && value != nil {
		return *value
	}
	return ""
}

// texts reads a claim that is a text or a list of texts, and false where it is something else.
func (c claims) texts(name string) ([]string, bool) {
	if value, ok := read[string](c, name); ok {
		if value == nil {
			return nil, true
		}
		return []string{*value}, true
	}
	// A null among texts would be read as an empty one.
	values, ok := read[[]*string](c, name)
	if !ok || slices.Contains(*values, nil) {
		return nil, false
	}
	var texts []string
	for _, value := range *values {
		texts = append(texts, *value)
	}
	return texts, true
}

// instant reads a claim that is a number of seconds since 1970: zero where it is missing, and false where it is something else.
func (c claims) instant(name string) (time.Time, bool) {
	seconds, ok := read[float64](c, name)
	if !ok || seconds != nil && (*seconds < 1 || *seconds > maxSeconds) {
		return time.Time{}, false
	}
	if seconds == nil {
		return time.Time{}, true
	}
	return time.Unix(int64(*seconds), 0), true
}

// personOf reads the claims of an ID token whose signature was verified (OpenID Connect Core 1.0, section 3.1.3.7), or says why they are
// refused.
func personOf(payload []byte, p *v1alpha1.IdentityProvider, f Flow, now time.Time) (Person, Reason) {
	c, err := parseObject(payload)
	if err != nil {
		return Person{}, ReasonTokenMalformed
	}
	for _, check := range []func() Reason{
		func() Reason { return checkParties(c, p, f) },
		func() Reason { return checkTimes(c, now) },
	} {
		if reason := check(); reason != "" {
			return Person{}, reason
		}
	}
	var person Person
	var reason Reason
	if person.Subject, reason = subjectOf(c, p); reason != "" {
		return Person{}, reason
	}
	if person.Groups, reason = groupsOf(c, p); reason != "" {
		return Person{}, reason
	}
	if person.ProvenTime, reason = provenTime(c, f, now); reason != "" {
		return Person{}, reason
	}
	return person, ""
}

// checkParties looks at who issued the token, for whom and for which login.
func checkParties(c claims, p *v1alpha1.IdentityProvider, f Flow) Reason {
	if c.text("iss") != p.Spec.OIDC.Issuer {
		return ReasonIssuerMismatch
	}
	audience, ok := c.texts("aud")
	if !ok || !slices.Contains(audience, p.Spec.OIDC.ClientID) {
		return ReasonAudienceMismatch
	}
	if party, ok := read[string](c, "azp"); !ok || party != nil && *party != p.Spec.OIDC.ClientID || party == nil && len(audience) > 1 {
		return ReasonAudienceMismatch
	}
	if subtle.ConstantTimeCompare([]byte(c.text("nonce")), []byte(f.Nonce)) != 1 {
		return ReasonNonceMismatch
	}
	return ""
}

// checkTimes looks at when the token is valid.
func checkTimes(c claims, now time.Time) Reason {
	expires, hasExpiry := c.instant("exp")
	issued, hasIssued := c.instant("iat")
	notBefore, ok := c.instant("nbf")
	switch {
	case !hasExpiry, !hasIssued, !ok, expires.IsZero(), issued.IsZero():
		return ReasonTokenMalformed
	case !now.Before(expires.Add(leeway)):
		return ReasonTokenExpired
	case issued.After(now.Add(leeway)), notBefore.After(now.Add(leeway)):
		return ReasonTokenFromFuture
	default:
		return ""
	}
}

func subjectOf(c claims, p *v1alpha1.IdentityProvider) (string, Reason) {
	if tenant := provider.Tenant(p); tenant != "" && c.text("tid") != tenant {
		return "", ReasonTenantMismatch
	}
	subject := c.text(provider.SubjectClaim(p))
	if len(subject) > maxSubject || !declarable.MatchString(subject) {
		return "", ReasonSubjectUnusable
	}
	return subject, ""
}

// groupsOf returns the mapped groups of a person. Where no groups are mapped, or no claim lists them, it looks at nothing: nobody has any
// then. A token without the claim is that of a person without groups, as Entra ID writes it.
func groupsOf(c claims, p *v1alpha1.IdentityProvider) ([]string, Reason) {
	claim := provider.GroupsClaim(p)
	if claim == "" || len(p.Spec.GroupMappings) == 0 {
		return nil, ""
	}
	elsewhere, ok := read[map[string]json.RawMessage](c, "_claim_names")
	if !ok {
		return nil, ReasonGroupsUnreadable
	}
	if elsewhere != nil && (*elsewhere)[claim] != nil {
		return nil, ReasonGroupsOverage
	}
	// Entra ID writes hasgroups: true where there is no room for _claim_names.
	switch value := string(c["hasgroups"]); value {
	case "", "null", "false", `"false"`:
	default:
		return nil, ReasonGroupsOverage
	}
	groups, ok := c.texts(claim)
	switch {
	case !ok:
		return nil, ReasonGroupsUnreadable
	case len(groups) > maxGroups:
		return nil, ReasonGroupsOverage
	default:
		return provider.Mapped(p, groups), ""
	}
}

// provenTime returns when the person logged in at the provider; zero where that is not known and not asked for.
func provenTime(c claims, f Flow, now time.Time) (time.Time, Reason) {
	proven, ok := c.instant("auth_time")
	switch {
	case !ok:
		return time.Time{}, ReasonTokenMalformed
	case proven.IsZero() && f.Recent:
		return time.Time{}, ReasonProofTimeMissing
	case proven.IsZero():
		return time.Time{}, ""
	case proven.After(now.Add(leeway)):
		return time.Time{}, ReasonTokenFromFuture
	case f.Recent && proven.Before(f.Began.Add(-leeway)):
		return time.Time{}, ReasonProofNotRecent
	case proven.After(now):
		return now, ""
	default:
		return proven, ""
	}
}
