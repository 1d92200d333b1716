package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/keyturn/keyturn/test/revocation"
)

// resets are what some resets took.
type resets struct {
	latencies revocation.Latencies
	// writes and hashes are those of login servers.
	writes, hashes int
}

// row compares what one reset took with a budget. Less than one each says that not all were counted.
func (r resets) row(what string, budget, measured int) row {
	n := len(r.latencies)
	return row{
		what, fmt.Sprintf("<= %d", budget), fmt.Sprintf("%.4g", float64(measured)/float64(max(n, 1))),
		verdict(n > 0 && measured >= n && measured <= budget*n),
	}
}

// String reports how long they took.
func (r resets) String() string {
	return fmt.Sprintf("%d, %d API writes, %d hashes, p50 %.1f ms, longest %.1f ms", len(r.latencies), r.writes, r.hashes,
		milliseconds(r.latencies.Quantile(0.5)), milliseconds(r.latencies.Quantile(1)))
}

// reset has an administrator reset the passwords of accounts of a namespace, one after the other, at the login server with this health
// port.
func (e *environment) reset(ctx context.Context, a *administrator, healthPort int, namespace string) (r resets, err error) {
	say("Resetting %d passwords in %s", e.scale.resets, namespace)
	before, err := e.requestLog.read()
	if err != nil {
		return r, err
	}
	counted, err := loginMetrics(ctx, healthPort)
	if err != nil {
		return r, err
	}
	r.hashes = -counted.hashes
	for i := range e.scale.resets {
		target := newListed(i)
		if namespace == listNamespace {
			target = newListed(e.scale.resets + i)
		}
		began := time.Now()
		if err := a.resetOne(ctx, namespace, target.name); err != nil {
			return r, err
		}
		r.latencies = append(r.latencies, time.Since(began))
	}
	if counted, err = loginMetrics(ctx, healthPort); err != nil {
		return r, err
	}
	r.hashes += counted.hashes
	after, err := e.requestLog.read()
	r.writes = after.since(before).by(loginUser)
	return r, err
}

// resetOne has the console generate a password.
func (a *administrator) resetOne(ctx context.Context, namespace, name string) error {
	body, err := a.ask(ctx, http.MethodPost, apiList+"/"+namespace+"/"+name+"/reset-password", []byte(`{"generate": true}`))
	if err != nil {
		return err
	}
	var reset struct{ Password string }
	if err := json.Unmarshal(body, &reset); err != nil {
		return fmt.Errorf("reading the answer to a reset: %w", err)
	}
	if reset.Password == "" {
		return errors.New("a reset has generated no password")
	}
	return nil
}
