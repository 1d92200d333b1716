package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// changeAttempts is how often a new password is asked for. A rejected one does not count as a failed login.
const changeAttempts = 5

// accountName is how a person names an account.
type accountName struct{ namespace, username string }

// changePassword asks for a new password, and again to confirm it, until the server accepts one.
func changePassword(ctx context.Context, t terminal, to *server, w accountName, current string) (*granted, error) {
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
		rejected, ok := refusedAs(err, problemPasswordRejected)
		if !ok || attempt == changeAttempts {
			return answer, err
		}
		unmet := slices.DeleteFunc(rejected.Requirements, func(r requirement) bool { return r.Satisfied })
		t.say("%s", bulletList(rejected.Title+". It has to be:", unmet))
	}
}

// bulletList formats a heading and the requirements, each in a line of its own.
func bulletList(head string, requirements []requirement) string {
	lines := []string{head}
	for _, r := range requirements {
		lines = append(lines, "  - "+r.Message)
	}
	return strings.Join(lines, "\n")
}

// passwd changes the password and stores the session that the server answers with. All other sessions of the account have ended.
func (p *program) passwd(ctx context.Context, to *server, s *settings) error {
	t, err := p.terminal()
	if err != nil {
		return fmt.Errorf("%w: run kubectl account passwd at one", err)
	}
	defer t.Close()
	w := accountName{s.namespace, s.username}
	session, err := p.sessions.load(s)
	if unusable, found := errors.AsType[*unusableError](err); found && !unusable.mayBeForged {
		session = unusable.exposed // The change ends it.
	}
	if session != nil {
		w = accountName{session.Namespace, session.Username}
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
	s.setsDefault = false // A change of a password does not decide whose session kubectl uses.
	session, err = p.keep(s, answer)
	if err != nil {
		return fmt.Errorf("the password is changed, and all sessions have ended, but %w", err)
	}
	fmt.Fprintf(p.stdout, "The password is changed, and all other sessions have ended. You are logged in until %s.\n", p.formatTime(session.ExpiresAt))
	return nil
}
