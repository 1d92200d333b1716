package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// requestTimeout is longer than the login server takes over any answer (50 s).
	requestTimeout = time.Minute
	// maxAnswer bounds an answer, in bytes. Those of the login server have a few KiB.
	maxAnswer = 64 << 10
	// audience of the sessions that are asked for.
	audience = "kubernetes"
)

// server is a client of the login server.
type server struct {
	url    string
	client *http.Client
	now    func() time.Time
}

// account is the profile of the account, as the server answers it.
type account struct {
	Namespace   string   `json:"namespace"`
	Username    string   `json:"username"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

// granted is the answer to a login, a change of the password, or a question about a session. Token is empty where the server does not
// issue a new one. ExpiresAt is by the clock of this machine, which may differ from the server's.
type granted struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Account   account   `json:"account"`
	Warnings  []struct {
		Message string `json:"message"`
	} `json:"warnings"`
}

// connect makes the client. It sends nothing yet.
func (s *settings) connect(now func() time.Time) (*server, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if s.authority != "" {
		text, err := os.ReadFile(filepath.Clean(s.authority))
		if err != nil {
			return nil, fmt.Errorf("read the certificate authority: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate (PEM)", s.authority)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &server{url: s.server, now: now, client: &http.Client{
		Transport: transport, Timeout: requestTimeout,
		// A password goes to the server that was named and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// logIn asks for a session. Errors: *refusal, or that the server cannot be reached.
func (s *server) logIn(ctx context.Context, namespace, username, password string) (*granted, error) {
	return s.post(ctx, "/api/v1/login", map[string]string{
		"namespace": namespace, "username": username, "password": password, "audience": audience,
	})
}

// exchange asks for a session with a login code that was made for a verifier. Errors as of logIn.
func (s *server) exchange(ctx context.Context, code, verifier string) (*granted, error) {
	return s.post(ctx, "/api/v1/token", map[string]string{"code": code, "verifier": verifier})
}

// change sets another password, and asks for a session. Errors as of logIn.
func (s *server) change(ctx context.Context, namespace, username, current, next string) (*granted, error) {
	return s.post(ctx, "/api/v1/password", map[string]string{
		"namespace": namespace, "username": username, "currentPassword": current, "newPassword": next, "audience": audience,
	})
}

// current asks about a session, renew prolongs it, end ends it. Errors as of logIn.
func (s *server) current(ctx context.Context, token string) (*granted, error) {
	return s.do(ctx, http.MethodGet, "/api/v1/session", token, nil)
}

func (s *server) renew(ctx context.Context, token string) (*granted, error) {
	return s.do(ctx, http.MethodPost, "/api/v1/session", token, nil)
}

func (s *server) end(ctx context.Context, token string) error {
	_, err := s.do(ctx, http.MethodDelete, "/api/v1/session", token, nil)
	return err
}

func (s *server) post(ctx context.Context, path string, document map[string]string) (*granted, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return s.do(ctx, http.MethodPost, path, "", body)
}

func (s *server) do(ctx context.Context, method, path, token string, body []byte) (*granted, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the login server: %w", err)
	}
	request.Header.Set("User-Agent", "kubectl-account/"+version)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the login server cannot be reached: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the login server's answer breaks off: %w", err)
	}
	answer := &granted{}
	switch {
	case response.StatusCode == http.StatusNoContent:
		return answer, nil
	case response.StatusCode != http.StatusOK:
		return nil, s.refused(response, text)
	case json.Unmarshal(text, answer) != nil || answer.Account.Username == "":
		return nil, fmt.Errorf("%s does not answer as a login server does: is the address right?", s.url)
	}
	answer.ExpiresAt = answer.ExpiresAt.Add(s.clockOffset(response))
	return answer, nil
}

// clockOffset is how far the clock of this machine is ahead of the server's, in steps of two seconds.
func (s *server) clockOffset(response *http.Response) time.Duration {
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return s.now().Sub(date).Truncate(2 * time.Second)
}

// The problems that this program acts on: the last part of their type.
const (
	problemInvalidCredentials = "invalid-credentials"
	problemChangeRequired     = "password-change-required"
	problemPasswordRejected   = "password-rejected"
	problemInvalidSession     = "invalid-session"
	problemInvalidCode        = "invalid-code"
)

// requirement of a new password.
type requirement struct {
	Message   string `json:"message"`
	Satisfied bool   `json:"satisfied"`
}

// refusal is a problem document, and when to try again. Its error text is the server's.
type refusal struct {
	Type         string        `json:"type"`
	Title        string        `json:"title"`
	Detail       string        `json:"detail"`
	Requirements []requirement `json:"requirements"`

	// again is when to try again, and wait how long that is; zero where the server does not say.
	again time.Time
	wait  time.Duration
}

func (s *server) refused(response *http.Response, text []byte) error {
	r := &refusal{}
	if json.Unmarshal(text, r) != nil || r.Title == "" {
		hint := ""
		if response.StatusCode >= 300 && response.StatusCode < 400 {
			hint = ": it refers to another address, name that one"
		}
		return fmt.Errorf("the login server answers %s%s", response.Status, hint)
	}
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 31); err == nil && seconds > 0 {
		r.wait = time.Duration(seconds) * time.Second
		r.again = s.now().Add(r.wait)
	}
	return r
}

// Error implements error.
func (r *refusal) Error() string {
	text := r.Title + "."
	if r.Detail != "" {
		text += " " + r.Detail
	}
	if r.wait > 0 {
		text += fmt.Sprintf(" Try again after %s (in %s).", r.again.Format("15:04:05"), r.wait)
	}
	return text
}

// refusedAs tells whether an error is the server's refusal with this problem.
func refusedAs(err error, problem string) (*refusal, bool) {
	r, ok := errors.AsType[*refusal](err)
	return r, ok && r.Type == "https://keyturn.dev/problems/"+problem
}
