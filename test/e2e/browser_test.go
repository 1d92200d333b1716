package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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

// pageChecks returns the folder with the programs that check pages. It installs them, and the browser, where they are missing.
var pageChecks = sync.OnceValues(func() (string, error) { return provide("browser") })

// provide runs the script in hack that installs a program where it is missing, and returns its path.
func provide(what string) (string, error) {
	command := exec.CommandContext(context.Background(), "../../hack/"+what)
	command.Stderr = os.Stderr

	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("providing %s: %w", what, err)
	}

	return strings.TrimSpace(string(path)), nil
}

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
	// complaints are errors of scripts, violations of the Content-Security-Policy, and requests to other hosts.
	complaints []string
}

// painted tells whether a page has been painted. Chromium drops clicks and keys that come before: nobody clicks on what is not there.
const painted = `performance.getEntriesByName("first-contentful-paint").length > 0`

// openBrowsers limits how many browsers are open at once: each takes a core.
var openBrowsers = make(chan struct{}, 3)

// openBrowser starts a browser that keeps its cookies in a folder, with further options.
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
	chromedp.ListenTarget(ctx, b.record)
	b.do(network.Enable(), log.Enable(), page.Enable(), runtime.Enable())

	return b
}

// record records requests, documents and complaints from the events of the browser.
func (b *browser) record(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()

	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		noteAddress(e.Request.URL)

		if !strings.HasPrefix(e.Request.URL, b.base+"/") && (b.elsewhere == "" || !strings.HasPrefix(e.Request.URL, b.elsewhere+"/")) {
			b.complaints = append(b.complaints, "a request to "+e.Request.URL)
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

// do runs steps in the browser, one after the other, and fails the test with the text of the page.
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

// said returns the text that a person reads on the page.
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

// keep returns the document that was loaded, records it for the search for leaks, and checks its forms.
func (b *browser) keep() (document []byte) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		tree, err := page.GetFrameTree().Do(ctx)
		if err != nil {
			return err
		}

		// The request that loads a document has the ID of its loader. Events tell it too, but may come later than the document.
		document, err = network.GetResponseBody(network.RequestID(tree.Frame.LoaderID)).Do(ctx)

		return err
	}))
	noteDocument(document)
	b.usernamesFirst()

	return document
}

// fill empties a field and types into it.
func (b *browser) fill(id, text string) {
	b.t.Helper()
	b.do(
		chromedp.Evaluate(fmt.Sprintf(`document.getElementById(%q).value = ""`, id), nil),
		chromedp.SendKeys("#"+id, text, chromedp.ByQuery),
	)
}

// follow clicks a link or button and waits for the page that it leads to.
func (b *browser) follow(selector string) {
	b.t.Helper()
	b.is(painted)
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(selector, chromedp.ByQuery))
		return err
	}))
	b.keep()
}

// submit sends a form also where its button is not active, and waits for the next page.
func (b *browser) submit(id string) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Evaluate(fmt.Sprintf(`document.getElementById(%q).submit()`, id), nil))
		return err
	}))
}

// evaluate returns the value of a script in the page.
func evaluate[T any](b *browser, script string) (value T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(script, &value))

	return value
}

// is waits until a script in the page returns true.
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

// says waits until the page has this text.
func (b *browser) says(words string) {
	b.t.Helper()
	b.is(fmt.Sprintf("document.body.innerText.includes(%q)", words))
}

// at waits until the page is at this path.
func (b *browser) at(path string) {
	b.t.Helper()
	b.is(fmt.Sprintf("location.pathname === %q", path))
}

// speaks sets the language that the browser asks for.
func (b *browser) speaks(language string) {
	b.t.Helper()
	b.do(network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": language}))
}

// looks sets the width of the window, in CSS pixels, and the colour scheme.
func (b *browser) looks(width int64, scheme string) {
	b.t.Helper()
	b.do(
		emulation.SetDeviceMetricsOverride(width, 1000, 1, false),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
	)
}

// withoutScript turns JavaScript off.
func (b *browser) withoutScript() {
	b.t.Helper()
	b.do(emulation.SetScriptExecutionDisabled(true))
}

// logIn opens the login page of the person's organisation and logs in.
func (b *browser) logIn(p *person, password string) {
	b.t.Helper()
	b.open("/o/" + p.organisation + "/login")
	b.logInHere(p.username, password)
}

// logInHere logs in on the page that is open.
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
