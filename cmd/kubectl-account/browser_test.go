package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const postToken = "POST /api/v1/token"

// person answers the question of the program in a browser: with the edited answer of the login server, at the program's listener.
type person struct {
	t      *testing.T
	server string
	// edit changes the answer that the login server sends, and other is sent before that.
	edit  func(url.Values)
	other []url.Values

	asked     url.Values
	path      string
	statuses  []int
	lastPage  string
	challenge string
	done      chan struct{}
}

func newPerson(t *testing.T, f *fixture) *person {
	t.Helper()
	p := &person{t: t, server: f.server.URL, done: make(chan struct{})}
	f.browse = p.browse
	// The login server exchanges the code that it has made, for the verifier of the challenge.
	f.answers[postToken] = func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Code, Verifier string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if challengeOf(body.Verifier) != p.challenge || body.Code != "the-code" {
			problem(http.StatusUnauthorized, "invalid-code", "The login code is not valid")(w, r)
			return
		}
		f.grant("the-token", time.Hour)(w, r)
	}
	return p
}

func challengeOf(verifier string) string {
	digest := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

func (p *person) browse(address string) error {
	p.read(address)
	go p.answer()
	return nil
}

// read reads the address that the person opens.
func (p *person) read(address string) {
	at, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, p.server+"/") {
		p.t.Errorf("the browser is to open %q, %v", address, err)
		return
	}
	p.asked, p.path, p.challenge = at.Query(), at.Path, at.Query().Get("challenge")
}

func (p *person) answer() {
	defer close(p.done)
	right := url.Values{"code": {"the-code"}, "state": p.asked["state"], "iss": {p.server}}
	if p.edit != nil {
		p.edit(right)
	}
	for _, answer := range append(p.other, right) {
		response, err := askLoopback(p.t.Context(), p.asked.Get("port"), answer)
		if err != nil {
			p.t.Error(err)
			return
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		p.statuses, p.lastPage = append(p.statuses, response.StatusCode), string(text)
		if response.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(response.Header.Get("Content-Security-Policy"), "default-src 'none'") ||
			strings.Contains(p.lastPage, "the-code") {
			p.t.Errorf("the listener answers %v\n%s", response.Header, text)
		}
	}
}

// TestBrowserLogin: the program opens the page of the login server, takes the code at its listener, and exchanges it.
func TestBrowserLogin(t *testing.T) {
	f := newFixture(t)
	p := newPerson(t, f)
	p.other = []url.Values{{"code": {"the-code"}, "state": {"another"}, "iss": {f.server.URL}}, {"code": {"the-code"}}, {}}
	f.expect(t, 0, "You are logged in as ada in the organisation acme", "Log in with your browser. If none opens, open this address in one on this computer:\n\n  "+f.server.URL+"/o/acme/login/kubectl?",
		"login", "--browser", "--namespace=acme")
	<-p.done
	f.wantAsked(t, postToken)
	if p.path != "/o/acme/login/kubectl" || len(p.challenge) != 43 || len(p.asked.Get("state")) != 22 || len(p.asked) != 3 {
		t.Errorf("the page is %s with %v", p.path, p.asked)
	}
	if got := p.statuses; len(got) != 4 || got[0] != 400 || got[1] != 400 || got[2] != 400 || got[3] != 200 || !strings.Contains(p.lastPage, "You can close this window.") {
		t.Errorf("the browser gets %v, at last\n%s", got, p.lastPage)
	}
	if said := f.out.String() + f.err.String(); strings.Contains(said, "the-code") || strings.Contains(said, "the-token") {
		t.Errorf("it shows a secret: %s", said)
	}

	// The session is kept, and used by kubectl.
	f.answers[getSession] = f.grant("", time.Hour)
	f.browse = func(string) error { t.Error("a browser is opened"); return nil }
	asPlugin(f, false)
	f.expect(t, 0, `"the-token"`, "", "login", "--browser", "--namespace=acme")
}

// TestBrowserLoginOfKubectl: run by kubectl, the program needs no terminal where it opens a browser, and puts out nothing but the credential.
func TestBrowserLoginOfKubectl(t *testing.T) {
	f := newFixture(t)
	newPerson(t, f)
	f.terminal = func() (terminal, error) { t.Error("the terminal is opened"); return nil, errNoTerminal }
	asPlugin(f, false)
	f.expect(t, 0, `"the-token"`, "Log in with your browser", "login", "--browser")
	if !json.Valid(f.out.Bytes()) {
		t.Errorf("kubectl reads %s", &f.out)
	}
	f.expect(t, exitFailed, "", "kubectl leaves no terminal to ask on", "login", "--no-launch-browser", "--username=grace")
}

// TestBrowserAnswers: what the program does with other answers than a code of its own login server.
func TestBrowserAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		edit func(url.Values)
		args []string
		want string
		// asked of the server.
		asked []string
	}{
		"cancelled":         {edit: func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, want: "the login was cancelled in the browser"},
		"no code":           {edit: func(q url.Values) { q.Del("code") }, want: "the login server has sent no code"},
		"of another server": {edit: func(q url.Values) { q.Set("iss", "https://elsewhere.example") }, want: `the answer is of the login server "https://elsewhere.example"`},
		"of no server":      {edit: func(q url.Values) { q.Del("iss") }, want: `the answer is of the login server ""`},
		"another code": {
			edit: func(q url.Values) { q.Set("code", "another") }, want: "The login code is not valid. What to do.", asked: []string{postToken},
		},
		"another account": {
			args: []string{"--username=grace"}, want: "the browser is logged in as ada in acme, and this login is for grace: ", asked: []string{postToken, "DELETE /api/v1/session"},
		},
		"another organisation": {
			args: []string{"--namespace=there"}, want: "and this login is for an account in there: ", asked: []string{postToken, "DELETE /api/v1/session"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			p := newPerson(t, f)
			p.edit = row.edit
			f.answers["DELETE /api/v1/session"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
			f.expect(t, exitFailed, "", row.want, append([]string{"login", "--browser"}, row.args...)...)
			<-p.done
			f.wantAsked(t, row.asked...)
			if files, _ := os.ReadDir(f.sessions.dir); len(files) > 0 {
				t.Error("something is stored")
			}
		})
	}
}

// writer is an io.Writer.
type writer func([]byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

// TestBrowserThatDoesNotOpen: the program says how to go on, and waits for the person who opens the address by hand.
func TestBrowserThatDoesNotOpen(t *testing.T) {
	f := newFixture(t)
	p := newPerson(t, f)
	f.browse = func(address string) error {
		p.read(address)
		return errors.New("no program for it")
	}
	f.stderr = writer(func(text []byte) (int, error) {
		if strings.Contains(string(text), "No browser could be opened") {
			go p.answer()
		}
		return f.err.Write(text)
	})
	f.expect(t, 0, "You are logged in as ada", "No browser could be opened here (no program for it).", "login", "--browser")
	if !strings.Contains(f.err.String(), "--no-launch-browser, to log in with one on another computer") {
		t.Errorf("it says %s", &f.err)
	}
}

// TestBrowserWithoutAnAnswer: the program gives up after a while, and at once where the person interrupts it.
func TestBrowserWithoutAnAnswer(t *testing.T) {
	f := newFixture(t)
	f.browse = func(string) error { return nil }
	f.browserTimeout = time.Millisecond
	f.expect(t, exitFailed, "", "nobody has answered in the browser: run kubectl account login again", "login", "--browser")

	f.browserTimeout = browserTimeout
	ctx, cancel := context.WithCancel(t.Context())
	var port string
	f.browse = func(address string) error {
		at, err := url.Parse(address)
		port = at.Query().Get("port")
		cancel()
		return err
	}
	if code := f.run(ctx, []string{"login", "--browser"}); code != exitInterrupted {
		t.Errorf("interrupted, it ends with %d", code)
	}
	if response, err := askLoopback(t.Context(), port, nil); err == nil {
		_ = response.Body.Close()
		t.Error("the listener goes on")
	}
}

// TestOneAnswerOnly: the listener takes the first answer, and no other after it; nor one to another host or path.
func TestOneAnswerOnly(t *testing.T) {
	l, err := listen(t.Context(), "state", "https://login.example.org")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	send := func(host, path, code string) int {
		query := url.Values{"code": {code}, "state": {"state"}, "iss": {"https://Login.example.org:443"}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.host()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = &url.URL{Scheme: "http", Host: l.host(), Path: path, RawQuery: query.Encode()}
		r.Host = host
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	for _, step := range []struct {
		host, path, code string
		want             int
	}{
		{"elsewhere.example", "/", "rebound", http.StatusBadRequest}, {l.host(), "/elsewhere", "astray", http.StatusNotFound},
		{l.host(), "/", "first", http.StatusOK}, {l.host(), "/", "second", http.StatusGone},
	} {
		if got := send(step.host, step.path, step.code); got != step.want {
			t.Errorf("%s is answered with %d, want %d", step.code, got, step.want)
		}
	}
	if got := <-l.answers; got.code != "first" || got.err != nil || len(l.answers) != 0 {
		t.Errorf("the answer is %+v, and %d more", got, len(l.answers))
	}
}

// TestBrowserElsewhere: without a browser on this computer, the program shows an address and asks for the code that is shown there.
func TestBrowserElsewhere(t *testing.T) {
	f := newFixture(t, "wrong", " the-code ")
	p := newPerson(t, f)
	f.browse = func(string) error { t.Error("a browser is opened"); return nil }
	exchange := f.answers[postToken]
	f.answers[postToken] = func(w http.ResponseWriter, r *http.Request) {
		_, rest, _ := strings.Cut(f.typist.shown.String(), "\n\n  ")
		address, _, _ := strings.Cut(rest, "\n")
		p.read(address)
		exchange(w, r)
	}
	f.expect(t, 0, "You are logged in as ada", "", "login", "--no-launch-browser")
	f.wantAsked(t, postToken, postToken)
	if shown := f.typist.shown.String(); p.asked.Has("port") || p.path != "/login/kubectl" ||
		!strings.Contains(shown, "The login code is not valid. What to do. Open the address again for another code.\nCode (it is not shown): ") {
		t.Errorf("the terminal shows %s", shown)
	}
	f.typist.lines = nil
	f.sessions.dir = filepath.Join(t.TempDir(), "sessions")
	f.expect(t, exitFailed, "", "nothing was entered", "login", "--no-launch-browser")
	f.terminal = func() (terminal, error) { return nil, errNoTerminal }
	f.expect(t, exitFailed, "", "there is no terminal to ask on for the code", "login", "--no-launch-browser")
	for _, command := range []string{"whoami", "passwd", "logout"} {
		f.expect(t, exitUsage, "", "--browser and --no-launch-browser are for login", command, "--browser")
	}
}

// TestBrowserOfTheKubeconfig: who logs in by hand logs in as the kubeconfig says, unless the command line says otherwise.
func TestBrowserOfTheKubeconfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := `{apiVersion: v1, kind: Config, current-context: it, contexts: [{name: it, context: {cluster: it, user: it}}], users: [{name: it, user: {exec: {
		apiVersion: client.authentication.k8s.io/v1, command: kubectl-account, args: [login, --server=https://login.example.org, --browser]}}}]}`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		given           settings
		here, elsewhere bool
	}{{settings{}, true, false}, {settings{noLaunchBrowser: true}, false, true}} {
		s := row.given
		s.kubeconfig = path
		if err := s.complete(func(string) string { return "" }); err != nil || s.browser != row.here || s.noLaunchBrowser != row.elsewhere {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// askLoopback sends what a browser brings back to the port on which kubectl account waits.
func askLoopback(ctx context.Context, port string, answer url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/?"+answer.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}
