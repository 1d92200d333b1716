package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/keyturn/keyturn/internal/kubeuser"
)

var errNobody = errors.New("nobody is logged in: run kubectl account login")

// whoami tells who is logged in.
func (p *program) whoami(ctx context.Context, to *server, s *settings) error {
	session, err := p.sessions.load(s)
	if err != nil {
		return err
	}
	if session == nil {
		return errNobody
	}
	answer, err := to.current(ctx, session.Token)
	if _, over := refusedAs(err, problemInvalidSession); over {
		_, err := p.sessions.forgetRefused(s, session)
		return errors.Join(err, errNobody)
	}
	if err != nil {
		return err
	}
	a := answer.Account
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	line("Organisation", a.Namespace)
	line("Username", a.Username)
	line("Name", a.DisplayName)
	line("E-mail", a.Email)
	line("Groups", strings.Join(a.Groups, ", "))
	// The API server has the last word: an account that it refuses has no identity.
	if identity, err := kubeuser.Of(a.Namespace, a.Username, a.Groups); err == nil {
		line("Kubernetes user", identity.Username)
		line("Kubernetes groups", strings.Join(identity.Groups, ", "))
	}
	line("Logged in until", p.formatTime(answer.ExpiresAt))
	line("Login server", s.server)
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// logout ends the session at the server and then removes its file. If the server cannot end it, the file is kept, to try again. A
// session whose file others can read is ended as well.
func (p *program) logout(ctx context.Context, to *server, s *settings) error {
	session, err := p.sessions.load(s)
	if unusable, found := errors.AsType[*unusableError](err); found {
		session = unusable.exposed
		if session == nil {
			fmt.Fprintln(p.stderr, unusable)
		}
	}
	if session == nil {
		fmt.Fprintln(p.stdout, "Nobody is logged in.")
		return p.sessions.forget(s)
	}
	err = to.end(ctx, session.Token)
	_, over := refusedAs(err, problemInvalidSession)
	if err != nil && !over {
		return fmt.Errorf("the session goes on, try again: %w", err)
	}
	if _, err := p.sessions.forgetRefused(s, session); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is logged out.\n", session.Username)
	return nil
}
