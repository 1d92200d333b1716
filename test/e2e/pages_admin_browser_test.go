package e2e_test

// What the tests of the pages under /admin share: a login server with a console, people with roles, and the steps of an administrator who
// has a browser and nothing else.

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/test/controlplane"
)

// atConsoleHost makes a login server have the console at its own address.
const atConsoleHost = "--console-hosts=127.0.0.1"

// openConsole starts a login server with a console, and a browser for it.
func openConsole(t *testing.T) *browser {
	t.Helper()

	b := openBrowser(t, t.TempDir())
	b.base = anotherLoginServer(t, uniqueName(t), atConsoleHost, "--default-namespace="+defaultOrganisation)

	return b
}

// openBeside opens another person's browser at the server of this one. It is of the same process, with cookies of its own: a test that
// had one browser and waited for a second could wait for a test that does so, too.
func (b *browser) openBeside() *browser {
	b.t.Helper()

	var id target.ID

	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		ctx = cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser)

		cookies, err := target.CreateBrowserContext().Do(ctx)
		if err != nil {
			return err
		}

		id, err = target.CreateTarget("about:blank").WithBrowserContextID(cookies).WithNewWindow(true).Do(ctx)

		return err
	}))

	ctx, closePage := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	another := &browser{t: b.t, ctx: ctx, base: b.base, quit: closePage}
	b.t.Cleanup(closePage)
	b.t.Cleanup(func() { another.noComplaints("at the end") })
	chromedp.ListenTarget(ctx, another.record)
	another.do(network.Enable(), log.Enable(), page.Enable(), runtime.Enable())

	return another
}

// administrates makes an organisation with an administrator whose password is their own.
func administrates(t *testing.T, policy v1alpha1.PasswordPolicySpec) (*organisation, *person) {
	t.Helper()

	o, _ := governed(t, policy)
	ada := o.settled(t, "ada", func(s *v1alpha1.UserAccountSpec) { s.DisplayName = "Ada Lovelace" })
	o.binds(t, ada, adminRole)

	return o, ada
}

// administer logs in at the console, and opens the list of accounts.
func (b *browser) administer(p *person) {
	b.t.Helper()
	b.open("/o/" + p.organisation + "/login?return_to=%2Fadmin")
	b.fill("username", p.username)
	b.fill("password", p.password)
	b.leads("main button.primary", "/admin")
}

// leads clicks something that leads to a page by way of another one.
func (b *browser) leads(selector, path string) {
	b.t.Helper()
	b.is(painted)
	b.do(chromedp.Click(selector, chromedp.ByQuery))
	b.is(fmt.Sprintf("location.pathname === %q && document.readyState === 'complete'", path))
	b.keep()
}

// pageOf is the address of an account's page; what is empty for the page itself.
func (p *person) pageOf(what string) string {
	address := "/admin/accounts/" + p.organisation + "/" + p.username
	if what != "" {
		address += "/" + what
	}

	return address
}

// menu opens the menu of the only row of the list, and returns what it offers.
func (b *browser) menu() []string {
	b.t.Helper()
	b.is(`document.querySelectorAll("tbody tr").length === 1 && ` + painted)
	b.do(chromedp.Click(".menu summary", chromedp.ByQuery))
	b.is(`document.querySelector(".menu").open`)

	return b.offers(".menu li a")
}

// menuState is state for the list with a menu open. axe-core cannot tell the contrast of what the menu covers, so that is hidden from it.
func (b *browser) menuState(name string) {
	b.t.Helper()
	b.shot(name)
	b.do(chromedp.Evaluate(`(() => {
		const menu = document.querySelector(".menu[open]"), over = menu.querySelector("ul").getBoundingClientRect();
		for (const part of document.querySelectorAll("tbody *, nav *")) {
			const at = part.getBoundingClientRect(), isCovered = at.top < over.bottom && at.bottom > over.top && at.left < over.right && at.right > over.left;
			if (isCovered && !part.contains(menu) && !menu.contains(part)) part.style.visibility = "hidden";
		}
	})()`, nil))
	b.state(name + "-alone")
}

// goesBack goes one page back in the history. A page that the browser has kept in memory does not load again, so there is no event to wait
// for.
func (b *browser) goesBack() {
	b.t.Helper()
	b.do(chromedp.Evaluate(`history.back()`, nil))
}

// offers returns the texts of links, in order.
func (b *browser) offers(selector string) []string {
	b.t.Helper()

	return evaluate[[]string](b, fmt.Sprintf(`[...document.querySelectorAll(%q)].map((a) => a.innerText)`, selector))
}

// typeNew types a new password into the dialog.
func (b *browser) typeNew(password string) {
	b.t.Helper()
	b.fill("new-password", password)
}

// isDialog waits for a modal dialog that has the keyboard.
func (b *browser) isDialog() {
	b.t.Helper()
	b.is(`document.querySelector("dialog").matches(":modal") && document.querySelector("dialog").contains(document.activeElement)`)
}

// isAccountOf waits for the page of an account, without a dialog in front of it.
func (b *browser) isAccountOf(p *person) {
	b.t.Helper()
	b.at(p.pageOf(""))
	b.is(`document.querySelector("dialog") === null && document.querySelector(".facts") !== null`)
}

// noteShown records what a page shows to one person, and what nobody finds anywhere else.
func noteShown(secret string) {
	evidence.Lock()
	defer evidence.Unlock()

	evidence.typed = append(evidence.typed, secret)
}

// proofAges makes the session of a browser one whose password was typed that much earlier. The signing keys are in a Secret, so a test
// can sign what a server would have signed at that time.
func (b *browser) proofAges(by time.Duration) {
	b.t.Helper()

	cookie := b.cookies()["keyturn-session"]
	older := aged(b.t, cookie.Value, by)
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		return network.SetCookie(cookie.Name, older).WithDomain(cookie.Domain).WithPath(cookie.Path).
			WithHTTPOnly(true).WithSameSite(network.CookieSameSiteLax).Do(ctx)
	}))
}

// awaitsPromise makes an evaluation wait for a promise.
func awaitsPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams {
	return p.WithAwaitPromise(true)
}

// wiredConsole starts a login server with a console whose connection to the API server can be cut.
func wiredConsole(t *testing.T) (string, *wire) {
	t.Helper()

	config, err := plane.TokenFor(t.Context(), systemNamespace, "keyturn-login")
	must(t, err)

	w := newWire(t, config.Host)
	config.Host = w.url()
	kubeconfig := t.TempDir() + "/kubeconfig"
	must(t, controlplane.WriteKubeconfig(kubeconfig, config))

	port, err := controlplane.FreePort(0)
	must(t, err)

	address := controlplane.Address(port)
	r := login.replica(t, uniqueName(t), "--health-bind-address", "--bind-address="+address, insecureCookies, atConsoleHost)
	r.args[0] = "--kubeconfig=" + kubeconfig
	r.start(t)

	return "http://" + address, w
}
