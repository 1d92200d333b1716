package e2e_test

// What has to hold for every state of every page: state takes a picture of it, has axe-core look for violations of WCAG 2.2 AA, keeps the
// document for html-validate, and fails the test if the browser has complained or the page is wider than the window.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// picturesFolder holds the screenshots of this run alone: it is emptied first.
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

// plainState is state for a browser without JavaScript, where axe-core cannot run.
func (b *browser) plainState(name string) {
	b.t.Helper()
	b.shot(name)
	b.valid(name)
	b.noComplaints(name)
}

// state takes a picture of a state of a page and makes all checks.
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

// noComplaints fails the test if the browser has complained of something: an error of a script, or a request to another host.
func (b *browser) noComplaints(name string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, complaint := range b.complaints {
		b.t.Errorf("%s: the browser complains: %s", name, complaint)
	}

	b.complaints = nil
}

// runAxe runs axe-core, with the rules of WCAG 2.2. It cannot find the background of a modal dialog, so it checks the contrast there
// again while the dialog is an ordinary one.
const runAxe = `(async () => {
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
		chromedp.Evaluate(runAxe, &found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
			return p.WithAwaitPromise(true)
		}),
	)

	if len(found.Passes) == 0 {
		b.t.Errorf("%s: axe-core has looked at nothing", name)
	}

	for _, v := range found.Violations {
		b.t.Errorf("%s: %s: %s: %+v", name, v.ID, v.Help, v.Nodes)
	}

	// Where axe-core cannot decide about contrast, the page has to be changed so that it can.
	for _, v := range found.Incomplete {
		if v.ID == "color-contrast" {
			b.t.Errorf("%s: %s is undecided: %+v", name, v.ID, v.Nodes)
		}
	}
}

// documentsFolder holds the documents of all states as they were served, for invalidDocuments.
var documentsFolder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "keyturn-documents-") })

// valid stores the document as it was served. invalidDocuments validates all of them at the end.
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

// invalidDocuments has html-validate check all documents at once, because it takes longer to start than to check. It returns what is
// wrong, or nothing.
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
