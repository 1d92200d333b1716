package audit

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/authn/ldap"
	"github.com/keyturn/keyturn/internal/authn/negotiate"
	"github.com/keyturn/keyturn/internal/authn/oidc"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/transitions"
)

var now = time.Date(2026, time.March, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))

// world is a cluster with one organisation and one account, whose username is not its name.
type world struct {
	store    *credential.Store
	account  *v1alpha1.UserAccount
	recorder *Recorder
	to       *stream
	// owners by the names of credentials.
	owners map[string]account.Owner
}

func (w *world) Owner(_ context.Context, name string) (account.Owner, bool) {
	owner, found := w.owners[name]
	return owner, found
}

// subjectIndex is the index of a fake client.
type subjectIndex struct{ *fake.ClientBuilder }

func (i *subjectIndex) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	i.ClientBuilder = i.WithIndex(object, field, extract)
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{to: &stream{}, account: &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ada", UID: "u1"},
		Spec:       v1alpha1.UserAccountSpec{Username: "Ada.L", Password: &v1alpha1.PasswordSpec{}},
	}}
	atProvider := &v1alpha1.UserAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "eve", UID: "u2"},
		Spec: v1alpha1.UserAccountSpec{Authentication: v1alpha1.Authentication{
			Type: v1alpha1.AuthenticationExternal, ProviderRef: &v1alpha1.IdentityProviderReference{Name: "contoso"}, Subject: "subject-of-eve",
		}},
	}
	index := &subjectIndex{fake.NewClientBuilder().WithScheme(scheme)}
	if err := catalog.IndexSubjects(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	declared := &v1alpha1.IdentityProvider{ObjectMeta: metav1.ObjectMeta{Name: "contoso", UID: "uid-of-contoso"}}
	c := index.WithObjects(declared, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, w.account, atProvider).Build()
	w.owners = map[string]account.Owner{credential.Name("acme", "ada.l"): account.OwnerOf(w.account)}
	w.recorder = &Recorder{
		Log: newLog(w.to, "login", prometheus.NewRegistry()), Catalog: catalog.New(c, "system"), Owners: w,
		Clock: testingclock.NewFakePassiveClock(now),
	}
	writes := &transitions.Notifier{
		Catalog: w.recorder.Catalog, Clock: w.recorder.Clock, Listeners: []transitions.Listener{w.recorder.Transition},
	}
	w.store = &credential.Store{Reader: c, Writer: c, Namespace: "credentials", OnWrite: writes.Wrote}
	return w
}

// request returns the context of a request.
func request(t *testing.T) context.Context {
	t.Helper()
	return WithRequest(t.Context(), &Request{ID: "R1", Address: netip.MustParseAddr("192.0.2.1")})
}

// lines closes the log and returns its lines.
func (w *world) lines() []string {
	w.recorder.Log.Close()
	return w.to.lines()
}

const (
	about = `"account":{"namespace":"acme","name":"ada","uid":"u1","username":"Ada.L"}`
	begin = `{"time":"2026-03-01T11:00:00.123456789Z","server":"login","event":`
	by    = `,"actor":"keyturn:acme:grace"`
	end   = `,"address":"192.0.2.1","requestID":"R1"}`
)

func TestAttempt(t *testing.T) {
	for name, row := range map[string]struct {
		attempt Attempt
		want    string
	}{
		"granted": {
			Attempt{Door: "login", Namespace: "acme", Username: "ada.l", Granted: true, SessionID: "S1"},
			`"attempt","outcome":"granted","door":"login",` + about + `,"sessionID":"S1"`,
		},
		"refused": {
			Attempt{Door: "password", Namespace: "acme", Username: "ADA.L", Problem: "account-unavailable", Reason: "AccountDisabled"},
			`"attempt","outcome":"refused","door":"password","problem":"account-unavailable","reason":"AccountDisabled",` + about,
		},
		"unknown name": {
			Attempt{Door: "login", Namespace: "acme", Username: "hunter2", Problem: "invalid-credentials"},
			`"attempt","outcome":"refused","door":"login","problem":"invalid-credentials","account":{"namespace":"acme"}`,
		},
		"the name of the object, which is not the username": {
			Attempt{Door: "login", Namespace: "acme", Username: "ada", Problem: "invalid-credentials"},
			`"attempt","outcome":"refused","door":"login","problem":"invalid-credentials","account":{"namespace":"acme"}`,
		},
		"no username": {
			Attempt{Door: "login", Namespace: "acme", Username: "my secret!", Problem: "invalid-credentials"},
			`"attempt","outcome":"refused","door":"login","problem":"invalid-credentials","account":{"namespace":"acme"}`,
		},
		"unknown namespace": {
			Attempt{Door: "login", Namespace: "hunter2", Username: "ada.l", Problem: "invalid-credentials"},
			`"attempt","outcome":"refused","door":"login","problem":"invalid-credentials","account":{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.recorder.Attempt(request(t), row.attempt)
			if got, want := w.lines(), []string{begin + row.want + end}; !slices.Equal(got, want) {
				t.Errorf("lines are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestSubjectThatCannotBeLookedUp: while it is not known whose a subject is, it is not written.
func TestSubjectThatCannotBeLookedUp(t *testing.T) {
	w := newWorld(t)
	w.recorder.Catalog = catalog.New(&failingReader{}, "system")
	w.recorder.Attempt(request(t), Attempt{Door: "oidc", Namespace: "acme", Provider: "contoso", Method: "oidc", Subject: "subject-of-eve", Problem: "unavailable"})
	if text := strings.Join(w.lines(), ""); strings.Contains(text, "subject-of-eve") || strings.Contains(text, "acme") {
		t.Errorf("the line is %s, want neither subject nor namespace", text)
	}
}

// failingReader cannot read anything.
type failingReader struct{ client.Reader }

func (*failingReader) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return context.Canceled
}

func (*failingReader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return context.Canceled
}

// TestWrites: each transition of a write has a line, with the account and the request.
func TestWrites(t *testing.T) {
	w := newWorld(t)
	ctx := request(t)
	rules := account.NewRules(&w.account.Spec, policy.Default(), now)
	record, err := w.store.Create(ctx, credential.Name("acme", "ada.l"), rules.Reset(
		rules.New(account.OwnerOf(w.account), "a1"), account.Source{SecretName: "ada", ResourceVersion: "1"}, "hash-1", account.Digests{}))
	if err != nil {
		t.Fatal(err)
	}
	write := func(c account.Credential) {
		t.Helper()
		if record, err = w.store.Update(ctx, record, c); err != nil {
			t.Fatal(err)
		}
	}
	rules.Now = rules.Now.Add(time.Second)
	for range policy.Default().MaxFailures {
		write(rules.Failed(record.Credential))
	}
	w.account.Spec.UnlockTime = new(v1alpha1.NewInstant(now))
	write(rules.ApplyRequests(record.Credential))
	write(rules.Change(record.Credential, "hash-2", account.Digests{}))
	write(account.EndSession(record.Credential, "S1", now.Add(time.Hour), now))
	write(account.EndSessions(record.Credential))
	write(rules.RejectReset(record.Credential, account.Source{SecretName: "ada", ResourceVersion: "2"}, "p1",
		[]policy.RequirementID{policy.RequirementMinLength}))
	for _, act := range []func(account.Credential, string) (account.Credential, error){
		func(c account.Credential, by string) (account.Credential, error) {
			return rules.ResetByHand(c, by, "hash-3", account.Digests{})
		}, rules.UnlockByHand, rules.SignOutByHand,
	} {
		acted, err := act(record.Credential, "keyturn:acme:grace")
		if err != nil {
			t.Fatal(err)
		}
		rules.Now = rules.Now.Add(time.Second)
		write(acted)
	}
	if err := w.store.Delete(ctx, record); err != nil {
		t.Fatal(err)
	}
	got := w.lines()
	want := []string{
		`"reset","outcome":"done","reason":"InitialLogin",` + about,
		`"lock","outcome":"done","reason":"TooManyFailures",` + about + `,"until":"2026-03-01T11:15:01.123456789Z"`,
		`"unlock","outcome":"done","reason":"UnlockTime",` + about,
		`"change","outcome":"done",` + about,
		`"revocation","outcome":"done","reason":"PasswordChanged",` + about,
		`"logout","outcome":"done",` + about + `,"sessionID":"S1"`,
		`"revocation","outcome":"done","reason":"LoggedOutEverywhere",` + about,
		`"reset","outcome":"refused","reason":"PolicyViolation",` + about,
		`"reset","outcome":"done","reason":"Reset",` + about + by,
		`"revocation","outcome":"done","reason":"PasswordReset",` + about + by,
		`"unlock","outcome":"done","reason":"Administrator",` + about + by,
		`"revocation","outcome":"done","reason":"Administrator",` + about + by,
		`"revocation","outcome":"done","reason":"AccountDeleted",` + about,
	}
	for i := range want {
		want[i] = begin + want[i] + end
	}
	if !slices.Equal(got, want) {
		t.Errorf("lines are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if text := strings.Join(got, "\n"); strings.Contains(text, "hash-") {
		t.Error("a line has a hash")
	}
}

// TestAccountThatIsGone: the line of an account that is gone has its name, and no username.
func TestAccountThatIsGone(t *testing.T) {
	w := newWorld(t)
	ctx := request(t)
	rules := account.NewRules(&w.account.Spec, policy.Default(), now)
	former := account.Owner{Namespace: "acme", Name: "ada", UID: "u0"}
	record, err := w.store.Create(ctx, credential.Name("acme", "ada.l"), rules.New(former, "a0"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Replace(ctx, record, rules.Succeed(record.Credential, account.OwnerOf(w.account), "a1")); err != nil {
		t.Fatal(err)
	}
	want := begin + `"revocation","outcome":"done","reason":"AccountDeleted","account":{"namespace":"acme","name":"ada","uid":"u0"}` + end
	if got := w.lines(); !slices.Equal(got, []string{want}) {
		t.Errorf("lines are\n%s\nwant\n%s", got, want)
	}
}

// TestNilRecorder: without a recorder or a log, nothing happens.
func TestNilRecorder(t *testing.T) {
	var r *Recorder
	r.Attempt(t.Context(), Attempt{})
	r.Transition(t.Context(), account.Transition{}, nil)
	var l *Log
	l.write(Line{})
	l.Close()
}

// TestDocumentation: docs/audit.md has an example of every event, each a line as it is written, and every word of the schema.
func TestDocumentation(t *testing.T) {
	document, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(document)
	var events []Event
	for example := range strings.Lines(text) {
		if !strings.HasPrefix(example, "{") {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(example))
		decoder.DisallowUnknownFields()
		var line Line
		if err := decoder.Decode(&line); err != nil {
			t.Fatalf("%s: %v", example, err)
		}
		if written, err := json.Marshal(line); err != nil || string(written) != strings.TrimSpace(example) {
			t.Errorf("the example\n%s\nwould be written\n%s", example, written)
		}
		events = append(events, line.Event)
	}
	for _, event := range []Event{EventAttempt, EventChange, EventReset, EventLock, EventUnlock, EventLogout, EventRevocation, EventAction, EventLink} {
		if !slices.Contains(events, event) {
			t.Errorf("no example of %s", event)
		}
	}
	words := []string{
		account.TransitionByChange, account.TransitionByReset, account.TransitionByUnlockTime, account.TransitionBySignOutTime,
		account.TransitionByPerson, account.TransitionByAdministrator, account.TransitionByDeletion, account.TransitionByPolicy, account.TransitionOfDevice,
		account.TransitionByAuthentication, account.TransitionByProvider, account.TransitionByExternalPassword, account.TransitionByExternalGroups,
		string(v1alpha1.ReasonAccountDisabled), string(v1alpha1.ReasonAccountEnded),
		string(v1alpha1.ReasonTooManyFailures), string(v1alpha1.ReasonTooManyConsecutiveFailures),
		v1alpha1.ConditionReasonValueInvalid, v1alpha1.ConditionReasonKeyNotFound,
		"keyturn_audit_lines_written_total", "keyturn_audit_lines_dropped_total", ReasonAddressThrottled,
		string(account.ReasonNotDeclared), "provider", "method", "subject", "oidc", "ldap", "kerberos",
		string(v1alpha1.ReasonSubjectMismatch),
	}
	for _, reason := range oidc.Reasons() {
		words = append(words, string(reason))
	}
	for _, reason := range ldap.Reasons() {
		words = append(words, string(reason))
	}
	words = append(words, negotiate.Reasons()...)
	for _, reason := range []v1alpha1.StandingReason{
		v1alpha1.ReasonAccountDisabled, v1alpha1.ReasonAccountNotStarted, v1alpha1.ReasonAccountEnded, v1alpha1.ReasonSpecUnreadable, v1alpha1.ReasonIdle,
		v1alpha1.ReasonProviderNotFound, v1alpha1.ReasonProviderNotAllowed, v1alpha1.ReasonProviderDisabled,
		v1alpha1.ReasonSubjectNotDeclared, v1alpha1.ReasonSubjectInvalid, v1alpha1.ReasonSubjectConflict,
		v1alpha1.ReasonExternalPasswordExpired, v1alpha1.ReasonExternalMustChange, v1alpha1.ReasonExternalDisabled, v1alpha1.ReasonExternalAccountExpired,
		v1alpha1.ReasonExternalRestricted, v1alpha1.ReasonExternalGone,
	} {
		words = append(words, string(reason))
	}
	for _, word := range words {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("%s is not explained", word)
		}
	}
}
