package account_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// TestTransitionsReportAll: in any order of what can happen, each raise of the session generation is reported once, also where the account is bound to
// an entry of a directory, each password that is set, each lock that begins; and a write that does none of it reports nothing.
func TestTransitionsReportAll(t *testing.T) {
	for seed := range uint64(300) {
		choose := rand.New(rand.NewPCG(seed, 0))
		s := begin(lockable)
		clock := now
		for step := range 60 {
			clock = clock.Add(time.Duration(1+choose.IntN(600)) * time.Second)
			switch choose.IntN(8) { // What an administrator asks for meanwhile.
			case 0:
				s.spec.UnlockTime = at(clock.Truncate(time.Second))
			case 1:
				s.spec.SignOutTime = at(clock.Truncate(time.Second))
			case 2:
				s.spec.Access = []v1alpha1.Access{v1alpha1.AccessEnabled, v1alpha1.AccessDisabled}[choose.IntN(2)]
			case 3:
				s.spec.Authentication, s.provider = randomAuthentication(choose)
			}
			r, before := s.rules(clock), s.c
			there := r
			there.Device = []string{"", "d1", "d2"}[choose.IntN(3)]
			after, set, refused := randomWrite(choose, there, before, step)
			got := r.Transitions(before, after)
			count := func(kinds ...account.TransitionKind) (n int) {
				for _, transition := range got {
					if slices.Contains(kinds, transition.Kind) {
						n++
					}
				}
				return n
			}
			locks := r.Lock(after).Locked && !r.Lock(before).Locked
			switch {
			case int64(count(account.SessionsEnded, account.Linked)) != after.SessionGeneration-before.SessionGeneration:
				t.Fatalf("seed %d, step %d: generation %d to %d, reported %q", seed, step, before.SessionGeneration, after.SessionGeneration, words(got))
			case count(account.PasswordChanged, account.PasswordReset) != set:
				t.Fatalf("seed %d, step %d: %d passwords set, reported %q", seed, step, set, words(got))
			case locks && count(account.Locked) != 1:
				t.Fatalf("seed %d, step %d: a lock, reported %q", seed, step, words(got))
			case r.Lock(before).Locked && !r.Lock(after).Locked && unlocked(got) != 1:
				t.Fatalf("seed %d, step %d: the end of a lock, reported %q", seed, step, words(got))
			case !namesActs(got, before, after):
				t.Fatalf("seed %d, step %d: by hand were %+v and then %+v, reported %q", seed, step, before.Acted, after.Acted, words(got))
			case count(account.SessionEnded) != newlyEnded(before, after):
				t.Fatalf("seed %d, step %d: %d sessions ended, reported %q", seed, step, newlyEnded(before, after), words(got))
			case count(account.ResetRefused) != refused:
				t.Fatalf("seed %d, step %d: %d resets refused, reported %q", seed, step, refused, words(got))
			case locksOfDevices(got) != newlyLocked(r, before, after):
				t.Fatalf("seed %d, step %d: %d devices locked, reported %q", seed, step, newlyLocked(r, before, after), words(got))
			case before.Equal(after) && len(got) > 0:
				t.Fatalf("seed %d, step %d: nothing, reported %q", seed, step, words(got))
			}
			s.c = after
		}
	}
}

// unlocked counts the transitions that end a lock.
func unlocked(transitions []account.Transition) (n int) {
	for _, transition := range transitions {
		if transition.Kind == account.Unlocked && !transition.Already {
			n++
		}
	}
	return n
}

// namesActs tells whether each act is reported once with who has done it, and nothing else with anybody.
func namesActs(transitions []account.Transition, before, after account.Credential) bool {
	want := map[string]int{}
	if act := after.Acted.Reset; !act.Equal(before.Acted.Reset) {
		want["PasswordReset "+act.By], want["ended by PasswordReset "+act.By] = 1, 1
	}
	if act := after.Acted.Unlock; !act.Equal(before.Acted.Unlock) {
		want["Unlocked "+act.By] = 1
	}
	if act := after.Acted.SignOut; !act.Equal(before.Acted.SignOut) {
		want["SessionsEnded "+act.By] = 1
	}
	got := map[string]int{}
	for _, t := range transitions {
		byHand := t.Kind == account.PasswordReset || t.Reason == account.TransitionByAdministrator
		switch {
		case t.By != "" && byHand:
			got[string(t.Kind)+" "+t.By]++
		case t.By != "" && t.Kind == account.SessionsEnded:
			got["ended by "+t.Reason+" "+t.By]++
		case t.By != "" && t.Reason != account.TransitionByReset, t.By == "" && t.Reason == account.TransitionByAdministrator:
			return false
		}
	}
	return maps.Equal(got, want)
}

// newlyEnded counts the sessions that a write has ended one by one.
func newlyEnded(before, after account.Credential) (n int) {
	for _, ended := range after.EndedSessions {
		if !account.HasEnded(before.EndedSessions, ended.ID) {
			n++
		}
	}
	return n
}

// newlyLocked counts the devices that a write has locked, where the account is not locked for all of them without end.
func newlyLocked(r account.Rules, before, after account.Credential) (n int) {
	if lock := r.Lock(after); lock.Locked && lock.Until.IsZero() {
		return 0
	}
	since := map[string]time.Time{}
	for _, device := range before.Devices {
		since[device.ID] = device.LockedTime
	}
	for _, device := range after.Devices {
		if !device.LockedTime.IsZero() && device.LockedTime.Equal(r.Now) && !since[device.ID].Equal(r.Now) {
			n++
		}
	}
	return n
}

func locksOfDevices(transitions []account.Transition) (n int) {
	for _, transition := range transitions {
		if transition.Reason == account.TransitionOfDevice {
			n++
		}
	}
	return n
}

// randomAuthentication returns that of a Local account, or of one of two persons at one of two providers.
func randomAuthentication(choose *rand.Rand) (v1alpha1.Authentication, account.Provider) {
	if choose.IntN(2) == 0 {
		return v1alpha1.Authentication{Type: v1alpha1.AuthenticationLocal}, account.Provider{}
	}
	if choose.IntN(2) == 0 {
		provider := account.Provider{UID: []string{"d1", "d2"}[choose.IntN(2)], Directory: true, Mapped: mapping("a", "b", "staff")}
		provider.Problem = []v1alpha1.StandingReason{"", "", v1alpha1.ReasonProviderDisabled}[choose.IntN(3)]
		return v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "directory"},
			Subject: []string{"", "", "e-1"}[choose.IntN(3)], ExternalName: []string{"", "Ada", "eve"}[choose.IntN(3)],
		}, provider
	}
	return v1alpha1.Authentication{
		Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "corp"},
		Subject: []string{"s-1", "s-2"}[choose.IntN(2)],
	}, account.Provider{UID: []string{"p1", "p2"}[choose.IntN(2)]}
}

// randomPerson returns somebody in a directory, as it says at a login.
func randomPerson(choose *rand.Rand, r account.Rules) account.Proven {
	return account.Proven{
		Asserted:         choose.IntN(3) == 0,
		RefusedElsewhere: []v1alpha1.StandingReason{"", "", v1alpha1.ReasonExternalDisabled}[choose.IntN(3)],
		External: account.External{
			ProviderUID: r.Provider.UID, Subject: []string{"e-1", "e-1", "e-2"}[choose.IntN(3)], Name: []string{"ada", "eve"}[choose.IntN(2)],
			Groups: randomGroups(choose), PasswordSetTime: randomSetTime(choose),
		},
	}
}

func randomGroups(choose *rand.Rand) []string {
	return [][]string{nil, {"staff"}, {"admins", "staff"}}[choose.IntN(3)]
}

func randomSetTime(choose *rand.Rand) time.Time {
	return []time.Time{{}, ago(day), ago(time.Hour)}[choose.IntN(3)]
}

// randomObservation returns what a look into a directory says.
func randomObservation(choose *rand.Rand) account.Observation {
	return account.Observation{
		State:  []v1alpha1.StandingReason{"", "", v1alpha1.ReasonExternalDisabled, v1alpha1.ReasonExternalGone}[choose.IntN(4)],
		Groups: randomGroups(choose), PasswordSetTime: randomSetTime(choose),
	}
}

// must returns the credential that an operation by hand has succeeded with.
func must(c account.Credential, err error) account.Credential {
	if err != nil {
		panic(err)
	}
	return c
}

// randomWrite does what one of the servers would, and returns how many passwords it set and how many it refused.
func randomWrite(choose *rand.Rand, r account.Rules, c account.Credential, step int) (after account.Credential, set, refused int) {
	encoded := hash.Encoded(string(rune('a'+choose.IntN(26))) + string(rune('A'+step)))
	locked := r.AttemptLock(r.ApplyRequests(c)).Locked
	by := []string{"keyturn:org:grace", "keyturn:ops:sam"}[choose.IntN(2)]
	isLocal := !r.IsExternal()
	switch choose.IntN(17) {
	case 13, 14:
		if p := randomPerson(choose, r); p.Asserted || !locked {
			c, _ = r.NextStep(c, p)
		}
		return c, 0, 0
	case 15:
		return r.Revalidate(c, randomObservation(choose)), 0, 0
	case 16:
		if !locked {
			c = r.Mismatched(r.Failed(c))
		}
		return c, 0, 0
	case 8:
		if isLocal {
			return must(r.ResetByHand(c, by, encoded, account.Digests{})), 1, 0
		}
	case 9:
		return must(r.UnlockByHand(c, by)), 0, 0
	case 10:
		return must(r.SignOutByHand(c, by)), 0, 0
	case 11:
		c = must(r.UnlockByHand(must(r.SignOutByHand(c, by)), by))
		if isLocal {
			return must(r.ResetByHand(c, by, encoded, account.Digests{})), 1, 0
		}
	case 12:
		c, _ = r.NextStep(c, asserted(account.External{ProviderUID: r.Provider.UID, Subject: r.Spec.Authentication.Subject}))
		return c, 0, 0
	case 0, 1:
		if !locked {
			return r.Failed(c), 0, 0
		}
	case 2:
		if !locked {
			c, _ = r.NextStep(c, account.Proven{})
			return c, 0, 0
		}
	case 3:
		if c, answer := r.MayChange(c, account.Proven{}); !locked && answer.Outcome == account.Granted {
			return r.Change(c, encoded, account.Digests{}), 1, 0
		}
	case 4:
		if !isLocal {
			return r.ApplyRequests(c), 0, 0
		}
		return r.Reset(r.ApplyRequests(c), source(string(encoded)), encoded, account.Digests{}), 1, 0
	case 5:
		return account.EndSession(c, string(encoded), r.Now.Add(time.Hour), r.Now), 0, 0
	case 6:
		if !isLocal {
			return r.ApplyRequests(c), 0, 0
		}
		unmet := []policy.RequirementID{policy.RequirementMinLength}
		return r.RejectReset(r.ApplyRequests(c), source(string(encoded)), "p1", unmet), 0, 1
	default:
		return r.ApplyRequests(c), 0, 0
	}
	return c, 0, 0
}
