package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserPatience is how long one step in a browser may take.
const browserPatience = time.Minute

// pageChecks returns the folder of what pages are checked with, which it installs, and the browser, where they are missing.
var pageChecks = sync.OnceValues(func() (string, error) { return provide("browser") })

// provide runs the script that installs what a test needs of the system, where it is missing, and returns where that is.
func provide(what string) (string, error) {
	command := exec.CommandContext(context.Background(), "../../hack/"+what)
	command.Stderr = os.Stderr

	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("providing %s: %w", what, err)
	}

	return strings.TrimSpace(string(path)), nil
}

// picturesFolder has the screenshots of all states that this run has seen, and no others.
var picturesFolder = sync.OnceValues(func() (string, error) {
	folder, err := filepath.Abs("../../.screenshots")
	if err != nil {
		return "", err
	}

	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}

	return folder, os.MkdirAll(folder, 0o755)
})

// browser is a person's browser, with one page open.
type browser struct {
	t *testing.T
	//nolint:containedctx // a page of chromedp is a context
	ctx  context.Context
	quit func()
	// base is the login server's address.
	base string

	mu sync.Mutex
	// elsewhere is another origin that pages may lead to.
	elsewhere string
	// document is the request of the last document that was loaded.
	document network.RequestID
	// complaints are what the browser had to say: errors of scripts, refusals by the page's policy, foreign requests.
	complaints []string
}

// openBrowsers has a place for each browser that may be open at once: each wants a core.
var openBrowsers = make(chan struct{}, 3)

// openBrowser starts a browser that keeps what it knows in a folder, with further options.
func openBrowser(t *testing.T, profile string, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()

	if _, err := pageChecks(); err != nil {
		t.Fatal(err)
	}

	openBrowsers <- struct{}{}

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"),
		chromedp.Flag("allow-pre-commit-input", true),
		chromedp.WindowSize(1000, 1000))
	options = append(options, more...)

	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	// The library complains of every event that is newer than itself.
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	b := &browser{t: t, ctx: ctx, base: loginURL}
	b.quit = sync.OnceFunc(func() {
		_ = chromedp.Cancel(ctx) // closes it as a person does, so that it keeps its cookies
		cancel()
		endAllocator()

		<-openBrowsers
	})
	t.Cleanup(b.quit)
	t.Cleanup(func() { b.noComplaints("at the end") })
	chromedp.ListenTarget(ctx, b.hear)
	b.do(network.Enable(), log.Enable(), page.Enable(), runtime.Enable())

	return b
}

// hear notes what matters of what the browser tells.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()

	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		noteAddress(e.Request.URL)

		if !strings.HasPrefix(e.Request.URL, b.base+"/") && (b.elsewhere == "" || !strings.HasPrefix(e.Request.URL, b.elsewhere+"/")) {
			b.complaints = append(b.complaints, "a request to "+e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			b.document = e.RequestID
		}
	case *log.EventEntryAdded:
		// That a login was refused, or that the server is busy, is the browser's news, not a fault.
		if !strings.Contains(e.Entry.Text, "the server responded with a status of ") && !strings.HasPrefix(e.Entry.Text, lacksUsername) {
			b.complaints = append(b.complaints, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	}
}

// do runs steps, one after the other.
func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()

	if err := b.try(actions...); err != nil {
		b.shot("failed")
		b.t.Fatalf("in the browser: %v; the page says:\n%s", err, b.said())
	}
}

func (b *browser) try(actions ...chromedp.Action) error {
	// The first use of a context starts the browser, which ends with that context: no timeout around that one.
	if chromedp.FromContext(b.ctx).Target == nil {
		if err := chromedp.Run(b.ctx); err != nil {
			return err
		}
	}

	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()

	return chromedp.Run(ctx, actions...)
}

// said is what a person reads on the page.
func (b *browser) said() string {
	var text string

	_ = b.try(chromedp.Evaluate(`document.body.innerText`, &text))

	return text
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
	b.keep()
}

// keep notes the document that was loaded, for the search for leaks, looks at its forms, and returns it.
func (b *browser) keep() (document []byte) {
	b.t.Helper()
	b.mu.Lock()
	request := b.document
	b.mu.Unlock()

	b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		document, err = network.GetResponseBody(request).Do(ctx)
		return err
	}))
	noteDocument(document)
	b.usernamesFirst()

	return document
}

// fill types into a field that may hold something.
func (b *browser) fill(id, text string) {
	b.t.Helper()
	b.do(
		chromedp.Evaluate(fmt.Sprintf(`document.getElementById(%q).value = ""`, id), nil),
		chromedp.SendKeys("#"+id, text, chromedp.ByQuery),
	)
}

// follow clicks what leads to another page, and waits for it.
func (b *browser) follow(selector string) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(selector, chromedp.ByQuery))
		return err
	}))
	b.keep()
}

// submit sends a form whatever its buttons say, and waits for the next page.
func (b *browser) submit(id string) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Evaluate(fmt.Sprintf(`document.getElementById(%q).submit()`, id), nil))
		return err
	}))
}

// evaluate returns what a script makes of the page.
func evaluate[T any](b *browser, script string) (value T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(script, &value))

	return value
}

// is wants a script to say true, at some time.
func (b *browser) is(script string) {
	b.t.Helper()
	eventually(b.t, script, func() error {
		var holds bool
		if err := b.try(chromedp.Evaluate(script, &holds)); err != nil {
			return err
		}

		if !holds {
			return fmt.Errorf("the page says:\n%s", b.said())
		}

		return nil
	})
}

// says wants words on the page.
func (b *browser) says(words string) {
	b.t.Helper()
	b.is(fmt.Sprintf("document.body.innerText.includes(%q)", words))
}

// at wants the page to be at a path.
func (b *browser) at(path string) {
	b.t.Helper()
	b.is(fmt.Sprintf("location.pathname === %q", path))
}

// speaks has the browser ask for a language.
func (b *browser) speaks(language string) {
	b.t.Helper()
	b.do(network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": language}))
}

// looks has the browser be of a width, in CSS pixels, and of a colour scheme.
func (b *browser) looks(width int64, scheme string) {
	b.t.Helper()
	b.do(
		emulation.SetDeviceMetricsOverride(width, 1000, 1, false),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	)
}

// withoutScript has the browser run no scripts of pages.
func (b *browser) withoutScript() {
	b.t.Helper()
	b.do(emulation.SetScriptExecutionDisabled(true))
}

// shot takes a picture of the whole page.
func (b *browser) shot(name string) {
	folder, err := picturesFolder()
	if err != nil {
		b.t.Fatal(err)
	}

	var picture []byte
	if err := b.try(chromedp.FullScreenshot(&picture, 100)); err != nil {
		b.t.Errorf("taking a picture: %v", err)
		return
	}

	if err := os.WriteFile(filepath.Join(folder, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png"), picture, 0o644); err != nil {
		b.t.Error(err)
	}
}

// plainState is state without scripts, of which axe-core is one: contrast and names are those of the same state with them.
func (b *browser) plainState(name string) {
	b.t.Helper()
	b.shot(name)
	b.valid(name)
	b.noComplaints(name)
}

// state takes a picture of a state and checks what has to hold for every one.
func (b *browser) state(name string) {
	b.t.Helper()
	b.shot(name)
	b.accessible(name)
	b.valid(name)

	if evaluate[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
		b.t.Errorf("%s: the page is wider than the window", name)
	}

	b.noComplaints(name)
}

// noComplaints fails the test for what the browser has complained of.
func (b *browser) noComplaints(name string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, complaint := range b.complaints {
		b.t.Errorf("%s: the browser complains: %s", name, complaint)
	}

	b.complaints = nil
}

// lookAtAll runs axe-core with the rules of WCAG 2.2 too. What a modal dialog is painted on it cannot tell, so that one is
// looked at again as an ordinary dialog.
const lookAtAll = `(async () => {
	const found = await axe.run({ rules: { "target-size": { enabled: true } } }), dialog = document.querySelector("dialog:modal");
	if (!dialog) return found;
	dialog.close();
	dialog.show();
	const again = await axe.run(dialog, { runOnly: ["color-contrast"] });
	dialog.close();
	dialog.showModal();
	if (again.passes.length === 0) throw new Error("nothing of the dialog was looked at");
	found.incomplete = [...found.incomplete.filter((f) => f.id !== "color-contrast"), ...again.incomplete];
	found.violations.push(...again.violations);
	return found;
})()`

// accessible has axe-core look for violations of WCAG 2.2 AA and of its own good practice.
func (b *browser) accessible(name string) {
	b.t.Helper()

	folder, err := pageChecks()
	must(b.t, err)
	axe, err := os.ReadFile(filepath.Join(folder, "node_modules", "axe-core", "axe.min.js"))
	must(b.t, err)

	type finding struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}

	var found struct {
		Violations []finding
		Incomplete []finding
		Passes     []finding
	}

	b.do(
		chromedp.Evaluate(string(axe), nil),
		chromedp.Evaluate(lookAtAll, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
			return p.WithAwaitPromise(true)
		}),
	)

	if len(found.Passes) == 0 {
		b.t.Errorf("%s: axe-core has looked at nothing", name)
	}

	for _, v := range found.Violations {
		b.t.Errorf("%s: %s: %s: %+v", name, v.ID, v.Help, v.Nodes)
	}

	// What it cannot decide about contrast has to be looked at, or made such that it can.
	for _, v := range found.Incomplete {
		if v.ID == "color-contrast" {
			b.t.Errorf("%s: %s is undecided: %+v", name, v.ID, v.Nodes)
		}
	}
}

// documentsFolder has the documents of all states as they were served, for invalidDocuments.
var documentsFolder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "keyturn-documents-") })

// valid keeps the document as it was served, to be looked at with all others.
func (b *browser) valid(name string) {
	b.t.Helper()

	document := b.keep()
	if len(document) > 50_000 {
		b.t.Errorf("%s: the page has %d bytes", name, len(document))
	}

	folder, err := documentsFolder()
	must(b.t, err)

	file := strings.ReplaceAll(b.t.Name(), "/", "-") + "-" + name + ".html"
	must(b.t, os.WriteFile(filepath.Join(folder, file), document, 0o600))
}

// invalidDocuments has html-validate look at all documents at once: it takes longer to start than to look. It returns what
// is wrong; empty for nothing.
func invalidDocuments() string {
	folder, err := documentsFolder()
	if err != nil {
		return err.Error()
	}
	defer func() { _ = os.RemoveAll(folder) }()

	documents, err := filepath.Glob(filepath.Join(folder, "*.html"))
	if err != nil || len(documents) == 0 {
		return "" // No test of pages has run.
	}

	checks, err := pageChecks()
	if err != nil {
		return err.Error()
	}

	command := exec.CommandContext(context.Background(), filepath.Join(checks, "node_modules", ".bin", "html-validate"),
		append([]string{"--config", filepath.Join(checks, ".htmlvalidate.json")}, documents...)...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Sprintf("%v\n%s", err, output)
	}

	return ""
}

// logIn logs in on the page of the person's organisation.
func (b *browser) logIn(p *person, password string) {
	b.t.Helper()
	b.open("/o/" + p.organisation + "/login")
	b.logInHere(p.username, password)
}

// logInHere fills in the form that is shown.
func (b *browser) logInHere(username, password string) {
	b.t.Helper()
	b.fill("username", username)
	b.fill("password", password)
	b.follow("main button.primary")
}

// cookies returns the cookies of the page, by name.
func (b *browser) cookies() map[string]*network.Cookie {
	b.t.Helper()

	found := map[string]*network.Cookie{}

	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		all, err := network.GetCookies().Do(ctx)
		for _, c := range all {
			found[c.Name] = c
		}

		return err
	}))

	return found
}
