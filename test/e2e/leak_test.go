package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// evidence is what the tests have sent and received, for the search for leaks when all of them are over.
var evidence struct {
	sync.Mutex
	secrets  []string
	problems map[string][]byte
	names    []string
	// documents are those that browsers have loaded, addresses where they asked for something.
	documents, addresses [][]byte
	// typed is what was typed into a field that a page fills in again: it may be in documents, and nowhere else.
	typed []string
}

// newPassword makes a password that meets every policy of the tests, and that nobody may ever read again. It has no
// characters that logs or JSON would escape, or the search would miss it.
func newPassword() string {
	return noteSecret("Kt-" + strings.ToLower(rand.Text()[:13]) + "-7Q")
}

func noteSecret(s string) string {
	evidence.Lock()
	defer evidence.Unlock()

	evidence.secrets = append(evidence.secrets, s)

	return s
}

// noteTyped makes something to type into a field that is no password's.
func noteTyped() string {
	evidence.Lock()
	defer evidence.Unlock()

	typed := "typed-" + strings.ToLower(rand.Text()[:13])
	evidence.typed = append(evidence.typed, typed)

	return typed
}

func noteDocument(text []byte) {
	evidence.Lock()
	defer evidence.Unlock()

	evidence.documents = append(evidence.documents, text)
}

// noteAddress keeps an address. That of a callback has the code of a provider, and that of kubectl's listener a login code: these may be in
// no other place.
func noteAddress(address string) {
	evidence.Lock()
	defer evidence.Unlock()

	if u, err := url.Parse(address); err == nil && (strings.HasPrefix(u.Path, callback) || u.Path == "/" && u.Query().Has("iss")) {
		if code := u.Query().Get("code"); code != "" {
			evidence.secrets = append(evidence.secrets, code)
		}

		address = u.Path
	}

	evidence.addresses = append(evidence.addresses, []byte(address))
}

func noteName(name string) {
	evidence.Lock()
	defer evidence.Unlock()

	evidence.names = append(evidence.names, name)
}

// noteAnswer keeps the tokens of an answer, and the answer itself if it is a problem.
func noteAnswer(a *answer) {
	evidence.Lock()
	defer evidence.Unlock()

	for _, cookie := range (&http.Response{Header: a.header}).Cookies() {
		if cookie.Value != "" {
			evidence.secrets = append(evidence.secrets, cookie.Value)
		}
	}

	if a.Token != "" {
		evidence.secrets = append(evidence.secrets, a.Token)

		return
	}

	if evidence.problems == nil {
		evidence.problems = map[string][]byte{}
	}

	evidence.problems[string(a.body)] = a.body
}

// hashMarks begin the hashes of the algorithms there are.
var hashMarks = []string{"$argon2", "$2a$", "$2b$", "$pbkdf2"}

// scrape reads the metrics of the login servers that all tests share, before they end.
func scrape() []byte {
	var all []byte

	for _, health := range []string{loginHealthURL, consoleHealthURL} {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, health+"/metrics", http.NoBody)
		if err != nil {
			continue
		}

		response, err := people.Do(request)
		if err != nil {
			continue // The server has ended, which the tests report.
		}

		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		all = append(all, text...)
	}

	return all
}

// findLeaks looks for every password, token and hash in whatever can be read by those who may not know them.
func findLeaks(scraped []byte) []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	places, err := readable(ctx)
	if err != nil {
		return []string{"what was said could not be read: " + err.Error()}
	}

	places["metrics"] = scraped

	evidence.Lock()
	defer evidence.Unlock()

	for _, body := range evidence.problems {
		places["problem documents"] = append(append(places["problem documents"], body...), '\n')
	}

	places["addresses"] = bytes.Join(evidence.addresses, []byte{'\n'})
	leaks := search(places, evidence.typed)
	places["documents"] = bytes.Join(evidence.documents, []byte{'\n'})

	return append(leaks, search(places, slices.Concat(hashMarks, evidence.secrets))...)
}

// beginning is how many bytes search looks secrets up by. None is shorter.
const beginning = 4

// search returns the lines that hold a secret, by the place they are in: of each secret the first one of a place. It reads a place once for all
// secrets, of which there are thousands: the logs have more than a hundred megabytes.
func search(places map[string][]byte, secrets []string) (leaks []string) {
	begin := map[[beginning]byte][]string{}
	for _, secret := range secrets {
		key := [beginning]byte([]byte(secret))
		if !slices.Contains(begin[key], secret) {
			begin[key] = append(begin[key], secret)
		}
	}

	for place, content := range places {
		found := map[string]bool{}

		for at := range max(0, len(content)-beginning+1) {
			for _, secret := range begin[[beginning]byte(content[at:])] {
				if found[secret] || !bytes.HasPrefix(content[at:], []byte(secret)) {
					continue
				}

				found[secret] = true
				line := content[bytes.LastIndexByte(content[:at], '\n')+1:]
				line, _, _ = bytes.Cut(line, []byte{'\n'})
				leaks = append(leaks, fmt.Sprintf("%s: %s", place, line))
			}
		}
	}

	return leaks
}

// TestSearchFindsLeaks: the search for leaks, which runs after all tests, finds a password and a hash that are where they must not be.
func TestSearchFindsLeaks(t *testing.T) {
	t.Parallel()

	password, other, token := newPassword(), newPassword(), "eyJhbGciOiJFZERTQSJ9."+newPassword()
	places := map[string][]byte{
		"log":       []byte("line 1\n{\"msg\":\"hash $argon2id$v=19\"}\nline 3: $argon2id"),
		"problems":  []byte("{\"detail\":\"not " + password + "\"}\n"),
		"addresses": []byte(token + "\n" + other[:len(other)-1] + "\n/?password=" + password),
		"events":    []byte("nothing here"),
		"documents": []byte("no"),
		"metrics":   nil,
	}

	leaks := search(places, append(slices.Clone(hashMarks), other, password, token, password))
	slices.Sort(leaks)

	want := []string{"addresses: /?password=" + password, "addresses: " + token, `log: {"msg":"hash $argon2id$v=19"}`, `problems: {"detail":"not ` + password + `"}`}
	if !slices.Equal(leaks, want) {
		t.Errorf("found %q, want %q", leaks, want)
	}
}

// readable is what the servers have written, by where it was found. Secrets are the only place left out.
func readable(ctx context.Context) (map[string][]byte, error) {
	places, err := logs()
	if err != nil {
		return nil, err
	}

	events, err := everyEvent(ctx)
	if err != nil {
		return nil, err
	}

	for _, e := range events {
		places["events"] = append(places["events"], e.Note+" "+fmt.Sprint(e.Annotations)+"\n"...)
	}

	core, err := coreEvents(ctx)
	if err != nil {
		return nil, err
	}

	for _, e := range core {
		places["events of the core group"] = append(places["events of the core group"], e.Message+"\n"...)
	}

	said, err := everyCondition(ctx)
	places["conditions"] = []byte(strings.Join(said, "\n"))

	if len(events) == 0 || len(said) == 0 {
		return nil, fmt.Errorf("no events or no conditions were found: %w", err)
	}

	return places, err
}

// everyEvent lists the events of all namespaces.
func everyEvent(ctx context.Context) ([]eventsv1.Event, error) {
	list := &eventsv1.EventList{}
	err := kube.List(ctx, list)

	return list.Items, err
}

// everyCondition lists what accounts and policies say in their conditions, and all else that accounts consist of.
func everyCondition(ctx context.Context) ([]string, error) {
	var said []string

	accounts := &v1alpha1.UserAccountList{}
	if err := kube.List(ctx, accounts); err != nil {
		return nil, err
	}

	for _, a := range accounts.Items {
		text, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}

		said = append(said, string(text))
	}

	policies := &v1alpha1.PasswordPolicyList{}
	if err := kube.List(ctx, policies); err != nil {
		return nil, err
	}

	for _, p := range policies.Items {
		for _, c := range p.Status.Conditions {
			said = append(said, c.Message)
		}
	}

	return said, nil
}

// coreEvents lists the events as the core group shows them.
func coreEvents(ctx context.Context) ([]corev1.Event, error) {
	list := &corev1.EventList{}
	err := kube.List(ctx, list)

	return list.Items, err
}
