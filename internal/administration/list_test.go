package administration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

func named(namespace, name string) *v1alpha1.UserAccount {
	a := &v1alpha1.UserAccount{}
	a.Namespace, a.Name = namespace, name
	return a
}

func keys(accounts []*v1alpha1.UserAccount) (keys []string) {
	for _, a := range accounts {
		keys = append(keys, a.Namespace+"/"+a.Name)
	}
	return keys
}

func TestChoose(t *testing.T) {
	ada, grace, sam, leaving := named("acme", "ada"), named("acme", "grace"), named("platform", "sam"), named("acme", "leaving")
	ada.Spec.DisplayName, ada.Spec.Email, ada.Status.Standing = "Ada LOVELACE", "ada@example.org", v1alpha1.StandingActive
	grace.Spec.Username, grace.Status.Standing = "GHopper", v1alpha1.StandingLocked
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	all := []*v1alpha1.UserAccount{sam, leaving, grace, ada}
	for name, row := range map[string]struct {
		query Query
		want  []string
		more  bool
	}{
		"all, in order":          {Query{}, []string{"acme/ada", "acme/grace", "platform/sam"}, false},
		"a page":                 {Query{Limit: 2}, []string{"acme/ada", "acme/grace"}, true},
		"a full last page":       {Query{Limit: 3}, []string{"acme/ada", "acme/grace", "platform/sam"}, false},
		"after an account":       {Query{After: Target{"acme", "ada"}}, []string{"acme/grace", "platform/sam"}, false},
		"after one that is gone": {Query{After: Target{"acme", "b"}}, []string{"acme/grace", "platform/sam"}, false},
		"after the last":         {Query{After: Target{"platform", "sam"}}, nil, false},
		"by name":                {Query{Search: "GRA"}, []string{"acme/grace"}, false},
		"by username":            {Query{Search: "ghop"}, []string{"acme/grace"}, false},
		"by display name":        {Query{Search: "lovel"}, []string{"acme/ada"}, false},
		"by e-mail address":      {Query{Search: "@EXAMPLE"}, []string{"acme/ada"}, false},
		"by standing":            {Query{Standing: v1alpha1.StandingLocked}, []string{"acme/grace"}, false},
		"by what nobody has":     {Query{Search: "zz"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, more := row.query.choose(slices.Values(all))
			if !slices.Equal(keys(got), row.want) || more != row.more {
				t.Errorf("%v, %t", keys(got), more)
			}
		})
	}
}

// TestPages: whatever the size of the pages, together they have every account once and in order.
func TestPages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var all []*v1alpha1.UserAccount
		for i := range random.IntN(60) {
			all = append(all, named(fmt.Sprint("n", random.IntN(4)), fmt.Sprint("a", i)))
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		whole, _ := Query{Limit: MaxLimit}.choose(slices.Values(all))
		var paged []*v1alpha1.UserAccount
		q := Query{Limit: 1 + random.IntN(20)}
		for more := true; more; {
			var page []*v1alpha1.UserAccount
			page, more = q.choose(slices.Values(all))
			paged = append(paged, page...)
			if len(page) > 0 {
				last := page[len(page)-1]
				q.After = Target{last.Namespace, last.Name}
			}
		}
		if !slices.Equal(keys(paged), keys(whole)) || len(whole) != len(all) || !slices.IsSortedFunc(whole, inOrder) {
			t.Fatalf("%v, want %v", keys(paged), keys(whole))
		}
	}
}

// BenchmarkChoose: a page of very many accounts takes a millisecond or two, and next to no memory unless something is searched for.
func BenchmarkChoose(b *testing.B) {
	var all []*v1alpha1.UserAccount
	for i := range 10_000 {
		a := named(fmt.Sprint("n", i%7), fmt.Sprintf("person-%05d", i))
		a.Spec.DisplayName, a.Spec.Email = "Somebody Else", a.Name+"@example.org"
		all = append(all, a)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for name, q := range map[string]Query{
		"first": {}, "largest": {Limit: MaxLimit}, "middle": {After: Target{"n3", ""}}, "few": {Search: "person-0042"}, "none": {Search: "zzz"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q.choose(slices.Values(all))
			}
		})
	}
}
