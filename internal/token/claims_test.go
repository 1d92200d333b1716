package token

import (
	"errors"
	"testing"
	"time"
)

// now is the fixed time of all tests.
var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

var life = Lifetimes{Idle: time.Hour, Max: 12 * time.Hour, RememberMe: 30 * 24 * time.Hour}

func webClaims() Claims { return New("account-1", "uid-1", 3, Web, life, false, now) }

func TestNew(t *testing.T) {
	tests := map[string]struct {
		life         Lifetimes
		remember     bool
		now          time.Time
		wantLifetime time.Duration
		wantRemember bool
	}{
		"idle time":                     {life: life, now: now, wantLifetime: time.Hour},
		"maximum shorter than idle":     {life: Lifetimes{Idle: time.Hour, Max: time.Minute}, now: now, wantLifetime: time.Minute},
		"remembered":                    {life: life, remember: true, now: now, wantLifetime: 30 * 24 * time.Hour, wantRemember: true},
		"policy remembers nobody":       {life: Lifetimes{Idle: time.Hour, Max: 2 * time.Hour}, remember: true, now: now, wantLifetime: time.Hour},
		"fractions and zone are normal": {life: life, now: now.Add(900 * time.Millisecond).In(time.FixedZone("", 3600)), wantLifetime: time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := New("account-1", "uid-1", 3, Kubernetes, tt.life, tt.remember, tt.now)
			want := Claims{
				AccountID: "account-1", SessionID: got.SessionID, CredentialUID: "uid-1", Generation: 3,
				Audience: Kubernetes, Method: Password, ProvenTime: now, LoginTime: now, IssuedTime: now, ExpiresTime: now.Add(tt.wantLifetime),
				RememberMe: tt.wantRemember,
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if len(got.SessionID) < 26 || got.SessionID == webClaims().SessionID {
				t.Errorf("session ID %q is not 128 random bits", got.SessionID)
			}
		})
	}
}

func TestLongestToken(t *testing.T) {
	for _, tt := range []struct {
		life Lifetimes
		want time.Duration
	}{
		{life, 30 * 24 * time.Hour},
		{Lifetimes{Idle: time.Hour, Max: 12 * time.Hour}, time.Hour},
		{Lifetimes{Idle: time.Hour, Max: time.Minute}, time.Minute},
	} {
		if got := tt.life.LongestToken(); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.life, got, tt.want)
		}
	}
}

func TestRenew(t *testing.T) {
	const day = 24 * time.Hour
	remembered := func(c *Claims) { c.RememberMe = true }
	for name, tt := range map[string]struct {
		life    Lifetimes
		edit    func(*Claims)
		at      time.Duration // after the login
		expires time.Duration // after the login; 0: it is over
		remains bool          // that it is remembered
	}{
		"idle time from now on":            {life: life, at: 30 * time.Minute, expires: 90 * time.Minute},
		"no longer than the maximum":       {life: life, at: 11*time.Hour + 30*time.Minute, expires: 12 * time.Hour},
		"at the maximum":                   {life: life, at: 12 * time.Hour},
		"remembered: from the login on":    {life: life, edit: remembered, at: 10 * day, expires: 30 * day, remains: true},
		"remembered: at its end":           {life: life, edit: remembered, at: 30 * day},
		"nobody is remembered any more":    {life: Lifetimes{Idle: time.Hour, Max: day}, edit: remembered, at: time.Hour, expires: 2 * time.Hour},
		"and that is too late":             {life: Lifetimes{Idle: time.Hour, Max: day}, edit: remembered, at: 2 * day},
		"a clock behind that of the login": {life: life, at: -30 * time.Second, expires: time.Hour - 30*time.Second},
		"whole seconds":                    {life: life, at: time.Minute + 900*time.Millisecond, expires: time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			was := webClaims()
			was.PreviousLogin, was.FailedAttempts = now.Add(-day), 3
			if tt.edit != nil {
				tt.edit(&was)
			}
			got, ok := was.Renew(tt.life, now.Add(tt.at))
			if ok != (tt.expires != 0) {
				t.Fatalf("renewed: %t, until %v", ok, got.ExpiresTime)
			}
			if !ok {
				return
			}
			want := was
			want.IssuedTime, want.ExpiresTime, want.RememberMe = wholeSecond(now.Add(max(tt.at, 0))), now.Add(tt.expires), tt.remains
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestForget: the end of a session is remembered as long as any of its tokens can last, and no longer.
func TestForget(t *testing.T) {
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		life     Lifetimes
		remember bool
		at, want time.Duration // after the login
	}{
		"a session of the day":                 {life: life, at: 10 * time.Minute, want: 70 * time.Minute},
		"near its maximum":                     {life: life, at: 11*time.Hour + 50*time.Minute, want: 12 * time.Hour},
		"the policy is shorter by now":         {life: Lifetimes{Idle: time.Minute, Max: time.Minute}, at: 30 * time.Second, want: time.Hour},
		"a remembered one":                     {life: life, remember: true, at: 10 * day, want: 30 * day},
		"a remembered one, nobody is any more": {life: Lifetimes{Idle: time.Hour, Max: day}, remember: true, at: 10 * day, want: 30 * day},
	} {
		t.Run(name, func(t *testing.T) {
			c := New("account-1", "uid-1", 3, Web, life, tt.remember, now)
			if got, want := c.Forget(tt.life, now.Add(tt.at)), now.Add(tt.want+ClockSkew); !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestParseAudience(t *testing.T) {
	for name, want := range map[string]Audience{"": Web, "web": Web, "kubernetes": Kubernetes} {
		if got, err := ParseAudience(name); got != want || err != nil {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"Web", "web ", "cluster"} {
		if got, err := ParseAudience(name); got != "" || !errors.Is(err, ErrUnknownAudience) {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}
