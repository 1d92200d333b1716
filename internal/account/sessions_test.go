package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/account"
)

func TestEndSession(t *testing.T) {
	s := begin()
	end := func(at time.Time, id string, forget time.Time) {
		was := len(s.c.EndedSessions)
		before := s.c
		s.c = account.EndSession(s.c, id, forget, at)
		if len(before.EndedSessions) != was {
			t.Error("the credential that was given has changed")
		}
	}
	end(now, "one", in(time.Hour))
	end(now, "two", in(2*time.Hour))
	end(now, "one", in(3*time.Hour))
	if got := fmt.Sprint(s.c.EndedSessions); len(s.c.EndedSessions) != 2 || !account.HasEnded(s.c.EndedSessions, "one") {
		t.Errorf("a session that ends twice is there once: %s", got)
	}
	if account.HasEnded(s.c.EndedSessions, "three") || s.c.SessionGeneration != 5 {
		t.Error("another session has ended too")
	}
	end(in(2*time.Hour), "three", in(4*time.Hour))
	if account.HasEnded(s.c.EndedSessions, "two") || !account.HasEnded(s.c.EndedSessions, "one") || !account.HasEnded(s.c.EndedSessions, "three") {
		t.Errorf("forgotten is what has expired: %v", s.c.EndedSessions)
	}
}

func TestEndSessionOverflows(t *testing.T) {
	s := begin()
	for i := range account.MaxEndedSessions {
		s.c = account.EndSession(s.c, fmt.Sprint(i), in(time.Hour), now)
	}
	if len(s.c.EndedSessions) != account.MaxEndedSessions || s.c.SessionGeneration != 5 {
		t.Fatalf("%d are noted, in generation %d", len(s.c.EndedSessions), s.c.SessionGeneration)
	}
	again := account.EndSession(s.c, "7", in(time.Hour), now)
	if len(again.EndedSessions) != account.MaxEndedSessions || again.SessionGeneration != 5 {
		t.Errorf("one that is noted needs no more room: %d, generation %d", len(again.EndedSessions), again.SessionGeneration)
	}
	later := account.EndSession(s.c, "one more", in(2*time.Hour), in(time.Hour))
	if len(later.EndedSessions) != 1 || later.SessionGeneration != 5 {
		t.Errorf("what has expired makes room: %d, generation %d", len(later.EndedSessions), later.SessionGeneration)
	}
	over := account.EndSession(s.c, "one more", in(time.Hour), now)
	if len(over.EndedSessions) != 0 || over.SessionGeneration != 6 {
		t.Errorf("one too many ends all: %d, generation %d", len(over.EndedSessions), over.SessionGeneration)
	}
}

func TestEndSessions(t *testing.T) {
	s := begin(func(s *state) { s.c.EndedSessions = []account.EndedSession{{ID: "one", ForgetTime: in(time.Hour)}} })
	want := s.c
	want.SessionGeneration, want.EndedSessions = 6, nil
	same(t, account.EndSessions(s.c), want)
}
