package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string

	Type, Title, Detail, Reason string
	Token, TokenType            string
	ExpiresAt                   time.Time
	PasswordExpiresAt           time.Time
	NotBefore                   time.Time
	Account                     struct {
		Namespace, Username, DisplayName, Email string
		Groups                                  []string
	}
	Warnings []struct {
		ID, Message       string
		Count             *int
		LastSuccessTime   time.Time
		PasswordExpiresAt time.Time
	}
	Requirements []struct {
		ID, Message string
		Minimum     int
		Satisfied   *bool
	}
}

// problem is the ID of the problem that was answered; empty where it was none.
func (a *answer) problem() string { return strings.TrimPrefix(a.Type, "https://keyturn.dev/problems/") }

// send sends a request and checks what holds for every answer.
func send(t testing.TB, method, path, body string, header map[string]string) *answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, shared.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		request.Header.Set(k, v)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, a); err != nil {
			t.Fatalf("%s %s: %d with a body that is not JSON: %s", method, path, a.status, text)
		}
	}
	a.check(t)
	return a
}

func (a *answer) check(t testing.TB) {
	t.Helper()
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	wantType := "application/json"
	if a.status >= 400 {
		wantType = "application/problem+json"
		if a.Title == "" || a.Detail == "" || a.problem() == a.Type {
			t.Errorf("no complete problem document: %s", a.text)
		}
	}
	if got := a.header.Get("Content-Type"); got != wantType {
		t.Errorf("Content-Type is %q, want %q", got, wantType)
	}
	text := a.text
	if a.Token != "" {
		text = strings.Replace(text, a.Token, "", 1)
	}
	header := a.header.Clone()
	if cookies := (&http.Response{Header: header}).Cookies(); len(cookies) == 1 && cookies[0].Name == "__Host-keyturn-device" && a.status == http.StatusOK {
		header.Del("Set-Cookie") // It logs nobody in.
	}
	if leaks := leaksIn(text + fmt.Sprint(header)); len(leaks) > 0 {
		t.Errorf("the answer holds %v: %s", leaks, text)
	}
}

func post(t testing.TB, path string, body map[string]any) *answer {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, http.MethodPost, path, string(text), nil)
}

func logIn(t testing.TB, a *v1alpha1.UserAccount, password string) *answer {
	t.Helper()
	return post(t, "/api/v1/login", map[string]any{"namespace": a.Namespace, "username": a.Username(), "password": password})
}

func change(t *testing.T, a *v1alpha1.UserAccount, current, next string) *answer {
	t.Helper()
	return post(t, "/api/v1/password", map[string]any{
		"namespace": a.Namespace, "username": a.Username(), "currentPassword": current, "newPassword": next,
	})
}

func currentSession(t *testing.T, token string) *answer {
	t.Helper()
	return send(t, http.MethodGet, "/api/v1/session", "", map[string]string{"Authorization": "Bearer " + token})
}

// expect fails unless the answer is a problem, or none where id is empty.
func (a *answer) expect(t testing.TB, status int, id string) {
	t.Helper()
	if a.status != status || a.problem() != id {
		t.Fatalf("answered %d %q, want %d %q: %s", a.status, a.problem(), status, id, a.text)
	}
}
