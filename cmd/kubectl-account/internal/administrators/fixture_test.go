package administrators

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// fixture is the commands, an API server with prepared answers, and a terminal.
type fixture struct {
	out, err, screen bytes.Buffer
	server           *httptest.Server
	kubeconfig       string
	// answers are the server's, by "METHOD PATH"; asked lists the requests that it had, with what they wrote.
	answers     map[string]http.HandlerFunc
	asked       []string
	terminalErr error
}

type screen struct{ io.Writer }

func (screen) Close() error { return nil }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{answers: map[string]http.HandlerFunc{}}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := r.Method + " " + r.URL.Path
		f.asked = append(f.asked, strings.TrimSpace(key+" "+string(body)))
		w.Header().Set("Date", "Sun, 29 Nov 2026 13:00:00 GMT")
		if answer := f.answers[key]; answer != nil {
			answer(w, r)
			return
		}
		http.NotFound(w, r) // As an API server does that does not know a resource.
	}))
	t.Cleanup(f.server.Close)
	f.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	f.writeKubeconfig(t, f.server.URL)
	return f
}

func (f *fixture) writeKubeconfig(t *testing.T, server string) {
	t.Helper()
	content := fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}],"users":[{"name":"u","user":{"token":"t"}}],
"contexts":[{"name":"here","context":{"cluster":"c","user":"u","namespace":"acme"}},{"name":"elsewhere","context":{"cluster":"c","user":"u"}}],
"current-context":"here"}`, server)
	if err := os.WriteFile(f.kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command and returns its exit code.
func (f *fixture) run(t *testing.T, args ...string) int {
	t.Helper()
	f.out.Reset()
	f.err.Reset()
	f.screen.Reset()
	f.asked = nil
	return Run(t.Context(), Environment{
		Streams:  genericiooptions.IOStreams{In: strings.NewReader(""), Out: &f.out, ErrOut: &f.err},
		Terminal: func() (io.WriteCloser, error) { return screen{&f.screen}, f.terminalErr },
	}, append(args, "--kubeconfig="+f.kubeconfig))
}

// expect runs a command that puts out exactly this.
func (f *fixture) expect(t *testing.T, code int, out, err string, args ...string) {
	t.Helper()
	if got := f.run(t, args...); got != code || f.out.String() != out || f.err.String() != err {
		t.Errorf("kubectl account %s ends with %d, puts out\n%s\nand says\n%s\nwant %d,\n%s\nand\n%s", strings.Join(args, " "), got, &f.out, &f.err, code, out, err)
	}
}

// object answers with an object.
func object(value any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value)
	}
}

// failure answers as an API server that refuses.
func failure(code int32, reason metav1.StatusReason, text string, details metav1.StatusDetails) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(code))
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: text, Details: &details,
		})
	}
}

const (
	accountsPath = "/apis/accounts.keyturn.dev/v1alpha1/namespaces/acme/useraccounts"
	adaPath      = accountsPath + "/ada"
	secretsPath  = "/api/v1/namespaces/acme/secrets"
)

// ada is an account as the API server has it.
func ada(spec, status map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": "accounts.keyturn.dev/v1alpha1", "kind": "UserAccount",
		"metadata": map[string]any{"name": "ada", "namespace": "acme", "uid": "one", "resourceVersion": "7", "generation": 2},
		"spec":     spec, "status": status,
	}
}
