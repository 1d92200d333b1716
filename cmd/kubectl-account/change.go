package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// changeAttempts is how often a new password is asked for. None of them counts as a wrong one.
const changeAttempts = 5

// who is an account, as a person names it.
type who struct{ namespace, username string }

// changePassword asks for a new password, twice, until the server takes one.
func changePassword(ctx context.Context, t terminal, to *server, w who, current string) (*granted, error) {
	for attempt := 1; ; attempt++ {
		next, err := t.askSecret(ctx, "New password: ")
		if err != nil {
			return nil, err
		}
		again, err := t.askSecret(ctx, "New password again: ")
		if err != nil {
			return nil, err
		}
		if next != again {
			t.say("The two are not the same.")
			if attempt == changeAttempts {
				return nil, errors.New("the password was not changed")
			}
			continue
		}
		answer, err := to.change(ctx, w.namespace, w.username, current, next)
		rejected, ok := is(err, problemPasswordRejected)
		if !ok || attempt == changeAttempts {
			return answer, err
		}
		t.say("%s", list(rejected.Title+". It has to be:", unmet(rejected.Requirements)))
	}
}

func unmet(all []requirement) []requirement {
	var left []requirement
	for _, r := range all {
		if !r.Satisfied {
			left = append(left, r)
		}
	}
	return left
}

// list shows requirements in lines of their own.
func list(head string, requirements []requirement) string {
	lines := []string{head}
	for _, r := range requirements {
		lines = append(lines, "  - "+r.Message)
	}
	return strings.Join(lines, "\n")
}

// changeReason says why a password must be changed. The reasons are words of the API of UserAccounts.
func changeReason(reason string) string {
	why := map[string]string{
		"InitialLogin":  "This is your first login, with a password that was handed out.",
		"Reset":         "An administrator has reset your password.",
		"Requested":     "An administrator asks you to change your password.",
		"Expired":       "Your password has expired.",
		"PolicyChanged": "The rules for passwords have changed since you set yours.",
	}[reason]
	if why == "" {
		why = "The password has to be changed."
	}
	return why + " Choose a new one, and you are logged in."
}

// passwd changes the password, and stores the session that comes with it: all others have ended.
func (p *program) passwd(ctx context.Context, s *settings) error {
	to, err := s.connect(p.now)
	if err != nil {
		return err
	}
	t, err := p.terminal()
	if err != nil {
		return fmt.Errorf("%w: run kubectl account passwd at one", err)
	}
	defer t.Close()
	w := who{s.namespace, s.username}
	session, err := p.sessions.load(s)
	if unusable, found := errors.AsType[*unusableError](err); found && !unusable.changeable {
		session = unusable.exposed // It ends with the change.
	}
	if session != nil {
		w = who{session.Namespace, session.Username}
	}
	t.say("Change the password at %s", to.url)
	if w.username == "" {
		if w.username, err = askUsername(ctx, t); err != nil {
			return err
		}
	}
	current, err := t.askSecret(ctx, "Current password of "+w.username+": ")
	if err != nil {
		return err
	}
	answer, err := changePassword(ctx, t, to, w, current)
	if err != nil {
		return err
	}
	warn(t, answer)
	s.chosen = false // A change for an account that is named says nothing of whose session kubectl uses.
	session, err = p.keep(s, answer)
	if err != nil {
		return fmt.Errorf("the password is changed, and all sessions have ended, but %w", err)
	}
	fmt.Fprintf(p.stdout, "The password is changed, and all other sessions have ended. You are logged in until %s.\n", p.moment(session.ExpiresAt))
	return nil
}
