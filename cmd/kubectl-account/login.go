package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyturn/keyturn/internal/typedname"
)

const (
	// minRemaining is how long a session must still last to be used: a command takes a moment.
	minRemaining = 30 * time.Second
	// checkTimeout is how long the server may take to say whether a session is valid that has not expired: kubectl, and so a
	// person, waits for the answer.
	checkTimeout = 3 * time.Second
	// loginAttempts is how often a password is asked for. An account is locked after a few more failures.
	loginAttempts = 3
)

// errNotKept means that the session can be used now and could not be stored.
var errNotKept = errors.New("the session cannot be kept, and you are asked again the next time")

// login uses the stored session, or logs in. It answers kubectl with the token, and a person in words.
func (p *program) login(ctx context.Context, to *server, s *settings) error {
	plugin, err := p.pluginInfo()
	if err != nil {
		return err
	}
	// A browser on this computer needs no terminal.
	mayAsk := plugin == nil || plugin.Spec.Interactive || s.browser && !s.noLaunchBrowser
	session, err := p.currentSession(ctx, to, s)
	unusable, found := errors.AsType[*unusableError](err)
	if found && mayAsk {
		fmt.Fprintln(p.stderr, unusable)
		err = nil
	}
	if err == nil && session == nil {
		if !mayAsk {
			return errors.New("nobody is logged in, and kubectl leaves no terminal to ask on: run kubectl account login first")
		}
		logIn := p.logIn
		if s.byBrowser() {
			logIn = p.logInByBrowser
		}
		session, err = logIn(ctx, to, s)
		if found && session != nil {
			p.endExposed(ctx, to, unusable.exposed)
		}
	}
	if plugin != nil && errors.Is(err, errNotKept) { // It answers kubectl all the same.
		fmt.Fprintln(p.stderr, err)
		err = nil
	}
	if err != nil {
		return err
	}
	if plugin != nil {
		return p.writeCredential(session)
	}
	fmt.Fprintf(p.stdout, "You are logged in as %s in the organisation %s, until %s.\n",
		session.Username, session.Namespace, p.formatTime(session.ExpiresAt))
	return nil
}

// endExposed ends a session whose file others could read, once a new session is stored in its place. Later nobody would have the
// token to end it with.
func (p *program) endExposed(ctx context.Context, to *server, exposed *stored) {
	if exposed == nil {
		return
	}
	err := to.end(ctx, exposed.Token)
	if _, over := refusedAs(err, problemInvalidSession); err != nil && !over {
		fmt.Fprintf(p.stderr, "The session that others may have read goes on until %s: %v\n", p.formatTime(exposed.ExpiresAt), err)
	}
}

// currentSession returns the stored session if the server accepts it; nil if the person has to log in. The error is *unusableError
// where a session is stored that must not be used.
//
// In the second half of its time a session is renewed. One that cannot be renewed any more is not used in its last seconds. If the
// server does not answer in time, a session that has not expired is used as it is: the API server asks about it anyway.
func (p *program) currentSession(ctx context.Context, to *server, s *settings) (*stored, error) {
	session, err := p.sessions.load(s)
	if err != nil || session == nil {
		return nil, err
	}
	ask := to.current
	if p.now().After(session.IssuedAt.Add(session.ExpiresAt.Sub(session.IssuedAt) / 2)) {
		ask = to.renew
	}
	asking := ctx
	if p.lasts(session) {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, p.checkTimeout)
		defer cancel()
	}
	answer, err := ask(asking, session.Token)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if _, over := refusedAs(err, problemInvalidSession); over {
		return p.sessions.forgetRefused(s, session)
	}
	switch {
	case err != nil && p.lasts(session):
		return session, nil
	case err != nil:
		return nil, err
	case answer.Token != "":
		session, err = p.keep(s, answer)
	}
	if !p.lasts(session) {
		return nil, nil //nolint:nilnil // no session is an answer, and no error
	}
	if err == nil && s.setsDefault {
		if err = p.sessions.refer(s, session); err != nil {
			err = fmt.Errorf("%w: %w", errNotKept, err)
		}
	}
	return session, err
}

// lasts tells whether a session lasts long enough to be used.
func (p *program) lasts(session *stored) bool { return session.ExpiresAt.Sub(p.now()) > minRemaining }

// keep stores a session that was granted. If that fails, it returns the session and errNotKept.
func (p *program) keep(s *settings, answer *granted) (*stored, error) {
	session := &stored{
		Server: s.server, Namespace: answer.Account.Namespace, Username: answer.Account.Username,
		Token: answer.Token, IssuedAt: p.now(), ExpiresAt: answer.ExpiresAt,
	}
	if err := p.sessions.save(s, session); err != nil {
		return session, fmt.Errorf("%w: %w", errNotKept, err)
	}
	return session, nil
}

// logIn asks the person for a username and a password until they are right, and for a new password where one is required.
func (p *program) logIn(ctx context.Context, to *server, s *settings) (*stored, error) {
	t, err := p.terminal()
	if err != nil {
		return nil, fmt.Errorf("%w: run kubectl account login at one", err)
	}
	defer t.Close()
	t.say("Log in to %s", to.url)
	for attempt := 1; ; attempt++ {
		username, password, err := askCredentials(ctx, t, s.username)
		if err != nil {
			return nil, err
		}
		answer, err := to.logIn(ctx, s.namespace, username, password)
		if required, ok := refusedAs(err, problemChangeRequired); ok {
			t.say("%s\n%s", required.Detail, bulletList("The new password has to be:", required.Requirements))
			answer, err = changePassword(ctx, t, to, accountName{s.namespace, username}, password)
		}
		if wrong, ok := refusedAs(err, problemInvalidCredentials); ok && attempt < loginAttempts {
			t.say("%s", wrong.Error())
			continue
		}
		if err != nil {
			return nil, err
		}
		warn(t, answer)
		return p.keep(s, answer)
	}
}

// askCredentials asks for a username, unless it is given, and a password.
func askCredentials(ctx context.Context, t terminal, username string) (name, password string, err error) {
	prompt := "Password of " + username + ": "
	if username == "" {
		prompt = "Password: "
		if username, err = askUsername(ctx, t); err != nil {
			return "", "", err
		}
	}
	password, err = t.askSecret(ctx, prompt)
	return username, password, err
}

// askUsername asks for a username. Spaces around it are left out, as the server does.
func askUsername(ctx context.Context, t terminal) (string, error) {
	typed, err := t.ask(ctx, "Username: ")
	if err != nil {
		return "", err
	}
	if username := typedname.Trim(typed); username != "" {
		return username, nil
	}
	return "", errNoAnswer
}

func warn(t terminal, answer *granted) {
	for _, warning := range answer.Warnings {
		t.say("%s", warning.Message)
	}
}

// formatTime formats a time of the next twelve hours by the clock, and a later one with its date.
func (p *program) formatTime(at time.Time) string {
	at = at.Local()
	if at.Sub(p.now()) < 12*time.Hour {
		return at.Format("15:04")
	}
	return at.Format("2 January 2006, 15:04")
}
