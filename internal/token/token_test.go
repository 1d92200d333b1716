package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// fixedKey returns a key that is the same in every run; fill distinguishes keys.
func fixedKey(t testing.TB, fill byte, created time.Time) *key {
	t.Helper()
	raw := make([]byte, 32)
	raw[31] = fill
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKey(private, created)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func fixedRing(t testing.TB) *Ring {
	t.Helper()
	return newRing([]*key{fixedKey(t, 1, now.Add(-time.Hour))}, nil)
}

func sign(t testing.TB, ring *Ring, claims Claims, at time.Time) string {
	t.Helper()
	token, err := ring.Sign(claims, at)
	if err != nil {
		t.Fatal(err)
	}
	return token.Text()
}

func TestSignThenVerify(t *testing.T) {
	ring := fixedRing(t)
	for _, aud := range []Audience{Web, Kubernetes} {
		for _, remember := range []bool{false, true} {
			claims := New("account-1", "uid-1", 0, aud, life, remember, now)
			got, err := ring.Verify(sign(t, ring, claims, now), aud, now)
			if err != nil || got != claims {
				t.Errorf("got %+v, %v; want %+v", got, err, claims)
			}
		}
	}
}

func TestVerifyTimes(t *testing.T) {
	ring := fixedRing(t)
	token := sign(t, ring, webClaims(), now)
	tests := map[string]struct {
		at   time.Time
		want error
	}{
		"at once":                  {now, nil},
		"clock behind, tolerated":  {now.Add(-ClockSkew), nil},
		"clock behind, too far":    {now.Add(-ClockSkew - time.Nanosecond), ErrInvalidToken},
		"last moment":              {now.Add(life.Idle - time.Nanosecond), nil},
		"expired, without leeway":  {now.Add(life.Idle), ErrExpired},
		"expired long ago":         {now.Add(1000 * time.Hour), ErrExpired},
		"clock from another epoch": {time.Unix(0, 0), ErrInvalidToken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := ring.Verify(token, Web, tt.at); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// forgery builds a token from a good one, with changes, signed as an attacker or a broken signer would.
type forgery struct {
	method jwt.SigningMethod
	header map[string]any
	claims jwt.MapClaims
	key    any
}

func (f forgery) String() string {
	token := &jwt.Token{Header: f.header, Claims: f.claims, Method: f.method}
	text, err := token.SignedString(f.key)
	if err != nil {
		panic(err)
	}
	return text
}

func good(t testing.TB) forgery {
	k := fixedKey(t, 1, now)
	return forgery{
		method: jwt.SigningMethodES256,
		header: map[string]any{"alg": "ES256", "typ": "JWT", "kid": k.id},
		claims: jwt.MapClaims{
			"iss": "keyturn", "sub": "account-1", "aud": "web", "sid": "session-1", "cred": "uid-1", "gen": 3,
			"auth_time": now.Unix(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		},
		key: k.private.get(),
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	ring := fixedRing(t)
	if _, err := ring.Verify(good(t).String(), Web, now); err != nil {
		t.Fatalf("the token that all others are made of is refused: %v", err)
	}
	later := now.Add(time.Hour).Unix()
	tests := map[string]struct {
		set  map[string]any
		want error
	}{
		"other issuer":                  {map[string]any{"iss": "https://keyturn.example"}, ErrInvalidToken},
		"wrong audience":                {map[string]any{"aud": "kubernetes"}, ErrInvalidToken},
		"unknown audience":              {map[string]any{"aud": "printer"}, ErrInvalidToken},
		"extra audience":                {map[string]any{"aud": []string{"web", "kubernetes"}}, ErrInvalidToken},
		"same audience twice":           {map[string]any{"aud": []string{"web", "web"}}, ErrInvalidToken},
		"empty audience":                {map[string]any{"aud": ""}, ErrInvalidToken},
		"expired":                       {map[string]any{"exp": now.Unix(), "iat": now.Unix() - 9, "nbf": now.Unix() - 9, "auth_time": now.Unix() - 9}, ErrExpired},
		"expired and for another":       {map[string]any{"exp": now.Unix(), "iat": now.Unix() - 9, "nbf": now.Unix() - 9, "auth_time": now.Unix() - 9, "aud": "kubernetes"}, ErrInvalidToken},
		"not valid yet":                 {map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}, ErrInvalidToken},
		"issued in the future":          {map[string]any{"iat": now.Add(2 * time.Minute).Unix()}, ErrInvalidToken},
		"issued before login":           {map[string]any{"auth_time": now.Unix() + 1}, ErrInvalidToken},
		"expires before issue":          {map[string]any{"exp": now.Unix() - 1}, ErrInvalidToken},
		"negative generation":           {map[string]any{"gen": -1}, ErrInvalidToken},
		"generation is a fraction":      {map[string]any{"gen": 3.5}, ErrInvalidToken},
		"generation is text":            {map[string]any{"gen": "3"}, ErrInvalidToken},
		"generation beyond all numbers": {map[string]any{"gen": 1e30}, ErrInvalidToken},
		"times are text":                {map[string]any{"exp": "tomorrow"}, ErrInvalidToken},
		"time beyond all calendars":     {map[string]any{"iat": 1e300}, ErrInvalidToken},
		"subject is empty":              {map[string]any{"sub": ""}, ErrInvalidToken},
		"subject is long":               {map[string]any{"sub": strings.Repeat("a", maxClaimBytes+1)}, ErrInvalidToken},
		"subject is a list":             {map[string]any{"sub": []string{"account-1"}}, ErrInvalidToken},
		"signed, but too long":          {map[string]any{"new": strings.Repeat("a", MaxTokenBytes)}, ErrInvalidToken},
		"unknown claims are ignored":    {map[string]any{"new": later}, nil},
	}
	for _, claim := range []string{"iss", "sub", "aud", "sid", "cred", "gen", "auth_time", "iat", "nbf", "exp"} {
		tests["missing "+claim] = struct {
			set  map[string]any
			want error
		}{map[string]any{claim: nil}, ErrInvalidToken}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := good(t)
			maps.Copy(f.claims, tt.set)
			maps.DeleteFunc(f.claims, func(_ string, v any) bool { return v == nil })
			checkRefused(t, ring, f.String(), tt.want)
		})
	}
}

func TestVerifyRefusesSignatures(t *testing.T) {
	ring := fixedRing(t)
	public, err := x509.MarshalPKIXPublicKey(ring.keys[0].public)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header := func(name string, value any) func(*forgery) {
		return func(f *forgery) {
			f.header[name] = value
			maps.DeleteFunc(f.header, func(_ string, v any) bool { return v == nil })
		}
	}
	tests := map[string]struct {
		change func(*forgery)
		want   error
	}{
		"other key under our ID":  {func(f *forgery) { f.key = fixedKey(t, 2, now).private.get() }, ErrInvalidToken},
		"unknown key":             {func(f *forgery) { f.key, f.header["kid"] = fixedKey(t, 2, now).private.get(), fixedKey(t, 2, now).id }, ErrUnknownKey},
		"no key ID":               {header("kid", nil), ErrInvalidToken},
		"key ID is no ID of ours": {header("kid", "../../etc/passwd"), ErrInvalidToken},
		"key ID in upper case":    {header("kid", strings.ToUpper(ring.keys[0].id)), ErrInvalidToken},
		"key ID is a number":      {header("kid", 7), ErrInvalidToken},
		"no type":                 {header("typ", nil), ErrInvalidToken},
		"other type":              {header("typ", "at+jwt"), ErrInvalidToken},
		"no algorithm":            {header("alg", nil), ErrInvalidToken},
		"algorithm nobody knows":  {header("alg", "ES257"), ErrInvalidToken},
		"critical extension":      {header("crit", []string{"exp"}), ErrInvalidToken},
		"key in the header":       {header("jwk", map[string]string{"kty": "EC"}), ErrInvalidToken},
		"none": {func(f *forgery) {
			f.method, f.key, f.header["alg"] = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "none"
		}, ErrInvalidToken},
		"HS256 with the public key": {func(f *forgery) {
			f.method, f.key, f.header["alg"] = jwt.SigningMethodHS256, public, "HS256"
		}, ErrInvalidToken},
		"ES384": {func(f *forgery) {
			f.method, f.key, f.header["alg"] = jwt.SigningMethodES384, p384, "ES384"
		}, ErrInvalidToken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := good(t)
			tt.change(&f)
			checkRefused(t, ring, f.String(), tt.want)
		})
	}
}

func TestVerifyRefusesText(t *testing.T) {
	ring := fixedRing(t)
	token := good(t).String()
	parts := strings.Split(token, ".")
	segment := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	tests := map[string]string{
		"empty":                    "",
		"dots":                     "..",
		"words":                    "Bearer " + token,
		"four parts":               token + ".",
		"no signature":             parts[0] + "." + parts[1] + ".",
		"line break in signature":  token[:len(token)-4] + "\n" + token[len(token)-4:],
		"padding":                  token + "==",
		"trailing bits":            token[:len(token)-1] + flipLastBit(token[len(token)-1]),
		"longer signature":         token + "AAAA",
		"other payload":            parts[0] + "." + segment(`{"iss":"keyturn","sub":"account-2"}`) + "." + parts[2],
		"payload null":             parts[0] + "." + segment("null") + "." + parts[2],
		"header null":              segment("null") + "." + parts[1] + "." + parts[2],
		"header with a second alg": segment(`{"alg":"none","alg":"ES256","typ":"JWT"}`) + "." + parts[1] + "." + parts[2],
		"huge":                     token + strings.Repeat("A", MaxTokenBytes),
		"deep":                     segment(strings.Repeat("[", 2000)) + "." + parts[1] + "." + parts[2],
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) { checkRefused(t, ring, text, ErrInvalidToken) })
	}
	t.Run("cut anywhere", func(t *testing.T) {
		for n := range len(token) {
			if _, err := ring.Verify(token[:n], Web, now); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("the first %d bytes: %v", n, err)
			}
		}
	})
}

// flipLastBit changes only bits that base64 ignores in the last of 86 characters.
func flipLastBit(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)^1])
}

// checkRefused also checks that the error shows nothing of the token, and that no claims are returned.
func checkRefused(t *testing.T, ring *Ring, token string, want error) {
	t.Helper()
	claims, err := ring.Verify(token, Web, now)
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if want == nil {
		return
	}
	if claims != (Claims{}) {
		t.Errorf("claims came back with an error: %+v", claims)
	}
	for _, secret := range []string{"account-", "session-1", "uid-1", "eyJ", "passwd", "printer", "ES257", fixedKey(t, 2, now).id} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error %q quotes %q from the token", err, secret)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	ring := fixedRing(t)
	tests := map[string]func(*Claims){
		"no account":         func(c *Claims) { c.AccountID = "" },
		"no session ID":      func(c *Claims) { c.SessionID = "" },
		"no credential":      func(c *Claims) { c.CredentialUID = "" },
		"long account":       func(c *Claims) { c.AccountID = strings.Repeat("a", maxClaimBytes+1) },
		"no audience":        func(c *Claims) { c.Audience = "" },
		"bad generation":     func(c *Claims) { c.Generation = -1 },
		"no login":           func(c *Claims) { c.LoginTime = time.Time{} },
		"no lifetime at all": func(c *Claims) { c.ExpiresTime = c.IssuedTime },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			claims := webClaims()
			change(&claims)
			if token, err := ring.Sign(claims, now); err == nil || token.Text() != "" {
				t.Errorf("it was signed")
			}
		})
	}
	if _, err := new(Ring).Sign(webClaims(), now); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("empty ring: got %v", err)
	}
	longest := webClaims()
	longest.AccountID, longest.SessionID, longest.CredentialUID = strings.Repeat("\x00", maxClaimBytes), strings.Repeat("\x00", maxClaimBytes), strings.Repeat("\x00", maxClaimBytes)
	if _, err := ring.Verify(sign(t, ring, longest, now), Web, now); err != nil {
		t.Errorf("the longest claims there can be make a token that is refused: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	ring := fixedRing(f)
	token := good(f).String()
	f.Add(token)
	f.Add(strings.ToLower(token))
	f.Add(token[:len(token)-10])
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := ring.Verify(text, Web, now)
		if err != nil {
			for _, known := range []error{ErrInvalidToken, ErrExpired, ErrUnknownKey} {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("an error of no kind: %v", err)
		}
		// Nobody can sign without the key, so whatever is accepted must say what was signed in the tokens
		// the corpus holds.
		if claims.AccountID != "account-1" || claims.SessionID != "session-1" || claims.Audience != Web {
			t.Fatalf("forged: %+v", claims)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	ring, claims := fixedRing(b), webClaims()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Sign(claims, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ring := fixedRing(b)
	token := sign(b, ring, webClaims(), now)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Verify(token, Web, now); err != nil {
			b.Fatal(err)
		}
	}
}
