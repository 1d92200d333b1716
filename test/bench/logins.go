package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/test/controlplane"
)

// changers is how many change their passwords at once: each attempt takes two hashes, and none may wait too long for its
// turn on a busy machine.
const changers = 8

// clients are the people who log in.
func (e *environment) clients() []*person { return e.accounts[:min(clients, len(e.accounts))] }

// measureLogins lets people log in over and over, in turns with the bare hash.
func (e *environment) measureLogins(ctx context.Context) error {
	address, people := controlplane.Address(e.people), e.clients()
	before, err := e.settle(ctx, len(e.accounts))
	if err != nil {
		return err
	}
	if err := e.takeTurns(ctx, address, people); err != nil {
		return err
	}
	if e.results.memory, err = memoryOf(e.servers[login].Pid()); err != nil {
		return err
	}
	after, err := e.settle(ctx, len(e.accounts))
	if err != nil {
		return err
	}
	e.results.loginWrites = after.since(before)
	return nil
}

// takeTurns measures the bare hash, logins, the bare hash, logins and so on, the bare hash first and last. The bare hash is
// measured twice, as a program has it that calls the library, and in workers.
func (e *environment) takeTurns(ctx context.Context, address string, people []*person) error {
	requests := make([][]byte, len(people))
	for i, p := range people {
		requests[i] = p.login
	}
	r := &e.results
	for i := range e.scale.rounds + 1 {
		var alone, workers sample
		used, err := e.using(func() (err error) {
			if alone, err = hashRate(ctx, e.scale.round, childArgon2id); err == nil {
				workers, err = hashRate(ctx, e.scale.round, childWorkers, filepath.Join(e.dir, "hash-worker"))
			}
			return err
		})
		if err != nil {
			return err
		}
		r.hashes, r.workers, r.idleUsage = append(r.hashes, alone), append(r.workers, workers), r.idleUsage.add(used)
		if i == e.scale.rounds {
			break
		}
		var logins sample
		used, err = e.using(func() (err error) {
			logins, err = load(ctx, address, requests, e.scale.round)
			return err
		})
		if err != nil {
			return fmt.Errorf("logging in: %w", err)
		}
		logins.CPU = used.ours()
		r.logins, r.loginUsage = append(r.logins, logins), r.loginUsage.add(used)
		say("Round %d of %d: %.1f hashes/s alone, %.1f in workers, then %.1f logins/s",
			i+1, e.scale.rounds, alone.Rate, workers.Rate, logins.Rate)
	}
	return nil
}

// using returns the CPU time that every process has used during f.
func (e *environment) using(f func() error) (usage, error) {
	pids, err := e.pids()
	if err != nil {
		return nil, err
	}
	before, err := usageOf(pids)
	if err != nil {
		return nil, err
	}
	if err := f(); err != nil {
		return nil, err
	}
	after, err := usageOf(pids)
	return after.since(before), err
}

// choosePasswords has everyone who will log in change the password.
func (e *environment) choosePasswords(ctx context.Context) error {
	people := e.clients()
	say("Letting %d people change their handed-out passwords and log in", len(people))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(changers)
	for i, p := range people {
		group.Go(func() error {
			return p.choose(ctx, controlplane.Address(e.people), fmt.Sprintf("Chosen phrase of mine %05d", i))
		})
	}
	return group.Wait()
}

// choose changes the password and logs in with the new one, which leaves the account with a last login just now and no
// failures: every login that follows within the hour is a clean one.
func (p *person) choose(ctx context.Context, address, chosen string) error {
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.close()
	change, err := json.Marshal(map[string]string{
		"namespace": organisation, "username": p.name, "currentPassword": p.password, "newPassword": chosen,
	})
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	if _, err := c.send(post("/api/v1/password", change)); err != nil {
		return fmt.Errorf("changing the password of %s: %w", p.name, err)
	}
	body, err := json.Marshal(map[string]string{"namespace": organisation, "username": p.name, "password": chosen})
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	p.login = post("/api/v1/login", body)
	answer, err := c.send(p.login)
	if err != nil {
		return fmt.Errorf("logging in as %s: %w", p.name, err)
	}
	var granted struct{ Token string }
	if err := json.Unmarshal(answer, &granted); err != nil {
		return fmt.Errorf("reading the answer to a login: %w", err)
	}
	p.token = granted.Token
	return nil
}
