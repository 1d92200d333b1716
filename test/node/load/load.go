//go:build node

package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Person is somebody who has an account, and a session.
type Person struct{ Namespace, Username, Password, Token string }

// The pace: logins take a hash each, checks of sessions next to nothing.
const (
	loginEvery = 200 * time.Millisecond
	checkEvery = 20 * time.Millisecond
)

// Timeout is how long a request may take.
const Timeout = 15 * time.Second

// The sorts of requests.
const (
	FreshLogin = "login, fresh connection"
	KeptLogin  = "login, kept connection"
	FreshCheck = "session check, fresh connection"
	KeptCheck  = "session check, kept connection"
)

// Load is under way.
type Load struct {
	base        string
	people      []Person
	fresh, kept *http.Client
	stop        context.CancelFunc
	running     sync.WaitGroup

	mu       sync.Mutex
	requests Report
}

// Start starts a load on the login server at base. Any answer but 200 is a failure, so the people's passwords and tokens have to be
// right.
func Start(base string, people []Person) *Load {
	ctx, stop := context.WithCancel(context.Background())
	l := &Load{
		base: base, people: people, stop: stop,
		fresh: &http.Client{Timeout: Timeout, Transport: &http.Transport{DisableKeepAlives: true}},
		kept:  &http.Client{Timeout: Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
	}

	l.every(ctx, loginEvery, func(turn int) {
		person := people[turn/2%len(people)]
		if turn%2 == 0 {
			l.note(FreshLogin, func() error { return Login(l.fresh, base, person) })
		} else {
			l.note(KeptLogin, func() error { return Login(l.kept, base, person) })
		}
	})
	l.every(ctx, checkEvery, func(turn int) {
		person := people[turn/2%len(people)]
		if turn%2 == 0 {
			l.note(FreshCheck, func() error { return Check(l.fresh, base, person) })
		} else {
			l.note(KeptCheck, func() error { return Check(l.kept, base, person) })
		}
	})

	return l
}

// Stop ends the load when the last answer is there, and returns all requests.
func (l *Load) Stop() Report {
	l.stop()
	l.running.Wait()
	l.kept.CloseIdleConnections()

	return l.requests
}

// every starts an attempt at each tick, whether those before have ended or not.
func (l *Load) every(ctx context.Context, pause time.Duration, attempt func(turn int)) {
	l.running.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()

		for turn := 0; ; turn++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				l.running.Go(func() { attempt(turn) })
			}
		}
	})
}

func (l *Load) note(sort string, attempt func() error) {
	began := time.Now()
	err := attempt()

	l.mu.Lock()
	defer l.mu.Unlock()

	l.requests = append(l.requests, Request{Sort: sort, Began: began, Took: time.Since(began), Err: err})
}

// Saturate has each person log in again and again, all at the same time, until ctx ends.
func Saturate(ctx context.Context, base string, people []Person) Report {
	l := &Load{}

	for _, person := range people {
		l.running.Go(func() {
			client := &http.Client{Timeout: Timeout, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()

			for ctx.Err() == nil {
				l.note(KeptLogin, func() error { return Login(client, base, person) })
			}
		})
	}

	l.running.Wait()

	return l.requests
}

// Login logs a person in.
func Login(client *http.Client, base string, person Person) error {
	body, err := json.Marshal(map[string]string{
		"namespace": person.Namespace, "username": person.Username, "password": person.Password,
	})
	if err != nil {
		return err
	}

	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+"/api/v1/login", bytes.NewReader(body))
	if err != nil {
		return err
	}

	request.Header.Set("Content-Type", "application/json")

	return do(client, request)
}

// Check checks a person's session.
func Check(client *http.Client, base string, person Person) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/api/v1/session", http.NoBody)
	if err != nil {
		return err
	}

	request.Header.Set("Authorization", "Bearer "+person.Token)

	return do(client, request)
}

func do(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}

	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s: %s", response.Status, body)
	}

	return nil
}
