package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// entryPoint is a request by which a server verifies a password.
type entryPoint func(p *person, password string) (path, contentType, body string)

var entryPoints = []entryPoint{
	func(p *person, password string) (string, string, string) {
		return "/api/v1/login", "application/json", document(p, "password", password)
	},
	func(p *person, password string) (string, string, string) {
		return "/api/v1/password", "application/json", document(p, "currentPassword", password, "newPassword", "Never set 1 this")
	},
	func(p *person, password string) (string, string, string) {
		return "/o/" + p.organisation + "/login", "application/x-www-form-urlencoded",
			url.Values{"username": {p.username}, "password": {password}}.Encode()
	},
	func(p *person, password string) (string, string, string) {
		return "/o/" + p.organisation + "/change-password", "application/x-www-form-urlencoded",
			url.Values{"username": {p.username}, "current-password": {password}, "new-password": {"Never set 1 this"}}.Encode()
	},
}

func document(p *person, fields ...string) string {
	all := map[string]string{"namespace": p.organisation, "username": p.username}
	for i := 0; i+1 < len(fields); i += 2 {
		all[fields[i]] = fields[i+1]
	}

	text, _ := json.Marshal(all) //nolint:errchkjson // strings can be encoded

	return string(text)
}

// verdict is what a client learns from the answer to a guess.
type verdict int

const (
	// noAnswer: the connection failed.
	noAnswer verdict = iota
	right
	wrongPassword
	// busy: too many attempts wait for this account; try again in a second.
	busy
	lockedOut
	// cannotKnow: the server cannot verify or record anything at present (503).
	cannotKnow
)

// guess sends one guess to an entry point of a server.
func guess(ctx context.Context, p *person, r *replica, at entryPoint, password string) (verdict, error) {
	path, contentType, body := at(p, password)

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		return noAnswer, err
	}

	request.Header.Set("Content-Type", contentType)

	response, err := guessers.Do(request)
	if err != nil {
		return noAnswer, nil //nolint:nilerr // the server may have been killed
	}
	defer response.Body.Close()

	_, _ = io.Copy(io.Discard, response.Body) // a server that is killed does not finish

	switch response.StatusCode {
	case http.StatusOK, http.StatusSeeOther:
		return right, nil
	case http.StatusUnauthorized:
		return wrongPassword, nil
	case http.StatusServiceUnavailable:
		return cannotKnow, nil
	case http.StatusTooManyRequests:
		// Where others wait before this guess, Retry-After is one second; at a lockout it is minutes, or missing.
		if wait, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && wait == 1 {
			return busy, nil
		}

		return lockedOut, nil
	default:
		return noAnswer, fmt.Errorf("%s answers %s", path, response.Status)
	}
}

// guessers is a client with many addresses, so that the limit of failures per address does not matter.
var guessers = &http.Client{
	Timeout: 30 * time.Second,
	Transport: &http.Transport{
		MaxIdleConnsPerHost: guessesAtOnce,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			from := net.IPv4(127, byte(1+rand.IntN(250)), byte(rand.IntN(256)), byte(1+rand.IntN(250)))

			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, network, address)
		},
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// attack is the outcome of many guesses at one account.
type attack struct {
	sync.Mutex
	verdicts map[verdict]int
	// locked has the servers that have answered that the account is locked.
	locked map[*replica]bool
	// verified is how many wrong guesses were verified, at all servers together.
	verified int
}

// attack sends all guesses at once, spread over the servers and the entry points. Wrong guesses begin with prefix; the right password
// comes a number of times among the later ones. Each client tries again while the server asks for it. meanwhile runs beside them.
func (f *fleet) attack(t *testing.T, p *person, prefix string, rights int, meanwhile func()) *attack {
	t.Helper()

	a, start := &attack{verdicts: map[verdict]int{}, locked: map[*replica]bool{}}, make(chan struct{})

	var all, ready sync.WaitGroup

	for i := range guessesAtOnce {
		password := fmt.Sprintf("%s-%03d", prefix, i)
		if i > guessesAtOnce/3 && i%(2*guessesAtOnce/3/rights) == 0 {
			password = p.password
		}

		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-start

			v, err := a.guessUntilDecided(t.Context(), p, f.replicas[i%len(f.replicas)], entryPoints[i/len(f.replicas)%len(entryPoints)], password)
			if err != nil {
				t.Error(err)
			}

			a.Lock()
			defer a.Unlock()

			a.verdicts[v]++
		})
	}

	ready.Wait()
	close(start)

	if meanwhile != nil {
		meanwhile()
	}

	all.Wait()

	a.verified = f.verified(t, prefix)

	return a
}

// guessUntilDecided sends a guess again while the server is busy or cannot know, and has reported to no client that the account is locked.
func (a *attack) guessUntilDecided(ctx context.Context, p *person, r *replica, at entryPoint, password string) (v verdict, err error) {
	if password == p.password { // At an entry point that does not change the password.
		at = entryPoints[0]
	}

	for range maxTries {
		v, err = guess(ctx, p, r, at, password)
		if err != nil || v != busy && v != cannotKnow || a.noteLocked(r, v) {
			break
		}

		<-pause(100 * time.Millisecond)
	}

	a.noteLocked(r, v)

	return v, err
}

// noteLocked takes down a verdict, and returns whether the server has said that the account is locked.
func (a *attack) noteLocked(r *replica, v verdict) bool {
	a.Lock()
	defer a.Unlock()

	a.locked[r] = a.locked[r] || v == lockedOut

	return a.locked[r]
}

// verified counts the guesses with a prefix that the workers of all servers have verified.
func (f *fleet) verified(t *testing.T, prefix string) (n int) {
	t.Helper()

	for _, r := range f.replicas {
		n += r.verified(t, prefix)
	}

	return n
}

// counted is how many verifications the metrics of all servers count.
func (f *fleet) counted(t *testing.T) (n int) {
	t.Helper()

	for _, r := range f.replicas {
		n += r.counted(t)
	}

	return n
}

func (a *attack) String() string {
	return fmt.Sprintf("%d verified; answers: %d wrong, %d right, %d locked out, %d cannot know, %d still busy, %d without an answer",
		a.verified, a.verdicts[wrongPassword], a.verdicts[right], a.verdicts[lockedOut], a.verdicts[cannotKnow], a.verdicts[busy],
		a.verdicts[noAnswer])
}

// check compares the guesses that were verified with the bound (see guesses_test.go). In the end every server that runs says that the
// account is locked, and verifies nothing more.
func (f *fleet) check(t *testing.T, a *attack, p *person, prefix string, crashes int) {
	t.Helper()

	if most := guessLimit*(a.verdicts[right]+1) + fleetSize - 1 + crashes; a.verified > most {
		t.Errorf("%d guesses were verified around %d successes and %d crashes, want at most %d", a.verified, a.verdicts[right], crashes, most)
	}

	if a.verdicts[wrongPassword] > a.verified {
		t.Errorf("%d guesses are answered to be wrong, %d were verified", a.verdicts[wrongPassword], a.verified)
	}

	if a.verified < guessLimit || a.verdicts[lockedOut] == 0 {
		t.Errorf("%d guesses were verified and %d locked out: the test proves nothing", a.verified, a.verdicts[lockedOut])
	}

	after := prefix + "-after"

	for i, r := range f.replicas {
		eventually(t, "the server says that the account is locked", func() error {
			v, err := guess(t.Context(), p, r, entryPoints[i%len(entryPoints)], after)
			if err == nil && v != lockedOut && (v != noAnswer || crashes == 0) {
				err = fmt.Errorf("server %d answers %d", i+1, v)
			}

			return err
		})
	}

	if n := f.verified(t, after); n != 0 {
		t.Errorf("%d guesses were verified of an account that is locked", n)
	}
}
