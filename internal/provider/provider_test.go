package provider

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type option func(*v1alpha1.IdentityProvider)

// named returns a provider that all namespaces may choose.
func named(name string, options ...option) *v1alpha1.IdentityProvider {
	p := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now)},
		Spec: v1alpha1.IdentityProviderSpec{
			Type: v1alpha1.IdentityProviderOIDC, DisplayName: name, Access: v1alpha1.AccessEnabled,
			AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
		},
	}
	for _, o := range options {
		o(p)
	}
	return p
}

func disabled(p *v1alpha1.IdentityProvider)   { p.Spec.Access = v1alpha1.AccessDisabled }
func deleting(p *v1alpha1.IdentityProvider)   { p.DeletionTimestamp = new(metav1.NewTime(now)) }
func unreadable(p *v1alpha1.IdentityProvider) { p.Spec.Unreadable = []string{"spec.session"} }
func older(p *v1alpha1.IdentityProvider)      { p.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour)) }
func newer(p *v1alpha1.IdentityProvider)      { p.CreationTimestamp = metav1.NewTime(now.Add(time.Hour)) }
func entra(p *v1alpha1.IdentityProvider)      { p.Spec.Type = v1alpha1.IdentityProviderEntraID }

func from(f v1alpha1.NamespacesFrom, selector *metav1.LabelSelector) option {
	return func(p *v1alpha1.IdentityProvider) {
		p.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: f, Selector: selector}
	}
}

func mappings(pairs ...string) option {
	return func(p *v1alpha1.IdentityProvider) {
		for pair := range slices.Chunk(pairs, 2) {
			p.Spec.GroupMappings = append(p.Spec.GroupMappings, v1alpha1.GroupMapping{From: pair[0], To: pair[1]})
		}
	}
}

// many returns providers that were created at the same time, named p00, p01, ...
func many(n int, options ...option) []*v1alpha1.IdentityProvider {
	all := make([]*v1alpha1.IdentityProvider, n)
	for i := range all {
		all[i] = named(fmt.Sprintf("p%02d", i), options...)
	}
	return all
}

func TestResolve(t *testing.T) {
	gold := &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}
	absent := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	invalid := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Near"}}}
	omitted := map[string]string{policy.LabelsOmitted: ""}
	const (
		notFound   = v1alpha1.ReasonProviderNotFound
		notAllowed = v1alpha1.ReasonProviderNotAllowed
		off        = v1alpha1.ReasonProviderDisabled
	)
	for name, tt := range map[string]struct {
		provider *v1alpha1.IdentityProvider
		labels   map[string]string
		problem  v1alpha1.StandingReason
		message  string
	}{
		"all namespaces":                        {provider: named("a")},
		"no namespaces":                         {named("a", from(v1alpha1.NamespacesFromNone, nil)), nil, notAllowed, "does not allow this namespace"},
		"stored without a choice of namespaces": {named("a", from("", nil)), nil, notAllowed, "does not allow this namespace"},
		"labels match":                          {provider: named("a", from(v1alpha1.NamespacesFromSelector, gold)), labels: map[string]string{"tier": "gold"}},
		"labels do not match":                   {named("a", from(v1alpha1.NamespacesFromSelector, gold)), map[string]string{"tier": "tin"}, notAllowed, "does not allow this namespace"},
		"label is missing":                      {provider: named("a", from(v1alpha1.NamespacesFromSelector, absent))},
		"too many labels":                       {named("a", from(v1alpha1.NamespacesFromSelector, absent)), omitted, notAllowed, "too many to be compared"},
		"too many labels do not matter":         {provider: named("a"), labels: omitted},
		"selector is missing":                   {named("a", from(v1alpha1.NamespacesFromSelector, nil)), nil, notAllowed, "does not allow this namespace"},
		"selector cannot be read":               {named("a", from(v1alpha1.NamespacesFromSelector, invalid)), nil, notAllowed, "does not allow this namespace"},
		"disabled":                              {named("a", disabled), nil, off, "turned off"},
		"disabled, and not allowed":             {named("a", disabled, from(v1alpha1.NamespacesFromNone, nil)), nil, notAllowed, "does not allow this namespace"},
		"another name":                          {named("b"), nil, notFound, "does not exist"},
		"being deleted":                         {named("a", deleting), nil, notFound, "being deleted"},
		"unreadable":                            {named("a", unreadable), nil, notFound, "cannot be read"},
		"surplus":                               {named("a", newer), nil, notFound, "does not count"},
	} {
		t.Run(name, func(t *testing.T) {
			all := []*v1alpha1.IdentityProvider{named("aa"), tt.provider}
			if strings.Contains(name, "surplus") {
				all = append(all, many(MaxProviders)...)
			}
			got := Resolve("a", tt.labels, all)
			if got.Problem != tt.problem || !strings.Contains(got.Message, tt.message) || (got.Problem == "") != (got.Message == "") {
				t.Errorf("got %q, %q", got.Problem, got.Message)
			}
			if want := tt.problem != notFound; (got.Provider == tt.provider) != want || (got.Provider != nil) != want {
				t.Errorf("the provider is %v", got.Provider)
			}
		})
	}
	if got := Resolve("a", nil, nil); got.Problem != notFound {
		t.Errorf("without any provider: %+v", got)
	}
}

// TestSurplus: the oldest providers count, of the same age the first by name, and those that are being deleted make room.
func TestSurplus(t *testing.T) {
	last := fmt.Sprintf("p%02d", MaxProviders)
	for name, tt := range map[string]struct {
		all     []*v1alpha1.IdentityProvider
		surplus []string
	}{
		"just as many as count":   {many(MaxProviders), nil},
		"one more":                {many(MaxProviders + 1), []string{last}},
		"a newer one":             {append(many(MaxProviders), named("a", newer)), []string{"a"}},
		"an older one":            {append(many(MaxProviders), named("z", older)), []string{fmt.Sprintf("p%02d", MaxProviders-1)}},
		"one is being deleted":    {append(many(MaxProviders), named("o", older, deleting)), nil},
		"disabled ones count":     {append(many(MaxProviders, disabled), named("z")), []string{"z"}},
		"unreadable ones count":   {append(many(MaxProviders, unreadable), named("z")), []string{"z"}},
		"in whatever order":       {slices.Concat([]*v1alpha1.IdentityProvider{named("z")}, many(MaxProviders)), []string{"z"}},
		"several, new and by age": {append(many(MaxProviders-1), named("y"), named("z"), named("a", newer)), []string{"z", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range tt.all {
				if IsSurplus(p, tt.all) {
					got = append(got, p.Name)
				}
			}
			if !slices.Equal(got, tt.surplus) {
				t.Errorf("got %v, want %v", got, tt.surplus)
			}
		})
	}
}

// TestOffered: what a login page shows is exactly what lets people in, in an order that does not change from one replica to another.
func TestOffered(t *testing.T) {
	shown := func(name string) option { return func(p *v1alpha1.IdentityProvider) { p.Spec.DisplayName = name } }
	all := []*v1alpha1.IdentityProvider{
		named("c", shown("Contoso")), named("b", shown("Contoso")), named("f", shown("Acme")), named("d", disabled), named("g", deleting),
		named("u", unreadable), named("n", from(v1alpha1.NamespacesFromNone, nil)),
		named("s", shown("Zeta"), from(v1alpha1.NamespacesFromSelector, &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}})),
	}
	before := slices.Clone(all)
	for _, tt := range []struct {
		labels map[string]string
		want   []string
	}{
		{nil, []string{"f", "b", "c"}},
		{map[string]string{"tier": "gold"}, []string{"f", "b", "c", "s"}},
	} {
		var got []string
		for _, p := range Offered(tt.labels, all) {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("with labels %v: %v, want %v", tt.labels, got, tt.want)
		}
	}
	if !slices.Equal(all, before) {
		t.Error("the providers that it was given are in another order")
	}
	if got := Offered(nil, many(MaxProviders+5)); len(got) != MaxProviders {
		t.Errorf("%d are offered", len(got))
	}
}

func TestClaims(t *testing.T) {
	with := func(subject, groups string) option {
		return func(p *v1alpha1.IdentityProvider) {
			p.Spec.OIDC.SubjectClaim, p.Spec.OIDC.GroupsClaim = subject, groups
		}
	}
	for name, tt := range map[string]struct {
		provider        *v1alpha1.IdentityProvider
		subject, groups string
	}{
		"OIDC":                       {named("a"), "sub", ""},
		"OIDC, chosen":               {named("a", with("employee", "roles")), "employee", "roles"},
		"Entra ID":                   {named("a", entra), "oid", "groups"},
		"Entra ID, chosen":           {named("a", entra, with("oid", "roles")), "oid", "roles"},
		"Entra ID, stored otherwise": {named("a", entra, with("sub", "")), "oid", "groups"},
	} {
		if got := SubjectClaim(tt.provider); got != tt.subject {
			t.Errorf("%s: the claim of the subject is %q, want %q", name, got, tt.subject)
		}
		if got := GroupsClaim(tt.provider); got != tt.groups {
			t.Errorf("%s: the claim of the groups is %q, want %q", name, got, tt.groups)
		}
	}
}

func TestTenant(t *testing.T) {
	const id = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	issuer := func(address string) option {
		return func(p *v1alpha1.IdentityProvider) { p.Spec.OIDC.Issuer = address }
	}
	for name, tt := range map[string]struct {
		provider *v1alpha1.IdentityProvider
		want     string
	}{
		"Entra ID":                  {named("a", entra, issuer("https://login.microsoftonline.com/"+id+"/v2.0")), id},
		"the ID in the host's name": {named("a", entra, issuer("https://"+id+".ciamlogin.com/"+id+"/v2.0")), id},
		"any other provider":        {named("a", issuer("https://login.microsoftonline.com/"+id+"/v2.0")), ""},
	} {
		if got := Tenant(tt.provider); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestMaxSession(t *testing.T) {
	for name, tt := range map[string]struct {
		session *v1alpha1.ProviderSession
		want    time.Duration
	}{
		"by default":      {nil, 8 * time.Hour},
		"nothing chosen":  {&v1alpha1.ProviderSession{}, 8 * time.Hour},
		"chosen":          {&v1alpha1.ProviderSession{MaxMinutes: new(int32(5))}, 5 * time.Minute},
		"the longest one": {&v1alpha1.ProviderSession{MaxMinutes: new(int32(43200))}, 30 * 24 * time.Hour},
	} {
		if got, _ := MaxSession(named("a", func(p *v1alpha1.IdentityProvider) { p.Spec.Session = tt.session })); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestGroups(t *testing.T) {
	p := named("a", mappings("g2", "staff", "g1", "staff", "g1", "admins", "G3", "other", "g4", "own"))
	for name, tt := range map[string]struct {
		provider         *v1alpha1.IdentityProvider
		declared, groups []string
		mapped, result   []string
	}{
		"none at the provider":     {p, []string{"own"}, nil, nil, []string{"own"}},
		"none at all":              {p, nil, nil, nil, nil},
		"not mapped":               {p, []string{"own"}, []string{"admins", "staff", "g3", "g"}, nil, []string{"own"}},
		"each once, and sorted":    {p, nil, []string{"g2", "x", "g1", "g1"}, []string{"g1", "g2"}, []string{"staff", "admins"}},
		"beside the declared ones": {p, []string{"own", "staff"}, []string{"g1", "g4"}, []string{"g1", "g4"}, []string{"own", "staff", "admins"}},
		"without mappings":         {named("a"), []string{"own"}, []string{"g1", "admins"}, nil, []string{"own"}},
	} {
		t.Run(name, func(t *testing.T) {
			groups := slices.Clone(tt.groups)
			if got := Mapped(tt.provider, groups); !slices.Equal(got, tt.mapped) {
				t.Errorf("mapped are %q, want %q", got, tt.mapped)
			}
			if got := MapGroups(tt.provider, tt.declared, tt.mapped); !slices.Equal(got, tt.result) {
				t.Errorf("the groups are %q, want %q", got, tt.result)
			}
			if !slices.Equal(groups, tt.groups) {
				t.Errorf("the groups of the person were changed to %q", groups)
			}
		})
	}
}

// TestMapGroupsLeavesTheAccountAlone: the declared groups are those of an object in a cache, which others read at the same time.
func TestMapGroupsLeavesTheAccountAlone(t *testing.T) {
	p := named("a", mappings("g1", "one", "g2", "two", "g3", "three"))
	cached := []string{"own", "kept", "kept", "kept", "kept"}
	declared := cached[:1] // It has room, which is others'.
	first := MapGroups(p, declared, []string{"g1", "g2", "g3"})
	second := MapGroups(p, declared, []string{"g3"})
	if want := []string{"own", "kept", "kept", "kept", "kept"}; !slices.Equal(cached, want) {
		t.Errorf("the declared groups became %q", cached)
	}
	if want := []string{"own", "one", "two", "three"}; !slices.Equal(first, want) {
		t.Errorf("the first result became %q", first)
	}
	if want := []string{"own", "three"}; !slices.Equal(second, want) {
		t.Errorf("the second result is %q", second)
	}
	if want := named("a", mappings("g1", "one", "g2", "two", "g3", "three")); !reflect.DeepEqual(p, want) {
		t.Errorf("the provider became %+v", p)
	}
}

// TestIdentity: it is the same for the same person at the same provider, for nobody else, and does not show the subject.
func TestIdentity(t *testing.T) {
	is := Identity("u1", "ada@example.org")
	if is != Identity("u1", "ada@example.org") {
		t.Error("the same person has two identities")
	}
	for _, other := range []string{
		Identity("u2", "ada@example.org"), Identity("u1", "Ada@example.org"), Identity("u1", ""), Identity("", "u1ada@example.org"), Identity("u1ada", "@example.org"),
	} {
		if other == is {
			t.Error("two people have the same identity")
		}
	}
	if len(is) != 22 || strings.ContainsAny(is, "@+/=") || strings.Contains(is, "ada") {
		t.Errorf("the identity is %q", is)
	}
}
