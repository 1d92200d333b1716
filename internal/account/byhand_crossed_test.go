package account_test

import (
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/policy"
)

// resetRequest is the request for a reset. Its effect is a reset that is requested no more.
var resetRequest = request{
	name:    "resetTime",
	declare: func(s *state, t *v1alpha1.Instant) { s.spec.Password.ResetTime = t },
	handled: func(c *account.Credential) *time.Time { return &c.Handled.Reset },
}

// TestByHandBesideRequests: an operation first applies the requests that are due, and then itself. It handles no request that is not
// due, and takes back none that was handled. A reset by hand alone also handles a reset that is due.
func TestByHandBesideRequests(t *testing.T) {
	for _, row := range []struct {
		name    string
		instant *v1alpha1.Instant
		handled time.Time
		due     bool
	}{
		{"none", nil, time.Time{}, false},
		{"due", at(ago(time.Minute)), time.Time{}, true},
		{"due at this instant", at(now), time.Time{}, true},
		{"due, by a slow clock", at(ago(time.Hour)), ago(time.Hour + time.Second), true},
		{"to come", at(in(time.Second)), ago(time.Hour), false},
		{"handled", at(ago(time.Hour)), ago(time.Hour), false},
		{"taken back", nil, ago(time.Hour), false},
		{"set back", at(ago(day)), ago(time.Hour), false},
	} {
		for _, request := range append([]request{resetRequest}, requests...) {
			for _, operation := range operations {
				t.Run(operation.name+", "+request.name+" "+row.name, func(t *testing.T) {
					s := begin(lock, mustChange(v1alpha1.MustChangeRequested))
					request.declare(s, row.instant)
					*request.handled(&s.c) = row.handled
					r := s.rules(now)
					got := operation.done(t, s, now)

					want := r.ApplyRequests(s.c).Handled
					if isReset := operation.name == resetByHand.name && request.name == resetRequest.name; isReset && row.due {
						want.Reset = row.instant.UTC()
					}
					if got.Handled != want {
						t.Errorf("handled are %+v, want %+v", got.Handled, want)
					}
					after, err := operation.do(r, r.ApplyRequests(s.c))
					if err != nil {
						t.Fatal(err)
					}
					same(t, got, after)
					same(t, r.ApplyRequests(got), got)
				})
			}
		}
	}
}

// TestRequestAfterByHand: a request that was to come at an operation, or is made after it, takes effect as if nobody had acted by hand,
// also where a slow clock has written it.
func TestRequestAfterByHand(t *testing.T) {
	for _, instant := range []time.Time{in(time.Hour), in(time.Second), ago(time.Hour)} {
		for _, request := range requests {
			for _, operation := range operations {
				s := begin(lock, mustChange(v1alpha1.MustChangeRequested))
				*request.handled(&s.c) = ago(day)
				s.c = operation.done(t, s, now)
				request.declare(s, at(instant))
				request.prepare(&s.c)
				s.c.UnnotifiedFailures = 0
				if got := s.rules(in(time.Hour)).ApplyRequests(s.c); !request.effect(s.c, got) {
					t.Errorf("%s, then %s of %v: it does not take effect", operation.name, request.name, instant)
				}
			}
		}
	}
}

// TestResetByHandBesideTheSecret: after a reset by hand the content of the Secret decides. What was rejected before is not judged again
// without another revision or resetTime; what nobody has looked at is.
func TestResetByHandBesideTheSecret(t *testing.T) {
	next := revision
	next.ResourceVersion = "8"
	restored := revision
	restored.UID = "s2"
	deferred := func(s *state) { s.c = s.rules(ago(time.Hour)).DeferReset(s.c, revision) }
	former := func(s *state) { rejected(s); s.c.Reset.Rejected = []policy.RequirementID{policy.RequirementHistory} }
	tookBack := func(s *state) { rejected(s); s.c.Reset.ResetTime = ago(2 * time.Hour) }
	requested := func(s *state) { s.spec.Password.ResetTime = at(ago(time.Minute)) }
	asked := func(s *state) { requested(s); s.c.Reset.ResetTime = ago(time.Minute) }
	for name, row := range map[string]struct {
		edits  []func(*state)
		source account.Source
		policy string
		// then is what is declared after the reset by hand, and later how long after it the Secret is looked at.
		then  func(*state)
		later time.Duration
		due   bool
	}{
		"applied before":                          {edits(looked), revision, "another", nil, 0, false},
		"applied before, another revision":        {edits(looked), next, fingerprint, nil, 0, true},
		"applied before, restored":                {edits(looked), restored, fingerprint, nil, 0, true},
		"applied before, a resetTime was due":     {edits(looked, requested), revision, fingerprint, nil, 0, false},
		"never looked at":                         {nil, revision, fingerprint, nil, 0, true},
		"never looked at, a resetTime was due":    {edits(requested), revision, fingerprint, nil, 0, true},
		"rejected":                                {edits(rejected), revision, fingerprint, nil, 0, false},
		"rejected, another policy":                {edits(rejected), revision, "another", nil, 0, false},
		"rejected by a resetTime":                 {edits(rejected, asked), revision, "another", nil, 0, false},
		"rejected by a resetTime, taken back":     {edits(rejected, asked), revision, "another", func(s *state) { s.spec.Password.ResetTime = nil }, 0, false},
		"rejected by a resetTime, and taken back": {edits(tookBack), revision, fingerprint, nil, 0, false},
		"rejected, a resetTime was due":           {edits(rejected, requested), revision, "another", nil, 0, false},
		"rejected, another revision":              {edits(rejected), next, fingerprint, nil, 0, true},
		"rejected, restored":                      {edits(rejected), restored, fingerprint, nil, 0, true},
		"rejected, then a resetTime":              {edits(rejected), revision, fingerprint, requested, 0, true},
		"rejected, a resetTime, and another":      {edits(rejected, requested), revision, fingerprint, func(s *state) { s.spec.Password.ResetTime = at(now) }, 0, true},
		"rejected, a resetTime to come": {edits(rejected, func(s *state) {
			s.spec.Password.ResetTime = at(in(time.Minute))
		}), revision, fingerprint, nil, 59 * time.Second, false},
		"rejected, a resetTime that has come": {edits(rejected, func(s *state) {
			s.spec.Password.ResetTime = at(in(time.Minute))
		}), revision, fingerprint, nil, time.Minute, true},
		"rejected by a resetTime, before the clock went back": {edits(rejected, func(s *state) {
			s.spec.Password.ResetTime, s.c.Reset.ResetTime = at(in(time.Minute)), in(time.Minute)
		}), revision, fingerprint, nil, time.Minute, true},
		"rejected for a former password": {edits(former), revision, fingerprint, nil, 0, false},
		"not to be judged":               {edits(deferred), revision, fingerprint, nil, 0, false},
		"not to be judged, another":      {edits(deferred), next, fingerprint, nil, 0, true},
		"unusable":                       {edits(unusable), revision, "another", nil, 0, false},
		"unusable, another revision":     {edits(unusable), next, fingerprint, nil, 0, true},
		"unusable, then a resetTime":     {edits(unusable), revision, fingerprint, requested, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			look := s.c.Reset
			s.c = resetByHand.done(t, s, now)
			look.Superseded = len(look.Rejected) > 0
			want := s.c
			want.Reset = look
			same(t, s.c, want)
			if row.then != nil {
				row.then(s)
			}
			r := s.rules(in(row.later))
			if got := r.ResetDue(s.c, row.source, row.policy); got != row.due {
				t.Errorf("due: %t, want %t", got, row.due)
			}
			s.c = resetByHand.done(t, s, in(row.later))
			if got := r.ResetDue(s.c, row.source, row.policy); got != (row.source != look.Source) {
				t.Errorf("due after another reset by hand: %t", got)
			}
		})
	}
}

// TestEachLookForgetsTheResetByHand: what was rejected before a reset by hand is so until the Secret is looked at again, whatever
// comes of that.
func TestEachLookForgetsTheResetByHand(t *testing.T) {
	next := revision
	next.ResourceVersion = "8"
	for name, look := range map[string]func(account.Rules, account.Credential) account.Credential{
		"applied": func(r account.Rules, c account.Credential) account.Credential {
			return r.Reset(c, next, "new", account.Digests{})
		},
		"the same": func(r account.Rules, c account.Credential) account.Credential { return r.NoteRevision(c, next) },
		"rejected": func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, next, fingerprint, c.Reset.Rejected)
		},
		"held back while the policy is missing": func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectReset(c, next, "", c.Reset.Rejected)
		},
		"not to be judged": func(r account.Rules, c account.Credential) account.Credential { return r.DeferReset(c, next) },
		"unusable": func(r account.Rules, c account.Credential) account.Credential {
			return r.RejectUnusable(c, next, account.UnusableEmpty)
		},
	} {
		s := begin(rejected)
		s.c = resetByHand.done(t, s, now)
		if c := look(s.rules(in(time.Minute)), s.c); c.Reset.Superseded || !c.Acted.Reset.Equal(s.c.Acted.Reset) {
			t.Errorf("%s: superseded: %t, by hand: %+v", name, c.Reset.Superseded, c.Acted.Reset)
		}
	}
}

// TestByHandAmongTheOthers: whatever the person, a Secret or another operation has done before, the last one counts.
func TestByHandAmongTheOthers(t *testing.T) {
	type step func(*testing.T, *state, time.Time) account.Credential
	secret := step(func(_ *testing.T, s *state, at time.Time) account.Credential {
		return s.rules(at).Reset(s.c, revision, "hash of the Secret", account.Digests{})
	})
	change := step(func(_ *testing.T, s *state, at time.Time) account.Credential {
		return s.rules(at).Change(s.c, "hash of the person", account.Digests{})
	})
	hand := step(resetByHand.done)
	type outcome struct {
		hash  string
		must  v1alpha1.MustChangeReason
		setBy v1alpha1.PasswordSetter
		due   bool
	}
	applied := func(s *state) { looked(s); s.policy.ChangeOnReset = true }
	for name, row := range map[string]struct {
		edits []func(*state)
		steps []step
		want  outcome
	}{
		"by a Secret, by hand":              {edits(applied), []step{secret, hand}, outcome{"hash by hand", v1alpha1.MustChangeReset, v1alpha1.SetByReset, false}},
		"by hand, by a Secret":              {edits(applied), []step{hand, secret}, outcome{"hash of the Secret", v1alpha1.MustChangeReset, v1alpha1.SetByReset, false}},
		"by hand, by a Secret that is kept": {edits(looked), []step{hand, secret}, outcome{"hash of the Secret", "", v1alpha1.SetByReset, false}},
		"by hand, changed":                  {edits(applied), []step{hand, change}, outcome{"hash of the person", "", v1alpha1.SetByUser, false}},
		"changed, by hand":                  {edits(applied), []step{change, hand}, outcome{"hash by hand", v1alpha1.MustChangeReset, v1alpha1.SetByReset, false}},
		"first by hand, then by a Secret":   {edits(noPassword, func(s *state) { s.policy.ChangeOnInitialLogin = true }), []step{hand, secret}, outcome{"hash of the Secret", v1alpha1.MustChangeInitialLogin, v1alpha1.SetByReset, false}},
		"first by hand, changed, by hand":   {edits(noPassword), []step{hand, change, hand}, outcome{"hash by hand", v1alpha1.MustChangeReset, v1alpha1.SetByReset, true}},
		"by hand, twice":                    {edits(noPassword), []step{hand, hand}, outcome{"hash by hand", v1alpha1.MustChangeInitialLogin, v1alpha1.SetByReset, true}},
		"by hand, required, withdrawn": {edits(applied, forbidChange, func(s *state) { s.spec.Password.ChangeRequiredTime = at(in(90 * time.Second)) }), []step{hand, withdrawByHand.done},
			outcome{"hash by hand", "", v1alpha1.SetByReset, false}},
		"required, by a Secret":           {edits(looked), []step{requireByHand.done, secret}, outcome{"hash of the Secret", v1alpha1.MustChangeRequested, v1alpha1.SetByReset, false}},
		"required, by hand":               {edits(looked), []step{requireByHand.done, hand}, outcome{"hash by hand", v1alpha1.MustChangeReset, v1alpha1.SetByReset, false}},
		"required, changed":               {edits(looked), []step{requireByHand.done, change}, outcome{"hash of the person", "", v1alpha1.SetByUser, false}},
		"required, changed, and required": {edits(looked), []step{requireByHand.done, change, requireByHand.done}, outcome{"hash of the person", v1alpha1.MustChangeRequested, v1alpha1.SetByUser, false}},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(row.edits...)
			generation, raises := s.c.SessionGeneration, int64(0)
			for i, step := range row.steps {
				c := step(t, s, in(time.Duration(i+1)*time.Minute))
				if !c.Password.SetTime.Equal(s.c.Password.SetTime) {
					raises++
				}
				s.c = c
			}
			r := s.rules(in(time.Duration(len(row.steps)) * time.Minute))
			got := outcome{s.c.Password.Hash.PHC(), s.c.Password.MustChange, s.c.Password.SetBy, r.ResetDue(s.c, revision, fingerprint)}
			if got != row.want {
				t.Errorf("the password is %+v, want %+v", got, row.want)
			}
			if s.c.SessionGeneration != generation+raises {
				t.Errorf("generation %d, want each new password to raise %d", s.c.SessionGeneration, generation)
			}
		})
	}
}

// TestWithdrawnForGood: a request in the spec that was handled, and then withdrawn, does not come back. A later one does.
func TestWithdrawnForGood(t *testing.T) {
	s := begin(changeRequired(ago(time.Minute)))
	for range 3 {
		s.c = s.rules(now).ApplyRequests(s.c)
		if c, err := s.rules(now).WithdrawRequiredChange(s.c); err == nil {
			s.c = c
		}
		if got := s.rules(in(day)).Standing(s.c); got.MustChange != "" {
			t.Errorf("stands as %+v", got)
		}
	}
	changeRequired(ago(time.Second))(s)
	if got := s.rules(now).Standing(s.c); got.MustChange != v1alpha1.MustChangeRequested {
		t.Errorf("after a later request it stands as %+v", got)
	}
	if c := withdrawByHand.done(t, s, now); c.Password.MustChange != "" || !c.Handled.ChangeRequired.Equal(ago(time.Second)) {
		t.Errorf("one that was due is withdrawn as %+v", c.Password)
	}
}

// TestTimesThatByHandMoves: an account counts as used when it was unlocked, a requested change lapses from the request on, and failures
// from before an unlock are not recorded; by hand as on request, whichever was later.
func TestTimesThatByHandMoves(t *testing.T) {
	for name, row := range map[string]struct{ handled, acted, want time.Time }{
		"neither":               {time.Time{}, time.Time{}, ago(10 * day)},
		"on request":            {ago(day), time.Time{}, ago(day)},
		"by hand":               {time.Time{}, ago(day), ago(day)},
		"on request, then both": {ago(2 * day), ago(day), ago(day)},
		"by hand, then both":    {ago(day), ago(2 * day), ago(day)},
		"long before":           {ago(200 * day), ago(100 * day), ago(10 * day)},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(handOut(v1alpha1.MustChangeRequested, 10*day), func(s *state) {
				s.policy.ChangeWithin, s.policy.IdleLock = 20*day, 30*day
				s.c.LastSuccessTime = ago(10 * day)
				s.c.Handled.ChangeRequired, s.c.Handled.Unlock = row.handled, row.handled
				s.c.Acted.ChangeRequired, s.c.Acted.Unlock = account.Act{Time: row.acted, By: admin}, account.Act{Time: row.acted, By: admin}
			})
			if got := s.rules(now).Standing(s.c).PasswordExpires; !got.Equal(row.want.Add(20 * day)) {
				t.Errorf("lapses at %v", got)
			}
			s.c.Password.MustChange, s.policy.ChangeWithin = "", 0
			if got := s.rules(now).Standing(s.c).Next; !got.Equal(row.want.Add(30 * day)) {
				t.Errorf("is idle at %v", got)
			}
			s.c.Password.SetTime = ago(300 * day)
			since := row.handled
			if row.acted.After(since) {
				since = row.acted
			}
			if since.IsZero() {
				return
			}
			if c := s.rules(now).FailedEarlier(s.c, since); c.Failures.Consecutive != 0 {
				t.Error("a failure from before the unlock is recorded")
			}
			if c := s.rules(now).FailedEarlier(s.c, since.Add(1)); c.Failures.Consecutive != 1 {
				t.Error("a failure from after the unlock is not recorded")
			}
		})
	}
}

// TestUnlockByHandEndsLocks: an unlock by hand ends each kind of lock, and that of an idle account.
func TestUnlockByHandEndsLocks(t *testing.T) {
	for name, edit := range map[string]func(*state){
		"for a time":             lock,
		"until an administrator": func(s *state) { lock(s); s.policy.LockDuration = 0 },
		"in a row":               func(s *state) { s.policy.MaxConsecutiveFailures, s.c.Failures.Consecutive = 3, 3 },
		"idle":                   idle,
		"idle, by an unlock":     func(s *state) { idle(s); s.c.Handled.Unlock = ago(90 * time.Minute) },
		"idle and locked":        func(s *state) { idle(s); lock(s) },
	} {
		s := begin(edit)
		if got := s.rules(now).Standing(s.c); got.Standing != v1alpha1.StandingLocked {
			t.Fatalf("%s: stands as %+v", name, got)
		}
		s.c = unlockByHand.done(t, s, now)
		if got := s.rules(now).Standing(s.c); resultOf(got) != active {
			t.Errorf("%s: stands as %+v after it", name, got)
		}
	}
	s := begin(lockout(3, time.Hour, time.Hour, 0))
	s.fails(desk, 0, 3)
	s.c = unlockByHand.done(t, s, now)
	if lock := s.from(desk, 0).AttemptLock(s.c); lock.Locked || s.c.UnnotifiedFailures != 3 {
		t.Errorf("the device is locked: %+v, and %d failures are to be told", lock, s.c.UnnotifiedFailures)
	}
}
