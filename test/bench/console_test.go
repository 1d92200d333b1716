package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyturn/keyturn/internal/ui"
	"github.com/keyturn/keyturn/test/revocation"
)

// TestConsoleRows: what administrators do misses no budget within its bounds; each figure over its bound, or that was not measured,
// misses one.
func TestConsoleRows(t *testing.T) {
	run := func(edit func(*administered)) []row {
		a := &administered{
			accounts: budgetedAccounts, latencies: map[string]revocation.Latencies{},
			requests: tally{{loginUser, "create", resourceReviews, 0}: len(views(budgetedAccounts)), {loginUser, "watch", "useraccounts", 0}: 1, {loginUser, verbProbe, "useraccounts", 0}: 1},
			memory:   map[string]memory{withConsole: {Now: 110, Peak: 300}, withoutConsole: {Now: 100, Peak: 100}},
			resets:   resets{revocation.Latencies{1, 1}, 2, 2}, historyResets: resets{revocation.Latencies{1, 1}, 2, 4},
		}
		for _, v := range views(a.accounts) {
			a.latencies[v.what] = revocation.Latencies{listBudget}
		}
		edit(a)
		return a.rows()
	}
	if rows := run(func(*administered) {}); missed(rows) {
		t.Errorf("a console within its bounds is %v", rows)
	}
	edits := map[string]func(*administered){
		"a read":                   func(a *administered) { a.requests[request{loginUser, "get", "useraccounts", 0}] = 1 },
		"a read that was refused":  func(a *administered) { a.requests[request{loginUser, "get", "secrets", 403}] = 1 },
		"no reviews":               func(a *administered) { clear(a.requests) },
		"fewer reviews than lists": func(a *administered) { a.requests[request{loginUser, "create", resourceReviews, 0}]-- },
		"more memory":              func(a *administered) { a.memory[withConsole] = memory{Now: 111} },
		"no memory":                func(a *administered) { a.memory = nil },
		"two writes of a reset":    func(a *administered) { a.resets.writes++ },
		"two hashes of a reset":    func(a *administered) { a.resets.hashes++ },
		"no writes of a reset":     func(a *administered) { a.resets.writes = 0 },
		"no hashes of a reset":     func(a *administered) { a.historyResets.hashes = 0 },
		"two writes with history":  func(a *administered) { a.historyResets.writes++ },
		"a third hash for history": func(a *administered) { a.historyResets.hashes++ },
	}
	for _, v := range views(budgetedAccounts) {
		if v.isBudgeted {
			edits["slow: "+v.what] = func(a *administered) { a.latencies[v.what] = revocation.Latencies{listBudget + 1} }
			edits["not measured: "+v.what] = func(a *administered) { delete(a.latencies, v.what) }
		}
	}
	for what, edit := range edits {
		over := 0
		for _, r := range run(edit) {
			if r.verdict == verdictOver {
				over++
			}
		}
		if over != 1 {
			t.Errorf("%s: %d rows are over their budget, want 1", what, over)
		}
	}
	if rows := run(func(a *administered) { a.resets, a.historyResets = resets{}, resets{} }); !missed(rows) {
		t.Errorf("no resets are %v", rows)
	}
	if rows := run(func(a *administered) { a.latencies = nil }); !missed(rows) {
		t.Errorf("no lists are %v", rows)
	}
	if rows := run(func(a *administered) {
		for _, v := range views(a.accounts) {
			if !v.isBudgeted {
				a.latencies[v.what] = revocation.Latencies{time.Hour}
			}
		}
	}); missed(rows) {
		t.Errorf("views without a budget are %v", rows)
	}
}

// TestNewAuditLog: an audit log that was begun anew is an error, since what was written in between is not known.
func TestNewAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write := func(lines int) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Repeat(line("ResponseComplete", loginUser, "update", `"resource":"secrets"`, "200"), lines)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := newRequestLog(path)
	for _, lines := range []int{2, 3} {
		write(lines)
		if got, err := l.read(); err != nil || got.total() != lines {
			t.Errorf("%d lines are %v, %v", lines, got, err)
		}
	}
	write(1)
	if got, err := l.read(); err == nil {
		t.Errorf("a log that was begun anew is %v", got)
	}
}

// TestReadsOfLoginServers: reads of login servers are counted, paths without a resource too, and are in no budget of writes.
func TestReadsOfLoginServers(t *testing.T) {
	got := tally{}
	list := line("ResponseComplete", loginUser, "list", `"resource":"useraccounts"`, "200")
	log := list + strings.Replace(list, `"verb"`, `"requestURI":"/apis/accounts.keyturn.dev/v1alpha1/useraccounts?limit=1","verb"`, 1) +
		line("ResponseComplete", loginUser, "create", `"resource":"subjectaccessreviews"`, "201") +
		strings.Replace(line("ResponseComplete", loginUser, "get", "", "200"), `"verb"`, `"requestURI":"/apis","verb"`, 1)
	if _, err := count(strings.NewReader(log), got); err != nil {
		t.Fatal(err)
	}
	if got[request{loginUser, "get", "/apis", 0}] != 1 || got[request{loginUser, verbProbe, "useraccounts", 0}] != 1 || got.besidesReviews() != 2 || got.of(resourceReviews) != 1 || got.total() != 0 || got.by(loginUser) != 0 {
		t.Errorf("counted %v", got)
	}
}

// TestSee: an administrator takes only answers that show as many accounts as they should, and counts all pages of the list.
func TestSee(t *testing.T) {
	var text string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("limit") == "":
			_, _ = io.WriteString(w, text)
		case r.URL.Query().Get("continue") == "":
			_, _ = io.WriteString(w, `{"accounts": [{}, {}], "continue": "a/b"}`)
		default:
			_, _ = io.WriteString(w, `{"accounts": [{}]}`)
		}
	}))
	t.Cleanup(server.Close)
	a := &administrator{person: &person{token: "token"}, server: server.URL, client: server.Client()}
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{`{"accounts": [{"standing":"Active"}, {"standing":""}]}`, true},
		{listOnPage(t, 2), true},
		{listOnPage(t, 3), false},
		{listOnPage(t, 0), false},
		{`{"accounts": [{"standing":"Active"}]}`, false},
		{`{"accounts": [{"standing":"1"}, {"standing":"2"}, {"standing":"3"}]}`, false},
		{``, false},
	} {
		text = row.text
		if _, err := a.see(t.Context(), view{address: listPage, shows: 2}); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.text, err)
		}
	}
	if err := a.countAll(t.Context(), 3); err != nil {
		t.Error(err)
	}
	if err := a.countAll(t.Context(), 4); err == nil {
		t.Error("an account that is missing is no error")
	}
	a.token = "another"
	if _, err := a.see(t.Context(), view{address: listPage}); err == nil {
		t.Error("a refusal is a list of nobody")
	}
}

// listOnPage is the page of a list with so many accounts, as the login server renders it.
func listOnPage(t *testing.T, accounts int) string {
	t.Helper()
	pages, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]map[string]any, accounts)
	for i := range rows {
		rows[i] = map[string]any{"Username": "ada", "Standing": "active", "Menu": []map[string]string{{"Address": "/", "Text": "Unlock"}}}
	}
	answer := httptest.NewRecorder()
	pages.Render(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, listPage, nil), http.StatusOK, "admin-list", map[string]any{"Rows": rows})
	if answer.Code != http.StatusOK {
		t.Fatalf("the page is not rendered: %s", answer.Body)
	}
	return answer.Body.String()
}

// TestResetOne: only an answer with a password is that of a reset which has generated one.
func TestResetOne(t *testing.T) {
	for text, ok := range map[string]bool{`{"password": "secret"}`: true, `{"username": "ada"}`: false, `ada`: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Method != http.MethodPost || string(body) != `{"generate": true}` || r.URL.Path != "/api/v1/accounts/acme/ada/reset-password" {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = io.WriteString(w, text)
		}))
		t.Cleanup(server.Close)
		a := &administrator{person: &person{}, server: server.URL, client: server.Client()}
		if err := a.resetOne(t.Context(), "acme", "ada"); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestAskedPart: without flags everything is measured.
func TestAskedPart(t *testing.T) {
	if chosenPart(false, false, false, false) != everything || chosenPart(true, false, false, false) != onlyChecks ||
		chosenPart(false, true, false, false) != onlyConsole || chosenPart(false, false, true, false) != onlyDirectory ||
		chosenPart(false, false, false, true) != onlySweep {
		t.Error("a flag chooses another part than its own")
	}
}
