package account_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// declaredAs is an account of organisation org, created an hour ago.
func declaredAs(name, uid, mark string) *v1alpha1.UserAccount {
	a := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{
		Namespace: "org", Name: name, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(ago(time.Hour)),
	}}
	a.Spec.Username = "ada"
	if mark != "" {
		a.Annotations = map[string]string{v1alpha1.AnnotationInitialized: mark}
	}
	return a
}

func TestIdentify(t *testing.T) {
	asks := func(t time.Time) func(*v1alpha1.UserAccount) {
		return func(a *v1alpha1.UserAccount) {
			a.Spec.Password = &v1alpha1.PasswordSpec{ResetTime: at(t)}
		}
	}
	ours := &account.Owner{Namespace: "org", Name: "ada", UID: "u1"}
	former := &account.Owner{Namespace: "org", Name: "ada", UID: "u0"}
	another := &account.Owner{Namespace: "org", Name: "ada-too", UID: "u9"}
	elsewhere := &account.Owner{Namespace: "other", Name: "ada", UID: "u9"}
	unknown, exists, gone := account.OwnerUnknown, account.OwnerExists, account.OwnerGone

	for _, row := range []struct {
		name  string
		mark  string
		edit  func(*v1alpha1.UserAccount)
		found *account.Owner
		owner account.OwnerState
		want  account.Identity
	}{
		{name: "same UID, marked", mark: "true", found: ours, want: account.IdentityOurs},
		{name: "same UID, not marked", found: ours, want: account.IdentityOurs},
		{name: "other UID, marked", mark: "true", found: former, want: account.IdentityAdopt},
		{name: "other UID, not marked", found: former, want: account.IdentityReplace},
		{name: "other UID, its own mark", mark: "org/ada", found: former, want: account.IdentityAdopt},
		{name: "other UID, the mark of another name", mark: "org/bob", found: former, want: account.IdentityReplace},
		{name: "other UID, the mark of another namespace", mark: "other/ada", found: former, want: account.IdentityReplace},
		{name: "same UID, the mark of another", mark: "org/bob", found: ours, want: account.IdentityOurs},
		{name: "none, its own mark", mark: "org/ada", want: account.IdentityWait},
		{name: "none, the mark of another name (a copy)", mark: "org/bob", want: account.IdentityCreate},
		{name: "none, the mark of another namespace (a copy)", mark: "other/ada", want: account.IdentityCreate},
		{name: "none, the mark of another, resetTime handled there", mark: "org/bob", edit: func(a *v1alpha1.UserAccount) {
			a.Annotations[v1alpha1.AnnotationResetHandledTime] = in(day).Format(time.RFC3339)
		}, want: account.IdentityCreate},
		{name: "another's that exists, a copy with its username", mark: "org/ada-too", found: another, owner: exists, want: account.IdentityConflict},
		{name: "other UID, marked as something else", mark: "True", found: former, want: account.IdentityReplace},
		{name: "another's, not looked", found: another, owner: unknown, want: account.IdentityCheckOwner},
		{name: "another's, not looked, marked", mark: "true", found: another, owner: unknown, want: account.IdentityCheckOwner},
		{name: "another's that exists", found: another, owner: exists, want: account.IdentityConflict},
		{name: "another's that exists, mark copied", mark: "true", found: another, owner: exists, want: account.IdentityConflict},
		{name: "another's that is gone", found: another, owner: gone, want: account.IdentityReplace},
		{name: "another's that is gone, mark copied", mark: "true", found: another, owner: gone, want: account.IdentityReplace},
		{name: "same name in another namespace is another's", mark: "true", found: elsewhere, owner: gone, want: account.IdentityReplace},
		{name: "none, not marked", want: account.IdentityCreate},
		{name: "none, marked", mark: "true", want: account.IdentityWait},
		{name: "none, marked, resetTime later than creation", mark: "true", edit: asks(ago(time.Minute)), want: account.IdentityCreate},
		{name: "none, marked, resetTime of the creation", mark: "true", edit: asks(ago(time.Hour)), want: account.IdentityWait},
		{name: "none, marked, resetTime from before (restored with it)", mark: "true", edit: asks(ago(day)), want: account.IdentityWait},
		{name: "none, marked, resetTime in the future", mark: "true", edit: asks(in(time.Minute)), want: account.IdentityWait},
		{name: "none, marked, a password without resetTime", mark: "true", edit: func(a *v1alpha1.UserAccount) {
			a.Spec.Password = &v1alpha1.PasswordSpec{}
		}, want: account.IdentityWait},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := declaredAs("ada", "u1", row.mark)
			if row.edit != nil {
				row.edit(a)
			}
			r := account.NewRules(&a.Spec, begin().policy, now)
			if got := r.Identify(a, row.found, row.owner); got != row.want {
				t.Errorf("Identify() = %d, want %d", got, row.want)
			}
		})
	}
}

func TestKeepsUsername(t *testing.T) {
	const mark = "true"
	older := func(a *v1alpha1.UserAccount) { a.CreationTimestamp = metav1.NewTime(ago(day)) }
	younger := func(a *v1alpha1.UserAccount) { a.CreationTimestamp = metav1.NewTime(ago(time.Minute)) }
	same := func(*v1alpha1.UserAccount) {}
	for _, row := range []struct {
		name           string
		account, other *v1alpha1.UserAccount
		edit           func(other *v1alpha1.UserAccount)
		want           bool
	}{
		{"the other had a credential", declaredAs("bob", "u1", ""), declaredAs("ada", "u2", mark), same, true},
		{"the other had one, and is younger", declaredAs("bob", "u1", ""), declaredAs("ada", "u2", mark), younger, true},
		{"neither had one", declaredAs("bob", "u1", ""), declaredAs("ada", "u2", ""), older, false},
		{"this one had a credential", declaredAs("bob", "u1", mark), declaredAs("ada", "u2", ""), older, false},
		{"both had one, the other first", declaredAs("bob", "u1", mark), declaredAs("zoe", "u2", mark), older, true},
		{"both had one, this one first", declaredAs("bob", "u1", mark), declaredAs("ada", "u2", mark), younger, false},
		{"of the same second, by name", declaredAs("bob", "u1", mark), declaredAs("ada", "u2", mark), same, true},
		{"of the same second, by name the other way", declaredAs("bob", "u1", mark), declaredAs("zoe", "u2", mark), same, false},
		{"the other is a copy, and had none", declaredAs("bob", "u1", ""), declaredAs("ada", "u2", "org/zoe"), older, false},
		{"this one is a copy of the other", declaredAs("bob", "u1", "org/ada"), declaredAs("ada", "u2", "org/ada"), younger, true},
		{"not from itself", declaredAs("bob", "u1", ""), declaredAs("bob", "u1", mark), older, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.edit(row.other)
			if got := account.KeepsUsername(row.other, row.account); got != row.want {
				t.Errorf("KeepsUsername() = %t", got)
			}
		})
	}
}

// TestMark: an account is marked with its own name. What an earlier version wrote is replaced only when something else has to be
// written, and what was copied from another account goes.
func TestMark(t *testing.T) {
	const initialized, handled = v1alpha1.AnnotationInitialized, v1alpha1.AnnotationResetHandledTime
	hourAgo, dayAgo := ago(time.Hour).Format(time.RFC3339), ago(day).Format(time.RFC3339)
	type annotations = map[string]string
	for _, row := range []struct {
		name    string
		has     annotations
		handled time.Time
		want    annotations
	}{
		{"new", nil, time.Time{}, annotations{initialized: "org/ada"}},
		{"new, with a reset that counts as handled", annotations{"other": "kept"}, ago(time.Hour),
			annotations{"other": "kept", initialized: "org/ada", handled: hourAgo}},
		{"marked", annotations{initialized: "org/ada"}, time.Time{}, annotations{initialized: "org/ada"}},
		{"marked, and a reset took effect", annotations{initialized: "org/ada", handled: dayAgo}, ago(time.Hour),
			annotations{initialized: "org/ada", handled: hourAgo}},
		{"by an earlier version", annotations{initialized: "true", handled: dayAgo}, ago(day), annotations{initialized: "true", handled: dayAgo}},
		{"by an earlier version, and the account is written anyway", annotations{initialized: "true", handled: dayAgo}, ago(day),
			annotations{initialized: "org/ada", handled: dayAgo}},
		{"by an earlier version, and a reset took effect", annotations{initialized: "true"}, ago(time.Hour),
			annotations{initialized: "org/ada", handled: hourAgo}},
		{"a reset with a fraction of a second took effect", annotations{initialized: "org/ada", handled: dayAgo}, ago(time.Hour).Add(123 * time.Millisecond),
			annotations{initialized: "org/ada", handled: ago(time.Hour).Add(123 * time.Millisecond).Format(time.RFC3339Nano)}},
		{"a later reset of the same second took effect",
			annotations{initialized: "org/ada", handled: ago(time.Hour).Add(time.Nanosecond).Format(time.RFC3339Nano)}, ago(time.Hour).Add(2 * time.Nanosecond),
			annotations{initialized: "org/ada", handled: ago(time.Hour).Add(2 * time.Nanosecond).Format(time.RFC3339Nano)}},
		{"cut to seconds by an earlier version", annotations{initialized: "org/ada", handled: hourAgo}, ago(time.Hour).Add(123 * time.Millisecond),
			annotations{initialized: "org/ada", handled: hourAgo}},
		{"copied, and the same reset handled", annotations{initialized: "org/zoe", handled: hourAgo}, ago(time.Hour),
			annotations{initialized: "org/ada", handled: hourAgo}},
		{"copied", annotations{initialized: "org/zoe", handled: dayAgo}, time.Time{}, annotations{initialized: "org/ada"}},
		{"copied, with a reset that counts as handled", annotations{initialized: "org/zoe", handled: dayAgo}, ago(time.Hour),
			annotations{initialized: "org/ada", handled: hourAgo}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := declaredAs("ada", "u1", "")
			a.Annotations = maps.Clone(row.has)
			s := begin()
			s.c.Handled.Reset = row.handled
			got := account.Mark(a, s.c, strings.HasSuffix(row.name, "written anyway"))
			if !maps.Equal(got, row.want) || !maps.Equal(a.Annotations, row.has) {
				t.Errorf("annotations %v, want %v; the account's are %v", got, row.want, a.Annotations)
			}
			a.Annotations = got
			if again := account.Mark(a, s.c, strings.HasSuffix(row.name, "written anyway")); !maps.Equal(again, got) {
				t.Errorf("are written again as %v", again)
			}
		})
	}
}

func TestAdopt(t *testing.T) {
	s := begin(lock, looked)
	s.c.OrphanedTime = ago(time.Hour)
	want := s.c
	want.Owner.UID, want.OrphanedTime = "u2", time.Time{}
	want.SessionGeneration++
	same(t, account.Adopt(s.c, declaredAs("ada", "u2", "true")), want)
}

// TestRestoreInAnyOrder exports an account and its credential, and deletes and creates both again in any order, with a
// look of the operator after any of the steps. A person's own password works in the end, whatever the order.
func TestRestoreInAnyOrder(t *testing.T) {
	type step string
	const deleteAccount, createAccount = step("delete account"), step("create account")
	const deleteCredential, createCredential = step("delete credential"), step("create credential")

	var orders [][]step
	var grow func(done []step)
	grow = func(done []step) {
		has := func(s step) bool {
			return slices.Contains(done, s)
		}
		if len(done) == 4 {
			orders = append(orders, append([]step(nil), done...))
			return
		}
		for s, needs := range map[step]step{
			deleteAccount: "", createAccount: deleteAccount, deleteCredential: "", createCredential: deleteCredential,
		} {
			if !has(s) && (needs == "" || has(needs)) {
				grow(append(done, s))
			}
		}
	}
	grow(nil)
	if len(orders) != 6 {
		t.Fatalf("%d orders, want 6", len(orders))
	}

	for _, order := range orders {
		for looks := range 1 << len(order) {
			t.Run(fmt.Sprintf("%v, looks %04b", order, looks), func(t *testing.T) {
				s := begin(looked, resetTime(at(ago(50*day))), func(s *state) { s.c.Handled.Reset = ago(50 * day) })
				exported := s.c
				stored, user := &s.c, declaredAs("ada", "u1", "true")
				operator := func() { stored = reconcileIdentity(t, s, user, stored) }
				for i, step := range order {
					switch step {
					case deleteAccount:
						user = nil
					case createAccount:
						user = declaredAs("ada", "u2", "true")
						user.CreationTimestamp = metav1.NewTime(ago(time.Minute))
					case deleteCredential:
						stored = nil
					case createCredential:
						stored = new(exported)
					}
					if looks&(1<<i) != 0 {
						operator()
					}
				}
				operator()
				if stored == nil {
					t.Fatal("there is no credential in the end")
				}
				want := exported
				want.Owner.UID = "u2"
				want.SessionGeneration++
				same(t, *stored, want)
			})
		}
	}
}

// reconcileIdentity does to the credential what Identify says, as the operator would.
func reconcileIdentity(t *testing.T, s *state, user *v1alpha1.UserAccount, stored *account.Credential) *account.Credential {
	t.Helper()
	if user == nil {
		return stored
	}
	user.Spec = s.spec
	var found *account.Owner
	if stored != nil {
		found = &stored.Owner
	}
	switch identity := s.rules(now).Identify(user, found, account.OwnerUnknown); identity {
	case account.IdentityOurs, account.IdentityWait:
		return stored
	case account.IdentityAdopt:
		return new(account.Adopt(*stored, user))
	default:
		t.Fatalf("Identify() = %d", identity)
		return nil
	}
}

// TestSameNameFromYAMLIsANewPerson: an account that is deleted and created again without its mark never gets the old
// password, whenever the operator looks.
func TestSameNameFromYAMLIsANewPerson(t *testing.T) {
	s := begin()
	user := declaredAs("ada", "u2", "")
	if got := s.rules(now).Identify(user, &s.c.Owner, account.OwnerUnknown); got != account.IdentityReplace {
		t.Fatalf("Identify() = %d", got)
	}
	c := s.rules(now).New(account.OwnerOf(user), "a2")
	if !c.Password.IsZero() || c.AccountID == s.c.AccountID || c.Owner.UID != "u2" {
		t.Errorf("the new person's credential is %+v", c)
	}
	// A crash between this write and the mark: the credential says whose it is.
	if got := s.rules(now).Identify(user, &c.Owner, account.OwnerUnknown); got != account.IdentityOurs {
		t.Errorf("after a crash, Identify() = %d", got)
	}
}

// TestHandledResetWithAFraction: a resetTime that took effect once does not start the account anew while its credential is missing, whatever
// fraction of a second it has, and whether or not the version that marked the account kept that.
func TestHandledResetWithAFraction(t *testing.T) {
	for name, row := range map[string]struct {
		mark      string
		resetTime time.Duration // After an hour ago.
		want      account.Identity
	}{
		"the same":                               {".123Z", 123 * time.Millisecond, account.IdentityWait},
		"the same, to the nanosecond":            {".123456789Z", 123456789, account.IdentityWait},
		"later in the second":                    {".123Z", 124 * time.Millisecond, account.IdentityCreate},
		"earlier in the second":                  {".123Z", 122 * time.Millisecond, account.IdentityWait},
		"cut by an earlier version":              {"Z", 123 * time.Millisecond, account.IdentityWait},
		"cut, at the end of the second":          {"Z", 999999999, account.IdentityWait},
		"cut, in the next second":                {"Z", time.Second, account.IdentityCreate},
		"cut, in another time zone, next second": {"+00:00", time.Second, account.IdentityCreate},
		"no instant":                             {"x", 123 * time.Millisecond, account.IdentityCreate},
	} {
		t.Run(name, func(t *testing.T) {
			a := declaredAs("ada", "u1", "org/ada")
			a.CreationTimestamp = metav1.NewTime(ago(day))
			a.Annotations[v1alpha1.AnnotationResetHandledTime] = ago(time.Hour).UTC().Format("2006-01-02T15:04:05") + row.mark
			a.Spec.Password = &v1alpha1.PasswordSpec{ResetTime: new(v1alpha1.NewInstant(ago(time.Hour).Add(row.resetTime)))}
			if got := account.NewRules(&a.Spec, begin().policy, now).Identify(a, nil, account.OwnerUnknown); got != row.want {
				t.Errorf("Identify() = %d, want %d", got, row.want)
			}
		})
	}
}
