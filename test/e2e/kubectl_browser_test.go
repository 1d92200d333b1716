package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// withBrowser puts a program into the PATH of a desk that "opens" addresses: it keeps them in a file, which is returned.
func (d *desk) withBrowser(t *testing.T) (opened string) {
	t.Helper()

	folder := filepath.Join(d.home, "browser")
	opened = filepath.Join(d.home, "opened")

	must(t, os.Mkdir(folder, 0o700))
	// It also puts out something, which kubectl must not read.
	script := fmt.Sprintf("#!/bin/sh\necho Opening in an existing browser session.\nprintf %%s \"$1\" > %[1]s.new && mv %[1]s.new %[1]s\n", opened)
	must(t, os.WriteFile(filepath.Join(folder, "xdg-open"), []byte(script), 0o700))

	d.bin = folder + string(filepath.ListSeparator) + d.bin

	return opened
}

// addressIn waits for the address that kubectl account has opened.
func addressIn(t *testing.T, opened string) string {
	t.Helper()

	var address string

	eventually(t, "kubectl opens a browser", func() error {
		text, err := os.ReadFile(filepath.Clean(opened))
		address = string(text)

		return err
	})

	return address
}

// TestKubectlLogsInByBrowser: kubectl, without a terminal, opens the login page in a browser. The person logs in there and allows it, and
// kubectl goes on as that person, also where the browser runs no scripts.
func TestKubectlLogsInByBrowser(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)

	for _, withScript := range []bool{true, false} {
		d := newDesk(t, o, "--browser")
		opened := d.withBrowser(t)

		type result struct {
			output string
			err    error
		}

		ended := make(chan result, 1)

		go func() {
			output, err := d.command(t.Context(), "auth", "whoami").CombinedOutput()
			ended <- result{string(output), err}
		}()

		address := addressIn(t, opened)

		at, err := url.Parse(address)
		must(t, err)

		if !strings.HasPrefix(address, loginURL+"/o/"+o.name+"/login/kubectl?") {
			t.Fatalf("the browser opens %s", address)
		}

		b := openBrowser(t, t.TempDir())
		b.elsewhere = "http://127.0.0.1:" + at.Query().Get("port")

		if !withScript {
			b.withoutScript()
		}

		b.open(strings.TrimPrefix(address, loginURL))
		b.fill("username", p.username)
		b.fill("password", p.password)
		b.do(chromedp.Click("main button.primary", chromedp.ByQuery)) // A page between leads on at once.
		b.at("/o/" + o.name + "/login/kubectl")
		b.says("kubectl on your computer asks to act as ada in " + o.name + ".")
		b.do(chromedp.Click("main button.primary", chromedp.ByQuery))
		b.says("You can close this window.")
		b.quit()

		got := <-ended
		d.noPasswords(t, got.output)

		if got.err != nil || !strings.Contains(got.output, "keyturn:"+o.name+":ada") {
			t.Fatalf("kubectl auth whoami: %v: %s", got.err, got.output)
		}

		session(t, d.token(t), http.StatusOK)
	}
}

// formBrowser is a browser without scripts, with its cookies, that follows no redirect by itself.
type formBrowser struct {
	client *http.Client
}

func newFormBrowser(t *testing.T) *formBrowser {
	t.Helper()

	jar, err := cookiejar.New(nil)
	must(t, err)

	return &formBrowser{client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// send sends a form and returns the status, the Location and the page.
func (v *formBrowser) send(t *testing.T, path string, form url.Values) (status int, to *url.URL, page string) {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, loginURL+path, strings.NewReader(form.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "text/html")

	response, err := v.client.Do(request)
	must(t, err)

	defer func() { _ = response.Body.Close() }()

	text, err := io.ReadAll(response.Body)
	must(t, err)

	to, _ = response.Location()

	return response.StatusCode, to, string(text)
}

// logInFor logs in on the page to which the address of a kubectl account login leads.
func (v *formBrowser) logInFor(t *testing.T, p *person, address string) {
	t.Helper()

	form := url.Values{
		"organization": {p.organisation}, "username": {p.username}, "password": {p.password}, "return_to": {strings.TrimPrefix(address, loginURL)},
	}
	if status, to, page := v.send(t, "/login", form); status != http.StatusSeeOther {
		t.Fatalf("the login is answered with %d to %v: %s", status, to, page)
	}
}

// allow logs in for kubectl, lets it act as the person on the page whose address is given, and returns what the form leads to.
func (v *formBrowser) allow(t *testing.T, p *person, address string) (to *url.URL, page string) {
	t.Helper()
	v.logInFor(t, p, address)

	at, err := url.Parse(address)
	must(t, err)

	form := at.Query()
	form.Set("account", p.organisation+"/"+p.username)
	form.Set("answer", "allow")

	_, to, page = v.send(t, at.Path, form)

	return to, page
}

// TestKubectlLogsInWithABrowserElsewhere: without a browser on the computer, the person opens an address elsewhere and copies the code that
// is shown there. A code gets nothing once the account is disabled.
func TestKubectlLogsInWithABrowserElsewhere(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	v := newFormBrowser(t)
	d := newDesk(t, o, "--browser") // What a person types goes before it.

	at := d.sit(t, "account", "login", "--no-launch-browser")
	first := v.codeFor(t, p, at)
	at.enter(t, "Code (it is not shown): ", first)

	if shown := at.mustFinish(t); !strings.Contains(shown, "You are logged in as ada in the organisation "+o.name) {
		t.Errorf("kubectl account login shows %s", shown)
	}

	session(t, d.token(t), http.StatusOK)
	d.mustAlone(t, "account", "logout")

	// Another kubectl has another verifier: the code of the first one is nothing to it. Then the account is disabled.
	at = d.sit(t, "account", "login", "--no-launch-browser")
	second := v.codeFor(t, p, at)
	at.enter(t, "Code (it is not shown): ", first)
	at.expect(t, "The login code is not valid, or not any more.")

	other := p.login(t, p.password, granted).Token
	o.declare(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.Access = v1alpha1.AccessDisabled })
	sessionEndsEventually(t, other)
	at.enter(t, "Code (it is not shown): ", second)
	at.expect(t, "The login code is not valid, or not any more.")
	at.enter(t, "Code (it is not shown): ", second)

	if shown, err := at.finish(t); err == nil {
		t.Errorf("kubectl account login shows %s", shown)
	}

	if left := d.stored(t); left != "" {
		t.Error("a session is stored")
	}
}

var codeOnPage = regexp.MustCompile(`<code [^>]*>([^<]+)</code>`)

// codeFor reads the address on a screen, allows it in a browser, and returns the code that the page shows.
func (v *formBrowser) codeFor(t *testing.T, p *person, at *screen) string {
	t.Helper()
	at.expect(t, "enter the code that is shown.")
	at.mu.Lock()
	shown := at.shown.String()
	at.mu.Unlock()

	address := regexp.MustCompile(`http://\S+/login/kubectl\?\S+`).FindString(shown)
	_, page := v.allow(t, p, address)

	code := codeOnPage.FindStringSubmatch(page)
	if code == nil {
		t.Fatalf("the page of %q shows no code: %s", address, page)
	}

	return noteSecret(code[1])
}

// TestKubectlTakesNoForeignAnswer: what others send to the port of kubectl counts for nothing; kubectl goes on waiting for the answer of the
// page.
func TestKubectlTakesNoForeignAnswer(t *testing.T) {
	t.Parallel()

	o := newOrganisation(t)
	p := o.settled(t, "ada", nil)
	v := newFormBrowser(t)
	d := newDesk(t, o, "--browser")
	opened := d.withBrowser(t)
	at := d.sit(t, "account", "login")

	to, page := v.allow(t, p, addressIn(t, opened))
	if to == nil {
		t.Fatalf("the page leads nowhere: %s", page)
	}

	noteSecret(to.Query().Get("code"))

	ask := func(address *url.URL) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address.String(), http.NoBody)
		must(t, err)

		response, err := http.DefaultClient.Do(request)
		must(t, err)
		must(t, response.Body.Close())

		return response.StatusCode
	}

	foreign, query := *to, to.Query()
	query.Set("state", "a-state-of-somebody-else")
	foreign.RawQuery = query.Encode()

	if status := ask(&foreign); status != http.StatusBadRequest {
		t.Errorf("a foreign state is answered with %d", status)
	}

	if status := ask(to); status != http.StatusOK {
		t.Errorf("the answer is answered with %d", status)
	}

	if shown := at.mustFinish(t); !strings.Contains(shown, "You are logged in as ada in the organisation "+o.name) {
		t.Errorf("kubectl account login shows %s", shown)
	}
}
