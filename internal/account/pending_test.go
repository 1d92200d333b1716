package account_test

import (
	"slices"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

// requestFields are the fields that ask for something once.
var requestFields = map[string]func(*state, *v1alpha1.Instant){
	"spec.password.resetTime":          func(s *state, t *v1alpha1.Instant) { s.spec.Password.ResetTime = t },
	"spec.password.changeRequiredTime": func(s *state, t *v1alpha1.Instant) { s.spec.Password.ChangeRequiredTime = t },
	"spec.unlockTime":                  func(s *state, t *v1alpha1.Instant) { s.spec.UnlockTime = t },
	"spec.signOutTime":                 func(s *state, t *v1alpha1.Instant) { s.spec.SignOutTime = t },
}

func TestPendingRequests(t *testing.T) {
	s := begin()
	s.spec.Password = nil
	if got := s.rules(now).PendingRequests(s.c); len(got) != 0 {
		t.Errorf("of an account that asks for nothing: %v", got)
	}
	for field, ask := range requestFields {
		for name, row := range map[string]struct {
			request time.Time
			want    bool
		}{"past": {ago(time.Hour), false}, "present": {now, false}, "future": {in(time.Hour), true}} {
			s := begin()
			ask(s, at(row.request))
			got := s.rules(now).PendingRequests(s.c)
			if row.want != slices.Equal(got, []account.PendingRequest{{Field: field, Time: row.request}}) || !row.want && len(got) > 0 {
				t.Errorf("%s, %s: %v", field, name, got)
			}
			if row.want && !s.rules(now).Standing(s.c).Next.Equal(row.request) {
				t.Errorf("%s: the next look is at %s", field, s.rules(now).Standing(s.c).Next)
			}
			if got := s.rules(row.request).PendingRequests(s.c); len(got) > 0 {
				t.Errorf("%s, %s: pending at its time", field, name)
			}
		}
	}
	s = begin()
	for _, ask := range requestFields {
		ask(s, at(in(time.Hour)))
	}
	s.c.Handled = account.Requests{Reset: in(day), Unlock: in(day), SignOut: in(day), ChangeRequired: in(day)}
	if got := s.rules(now).PendingRequests(s.c); len(got) != 0 {
		t.Errorf("those that took effect by a clock that was ahead: %v", got)
	}
	s.c.Handled = account.Requests{}
	if got := s.rules(now).PendingRequests(s.c); len(got) != len(requestFields) {
		t.Errorf("all of them: %v", got)
	}
}
