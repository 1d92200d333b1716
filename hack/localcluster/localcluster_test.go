package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// TestBaseURL: the URL of a server follows from the address that it listens on; an address without a port number is refused.
func TestBaseURL(t *testing.T) {
	tests := map[string]struct {
		address, want string
		err           error
	}{
		"this machine":      {"127.0.0.1:8080", "http://127.0.0.1:8080", nil},
		"by name":           {"localhost:9090", "http://localhost:9090", nil},
		"everywhere":        {":8080", "http://127.0.0.1:8080", nil},
		"everywhere, IPv4":  {"0.0.0.0:8080", "http://127.0.0.1:8080", nil},
		"everywhere, IPv6":  {"[::]:8080", "http://127.0.0.1:8080", nil},
		"IPv6":              {"[::1]:8080", "http://[::1]:8080", nil},
		"no port":           {"127.0.0.1", "", errAddress},
		"port of no number": {"127.0.0.1:http", "", errAddress},
		"port too high":     {"127.0.0.1:65536", "", errAddress},
		"any port":          {"127.0.0.1:0", "", errAddress},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := baseURL(tt.address); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("baseURL(%q) = %q, %v; want %q, %v", tt.address, got, err, tt.want, tt.err)
			}
		})
	}
}

// TestTakenAddress: an address that another program has is an error that says what to do.
func TestTakenAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that it does not wait for the port

	err = checkFree(ctx, listener.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "make run LOGIN_ADDR=") {
		t.Errorf("checkFree() = %v, want what to do", err)
	}

	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}

	if err := checkFree(t.Context(), listener.Addr().String()); err != nil {
		t.Errorf("checkFree() of a free one = %v", err)
	}
}

// TestState: the state is stored and read again, and a broken file is an error that says what to do.
func TestState(t *testing.T) {
	dir := t.TempDir()

	if got, err := loadState(dir); got != (state{}) || err != nil {
		t.Errorf("loadState() of none = %v, %v", got, err)
	}

	want := state{ControlPlane: controlplane.Ports{Etcd: 1, APIServer: 2}, LoginHealth: 3, SamplesApplied: true}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}

	if got, err := loadState(dir); got != want || err != nil {
		t.Errorf("loadState() = %v, %v; want %v", got, err, want)
	}

	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := loadState(dir); err == nil || !strings.Contains(err.Error(), "make clean-local") {
		t.Errorf("loadState() of a broken one = %v, want what to do", err)
	}
}

// TestForget: forgetting removes the files of the local cluster, and no others.
func TestForget(t *testing.T) {
	tests := map[string]struct{ files, left []string }{
		"state alone":   {[]string{lockFile, stateFile, kubeconfigFile, "login.kubeconfig", "etcd/member/wal", "logs/etcd.log"}, nil},
		"others' files": {[]string{lockFile, "pki/ca.key", "notes"}, []string{"notes"}},
		"not ours":      {[]string{stateFile, "logs/a"}, []string{"logs/a", stateFile}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			for _, file := range tt.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}

				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}

			if err := forget(dir); err != nil {
				t.Fatal(err)
			}

			if got := files(t, dir); !slices.Equal(got, tt.left) {
				t.Errorf("left are %q, want %q", got, tt.left)
			}
		})
	}
}

// TestForgetLeavesARunningClusterAlone: the state of a running cluster is neither removed nor used by a second one.
func TestForgetLeavesARunningClusterAlone(t *testing.T) {
	dir := t.TempDir()

	held, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()

	if err := forget(dir); !errors.Is(err, lock.ErrHeld) || !strings.Contains(err.Error(), "already running") {
		t.Errorf("forget() = %v, want ErrHeld with a plain message", err)
	}

	if err := runCluster(t.Context(), settings{dir: dir, loginAddress: "127.0.0.1:1"}); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("runCluster() = %v, want ErrHeld", err)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()

	var found []string

	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}

		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}

	return found
}

// TestReason: a process that ended on its own is the error to report, and an end that was asked for is none.
func TestReason(t *testing.T) {
	exited := errors.Join(process.ErrExited)
	refused := errors.New("connection refused")

	tests := map[string]struct{ cause, err, want error }{
		"nothing":                  {nil, nil, nil},
		"a step failed":            {nil, refused, refused},
		"asked to end":             {context.Canceled, nil, nil},
		"asked to end in a step":   {context.Canceled, refused, nil},
		"a process ended":          {exited, nil, exited},
		"a process ended a step":   {exited, refused, exited},
		"a process ended, then us": {exited, context.Canceled, exited},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)

			if tt.cause != nil {
				cancel(tt.cause)
			}

			if got := reason(ctx, tt.err); !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
				t.Errorf("reason() = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestAllHandedOut: people to log in as are the enabled accounts of the samples whose password is there.
func TestAllHandedOut(t *testing.T) {
	account := func(namespace, name string, spec map[string]any) *unstructured.Unstructured {
		return object("UserAccount", namespace, name, "spec", spec)
	}
	reference := func(name string) map[string]any {
		return map[string]any{"secretRef": map[string]any{"name": name}}
	}
	secret := object("Secret", "acme", "initial", "stringData", map[string]any{"password": "one", "other": "two"})

	tests := map[string]struct {
		objects []*unstructured.Unstructured
		want    handedOut
	}{
		"none": {nil, handedOut{}},
		"name and key by default": {
			[]*unstructured.Unstructured{account("acme", "jo", map[string]any{"password": reference("initial")}), secret},
			handedOut{"acme", "jo", "one"},
		},
		"name and key given": {
			[]*unstructured.Unstructured{secret, account("acme", "jo", map[string]any{
				"username": "jo.doe",
				"password": map[string]any{"secretRef": map[string]any{"name": "initial", "key": "other"}},
			})},
			handedOut{"acme", "jo.doe", "two"},
		},
		"encoded": {
			[]*unstructured.Unstructured{
				account("acme", "jo", map[string]any{"password": reference("encoded")}),
				object("Secret", "acme", "encoded", "data", map[string]any{"password": "dGhyZWU="}),
			},
			handedOut{"acme", "jo", "three"},
		},
		"not the disabled, the one without, nor one of another organisation": {
			[]*unstructured.Unstructured{
				secret,
				account("acme", "off", map[string]any{"access": "Disabled", "password": reference("initial")}),
				account("acme", "none", map[string]any{}),
				account("else", "where", map[string]any{"password": reference("initial")}),
				account("acme", "jo", map[string]any{"password": reference("initial")}),
			},
			handedOut{"acme", "jo", "one"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := allHandedOut(tt.objects)
			if tt.want == (handedOut{}) && len(got) > 0 || tt.want != (handedOut{}) && !slices.Equal(got, []handedOut{tt.want}) {
				t.Errorf("allHandedOut() = %v, want %v", got, tt.want)
			}
		})
	}
}

func object(kind, namespace, name, field string, content map[string]any) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"kind": kind, field: content}}
	made.SetNamespace(namespace)
	made.SetName(name)

	return made
}

// TestAdministrators: the samples of the repository have an administrator of the organisation, who is the first person to log in as, and
// one of all accounts.
func TestAdministrators(t *testing.T) {
	objects, err := controlplane.Kustomize(t.Context(), filepath.Join("..", "..", "config", "samples"))
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, a := range administrators(objects) {
		got = append(got, a.namespace+"/"+a.username+" of "+a.scope)
	}

	slices.Sort(got)

	if want := []string{"acme/ada of acme", "platform/sam of "}; !slices.Equal(got, want) {
		t.Errorf("administrators are %q, want %q", got, want)
	}

	if first := allHandedOut(objects)[0]; first.namespace != sampleOrganisation || first.username != "ada" {
		t.Errorf("the first person is %s of %s, want ada of %s", first.username, first.namespace, sampleOrganisation)
	}
}

// TestConsoleHost: the console is at the address that make run prints, whatever the server listens on.
func TestConsoleHost(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1", ":8080": "127.0.0.1", "[::]:8080": "127.0.0.1", "localhost:9090": "localhost", "[::1]:8080": "::1",
		"login.example.org:80": "login.example.org",
	} {
		url, err := baseURL(address)
		if err != nil {
			t.Fatal(err)
		}

		c := &cluster{settings: settings{loginURL: url}, plane: &controlplane.ControlPlane{}}
		if arguments := servers()[1].arguments(c); !slices.Contains(arguments, "--console-hosts="+want) {
			t.Errorf("the login server at %s is started with %q, want the console at %s", address, arguments, want)
		}
	}
}

// TestIntroduction: the text has the address, the sample login and commands that can be pasted into a shell.
func TestIntroduction(t *testing.T) {
	text, err := introduction("http://127.0.0.1:8080", "/home/a b/.local", []string{"/cache", "/project/bin"},
		handedOut{"acme", "jo", "it's $HOME"}, []administrator{
			{handedOut{"acme", "jo", "it's $HOME"}, "acme"}, {handedOut{"platform", "kim", "first"}, ""},
		})
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		"\nKeyturn is ready: http://127.0.0.1:8080\nOpen it and log in as jo / it's $HOME\n",
		"\njo administers the accounts of acme, after choosing a password: http://127.0.0.1:8080/admin\n" +
			"kim / first administers all accounts, after choosing a password: http://127.0.0.1:8080/o/platform/login?return_to=/admin\n",
		"  export KUBECONFIG='/home/a b/.local/kubeconfig'\n",
		"  kubectl get useraccounts -A\n",
		"  kubectl --kubeconfig '/home/a b/.local/person.kubeconfig' auth whoami\n",
		`  export PATH=/cache:/project/bin:"$PATH"`,
		"/home/a b/.local/logs",
		"  tail -n 5 '/home/a b/.local/logs'/*-audit.log\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// TestIntroductionElsewhere: kubectl is part of the text only where kubectl account sends a password: without TLS, on this machine alone.
func TestIntroductionElsewhere(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true,
		"http://192.0.2.1:8080": false, "http://login.example.org:80": false,
	} {
		text, err := introduction(url, "/d", nil, handedOut{"acme", "jo", "secret"}, nil)
		if err != nil {
			t.Fatal(err)
		}

		if got := strings.Contains(text, "person.kubeconfig"); got != want {
			t.Errorf("at %s the text has the kubeconfig for people: %t", url, got)
		}
	}
}

// TestQuote: a POSIX shell reads a quoted text as the same text.
func TestQuote(t *testing.T) {
	for _, text := range []string{"", "plain/word-1.yaml", "two words", `it's "$HOME" \n`, "a;b", "*"} {
		out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf %s "+quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("the shell reads %s as %q, %v; want %q", quote(text), out, err, text)
		}
	}
}

// TestUsage: wrong arguments are answered with the usage.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"start"}, {"run", "more"}} {
		if err := run(t.Context(), args); !errors.Is(err, errUsage) {
			t.Errorf("run(%q) = %v, want the usage", args, err)
		}
	}
}
