package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

const name = "keyturn-login-webhook.keyturn-system.svc"

var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func made(t *testing.T, at time.Time) *authority {
	t.Helper()
	a, err := newAuthority(at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issued(t *testing.T, a *authority, name string, at time.Time) pair {
	t.Helper()
	p, err := a.issue(name, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestIssuedCertificateVerifies: whoever has the authority's certificate accepts the server's, for its name and in its time only.
func TestIssuedCertificateVerifies(t *testing.T) {
	a := made(t, now)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.pair.certificate) {
		t.Fatal("the authority's certificate is not PEM")
	}
	both, err := tls.X509KeyPair(issued(t, a, name, now).certificate, nil)
	if err == nil {
		t.Fatal("a certificate loads without its key")
	}
	p := issued(t, a, name, now)
	if both, err = tls.X509KeyPair(p.certificate, p.key); err != nil {
		t.Fatal(err)
	}
	for what, row := range map[string]struct {
		name string
		at   time.Time
		want bool
	}{
		"its name":                   {name, now, true},
		"a clock that is behind":     {name, now.Add(-30 * time.Minute), true},
		"a clock that is far behind": {name, now.Add(-2 * time.Hour), false},
		"its last day":               {name, now.Add(lifetime - time.Hour), true},
		"after its end":              {name, now.Add(lifetime + time.Second), false},
		"another name":               {"keyturn-login.keyturn-system.svc", now, false},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := both.Leaf.Verify(x509.VerifyOptions{DNSName: row.name, Roots: roots, CurrentTime: row.at})
			if (err == nil) != row.want {
				t.Errorf("verified with %v, want %t", err, row.want)
			}
		})
	}
}

// TestRenewalTime: a certificate is renewed a month before its end, and at once if it cannot be the one that is wanted.
func TestRenewalTime(t *testing.T) {
	a, other := made(t, now), made(t, now)
	right := issued(t, a, name, now)
	late := now.Add(authorityLifetime - time.Hour)
	for what, row := range map[string]struct {
		pair pair
		at   time.Time
		want time.Time
	}{
		"new":                      {right, now, now.Add(lifetime - renewBefore)},
		"the authority's last":     {issued(t, a, name, late), late, a.parsed.NotAfter},
		"none":                     {pair{}, now, time.Time{}},
		"damaged":                  {pair{certificate: []byte("x"), key: right.key}, now, time.Time{}},
		"another key":              {pair{certificate: right.certificate, key: issued(t, a, name, now).key}, now, time.Time{}},
		"another authority":        {issued(t, other, name, now), now, time.Time{}},
		"another name":             {issued(t, a, "other.svc", now), now, time.Time{}},
		"by a clock that is ahead": {issued(t, a, name, late), now, time.Time{}},
	} {
		t.Run(what, func(t *testing.T) {
			if got := a.renewalTime(row.pair, name, row.at); !got.Equal(row.want) {
				t.Errorf("is renewed at %s, want %s", got, row.want)
			}
		})
	}
}

// TestCertificateEndsWithAuthority: no certificate outlives the authority that has issued it.
func TestCertificateEndsWithAuthority(t *testing.T) {
	a := made(t, now)
	late := now.Add(authorityLifetime - 24*time.Hour)
	p := issued(t, a, name, late)
	both, err := tls.X509KeyPair(p.certificate, p.key)
	if err != nil {
		t.Fatal(err)
	}
	if !both.Leaf.NotAfter.Equal(a.parsed.NotAfter) {
		t.Errorf("the certificate ends at %s, the authority at %s", both.Leaf.NotAfter, a.parsed.NotAfter)
	}
}

// TestReadAuthority: what is not an authority with its key is refused, and the error quotes nothing of it.
func TestReadAuthority(t *testing.T) {
	a := made(t, now)
	if _, err := readAuthority(a.pair); err != nil {
		t.Errorf("the authority that was made is not read: %v", err)
	}
	for what, row := range map[string]struct {
		pair pair
		want error
	}{
		"nothing":       {pair{}, errNotPEM},
		"no key":        {pair{certificate: a.pair.certificate}, errNotPEM},
		"another's key": {pair{certificate: a.pair.certificate, key: made(t, now).key}, errNotPEM},
		"no authority":  {issued(t, a, name, now), errNotAuthority},
	} {
		t.Run(what, func(t *testing.T) {
			if _, err := readAuthority(row.pair); err == nil || err.Error() != row.want.Error() {
				t.Errorf("answered %v, want %v", err, row.want)
			}
		})
	}
}
