package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// The ways to ask whether a session holds, by their paths.
const (
	checkSession = "/api/v1/session"
	checkVerify  = "/auth/verify?namespace=" + organisation
)

// checkResults is what was measured of one way to ask: the bare handler with the same requests before each round and after
// the last, and the login server.
type checkResults struct{ bare, checks []sample }

func (r checkResults) ratios() []float64 { return ratios(r.checks, r.bare) }

// measureChecks checks sessions in each way, in turns with the bare handler.
func (e *environment) measureChecks(ctx context.Context) error {
	say("Checking sessions, in turns with a bare handler")
	bare, err := e.startBare(ctx)
	if err != nil {
		return err
	}
	e.results.checks = map[string]checkResults{}
	for _, way := range []struct {
		path  string
		carry func(token string) string
	}{{checkSession, asBearer}, {checkVerify, inCookie}} {
		var requests [][]byte
		for _, p := range e.clients() {
			requests = append(requests, get(way.path, way.carry(p.token)))
		}
		var r checkResults
		for i := range e.scale.checkRounds + 1 {
			alone, err := load(ctx, bare, requests, e.scale.checks)
			if err != nil {
				return fmt.Errorf("asking the bare handler: %w", err)
			}
			r.bare = append(r.bare, alone)
			if i == e.scale.checkRounds {
				break
			}
			checks, err := load(ctx, controlplane.Address(e.people), requests, e.scale.checks)
			if err != nil {
				return fmt.Errorf("checking sessions at %s: %w", way.path, err)
			}
			r.checks = append(r.checks, checks)
		}
		e.results.checks[way.path] = r
	}
	return nil
}

// startBare starts the bare handler and returns where it listens. It is stopped with all others.
func (e *environment) startBare(ctx context.Context) (address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	port, err := controlplane.FreePort(0)
	if err != nil {
		return "", err
	}
	address = controlplane.Address(port)
	p, err := process.Start(process.Command{
		Name: childHandler, Path: self, Args: []string{childHandler, address}, LogFile: filepath.Join(e.dir, "handler.log"),
	})
	if err != nil {
		return "", err
	}
	e.servers[childHandler] = p
	e.watch(p)
	return address, p.WaitReady(ctx, process.HTTPReady(http.DefaultClient, "http://"+address))
}
