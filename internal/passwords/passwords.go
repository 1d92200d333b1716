// Package passwords judges a new password and hashes it. A person who changes the own password and a reset come here alike; what
// becomes of the account then is decided by the rules in package account.
package passwords

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/policy"
)

// saltSize of history digests in bytes, as RFC 9106 recommends for password hashing.
const saltSize = 16

// Candidate is a new password, and what it is judged by.
type Candidate struct {
	Password policy.Password
	Policy   policy.Policy
	// Subject has the account's own words, and Lists are the deny lists of the policy.
	Subject policy.Subject
	Lists   []*policy.DenyList
	// History of the account.
	History account.History
	// Current is the password in force, where the person who chooses a new one has proven it. It is nil at a reset, which is not
	// compared with the passwords that the person has or had: somebody who may write the Secret could guess at those
	// (docs/adr/0028-resets-and-marks.md).
	Current *policy.Password
}

// Hashed is a new password as the credential keeps it.
type Hashed struct {
	Hash    hash.Encoded
	Digests account.Digests
}

// Judge judges the password by its content: it needs no hash, and leaves out the requirements on former passwords.
func (c Candidate) Judge() []policy.Result {
	return policy.Content(c.Policy.Evaluate(c.Password, c.Subject, c.Lists...))
}

// judge judges the password by all requirements that concern it.
func (c Candidate) judge(d account.Digests) []policy.Result {
	if c.Current == nil {
		return c.Judge()
	}
	results := c.Policy.Evaluate(c.Password, c.Subject, c.Lists...)
	for i := range results {
		switch results[i].ID {
		case policy.RequirementNotCurrent:
			results[i].Satisfied = !c.Password.Equal(*c.Current)
		case policy.RequirementHistory:
			results[i].Satisfied = !c.History.HasDigest(d.New, c.Policy.HistoryCount)
		}
	}
	return results
}

// Set judges a new password and hashes it. Where the results have a requirement that is not met, there is no hash. The error is
// the hasher's.
func Set(ctx context.Context, hasher hash.Hasher, c Candidate) (Hashed, []policy.Result, error) {
	digests, err := c.digests(ctx, hasher)
	if err != nil {
		return Hashed{}, nil, err
	}
	results := c.judge(digests)
	if len(policy.Unmet(results)) > 0 {
		return Hashed{}, results, nil
	}
	encoded, err := hasher.Create(ctx, c.Password.Text(), c.Policy.Hashing)
	if errors.Is(err, hash.ErrTooLong) {
		return Hashed{}, []policy.Result{{Requirement: policy.RequirementFor(err)}}, nil
	}
	if err != nil {
		return Hashed{}, nil, fmt.Errorf("hash password: %w", err)
	}
	return Hashed{Hash: encoded, Digests: digests}, results, nil
}

// digests makes the history digests; none where the policy keeps no history.
func (c Candidate) digests(ctx context.Context, hasher hash.Hasher) (account.Digests, error) {
	if c.Policy.HistoryCount == 0 {
		return account.Digests{}, nil
	}
	d := account.Digests{Salt: c.History.Salt}
	if len(d.Salt) == 0 {
		d.Salt = make([]byte, saltSize)
		_, _ = rand.Read(d.Salt) // Never fails, says its documentation.
	}
	var err error
	if d.New, err = hasher.Digest(ctx, c.Password.Text(), d.Salt); err != nil {
		return account.Digests{}, fmt.Errorf("hash password for the history: %w", err)
	}
	if c.Current != nil && len(c.History.Digests) == 0 {
		if d.Current, err = hasher.Digest(ctx, c.Current.Text(), d.Salt); err != nil {
			return account.Digests{}, fmt.Errorf("hash password for the history: %w", err)
		}
	}
	return d, nil
}
