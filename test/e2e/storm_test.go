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

// door is one of the ways to have a password verified.
type door func(p *person, password string) (path, contentType, body string)

var doors = []door{
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

// verdict is what a guesser learns.
type verdict int

const (
	// unheard: the server was away.
	unheard verdict = iota
	right
	notRight
	// busy: others are before this one; try again.
	busy
	lockedOut
	// undecided: the server cannot know.
	undecided
)

// guess asks once, by a door, at a server.
func guess(ctx context.Context, p *person, r *replica, through door, password string) (verdict, error) {
	path, contentType, body := through(p, password)

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		return unheard, err
	}

	request.Header.Set("Content-Type", contentType)

	response, err := guessers.Do(request)
	if err != nil {
		return unheard, nil //nolint:nilerr // it may have been killed
	}
	defer response.Body.Close()

	_, _ = io.Copy(io.Discard, response.Body) // a server that is killed does not finish

	switch response.StatusCode {
	case http.StatusOK, http.StatusSeeOther:
		return right, nil
	case http.StatusUnauthorized:
		return notRight, nil
	case http.StatusServiceUnavailable:
		return undecided, nil
	case http.StatusTooManyRequests:
		// Who waits for a turn is told of a second, who is locked out of minutes, or of no time.
		if wait, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && wait == 1 {
			return busy, nil
		}

		return lockedOut, nil
	default:
		return unheard, fmt.Errorf("%s answers %s", path, response.Status)
	}
}

// guessers come from many addresses, since it is the account that is attacked and not the server.
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

// storm is what has become of many guesses.
type storm struct {
	sync.Mutex
	verdicts map[verdict]int
	// over has the servers that were heard to say that the account is locked.
	over map[*replica]bool
	// verified is how many wrong guesses were verified, wherever.
	verified int
}

// rush sends all guesses at once, spread over the servers and mixed over the doors, with the right password a number of times
// among the later ones. Who is told to try again does so, until the account is locked or the server is away.
func (f *fleet) rush(t *testing.T, p *person, mark string, rights int, meanwhile func()) *storm {
	t.Helper()

	s, start := &storm{verdicts: map[verdict]int{}, over: map[*replica]bool{}}, make(chan struct{})

	var all, ready sync.WaitGroup

	for i := range guessesAtOnce {
		password := fmt.Sprintf("%s-%03d", mark, i)
		if i > guessesAtOnce/3 && i%(2*guessesAtOnce/3/rights) == 0 {
			password = p.password
		}

		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-start

			v, err := s.insist(t.Context(), p, f.replicas[i%len(f.replicas)], doors[i/len(f.replicas)%len(doors)], password)
			if err != nil {
				t.Error(err)
			}

			s.Lock()
			defer s.Unlock()

			s.verdicts[v]++
		})
	}

	ready.Wait()
	close(start)

	if meanwhile != nil {
		meanwhile()
	}

	all.Wait()

	s.verified = f.verified(t, mark)

	return s
}

// insist asks again as long as the answer is that others are before this one, or that the server cannot know, and nobody has
// heard from that server that the account is locked.
func (s *storm) insist(ctx context.Context, p *person, r *replica, through door, password string) (v verdict, err error) {
	if password == p.password { // by a door that leaves it as it is
		through = doors[0]
	}

	for range guessTries {
		v, err = guess(ctx, p, r, through, password)
		if err != nil || v != busy && v != undecided || s.isOver(r, v) {
			break
		}

		<-pause(100 * time.Millisecond)
	}

	s.isOver(r, v)

	return v, err
}

// isOver notes a verdict, and tells whether a server says that the account is locked.
func (s *storm) isOver(r *replica, v verdict) bool {
	s.Lock()
	defer s.Unlock()

	s.over[r] = s.over[r] || v == lockedOut

	return s.over[r]
}

// verified counts the guesses of a mark that any server had its workers verify.
func (f *fleet) verified(t *testing.T, mark string) (n int) {
	t.Helper()

	for _, r := range f.replicas {
		n += r.verified(t, mark)
	}

	return n
}

// counted sums up what the servers count.
func (f *fleet) counted(t *testing.T) (n int) {
	t.Helper()

	for _, r := range f.replicas {
		n += r.counted(t)
	}

	return n
}

func (s *storm) String() string {
	return fmt.Sprintf("%d verified; answers: %d wrong, %d right, %d locked out, %d cannot know, %d still busy, %d unheard",
		s.verified, s.verdicts[notRight], s.verdicts[right], s.verdicts[lockedOut], s.verdicts[undecided], s.verdicts[busy],
		s.verdicts[unheard])
}

// check compares the guesses that were verified with what the policy allows. Each success may begin the count anew, and a
// server that crashes may forget one. In the end no server that is up takes another guess.
func (f *fleet) check(t *testing.T, s *storm, p *person, mark string, crashes int) {
	t.Helper()

	if most := guessLimit*(s.verdicts[right]+1) + fleetSize - 1 + crashes; s.verified > most {
		t.Errorf("%d guesses were verified around %d successes and %d crashes, want at most %d", s.verified, s.verdicts[right], crashes, most)
	}

	if s.verdicts[notRight] > s.verified {
		t.Errorf("%d guesses are told to be wrong, %d were verified", s.verdicts[notRight], s.verified)
	}

	if s.verified < guessLimit || s.verdicts[lockedOut] == 0 {
		t.Errorf("%d guesses were verified and %d locked out: the test proves nothing", s.verified, s.verdicts[lockedOut])
	}

	after := mark + "-after"

	for i, r := range f.replicas {
		eventually(t, "the server says that the account is locked", func() error {
			v, err := guess(t.Context(), p, r, doors[i%len(doors)], after)
			if err == nil && v != lockedOut && (v != unheard || crashes == 0) {
				err = fmt.Errorf("server %d answers %d", i+1, v)
			}

			return err
		})
	}

	if n := f.verified(t, after); n != 0 {
		t.Errorf("%d guesses were verified of an account that is locked", n)
	}
}
