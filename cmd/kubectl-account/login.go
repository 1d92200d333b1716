package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyturn/keyturn/internal/typedname"
)

const (
	// margin is what a session must last for it to be worth using: a command takes a moment.
	margin = 30 * time.Second
	// checkPatience is how long the server may take to say whether a session that still lasts by the clock holds: kubectl, and
	// so a person, waits for it.
	checkPatience = 3 * time.Second
	// loginAttempts is how often a password is asked for. Accounts lock after a few more.
	loginAttempts = 3
)

// errNotKept means that the session is there, for once.
var errNotKept = errors.New("the session cannot be kept, and you are asked again the next time")

// login logs in, or goes on with the session there is. To kubectl it answers with the token, to a person in words.
func (p *program) login(ctx context.Context, s *settings) error {
	plugin, err := p.pluginInfo()
	if err != nil {
		return err
	}
	to, err := s.connect(p.now)
	if err != nil {
		return err
	}
	mayAsk := plugin == nil || plugin.Spec.Interactive
	session, err := p.goOn(ctx, to, s)
	unusable, found := errors.AsType[*unusableError](err)
	if found && mayAsk {
		fmt.Fprintln(p.stderr, unusable)
		err = nil
	}
	if err == nil && session == nil {
		if !mayAsk {
			return errors.New("nobody is logged in, and kubectl leaves no terminal to ask on: run kubectl account login first")
		}
		session, err = p.logIn(ctx, to, s)
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
		session.Username, session.Namespace, p.moment(session.ExpiresAt))
	return nil
}

// endExposed ends a session that others could read, once another has taken its place: nobody could end it any more.
func (p *program) endExposed(ctx context.Context, to *server, exposed *stored) {
	if exposed == nil {
		return
	}
	err := to.end(ctx, exposed.Token)
	if _, over := is(err, problemInvalidSession); err != nil && !over {
		fmt.Fprintf(p.stderr, "The session that others may have read goes on until %s: %v\n", p.moment(exposed.ExpiresAt), err)
	}
}

// goOn returns the session that is stored, if the server still takes it; nil if somebody has to log in. The error is *unusableError
// where one is stored that cannot be used. In the second half of
// its time it is renewed, and where that can make it last no longer, somebody has to log in before its last seconds. Where the
// server cannot be reached, or takes its time, it is taken as it is: whoever is shown it decides.
func (p *program) goOn(ctx context.Context, to *server, s *settings) (*stored, error) {
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
		asking, cancel = context.WithTimeout(ctx, p.patience)
		defer cancel()
	}
	answer, err := ask(asking, session.Token)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if _, over := is(err, problemInvalidSession); over {
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
	if err == nil {
		err = p.refer(s, session)
	}
	return session, err
}

// lasts tells whether a session is worth using.
func (p *program) lasts(session *stored) bool { return session.ExpiresAt.Sub(p.now()) > margin }

// keep stores a session that was granted. Where that fails there is a session beside the error, which is errNotKept.
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

// refer has a session used from now on by those who name no username, where a person chose it. The error is errNotKept.
func (p *program) refer(s *settings, session *stored) error {
	if !s.chosen {
		return nil
	}
	if err := p.sessions.choose(s, session); err != nil {
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	return nil
}

// logIn asks the person for a username and a password until they are right, and for another password where one is
// required.
func (p *program) logIn(ctx context.Context, to *server, s *settings) (*stored, error) {
	t, err := p.terminal()
	if err != nil {
		return nil, fmt.Errorf("%w: run kubectl account login at one", err)
	}
	defer t.Close()
	t.say("Log in to %s", to.url)
	for attempt := 1; ; attempt++ {
		username, password, err := askWho(ctx, t, s.username)
		if err != nil {
			return nil, err
		}
		answer, err := to.logIn(ctx, s.namespace, username, password)
		if required, ok := is(err, problemChangeRequired); ok {
			t.say("%s\n%s", changeReason(required.Reason), list("The new password has to be:", required.Requirements))
			answer, err = changePassword(ctx, t, to, who{s.namespace, username}, password)
		}
		if wrong, ok := is(err, problemInvalidCredentials); ok && attempt < loginAttempts {
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

// askWho asks for a username, unless it is given, and a password.
func askWho(ctx context.Context, t terminal, username string) (name, password string, err error) {
	if username == "" {
		if username, err = askUsername(ctx, t); err != nil {
			return "", "", err
		}
		password, err = t.askSecret(ctx, "Password: ")
		return username, password, err
	}
	password, err = t.askSecret(ctx, "Password of "+username+": ")
	return username, password, err
}

// askUsername asks for a username. What surrounds it is left out, as the server does.
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

// moment tells a time of today by the clock, and how far it is.
func (p *program) moment(at time.Time) string {
	at = at.Local()
	layout := "15:04"
	if left := at.Sub(p.now()); left >= 12*time.Hour {
		layout = "2 January 2006, 15:04"
	}
	return at.Format(layout)
}
