package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
)

const (
	// minKeysAge is how old keys are at least when they are fetched again.
	minKeysAge = time.Minute
	// maxKeys are tried for a signature, of the first maxListed that the provider lists, those that cannot be used included.
	maxKeys, maxListed = 64, 256
	// RSA keys have at least 2048 bits (RFC 7518, section 3.3). Long ones would only cost time.
	minRSABits, maxRSABits = 2048, 8192
)

// keys of a provider that are for signatures.
type keys []crypto.PublicKey

// verify checks the signature of a token and returns its payload; nil where none of the keys has signed it.
func (k keys) verify(ctx context.Context, jwt string) []byte {
	payload, err := (&oidc.StaticKeySet{PublicKeys: k}).VerifySignature(ctx, jwt)
	if err != nil {
		return nil
	}
	return payload
}

// keySet keeps the keys of a provider, and fetches them when none of them has signed a token.
type keySet struct {
	clock clock.PassiveClock
	fetch func(context.Context) (keys, error)

	fetching singleflight.Group
	unusable unusable

	mu      sync.Mutex
	keys    keys
	fetched time.Time
}

func newKeySet(c clock.PassiveClock, fetch func(context.Context) (keys, error)) *keySet {
	return &keySet{clock: c, fetch: fetch, unusable: unusable{clock: c}}
}

// verify checks the signature of a token and returns its payload; nil where none of the keys has signed it. An error means that the keys are
// not known.
func (s *keySet) verify(ctx context.Context, jwt string) ([]byte, error) {
	known, mayFetch := s.known()
	if payload := known.verify(ctx, jwt); payload != nil || !mayFetch {
		return payload, nil
	}
	result := s.fetching.DoChan("", func() (any, error) {
		known, mayFetch := s.known()
		if !mayFetch {
			return known, nil
		}
		if err := s.unusable.recent(); err != nil {
			return nil, err
		}
		// Whoever asked first may go away: the others still wait for it. The transport bounds the time.
		fetched, err := s.fetch(context.WithoutCancel(ctx))
		s.unusable.note(err)
		if err == nil {
			s.keep(fetched)
		}
		return fetched, err
	})
	select {
	case <-ctx.Done():
		return nil, ended(ctx)
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		fetched, _ := r.Val.(keys)
		return fetched.verify(ctx, jwt), nil
	}
}

// known returns the keys that were fetched, and whether they are old enough to fetch them again.
func (s *keySet) known() (keys, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, s.fetched.IsZero() || s.clock.Since(s.fetched) >= minKeysAge
}

func (s *keySet) keep(k keys) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.fetched = k, s.clock.Now()
}

// errKeysUnusable is returned where no key for signatures can be found in what the provider answers.
var errKeysUnusable = errors.New("the provider's keys cannot be used")

// askKeys fetches the keys of a provider. Errors: *failure or errKeysUnusable.
func askKeys(ctx context.Context, t *transport, address string) (keys, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errKeysUnusable
	}
	response, err := t.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var set struct {
		Keys [maxListed]json.RawMessage `json:"keys"` // What is beyond an array is passed over.
	}
	if response.StatusCode != http.StatusOK || json.NewDecoder(response.Body).Decode(&set) != nil {
		return nil, errKeysUnusable
	}
	var usable keys
	for _, text := range set.Keys {
		// A key that cannot be read is passed over (RFC 7517, section 5).
		if key := signatureKey(text); key != nil && len(usable) < maxKeys {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		return nil, errKeysUnusable
	}
	return usable, nil
}

// signatureKey reads a JSON Web Key (RFC 7517); nil where it is not a public key for signatures.
func signatureKey(text []byte) crypto.PublicKey {
	var key jose.JSONWebKey
	if json.Unmarshal(text, &key) != nil || !key.Valid() || key.Use != "" && key.Use != "sig" {
		return nil
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil
		}
		return public
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return public
	default:
		return nil
	}
}
