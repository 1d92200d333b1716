package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// person is somebody who logs in, and what they know.
type person struct {
	organisation, username string
	// password is the one that they use.
	password string
	// at is the login server that they use; empty for the one of all tests.
	at string
	// cookie is what they send along; empty for none.
	cookie string
}

// requirement is one line of what a password must be. Satisfied is nil where no password has been judged.
type requirement struct {
	ID        string `json:"id"`
	Message   string `json:"message"`
	Minimum   int    `json:"minimum"`
	Satisfied *bool  `json:"satisfied"`
}

type warning struct {
	ID    string `json:"id"`
	Count *int   `json:"count"`
}

type profile struct {
	Namespace   string   `json:"namespace"`
	Username    string   `json:"username"`
	DisplayName string   `json:"displayName"`
	Email       string   `json:"email"`
	Groups      []string `json:"groups"`
}

// answer is what the login server said: a problem, or what was asked for.
type answer struct {
	header http.Header
	body   []byte
	code   int

	Type         string        `json:"type"`
	Title        string        `json:"title"`
	Status       int           `json:"status"`
	Detail       string        `json:"detail"`
	Reason       string        `json:"reason"`
	NotBefore    time.Time     `json:"notBefore"`
	Requirements []requirement `json:"requirements"`

	Token             string    `json:"token"`
	TokenType         string    `json:"tokenType"`
	ExpiresAt         time.Time `json:"expiresAt"`
	Account           profile   `json:"account"`
	PasswordExpiresAt time.Time `json:"passwordExpiresAt"`
	Warnings          []warning `json:"warnings"`
}

// outcome is what matters of an answer to programs.
type outcome struct {
	code        int
	id, because string
}

func (o outcome) String() string {
	return strings.TrimSpace(fmt.Sprint(o.code, " ", o.id, " ", o.because))
}

var (
	granted  = outcome{code: http.StatusOK}
	wrong    = outcome{code: http.StatusUnauthorized, id: "invalid-credentials"}
	over     = outcome{code: http.StatusUnauthorized, id: "invalid-session"}
	locked   = outcome{code: http.StatusTooManyRequests, id: "too-many-attempts"}
	rejected = outcome{code: http.StatusUnprocessableEntity, id: "password-rejected"}
)

func mustChange(reason string) outcome {
	return outcome{http.StatusForbidden, "password-change-required", reason}
}

func unavailable(reason string) outcome {
	return outcome{http.StatusForbidden, "account-unavailable", reason}
}

func mayNotChange(reason string) outcome {
	return outcome{http.StatusForbidden, "password-change-forbidden", reason}
}

const problemBase = "https://keyturn.dev/problems/"

var people = &http.Client{Timeout: 30 * time.Second}

// send makes a request as it is, and checks what every answer has to be.
func send(ctx context.Context, method, path string, header map[string]string, body []byte) (*answer, error) {
	return sendTo(ctx, loginURL, method, path, header, body)
}

func sendTo(ctx context.Context, url, method, path string, header map[string]string, body []byte) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}

	for name, value := range header {
		request.Header.Set(name, value)
	}

	response, err := people.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()

	a := &answer{header: response.Header, code: response.StatusCode}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return nil, err
	}

	if err := json.Unmarshal(a.body, a); err != nil {
		return nil, fmt.Errorf("%s %s answers %s with what is not JSON: %w", method, path, response.Status, err)
	}

	noteAnswer(a)

	return a, a.wellFormed()
}

// wellFormed checks what holds for every answer.
func (a *answer) wellFormed() error {
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		return fmt.Errorf("Cache-Control is %q in an answer with status %d, want no-store", got, a.code)
	}

	if a.code < http.StatusBadRequest {
		return nil
	}

	switch {
	case a.header.Get("Content-Type") != "application/problem+json":
		return fmt.Errorf("status %d with Content-Type %q, want a problem document", a.code, a.header.Get("Content-Type"))
	case a.Status != a.code, !strings.HasPrefix(a.Type, problemBase), a.Title == "", a.Detail == "":
		return fmt.Errorf("status %d with an incomplete problem document: %s", a.code, a.body)
	case a.code >= http.StatusInternalServerError && a.code != http.StatusServiceUnavailable:
		return fmt.Errorf("the login server failed: %s", a.body)
	case a.code == http.StatusServiceUnavailable && (a.header.Get("Retry-After") == "") != (a.outcome().id == "outcome-unknown"):
		return fmt.Errorf("503 with Retry-After %q: %s", a.header.Get("Retry-After"), a.body)
	}

	return nil
}

func (a *answer) outcome() outcome {
	return outcome{a.code, strings.TrimPrefix(a.Type, problemBase), a.Reason}
}

func (a *answer) check(want outcome) error {
	if got := a.outcome(); got != want {
		return fmt.Errorf("the answer is %q (%s), want %q", got, a.Detail, want)
	}

	if want == granted && (a.Token == "" || a.TokenType != "Bearer" || !a.ExpiresAt.After(time.Now())) {
		return fmt.Errorf("a grant without a bearer token that lasts: token type %q until %s", a.TokenType, a.ExpiresAt)
	}

	return nil
}

func (a *answer) warning(id string) *warning {
	for i := range a.Warnings {
		if a.Warnings[i].ID == id {
			return &a.Warnings[i]
		}
	}

	return nil
}

func (a *answer) requirement(id string) *requirement {
	for i := range a.Requirements {
		if a.Requirements[i].ID == id {
			return &a.Requirements[i]
		}
	}

	return nil
}

// post sends a document about the person.
func (p *person) post(ctx context.Context, path string, document map[string]any) (*answer, error) {
	document["namespace"], document["username"] = p.organisation, p.username

	body, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}

	header := map[string]string{"Content-Type": "application/json"}
	if p.cookie != "" {
		header["Cookie"] = p.cookie
	}

	return sendTo(ctx, cmp.Or(p.at, loginURL), http.MethodPost, path, header, body)
}

// tryLogin logs in with any password.
func (p *person) tryLogin(ctx context.Context, password string) (*answer, error) {
	return p.post(ctx, "/api/v1/login", map[string]any{"password": password})
}

// tryChange changes the password, without remembering the new one.
func (p *person) tryChange(ctx context.Context, current, next string) (*answer, error) {
	return p.post(ctx, "/api/v1/password", map[string]any{"currentPassword": current, "newPassword": next})
}

// login logs in with any password and wants that outcome.
func (p *person) login(t *testing.T, password string, want outcome) *answer {
	t.Helper()

	a, err := p.tryLogin(t.Context(), password)
	must(t, err)

	if err := a.check(want); err != nil {
		t.Fatalf("%s logs in: %v", p.username, err)
	}

	return a
}

// loginEventually is for what the login server has to receive first: it follows accounts and policies by a watch.
func (p *person) loginEventually(t *testing.T, password string, want outcome) {
	t.Helper()
	eventually(t, p.username+" logs in", func() error {
		a, err := p.tryLogin(t.Context(), password)
		if err != nil {
			return err
		}

		return a.check(want)
	})
}

// change changes the password to another and wants that outcome. If it is granted, the person knows the new one.
func (p *person) change(t *testing.T, next string, want outcome) *answer {
	t.Helper()

	a, err := p.tryChange(t.Context(), p.password, next)
	must(t, err)

	if err := a.check(want); err != nil {
		t.Fatalf("%s changes the password: %v", p.username, err)
	}

	if want == granted {
		p.password = next
	}

	return a
}

func trySession(ctx context.Context, token string) (*answer, error) {
	return send(ctx, http.MethodGet, "/api/v1/session", map[string]string{"Authorization": "Bearer " + token}, nil)
}

// session wants to know whose session a token is.
func session(t *testing.T, token string, want int) *answer {
	t.Helper()

	a, err := trySession(t.Context(), token)
	must(t, err)

	if a.code != want {
		t.Fatalf("the session answers %d %s, want %d", a.code, a.body, want)
	}

	return a
}

// sessionEndsEventually waits until the login server knows that a session is over.
func sessionEndsEventually(t *testing.T, token string) {
	t.Helper()
	eventually(t, "the session ends", func() error {
		a, err := trySession(t.Context(), token)
		if err != nil {
			return err
		}

		return a.check(over)
	})
}

// requirements asks what a password must be in an organisation.
func requirements(t *testing.T, organisation string) *answer {
	t.Helper()

	a, err := send(t.Context(), http.MethodGet, "/api/v1/requirements?namespace="+organisation, nil, nil)
	must(t, err)

	if a.code != http.StatusOK {
		t.Fatalf("requirements answer %d: %s", a.code, a.body)
	}

	return a
}
