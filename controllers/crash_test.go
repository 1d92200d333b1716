package controllers_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// crash says at which write about an account an operator crashes, and whether the API server still gets that write.
type crash struct {
	at   int // 0: never
	how  verdict
	done int  // writes so far
	dead bool // the operator has crashed: nothing more reaches the API server
}

// crashes are the planned crashes, each with the names of the objects that it is about.
type crashes struct {
	mu    sync.Mutex
	cases map[*crash][]string
}

// intercept has the operator crash for each account on its own: about that one, it writes nothing more.
func (c *crashes) intercept(r request) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one, names := range c.cases {
		if !r.about(names...) {
			continue
		}
		if one.dead {
			return refuse
		}
		if one.done++; one.done == one.at {
			one.dead = true
			return one.how
		}
	}
	return pass
}

// dead counts the crashes that have happened.
func (c *crashes) dead() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for one := range c.cases {
		if one.dead {
			n++
		}
	}
	return n
}

// writes counts the writes about the account for which the operator never crashes.
func (c *crashes) writes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for one := range c.cases {
		if one.at == 0 {
			return one.done
		}
	}
	return 0
}

// endState is what an account is like in the end, without what differs from run to run.
type endState struct {
	password                           string // the one in force
	samePerson                         bool
	setBy                              v1alpha1.PasswordSetter
	mustChange                         v1alpha1.MustChangeReason
	generation                         int64
	history, failures, rejected        int
	reset, change, unlock, signOut     bool // handled as requested
	mine, marked, looked, samePassword bool
	standing                           v1alpha1.Standing
	status                             string
}

func (w *world) endState(a *v1alpha1.UserAccount, formerID string) endState {
	w.t.Helper()
	c := w.credential(a)
	e := endState{
		setBy: c.Password.SetBy, mustChange: c.Password.MustChange, generation: c.SessionGeneration,
		history: len(c.History.Digests), failures: c.Failures.Consecutive, rejected: len(c.Reset.Rejected),
		reset: !c.Handled.Reset.IsZero(), change: !c.Handled.ChangeRequired.IsZero(),
		unlock: !c.Handled.Unlock.IsZero(), signOut: !c.Handled.SignOut.IsZero(),
		mine: c.Owner.UID == string(a.UID), marked: a.Annotations[v1alpha1.AnnotationInitialized] != "",
		samePassword: c.Password.Hash == c.Reset.AppliedHash,
		standing:     a.Status.Standing, status: kstatus(a, a.Status.ObservedGeneration, a.Status.Conditions),
	}
	secret := &corev1.Secret{}
	w.must(admin.Get(ctx, keyOf(a), secret))
	e.looked = c.Reset.Source.ResourceVersion == secret.ResourceVersion && c.Reset.Source.UID == string(secret.UID)
	e.samePerson = formerID == c.AccountID
	for _, password := range []string{own, second, initial, handed} {
		if w.accepts(a, password) {
			e.password = password
			break
		}
	}
	return e
}

// TestCrashes: an operator crashes at each of its writes, before or after the API server has carried it out. The next operator brings the
// account into the same state as if nothing had happened.
func TestCrashes(t *testing.T) {
	t.Parallel()
	exists := func(w *world, name string) *v1alpha1.UserAccount {
		w.secret(name, initial)
		return w.account(name, handedOut(name))
	}
	tests := map[string]struct {
		before func(*world, string) *v1alpha1.UserAccount // nil: there is no account
		change func(*world, string, *v1alpha1.UserAccount) *v1alpha1.UserAccount
		writes int
		want   endState
	}{
		"new": {nil, func(w *world, name string, _ *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			return exists(w, name)
		}, 3, endState{
			password: initial, mustChange: v1alpha1.MustChangeInitialLogin, generation: 2,
			setBy: v1alpha1.SetByReset, samePassword: true, standing: v1alpha1.StandingChangeRequired,
		}},
		"reset": {exists, func(w *world, name string, a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			secret := &corev1.Secret{ObjectMeta: objectMeta(w.namespace, name)}
			edit(w, secret, func(s *corev1.Secret) { s.Data["password"] = []byte(second) })
			return a
		}, 2, endState{
			password: second, samePerson: true, mustChange: v1alpha1.MustChangeReset, generation: 4,
			setBy: v1alpha1.SetByReset, samePassword: true, standing: v1alpha1.StandingChangeRequired,
		}},
		"reset-again": {exists, func(w *world, _ string, a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			edit(w, a, func(a *v1alpha1.UserAccount) { a.Spec.Password.ResetTime = at(w.clock.Now()) })
			return a
		}, 3, endState{
			password: initial, samePerson: true, mustChange: v1alpha1.MustChangeReset, generation: 4,
			setBy: v1alpha1.SetByReset, samePassword: true, reset: true, standing: v1alpha1.StandingChangeRequired,
		}},
		"requests": {exists, func(w *world, _ string, a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			edit(w, a, func(a *v1alpha1.UserAccount) {
				now := at(w.clock.Now())
				a.Spec.Password.ChangeRequiredTime, a.Spec.SignOutTime, a.Spec.UnlockTime = now, now, now
			})
			return a
		}, 2, endState{
			password: own, samePerson: true, mustChange: v1alpha1.MustChangeRequested, generation: 4,
			setBy: v1alpha1.SetByUser, change: true, unlock: true, signOut: true, standing: v1alpha1.StandingChangeRequired,
		}},
		"by-hand": {exists, func(w *world, _ string, a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			edit(w, a, func(a *v1alpha1.UserAccount) {
				now := at(w.clock.Now())
				a.Spec.Password.ResetTime, a.Spec.Password.ChangeRequiredTime = now, now
			})
			w.resetByHand(a)
			return a
		}, 2, endState{ // The credential needs no write.
			password: handed, samePerson: true, mustChange: v1alpha1.MustChangeReset, generation: 4,
			setBy: v1alpha1.SetByReset, reset: true, change: true, standing: v1alpha1.StandingChangeRequired,
		}},
		"adoption": {exists, func(w *world, name string, a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			w.delete(a)
			return w.account(name, handedOut(name), markedAs(w.namespace, name))
		}, 2, endState{
			password: own, samePerson: true, generation: 4, setBy: v1alpha1.SetByUser,
			standing: v1alpha1.StandingActive,
		}},
		"replacement": {exists, func(w *world, name string, a *v1alpha1.UserAccount) *v1alpha1.UserAccount {
			w.delete(a)
			return w.account(name, handedOut(name))
		}, 3, endState{
			password: initial, mustChange: v1alpha1.MustChangeInitialLogin, generation: 5,
			setBy: v1alpha1.SetByReset, samePassword: true, standing: v1alpha1.StandingChangeRequired,
		}},
	}
	for name, tt := range tests {
		tt.want.mine, tt.want.marked, tt.want.looked, tt.want.status = true, true, true, "Current"
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.clock.advance(time.Hour)
			plan := map[string]*crash{"undisturbed": {}}
			for n := range tt.writes {
				plan[fmt.Sprintf("refused-%d", n+1)] = &crash{at: n + 1, how: refuse}
				plan[fmt.Sprintf("lost-%d", n+1)] = &crash{at: n + 1, how: lose}
			}
			accounts, ids := map[string]*v1alpha1.UserAccount{}, map[string]string{}
			if tt.before != nil {
				o := w.run()
				for name := range plan {
					accounts[name] = tt.before(w, name)
				}
				for name, a := range accounts {
					w.eventually(a, ready)
					w.choose(a, own)
					w.eventually(a, standing(v1alpha1.StandingActive, ""))
					ids[name] = w.credential(a).AccountID
				}
				o.stop()
			}
			all := &crashes{cases: map[*crash][]string{}}
			for name, one := range plan {
				accounts[name] = tt.change(w, name, accounts[name])
				all.cases[one] = []string{name, credentialName(accounts[name])}
			}
			dying := w.start(all.intercept)
			w.g.Eventually(all.dead, patience, glance).Should(gomega.Equal(2 * tt.writes))
			w.eventually(accounts["undisturbed"], ready, func(a *v1alpha1.UserAccount) string {
				return standingIs(a, tt.want.standing)
			})
			w.g.Expect(all.writes()).To(gomega.Equal(tt.writes), "the writes of the one that was not disturbed")
			dying.stop()

			w.run()
			for name, a := range accounts {
				w.eventually(a, ready, func(a *v1alpha1.UserAccount) string { return standingIs(a, tt.want.standing) })
				w.g.Expect(w.endState(a, ids[name])).To(gomega.Equal(tt.want), name)
			}
		})
	}
}

func standingIs(a *v1alpha1.UserAccount, want v1alpha1.Standing) string {
	if a.Status.Standing != want {
		return "standing is " + string(a.Status.Standing)
	}
	return ""
}

// TestCrashesWithPolicies: the same with policies. A new one gets its status, and one that has a former version's finalizer is deleted.
func TestCrashesWithPolicies(t *testing.T) {
	w := newWorld(t)
	all := &crashes{cases: map[*crash][]string{}}
	created, deleted := []*v1alpha1.PasswordPolicy{}, []*v1alpha1.PasswordPolicy{}
	for _, how := range []verdict{refuse, lose} {
		p := w.policy(fmt.Sprintf("deleted-%d", how), v1alpha1.PasswordPolicySpec{}, func(p *v1alpha1.PasswordPolicy) {
			p.Finalizers = []string{v1alpha1.FinalizerInUse}
		})
		w.delete(p)
		all.cases[&crash{at: 1, how: how}] = []string{p.Name}
		deleted = append(deleted, p)
	}
	// The first write removes the finalizer, the second is the status.
	for n := 1; n <= 2; n++ {
		for _, how := range []verdict{refuse, lose} {
			p := w.policy(fmt.Sprintf("created-%d-%d", n, how), v1alpha1.PasswordPolicySpec{}, func(p *v1alpha1.PasswordPolicy) {
				p.Finalizers = []string{v1alpha1.FinalizerInUse}
			})
			all.cases[&crash{at: n, how: how}] = []string{p.Name}
			created = append(created, p)
		}
	}
	dying := w.start(all.intercept)
	w.g.Eventually(all.dead, patience, glance).Should(gomega.Equal(len(all.cases)))
	dying.stop()
	w.run()
	for _, p := range deleted {
		w.gone(p)
	}
	for _, p := range created {
		w.policyIs(p, "True", v1alpha1.ConditionReasonSucceeded)
		w.g.Expect(p.Finalizers).To(gomega.BeEmpty())
	}
}
