package administrators

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestErrors: they read as kubectl's, and say what to do next.
func TestErrors(t *testing.T) {
	ofAda := metav1.StatusDetails{Group: "accounts.keyturn.dev", Kind: "useraccounts", Name: "ada"}
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"no such account": {
			failure(404, metav1.StatusReasonNotFound, `useraccounts.accounts.keyturn.dev "ada" not found`, ofAda),
			`Error from server (NotFound): useraccounts.accounts.keyturn.dev "ada" not found
The namespace is "acme". kubectl account status lists the accounts in it, kubectl account status -A all; choose another namespace with -n.
`,
		},
		"not installed": {
			http.NotFound,
			`error: the server doesn't have a resource type "useraccounts"
Keyturn is not installed in this cluster: choose another with --context, or install it (docs/install.md).
`,
		},
		"forbidden": {
			failure(403, metav1.StatusReasonForbidden, `useraccounts.accounts.keyturn.dev "ada" is forbidden: User "eve" cannot get`, ofAda),
			`Error from server (Forbidden): useraccounts.accounts.keyturn.dev "ada" is forbidden: User "eve" cannot get
The ClusterRole keyturn-account-admin allows it (keyturn-account-viewer to look). Who may hand out rights in the namespace binds it: kubectl create rolebinding account-admins -n acme --clusterrole=keyturn-account-admin --user=USERNAME
`,
		},
		"not logged in": {
			failure(401, metav1.StatusReasonUnauthorized, "Unauthorized", metav1.StatusDetails{}),
			"error: You must be logged in to the server (Unauthorized)\n",
		},
		"invalid": {
			failure(422, metav1.StatusReasonInvalid, "all of it", metav1.StatusDetails{Kind: "UserAccount", Name: "ada", Causes: []metav1.StatusCause{
				{Field: "spec.username", Message: "too long"}, {Field: "spec.username", Message: "too long"}, {Field: "spec.email", Message: "no \x1b[31maddress"},
			}}),
			"The UserAccount \"ada\" is invalid:\n* spec.username: too long\n* spec.email: no \ufffd[31maddress\n",
		},
		"failed": {
			failure(500, metav1.StatusReasonInternalError, "Internal error occurred: etcd", metav1.StatusDetails{}),
			"Error from server (InternalError): Internal error occurred: etcd\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.answers["GET "+adaPath] = row.answer
			for _, verb := range []string{"status", "reset", "unlock", "require-change", "sign-out"} {
				f.expect(t, exitFailed, "", row.want, verb, "ada")
			}
		})
	}
}

// TestUnreachable: where no API server answers, the error names the address, and nothing else is tried.
func TestUnreachable(t *testing.T) {
	f := newFixture(t)
	f.server.Close()
	host := strings.TrimPrefix(f.server.URL, "http://")
	f.expect(t, exitFailed, "", "The connection to the server "+host+" was refused - did you specify the right host or port?\n"+
		"kubectl config get-contexts lists the clusters of the kubeconfig, and kubectl cluster-info asks the current one.\n", "status")
	f.writeKubeconfig(t, "http://login.invalid")
	if code := f.run(t, "unlock", "ada", "--request-timeout=5s"); code != exitFailed || !strings.HasPrefix(f.err.String(), "Unable to connect to the server: ") {
		t.Errorf("ends with %d and says %s", code, &f.err)
	}
	f.expect(t, exitFailed, "", "Error in configuration: context was not found for specified context: nowhere\n", "status", "--context=nowhere")
}

// TestUsage: a command line that cannot be meant is said in kubectl's way, and nothing is sent.
func TestUsage(t *testing.T) {
	f := newFixture(t)
	for line, want := range map[string]string{
		"unlock":                           "error: kubectl account unlock needs the NAME of an account, or several",
		"reset ada eve":                    "error: kubectl account reset needs the NAME of one account",
		"status ada -A":                    "error: a resource cannot be retrieved by name across all namespaces",
		"status ada -l a=b":                "error: name cannot be provided when a selector is specified",
		"status --colour":                  "error: unknown flag: --colour",
		"unlock ada --dry-run=maybe":       `error: Invalid dry-run value (maybe). Must be "none", "server", or "client".`,
		"unlock ada --timeout=0s":          "error: --timeout must be longer than 0s",
		"unlock ada -o table":              `error: unable to match a printer suitable for the output format "table", allowed formats are: `,
		"status -o foo":                    `error: unable to match a printer suitable for the output format "foo", allowed formats are: go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml`,
		"reset ada --length=7":             "error: --length must be between 8 and 128",
		"status ada --server=https://here": "error: unknown flag: --server",
	} {
		args := strings.Fields(line)
		if code := f.run(t, args...); code != exitFailed || !strings.HasPrefix(f.err.String(), want) ||
			!strings.HasSuffix(f.err.String(), "\nSee 'kubectl account "+args[0]+" --help' for usage.\n") || len(f.asked) > 0 {
			t.Errorf("%s: ends with %d, says %q and asks %q", line, code, &f.err, f.asked)
		}
	}
}

// TestInterrupted: the exit code is the shell's.
func TestInterrupted(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.answers["GET "+adaPath] = func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}
	environment := Environment{Streams: genericiooptions.IOStreams{Out: &f.out, ErrOut: &f.err}}
	if code := Run(ctx, environment, []string{"unlock", "ada", "eve", "--kubeconfig=" + f.kubeconfig}); code != exitInterrupted || f.out.Len() > 0 {
		t.Errorf("ends with %d, puts out %q and says %q", code, &f.out, &f.err)
	}
}

// TestNoTerminal: a password that nobody would see is not made.
func TestNoTerminal(t *testing.T) {
	f := newFixture(t)
	f.terminalErr = errors.New("none")
	f.answers["GET "+adaPath] = object(ada(nil, nil))
	f.answers["POST "+accountsPath] = object(ada(nil, nil))
	f.answers["PATCH "+secretsPath+"/ada-password"] = object(map[string]any{"apiVersion": "v1", "kind": "Secret"})
	for _, verb := range []string{"create", "reset"} {
		f.expect(t, exitFailed, "", "error: there is no terminal to show the password on, and it is shown nowhere else. Nothing was changed\n"+
			"Run it at a terminal. A pipeline writes the account's Secret itself.\n", verb, "ada")
		if f.screen.Len() > 0 {
			t.Error("something is shown")
		}
	}
}

// TestChangedMeanwhile: an account that was deleted between two requests is not created by the second.
func TestChangedMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.answers["GET "+adaPath] = object(ada(nil, nil))
	f.answers["PATCH "+adaPath] = failure(409, metav1.StatusReasonConflict, "uid mismatch", metav1.StatusDetails{Name: "ada", Kind: "useraccounts"})
	f.expect(t, exitFailed, "", "Error from server (Conflict): uid mismatch\n"+
		"It has been changed or created anew meanwhile. Look at it with kubectl account status ada -n acme, and try again.\n", "unlock", "ada")
	if last := f.asked[len(f.asked)-1]; !strings.Contains(last, `"uid":"one"`) || !strings.Contains(last, `"unlockTime":"2026-11-29T13:00:00Z"`) {
		t.Errorf("it asks %s", last)
	}
}

// TestHandles: the commands of people stay theirs.
func TestHandles(t *testing.T) {
	for line, want := range map[string]bool{
		"": false, "login": false, "whoami": false, "passwd --server=https://x": false, "logout -n status": false, "bogus": false, "--help": false,
		"-h": false, "help": false, "help login": false, "login --help": false, "--server=https://x login": false,
		"status": true, "create ada": true, "-n acme reset ada": true, "help unlock": true, "unlock --help": true, "completion bash": true,
		"__complete log": true, "--context=x sign-out ada": true, "require-change": true,
	} {
		if got := Handles(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// TestNearest: a word that is no command leads to those that come close, people's among them.
func TestNearest(t *testing.T) {
	environment := Environment{Person: []PersonCommand{{Name: "login"}, {Name: "whoami"}, {Name: "passwd"}, {Name: "logout"}}}
	for word, want := range map[string]struct {
		names string
		ours  bool
	}{
		"stat": {"status", true}, "unlok": {"unlock", true}, "Sign-Ou": {"sign-out", true}, "re": {"reset require-change", true},
		"logn": {"login", false}, "log": {"login logout", false}, "password": {"passwd", false}, "unknown": {}, "list": {}, "": {},
	} {
		names, ours := Nearest(environment, word)
		if strings.Join(names, " ") != want.names || ours != want.ours {
			t.Errorf("near %q are %q, %v", word, names, ours)
		}
	}
}

// TestUsageOfAll: each command is listed with a line.
func TestUsageOfAll(t *testing.T) {
	text := Usage()
	for i, verb := range verbs {
		if line := strings.Split(text, "\n")[i]; !strings.HasPrefix(line, "  "+verb+" ") || !strings.HasSuffix(line, ".") {
			t.Errorf("%q for %s", line, verb)
		}
	}
}
