package administrators

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// conflict answers as an API server where others manage fields.
func conflict(fields map[string]string) http.HandlerFunc {
	details := metav1.StatusDetails{Kind: "x", Name: "ada"}
	for path, manager := range fields {
		details.Causes = append(details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: path, Message: `conflict with "` + manager + `" using v1 at 2026-11-29T12:00:00Z`})
	}
	return failure(409, metav1.StatusReasonConflict, "Apply failed", details)
}

// TestDryRunOfTheClient: objects are printed and nothing is written. The YAML has comments, and can be applied when a password is filled in.
func TestDryRunOfTheClient(t *testing.T) {
	f := newFixture(t)
	f.expect(t, 0, "useraccount.accounts.keyturn.dev/ada created (dry run)\nsecret/ada-password created (dry run)\n", "", "create", "ada", "--dry-run=client")
	f.expect(t, 0, "useraccount.accounts.keyturn.dev/ada created (dry run)\n",
		"W --dry-run is deprecated and can be replaced with --dry-run=client.\n", "create", "ada", "--no-password", "--dry-run")
	f.expect(t, 0, `apiVersion: accounts.keyturn.dev/v1alpha1
kind: UserAccount
metadata:
  name: ada
  namespace: acme
spec:
  displayName: Ada
  email: ada@example.org
  groups:
  - a
  - b
  password:
    secretRef:
      name: ada-password
  policyRef:
    name: strong
  username: Ada
---
apiVersion: v1
kind: Secret
metadata:
  name: ada-password
  namespace: acme
stringData:
`+howToFill+`  password: ""
type: accounts.keyturn.dev/password
`, "", "create", "ada", "--dry-run=client", "-o", "yaml", "--username=Ada", "--display-name=Ada", "--email=ada@example.org", "--group=a,b", "--policy=strong")
	if len(f.asked) > 0 {
		t.Errorf("it asks %q", f.asked)
	}

	f.answers["GET "+adaPath] = object(ada(map[string]any{"password": map[string]any{"secretRef": map[string]any{"name": "s", "key": "k"}}}, nil))
	f.expect(t, 0, "useraccount.accounts.keyturn.dev/ada password reset (dry run)\n", "", "reset", "ada", "--dry-run=client")
	f.expect(t, 0, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: acme\nstringData:\n"+howToFill+
		"  k: \"\"\ntype: accounts.keyturn.dev/password\n", "", "reset", "ada", "--dry-run=client", "-o", "yaml")
	f.expect(t, 0, "secret/s\n", "", "reset", "ada", "--dry-run=client", "-o", "name")
	f.expect(t, 0, "spec:\n  password:\n    changeRequiredTime: \"2026-11-29T13:00:00Z\"\n", "", "require-change", "ada", "--dry-run=client", "-o",
		`go-template={{"spec:\n  password:\n    changeRequiredTime: "}}{{printf "%q\n" .spec.password.changeRequiredTime}}`)
	for _, asked := range f.asked {
		if !strings.HasPrefix(asked, http.MethodGet) {
			t.Errorf("it asks %s", asked)
		}
	}
}

// TestConflict: what others manage is not written. The standard output is YAML that does it, the standard error says who they are.
func TestConflict(t *testing.T) {
	f := newFixture(t)
	f.answers["GET "+adaPath] = object(ada(nil, nil))
	f.answers["PATCH "+adaPath] = conflict(map[string]string{".spec.signOutTime": "kustomize-controller"})
	f.expect(t, exitFailed, "apiVersion: accounts.keyturn.dev/v1alpha1\nkind: UserAccount\nmetadata:\n  name: ada\n  namespace: acme\nspec:\n  signOutTime: \"2026-11-29T13:00:00Z\"\n",
		"error: spec.signOutTime of useraccount \"ada\" is managed by \"kustomize-controller\", which would write back its own value. Nothing was changed\n"+
			"Put the YAML on the standard output where that is declared, such as in Git, and what applies it does the rest.\n", "sign-out", "ada")

	// A reset that the account would refuse does not come to the Secret, nor the other way round; both are printed.
	f.answers["PATCH "+secretsPath+"/ada-password"] = object(map[string]any{"apiVersion": "v1", "kind": "Secret"})
	f.answers["PATCH "+adaPath] = conflict(map[string]string{".spec.password.secretRef.name": "argocd", ".spec.x": "flux"})
	code := f.run(t, "reset", "ada")
	if code != exitFailed || !strings.Contains(f.err.String(), `is managed by "argocd" and "flux"`) || f.screen.Len() > 0 {
		t.Errorf("ends with %d, says %s, and shows %q", code, &f.err, &f.screen)
	}
	for document := range strings.SplitSeq(f.out.String(), "---\n") {
		var value map[string]any
		if err := yaml.Unmarshal([]byte(document), &value); err != nil || value["kind"] == nil {
			t.Errorf("%v in %s", err, document)
		}
	}
}

// TestTakeOver: a request that was set by hand is written with force, that field alone, at the version that was read. What a pipeline
// manages, too, is not.
func TestTakeOver(t *testing.T) {
	f := newFixture(t)
	var forced []string
	managers := "kubectl-patch"
	outdated := 0 // is how often an account has been changed since it was read.
	f.answers["GET "+adaPath] = object(ada(nil, nil))
	f.answers["PATCH "+adaPath] = func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		switch {
		case query.Get("force") != "true":
			answer := map[string]string{}
			for i, manager := range strings.Fields(managers) {
				answer[strings.Repeat(".spec", i+1)] = manager
			}
			conflict(answer)(w, r)
		case outdated > 0:
			outdated--
			failure(409, metav1.StatusReasonConflict, "the object has been modified", metav1.StatusDetails{Name: "ada", Kind: "useraccounts"})(w, r)
		default:
			forced = append(forced, query.Get("fieldManager"), query.Get("dryRun"), f.asked[len(f.asked)-1])
			object(ada(nil, map[string]any{"observedGeneration": 2}))(w, r)
		}
	}
	for managers, outdated = range map[string]int{"kubectl-patch": 0, "kubectl-edit kubectl-patch": maxTakeOvers - 1} {
		forced = nil
		f.expect(t, 0, "useraccount.accounts.keyturn.dev/ada signed out\n", "", "sign-out", "ada")
		if want := []string{"keyturn-account-sign-out", "", "PATCH " + adaPath + ` {"apiVersion":"accounts.keyturn.dev/v1alpha1","kind":"UserAccount",` +
			`"metadata":{"name":"ada","namespace":"acme","resourceVersion":"7","uid":"one"},"spec":{"signOutTime":"2026-11-29T13:00:00Z"}}`}; !slices.Equal(forced, want) {
			t.Errorf("forced is %q, want %q", forced, want)
		}
	}

	forced, managers = nil, "kubectl-patch"
	f.expect(t, 0, "useraccount.accounts.keyturn.dev/ada signed out (server dry run)\n", "", "sign-out", "ada", "--dry-run=server")
	if len(forced) != 3 || forced[1] != metav1.DryRunAll {
		t.Errorf("forced is %q", forced)
	}

	forced, outdated = nil, maxTakeOvers
	if code := f.run(t, "sign-out", "ada"); code != exitFailed || !strings.HasPrefix(f.err.String(), "Error from server (Conflict): the object has been modified\n") {
		t.Errorf("changed all the time, it ends with %d and says %s", code, &f.err)
	}

	outdated = 0
	for _, managers = range []string{"kubectl-patch kustomize-controller", "kubectl", "kubectl-client-side-apply", "kubectl-create", "unknown"} {
		if code := f.run(t, "sign-out", "ada"); code != exitFailed || !strings.Contains(f.err.String(), "Nothing was changed\nPut the YAML") {
			t.Errorf("managed by %s, it ends with %d and says %s", managers, code, &f.err)
		}
	}
	if len(forced) > 0 {
		t.Errorf("forced is %q", forced)
	}
}

// TestRehearsal: a reset and a creation ask the server about everything before they write anything, and nothing that they say has the
// password in it.
func TestRehearsal(t *testing.T) {
	f := newFixture(t)
	var dryRuns []string
	note := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			dryRuns = append(dryRuns, r.Method+" "+r.URL.Query().Get("dryRun")+" "+r.URL.Query().Get("fieldManager")+" "+r.URL.Query().Get("force"))
			answer(w, r)
		}
	}
	f.answers["GET "+adaPath] = object(ada(nil, nil))
	f.answers["POST "+accountsPath] = note(object(ada(nil, nil)))
	f.answers["PATCH "+secretsPath+"/ada-password"] = note(failure(403, metav1.StatusReasonForbidden, `secrets "ada-password" is forbidden`, metav1.StatusDetails{Kind: "secrets", Name: "ada-password"}))
	for verb, want := range map[string]string{"create": "POST All keyturn-account-create , PATCH All keyturn-account-reset false", "reset": "PATCH All keyturn-account-reset false"} {
		dryRuns = nil
		f.expect(t, exitFailed, "", "Error from server (Forbidden): secrets \"ada-password\" is forbidden\n"+
			"A password is handed out in a Secret, and the role keyturn-account-admin has no right to Secrets. Ask for the verb patch on this one, and for create on "+
			"Secrets of the namespace \"acme\" where there is none yet.\n", verb, "ada")
		if got := strings.Join(dryRuns, ", "); got != want {
			t.Errorf("%s sends %s, want %s", verb, got, want)
		}
		if f.screen.Len() > 0 {
			t.Error("something is shown")
		}
	}
}

// TestInstants: a request is the API server's time, and a second later than one of the same second, which would ask for nothing new.
func TestInstants(t *testing.T) {
	now := time.Date(2026, 11, 29, 13, 0, 0, 0, time.UTC)
	unlock := requests[0]
	for last, want := range map[string]time.Time{
		"": now, "2026-11-29T12:59:59Z": now, "2026-11-29T14:00:00+01:00": now.Add(time.Second), "2026-11-29T13:00:00.4Z": now.Add(time.Second),
		"2030-01-01T00:00:00Z": now, "no time": now,
	} {
		a := &account{}
		if last != "" {
			text, _ := json.Marshal(last)
			a.Spec.UnlockTime = &v1alpha1.Instant{}
			if err := json.Unmarshal(text, a.Spec.UnlockTime); err != nil {
				t.Fatal(err)
			}
		}
		if got := unlock.instant(a, now); !got.Equal(want) {
			t.Errorf("after %q it is %s, want %s", last, got, want)
		}
	}
}

// applied makes an account whose password was set then, with a condition.
func applied(set time.Time, by v1alpha1.PasswordSetter, condition metav1.Condition) *account {
	a := &account{}
	a.Name, a.Namespace = "ada", "acme"
	condition.Type = v1alpha1.ConditionPasswordApplied
	a.Status.Conditions = []metav1.Condition{condition}
	if !set.IsZero() {
		a.Status.Password = &v1alpha1.PasswordStatus{SetTime: new(v1alpha1.NewInstant(set)), SetBy: by}
	}
	return a
}

// TestIsApplied: a password counts as applied once the status has a later one that was handed out, and as rejected once the condition says
// something new.
func TestIsApplied(t *testing.T) {
	now := time.Date(2026, 11, 29, 13, 0, 0, 0, time.UTC)
	yes := metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionReasonApplied}
	no := metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ConditionReasonPolicyViolation, Message: "too short"}
	other := no
	other.Message = "too long"
	waits := metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ConditionReasonSecretNotFound}
	for name, row := range map[string]struct {
		before, after  *account
		done, rejected bool
	}{
		"as before":           {applied(now, v1alpha1.SetByReset, yes), applied(now, v1alpha1.SetByReset, yes), false, false},
		"later":               {applied(now, v1alpha1.SetByReset, yes), applied(now.Add(time.Second), v1alpha1.SetByReset, yes), true, false},
		"first":               {applied(time.Time{}, "", waits), applied(now, v1alpha1.SetByReset, yes), true, false},
		"by the person":       {applied(now, v1alpha1.SetByReset, yes), applied(now.Add(time.Second), v1alpha1.SetByUser, yes), false, false},
		"waits":               {applied(now, v1alpha1.SetByUser, yes), applied(now, v1alpha1.SetByUser, waits), false, false},
		"rejected":            {applied(now, v1alpha1.SetByUser, yes), applied(now, v1alpha1.SetByUser, no), false, true},
		"rejected as before":  {applied(now, v1alpha1.SetByUser, no), applied(now, v1alpha1.SetByUser, no), false, false},
		"rejected for others": {applied(now, v1alpha1.SetByUser, no), applied(now, v1alpha1.SetByUser, other), false, true},
	} {
		done, err := isApplied(row.before, row.after)
		if done != row.done || (err != nil) != row.rejected {
			t.Errorf("%s: %v, %v", name, done, err)
		}
		if err != nil && !strings.Contains(message(err), "--length=N") {
			t.Errorf("%s: %s", name, message(err))
		}
	}
	behind := applied(now.Add(time.Second), v1alpha1.SetByReset, yes)
	behind.Generation = 2
	if done, err := isApplied(applied(now, v1alpha1.SetByReset, yes), behind); done || err != nil {
		t.Errorf("a status of a former spec: %v, %v", done, err)
	}
}

// TestLate: where the operator does not act in time, the password that will be in force is shown nevertheless, once, and the command fails.
func TestLate(t *testing.T) {
	for verb, post := range map[string]string{"reset": "GET " + adaPath, "create": "POST " + accountsPath} {
		f := newFixture(t)
		f.answers[post] = object(ada(map[string]any{"password": map[string]any{"secretRef": map[string]any{"name": "ada-password"}}}, nil))
		f.answers["PATCH "+secretsPath+"/ada-password"] = object(map[string]any{"apiVersion": "v1", "kind": "Secret"})
		f.answers["GET "+accountsPath] = func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		f.expect(t, exitFailed, "", "error: the operator has not acted on useraccount \"ada\" within 200ms\n"+
			"Is it running? kubectl get deployment -n keyturn-system keyturn-operator\n", verb, "ada", "--timeout=200ms")
		shown := f.screen.String()
		if !strings.HasPrefix(shown, "The one-time password of ada in acme, shown once:\n\n  ") || !strings.HasSuffix(shown, "\n\n"+noteDeclared+"\n") {
			t.Errorf("it shows %q", shown)
		}
		// What is shown is what was written last.
		password := strings.TrimSpace(strings.Split(shown, "\n")[2])
		var written string
		for _, asked := range f.asked {
			if strings.HasPrefix(asked, "PATCH ") {
				written = asked
			}
		}
		if len(password) != 16 || !strings.Contains(written, `"stringData":{"password":"`+password+`"}`) {
			t.Errorf("it shows %q and writes %s", password, written)
		}
	}
}

// TestOtherType: a Secret of another type is somebody else's, and is not written.
func TestOtherType(t *testing.T) {
	f := newFixture(t)
	f.answers["GET "+adaPath] = object(ada(map[string]any{"password": map[string]any{"secretRef": map[string]any{"name": "tls"}}}, nil))
	f.answers["POST "+accountsPath] = object(ada(nil, nil))
	for name, answer := range map[string]http.HandlerFunc{
		"managed":   conflict(map[string]string{".type": "helm"}),
		"unmanaged": failure(422, metav1.StatusReasonInvalid, "immutable", metav1.StatusDetails{Kind: "Secret", Causes: []metav1.StatusCause{{Field: "type", Message: "field is immutable"}}}),
	} {
		f.answers["PATCH "+secretsPath+"/tls"], f.answers["PATCH "+secretsPath+"/ada-password"] = answer, answer
		f.expect(t, exitFailed, "", `error: the Secret "tls", which useraccount "ada" names, is not of type accounts.keyturn.dev/password. Nothing was changed
A password is never taken from another Secret: name one of its own in spec.password.secretRef, where the account is declared.
`, "reset", "ada")
		if code := f.run(t, "create", "ada"); code != exitFailed || !strings.HasPrefix(f.err.String(), `error: there is a Secret "ada-password", and it is not of type`) {
			t.Errorf("%s: ends with %d and says %s", name, code, &f.err)
		}
	}
}
