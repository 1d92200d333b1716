package passwords_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/hash"
	"github.com/keyturn/keyturn/internal/passwords"
	"github.com/keyturn/keyturn/internal/policy"
)

// plain is a hasher whose hashes can be read, and that counts what it computes.
type plain struct {
	created, digested int
	fails             error
}

func (*plain) Verify(context.Context, hash.Encoded, string) (bool, error) { panic("not asked for") }

func (p *plain) Create(_ context.Context, password string, _ hash.Parameters) (hash.Encoded, error) {
	p.created++
	return hash.Encoded("hash of " + password), p.fails
}

func (p *plain) Digest(_ context.Context, password string, _ []byte) ([]byte, error) {
	p.digested++
	return []byte("digest of " + password), p.fails
}

func prepared(t *testing.T, text string) policy.Password {
	t.Helper()
	password, err := policy.Prepare(text)
	if err != nil {
		t.Fatal(err)
	}
	return password
}

// TestSet: a person's new password is compared with the current and the former ones; a reset is not.
func TestSet(t *testing.T) {
	const current, former = "current horse", "former horse"
	history := account.History{Salt: []byte("salt"), Digests: [][]byte{[]byte("digest of " + current), []byte("digest of " + former)}}
	for name, row := range map[string]struct {
		next    string
		reset   bool
		history account.History
		count   int
		unmet   string
		digests string
	}{
		"a new one":                       {next: "another horse", history: history, count: 2, digests: "another horse"},
		"too short":                       {next: "short", history: history, count: 2, unmet: "[minLength]"},
		"the current one":                 {next: current, history: history, count: 2, unmet: "[notCurrent history]"},
		"a former one":                    {next: former, history: history, count: 2, unmet: "[history]"},
		"no history":                      {next: former},
		"the first of a history":          {next: "another horse", count: 2, digests: "another horse, current horse"},
		"a reset to the current one":      {next: current, reset: true, history: history, count: 2, digests: current},
		"a reset to what is too short":    {next: "short", reset: true, history: history, count: 2, unmet: "[minLength]"},
		"a reset, the first of a history": {next: "another horse", reset: true, count: 2, digests: "another horse"},
	} {
		t.Run(name, func(t *testing.T) {
			c := passwords.Candidate{
				Password: prepared(t, row.next), Policy: policy.Policy{MinLength: 8, MaxLength: 64, HistoryCount: row.count}, History: row.history,
			}
			if !row.reset {
				c.Current = new(prepared(t, current))
			}
			hasher := &plain{}
			hashed, results, err := passwords.Set(t.Context(), hasher, c)
			if err != nil {
				t.Fatal(err)
			}
			unmet := ""
			if ids := policy.Unmet(results); len(ids) > 0 {
				var names []policy.RequirementID
				for _, r := range ids {
					names = append(names, r.ID)
				}
				unmet = fmt.Sprint(names)
			}
			if unmet != row.unmet || (hashed.Hash == "") != (row.unmet != "") || hasher.created > 0 && row.unmet != "" {
				t.Errorf("unmet are %q, the hash is there: %t, and %d were created", unmet, hashed.Hash != "", hasher.created)
			}
			if row.unmet != "" {
				return
			}
			digests := string(hashed.Digests.New)
			if len(hashed.Digests.Current) > 0 {
				digests += ", " + string(hashed.Digests.Current)
			}
			if want := row.digests; want != "" {
				want = "digest of " + want
				if len(hashed.Digests.Current) > 0 {
					want = "digest of another horse, digest of current horse"
				}
				if digests != want || len(hashed.Digests.Salt) == 0 {
					t.Errorf("the digests are %q, want %q", digests, want)
				}
			} else if digests != "" {
				t.Errorf("the digests are %q, want none", digests)
			}
		})
	}
}

// TestSetFails: where the hasher cannot compute, nothing is set; a password that bcrypt cannot take does not meet a requirement.
func TestSetFails(t *testing.T) {
	c := passwords.Candidate{Password: prepared(t, "another horse"), Policy: policy.Policy{MinLength: 8, MaxLength: 64}}
	down := errors.New("no worker")
	if hashed, _, err := passwords.Set(t.Context(), &plain{fails: down}, c); !errors.Is(err, down) || hashed.Hash != "" {
		t.Errorf("without a worker: %v", err)
	}
	hashed, results, err := passwords.Set(t.Context(), &plain{fails: hash.ErrTooLong}, c)
	if err != nil || hashed.Hash != "" || len(policy.Unmet(results)) != 1 || results[0].ID != policy.RequirementMaxLength {
		t.Errorf("too long for bcrypt: %+v, %v", results, err)
	}
}
