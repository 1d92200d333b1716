package oidc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

const issuer = "https://id.example.org/realms/staff"

// staff is a provider whose groups are mapped.
func staff() *v1alpha1.IdentityProvider {
	return &v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{
		Type: v1alpha1.IdentityProviderOIDC,
		OIDC: v1alpha1.OIDCSettings{Issuer: issuer, ClientID: clientID, GroupsClaim: "groups"},
		GroupMappings: []v1alpha1.GroupMapping{
			{From: "g-staff", To: "staff"}, {From: "g-admins", To: "admins"}, {From: "g-admins", To: "operators"},
		},
	}}
}

// tenant is a provider of Entra ID.
func tenant() *v1alpha1.IdentityProvider {
	p := staff()
	p.Spec.Type = v1alpha1.IdentityProviderEntraID
	p.Spec.OIDC.Issuer = "https://login.example.org/11111111-2222-3333-4444-555555555555/v2.0"
	p.Spec.OIDC.GroupsClaim = ""
	return p
}

// valid are claims that are accepted at noon.
func valid(p *v1alpha1.IdentityProvider) map[string]any {
	return map[string]any{
		"iss": p.Spec.OIDC.Issuer, "aud": clientID, "sub": "ada", "nonce": "nonce", "exp": noon.Unix() + 300, "iat": noon.Unix(),
		"tid": "11111111-2222-3333-4444-555555555555", "oid": "object-id", "groups": []string{"g-staff", "g-admins", "g-other"},
	}
}

func flowAtNoon(recent bool) Flow {
	return Flow{State: "state", Nonce: "nonce", Verifier: "verifier", Recent: recent, Began: noon}
}

// TestClaims: what of an ID token counts, and with what it is refused.
func TestClaims(t *testing.T) {
	seconds := noon.Unix()
	for name, row := range map[string]struct {
		claims map[string]any
		reason Reason
	}{
		"as they should be": {nil, ""},

		"no issuer":            {map[string]any{"iss": nil}, ReasonIssuerMismatch},
		"issuer with a slash":  {map[string]any{"iss": issuer + "/"}, ReasonIssuerMismatch},
		"issuer in capitals":   {map[string]any{"iss": strings.ToUpper(issuer)}, ReasonIssuerMismatch},
		"issuers":              {map[string]any{"iss": []string{issuer}}, ReasonIssuerMismatch},
		"issuer by other name": {map[string]any{"iss": nil, "ISS": issuer}, ReasonIssuerMismatch},

		"audiences and party":       {map[string]any{"aud": []string{"other", clientID}, "azp": clientID}, ""},
		"audience in a list":        {map[string]any{"aud": []string{clientID}}, ""},
		"party":                     {map[string]any{"azp": clientID}, ""},
		"no audience":               {map[string]any{"aud": nil}, ReasonAudienceMismatch},
		"empty audiences":           {map[string]any{"aud": []string{}}, ReasonAudienceMismatch},
		"other audience":            {map[string]any{"aud": "keyturn2"}, ReasonAudienceMismatch},
		"audience as number":        {map[string]any{"aud": 1}, ReasonAudienceMismatch},
		"audience with null":        {map[string]any{"aud": []any{clientID, nil}, "azp": clientID}, ReasonAudienceMismatch},
		"audiences without party":   {map[string]any{"aud": []string{clientID, "other"}}, ReasonAudienceMismatch},
		"audiences, other party":    {map[string]any{"aud": []string{clientID, "other"}, "azp": "other"}, ReasonAudienceMismatch},
		"other party":               {map[string]any{"azp": "other"}, ReasonAudienceMismatch},
		"empty party":               {map[string]any{"azp": ""}, ReasonAudienceMismatch},
		"party as list":             {map[string]any{"azp": []string{clientID}}, ReasonAudienceMismatch},
		"party but other audience":  {map[string]any{"aud": "other", "azp": clientID}, ReasonAudienceMismatch},
		"no nonce":                  {map[string]any{"nonce": nil}, ReasonNonceMismatch},
		"empty nonce":               {map[string]any{"nonce": ""}, ReasonNonceMismatch},
		"other nonce":               {map[string]any{"nonce": "nonce "}, ReasonNonceMismatch},
		"nonce by another name":     {map[string]any{"nonce": "other", "Nonce": "nonce"}, ReasonNonceMismatch},
		"no expiry":                 {map[string]any{"exp": nil}, ReasonTokenMalformed},
		"expiry as text":            {map[string]any{"exp": fmt.Sprint(seconds + 300)}, ReasonTokenMalformed},
		"expiry in year 10000":      {map[string]any{"exp": 253_402_300_800}, ReasonTokenMalformed},
		"negative expiry":           {map[string]any{"exp": -1}, ReasonTokenMalformed},
		"expired within the leeway": {map[string]any{"exp": seconds - 59}, ""},
		"expired":                   {map[string]any{"exp": seconds - 60}, ReasonTokenExpired},
		"expires with a fraction":   {map[string]any{"exp": float64(seconds) + 0.5}, ""},
		"not issued":                {map[string]any{"iat": nil}, ReasonTokenMalformed},
		"issued within the leeway":  {map[string]any{"iat": seconds + 60}, ""},
		"issued in the future":      {map[string]any{"iat": seconds + 61}, ReasonTokenFromFuture},
		"valid within the leeway":   {map[string]any{"nbf": seconds + 60}, ""},
		"valid in the future":       {map[string]any{"nbf": seconds + 61}, ReasonTokenFromFuture},
		"valid as text":             {map[string]any{"nbf": "planted"}, ReasonTokenMalformed},

		"no subject":               {map[string]any{"sub": nil}, ReasonSubjectUnusable},
		"empty subject":            {map[string]any{"sub": ""}, ReasonSubjectUnusable},
		"subject as number":        {map[string]any{"sub": 1}, ReasonSubjectUnusable},
		"subjects":                 {map[string]any{"sub": []string{"ada"}}, ReasonSubjectUnusable},
		"subject by another name":  {map[string]any{"sub": nil, "SUB": "ada"}, ReasonSubjectUnusable},
		"subject of two words":     {map[string]any{"sub": "ada lovelace"}, ""},
		"space before the subject": {map[string]any{"sub": " ada"}, ReasonSubjectUnusable},
		"space after the subject":  {map[string]any{"sub": "ada "}, ReasonSubjectUnusable},
		"subject with a break":     {map[string]any{"sub": "ada\n"}, ReasonSubjectUnusable},
		"subject not in ASCII":     {map[string]any{"sub": "аda"}, ReasonSubjectUnusable},
		"longest subject":          {map[string]any{"sub": strings.Repeat("a", 255)}, ""},
		"too long a subject":       {map[string]any{"sub": strings.Repeat("a", 256)}, ReasonSubjectUnusable},

		"proven as text":           {map[string]any{"auth_time": "planted"}, ReasonTokenMalformed},
		"proven in the future":     {map[string]any{"auth_time": seconds + 61}, ReasonTokenFromFuture},
		"proven within the leeway": {map[string]any{"auth_time": seconds + 60}, ""},

		"a claim twice": {map[string]any{"raw": `{"sub":"ada","sub":"ada"}`}, ReasonTokenMalformed},
		"no object":     {map[string]any{"raw": `null`}, ReasonTokenMalformed},
		"two objects":   {map[string]any{"raw": `{}{}`}, ReasonTokenMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			claims := valid(staff())
			with(row.claims)(claims)
			person, reason := personOf(payloadOf(claims), staff(), flowAtNoon(false), noon)
			if reason != row.reason || (reason == "") != (person.Subject != "") {
				t.Errorf("%+v, %q, want %q", person, reason, row.reason)
			}
		})
	}
}

// TestGroups: which groups of a person count. What hides them refuses the login, unless none are mapped.
func TestGroups(t *testing.T) {
	long := slices.Repeat([]string{"g-staff"}, 1000)
	for name, row := range map[string]struct {
		claims map[string]any
		groups []string
		reason Reason
	}{
		"two":              {nil, []string{"g-admins", "g-staff"}, ""},
		"one as text":      {map[string]any{"groups": "g-staff"}, []string{"g-staff"}, ""},
		"one twice":        {map[string]any{"groups": []string{"g-staff", "g-staff"}}, []string{"g-staff"}, ""},
		"by the name here": {map[string]any{"groups": []string{"admins"}}, nil, ""},
		"none":             {map[string]any{"groups": nil}, nil, ""},
		"null":             {map[string]any{"groups": json.RawMessage("null")}, nil, ""},
		"an empty list":    {map[string]any{"groups": []string{}}, nil, ""},
		"1,000":            {map[string]any{"groups": long}, []string{"g-staff"}, ""},
		"1,001":            {map[string]any{"groups": append(long, "g-admins")}, nil, ReasonGroupsOverage},
		"a number":         {map[string]any{"groups": 1}, nil, ReasonGroupsUnreadable},
		"an object":        {map[string]any{"groups": map[string]any{"g-staff": true}}, nil, ReasonGroupsUnreadable},
		"a null among":     {map[string]any{"groups": []any{"g-staff", nil}}, nil, ReasonGroupsUnreadable},
		"a number among":   {map[string]any{"groups": []any{"g-staff", 1}}, nil, ReasonGroupsUnreadable},
		"elsewhere":        {map[string]any{"groups": nil, "_claim_names": map[string]any{"groups": "src1"}}, nil, ReasonGroupsOverage},
		"elsewhere too":    {map[string]any{"_claim_names": map[string]any{"groups": "src1"}}, nil, ReasonGroupsOverage},
		"other elsewhere":  {map[string]any{"groups": "g-staff", "_claim_names": map[string]any{"address": "src1"}}, []string{"g-staff"}, ""},
		"elsewhere, text":  {map[string]any{"_claim_names": "planted"}, nil, ReasonGroupsUnreadable},
		"has some":         {map[string]any{"groups": nil, "hasgroups": true}, nil, ReasonGroupsOverage},
		"has some, text":   {map[string]any{"groups": nil, "hasgroups": "true"}, nil, ReasonGroupsOverage},
		"has none":         {map[string]any{"groups": nil, "hasgroups": false}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []*v1alpha1.IdentityProvider{staff(), tenant()} {
				claims := valid(p)
				with(row.claims)(claims)
				person, reason := personOf(payloadOf(claims), p, flowAtNoon(false), noon)
				if reason != row.reason || !slices.Equal(person.Groups, row.groups) {
					t.Errorf("%s: %v, %q, want %v, %q", p.Spec.Type, person.Groups, reason, row.groups, row.reason)
				}
				p.Spec.GroupMappings = nil
				if person, reason = personOf(payloadOf(claims), p, flowAtNoon(false), noon); reason != "" || person.Groups != nil {
					t.Errorf("%s: without mappings: %v, %q, want none", p.Spec.Type, person.Groups, reason)
				}
			}
			// Without a claim of groups nobody has any.
			p := staff()
			p.Spec.OIDC.GroupsClaim = ""
			claims := valid(p)
			with(row.claims)(claims)
			if person, reason := personOf(payloadOf(claims), p, flowAtNoon(false), noon); reason != "" || person.Groups != nil {
				t.Errorf("without a claim: %v, %q, want none", person.Groups, reason)
			}
		})
	}
}

// TestOfTenant: people of Entra ID are known by their object ID, in one tenant.
func TestOfTenant(t *testing.T) {
	for name, row := range map[string]struct {
		claims map[string]any
		reason Reason
	}{
		"one's own":       {nil, ""},
		"another tenant":  {map[string]any{"tid": "99999999-2222-3333-4444-555555555555"}, ReasonTenantMismatch},
		"no tenant":       {map[string]any{"tid": nil}, ReasonTenantMismatch},
		"tenants":         {map[string]any{"tid": []string{"11111111-2222-3333-4444-555555555555"}}, ReasonTenantMismatch},
		"no object ID":    {map[string]any{"oid": nil}, ReasonSubjectUnusable},
		"no other ID":     {map[string]any{"sub": nil}, ""},
		"another issuer":  {map[string]any{"iss": "https://login.example.org/99999999-2222-3333-4444-555555555555/v2.0"}, ReasonIssuerMismatch},
		"an older issuer": {map[string]any{"iss": "https://sts.example.org/11111111-2222-3333-4444-555555555555/"}, ReasonIssuerMismatch},
	} {
		claims := valid(tenant())
		with(row.claims)(claims)
		person, reason := personOf(payloadOf(claims), tenant(), flowAtNoon(false), noon)
		if reason != row.reason || reason == "" && person.Subject != "object-id" {
			t.Errorf("%s: %+v, %q, want %q", name, person, reason, row.reason)
		}
	}
}

// TestProvenTime: when a person logged in there, which must be since the login began here where a recent proof is asked for.
func TestProvenTime(t *testing.T) {
	now := noon.Add(2 * time.Minute)
	for name, row := range map[string]struct {
		// proven is auth_time; zero for none.
		proven time.Time
		recent bool
		want   time.Time
		reason Reason
	}{
		"not said":                 {},
		"not said, recent":         {recent: true, reason: ReasonProofTimeMissing},
		"yesterday":                {proven: noon.Add(-24 * time.Hour), want: noon.Add(-24 * time.Hour)},
		"yesterday, recent":        {proven: noon.Add(-24 * time.Hour), recent: true, reason: ReasonProofNotRecent},
		"before it began":          {proven: noon.Add(-61 * time.Second), recent: true, reason: ReasonProofNotRecent},
		"within the leeway":        {proven: noon.Add(-60 * time.Second), recent: true, want: noon.Add(-60 * time.Second)},
		"meanwhile":                {proven: noon.Add(time.Minute), recent: true, want: noon.Add(time.Minute)},
		"by a clock that is ahead": {proven: now.Add(30 * time.Second), recent: true, want: now},
		"of the future":            {proven: now.Add(61 * time.Second), reason: ReasonTokenFromFuture},
	} {
		claims := valid(staff())
		if !row.proven.IsZero() {
			claims["auth_time"] = row.proven.Unix()
		}
		person, reason := personOf(payloadOf(claims), staff(), flowAtNoon(row.recent), now)
		if reason != row.reason || !person.ProvenTime.Equal(row.want) {
			t.Errorf("%s: %v, %q, want %v, %q", name, person.ProvenTime, reason, row.want, row.reason)
		}
	}
}

// FuzzPersonOf: whatever a provider signs, a person that comes of it is one that may log in.
func FuzzPersonOf(f *testing.F) {
	for _, p := range []*v1alpha1.IdentityProvider{staff(), tenant()} {
		f.Add(payloadOf(valid(p)), p.Spec.Type == v1alpha1.IdentityProviderEntraID, false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, entra, recent bool) {
		p := staff()
		if entra {
			p = tenant()
		}
		person, reason := personOf(payload, p, flowAtNoon(recent), noon)
		if reason != "" {
			if !slices.Contains(Reasons(), reason) || person.Subject != "" || person.Groups != nil || !person.ProvenTime.IsZero() {
				t.Errorf("refused for %q with %+v", reason, person)
			}
			return
		}
		if !declarable.MatchString(person.Subject) || len(person.Subject) > maxSubject {
			t.Errorf("the subject is %q", person.Subject)
		}
		for _, group := range person.Groups {
			if !slices.ContainsFunc(p.Spec.GroupMappings, func(m v1alpha1.GroupMapping) bool { return m.From == group }) {
				t.Errorf("the group %q is not mapped", group)
			}
		}
		if person.ProvenTime.After(noon) || recent && person.ProvenTime.Before(noon.Add(-leeway)) {
			t.Errorf("proven at %v", person.ProvenTime)
		}
		// Whoever reads the token otherwise must still find what was checked.
		var read map[string]any
		if err := json.Unmarshal(payload, &read); err != nil {
			t.Fatalf("it is no JSON: %v", err)
		}
		if read["iss"] != p.Spec.OIDC.Issuer || read["nonce"] != "nonce" {
			t.Errorf("the token is of %v and %v", read["iss"], read["nonce"])
		}
	})
}
