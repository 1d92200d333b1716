package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cli/browser"
)

// browserTimeout is how long a person has to log in with the browser.
const browserTimeout = 5 * time.Minute

var errNoAnswerInBrowser = errors.New("nobody has answered in the browser: run kubectl account login again")

// openBrowser opens an address in the person's browser. What that program puts out is left out: kubectl reads the standard output.
func openBrowser(address string) error {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	return browser.OpenURL(address)
}

// question is what this program asks the person in a browser: whether it may act for the account that is logged in there. The verifier never
// leaves this program, except to exchange the code that was made for it (RFC 7636).
type question struct {
	verifier, state string
}

func newQuestion() question { return question{verifier: randomText(32), state: randomText(16)} }

// randomText returns so many random bytes in base64url.
func randomText(size int) string {
	random := make([]byte, size)
	_, _ = rand.Read(random) // It never fails: the program would end.
	return base64.RawURLEncoding.EncodeToString(random)
}

// address returns the page of the login server that asks the person. With a port, the answer comes to this computer.
func (q question) address(s *settings, port int) string {
	page := "/login/kubectl"
	if s.namespace != "" {
		page = "/o/" + url.PathEscape(s.namespace) + page
	}
	challenge := sha256.Sum256([]byte(q.verifier))
	query := url.Values{"challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "state": {q.state}}
	if port != 0 {
		query.Set("port", strconv.Itoa(port))
	}
	return s.server + page + "?" + query.Encode()
}

// logInByBrowser has the person log in with a browser, and gets a session of the same login.
func (p *program) logInByBrowser(ctx context.Context, to *server, s *settings) (*stored, error) {
	logIn := p.logInHere
	if s.noLaunchBrowser {
		logIn = p.logInElsewhere
	}
	answer, err := logIn(ctx, to, s, newQuestion())
	if err != nil {
		return nil, err
	}
	if err := isMeant(s, answer); err != nil {
		if ending := to.end(ctx, answer.Token); ending != nil {
			err = fmt.Errorf("%w. That session goes on, as it could not be ended: %w", err, ending)
		}
		return nil, err
	}
	return p.keep(s, answer)
}

// isMeant returns an error where another account is logged in with the browser than the one that was named.
func isMeant(s *settings, answer *granted) error {
	got := answer.Account
	if (s.username == "" || strings.EqualFold(s.username, got.Username)) && (s.namespace == "" || s.namespace == got.Namespace) {
		return nil
	}
	named := cmp.Or(s.username, "an account")
	if s.namespace != "" {
		named += " in " + s.namespace
	}
	return fmt.Errorf("the browser is logged in as %s in %s, and this login is for %s: log in again, and choose \"Use another account\" on the page",
		got.Username, got.Namespace, named)
}

// logInHere opens a browser on this computer, to which the login server sends the code (RFC 8252).
func (p *program) logInHere(ctx context.Context, to *server, s *settings, q question) (*granted, error) {
	l, err := listen(ctx, q.state, s.server)
	if err != nil {
		return nil, fmt.Errorf("wait for the browser on this computer: %w. kubectl account login --no-launch-browser needs no port", err)
	}
	defer l.close()
	address := q.address(s, l.port)
	fmt.Fprintf(p.stderr, "Log in with your browser. If none opens, open this address in one on this computer:\n\n  %s\n\n", address)
	failed := make(chan error, 1)
	go func() { failed <- p.browse(address) }() // Some browsers go on until their window is closed.
	ended := time.NewTimer(p.browserTimeout)
	defer ended.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ended.C:
			return nil, errNoAnswerInBrowser
		case err := <-failed:
			if err != nil {
				fmt.Fprintf(p.stderr, "No browser could be opened here (%v). Open the address in one on this computer, or press Ctrl-C and run kubectl account login "+
					"--no-launch-browser, to log in with one on another computer.\n", err)
			}
			failed = nil
		case answer := <-l.answers:
			if answer.err != nil {
				return nil, answer.err
			}
			return to.exchange(ctx, answer.code, q.verifier)
		}
	}
}

// logInElsewhere has the person open an address on another computer, and asks for the code that is shown there.
func (p *program) logInElsewhere(ctx context.Context, to *server, s *settings, q question) (*granted, error) {
	t, err := p.terminal()
	if err != nil {
		return nil, fmt.Errorf("%w for the code: run kubectl account login --no-launch-browser at one", err)
	}
	defer t.Close()
	t.say("Open this address in a browser, on any computer:\n\n  %s\n\nLog in there, allow it, and enter the code that is shown.", q.address(s, 0))
	for attempt := 1; ; attempt++ {
		code, err := t.askSecret(ctx, "Code (it is not shown): ")
		if err != nil {
			return nil, err
		}
		answer, err := to.exchange(ctx, strings.TrimSpace(code), q.verifier)
		if wrong, ok := refusedAs(err, problemInvalidCode); ok && attempt < loginAttempts {
			t.say("%s Open the address again for another code.", wrong.Error())
			continue
		}
		return answer, err
	}
}
