package kerberos

import (
	"context"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// ntlmNegotiate is what a browser on Windows without a ticket sends: a NEGOTIATE message of NTLM.
const ntlmNegotiate = "TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw=="

func withoutPAC(i *issued)      { i.pac = nil }
func decode(text string) []byte { b, _ := base64.StdEncoding.DecodeString(text); return b }
func reasonOf(err error) (r Reason) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

func TestAccepted(t *testing.T) {
	for name, token := range map[string][]byte{
		"SPNEGO":               token(),
		"GSS without SPNEGO":   issue().gss(),
		"only one mechanism":   negTokenInit(issue().gss(), mechKerberos),
		"no start time":        token(func(i *issued) { i.start = time.Time{} }),
		"clock of the browser": token(func(i *issued) { i.sentTime = noon.Add(-MaxSkew) }),
		"clock is before":      token(func(i *issued) { i.sentTime = noon.Add(MaxSkew) }),
		"just over":            token(func(i *issued) { i.endTime = noon.Add(-MaxSkew) }),
		"version is not said":  token(func(i *issued) { i.keyVersion = 0 }),
		"another version":      token(func(i *issued) { i.keyVersion = 7 }),
		"conditions to be passed": token(func(i *issued) {
			i.sentConditions = []authorizationData{ifRelevant(authorizationData{141, []byte("x")})}
		}),
		"mutual authentication": token(func(i *issued) { i.options = []int{2} }),
		"other data beside PAC": token(func(i *issued) {
			i.conditions = []authorizationData{ifRelevant(authorizationData{97, []byte("x")}), ifRelevant()}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verifier().Verify(t.Context(), request(keytabOf(t, password, 3, 18, 17), token))
			if want := (Ticket{"alice", realm, aliceSID}); err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAllEncryptionsOfAES(t *testing.T) {
	for _, e := range []int32{17, 18, 19, 20} {
		token := token(withoutPAC, func(i *issued) { i.encryption, i.sessionEncryption = e, e })
		r := request(keytabOf(t, password, 3, e), token)
		r.RequirePAC = false
		if got, err := verifier().Verify(t.Context(), r); err != nil || got != (Ticket{Principal: "alice", Realm: realm}) {
			t.Errorf("%d: got %+v, %v", e, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*issued)
		reason Reason
	}{
		"other service":                 {func(i *issued) { i.service = "HTTP/other.example.org" }, WrongService},
		"other service, in one part":    {func(i *issued) { i.service = "HTTP" }, WrongService},
		"service in another case":       {func(i *issued) { i.service = "http/login.example.org" }, WrongService},
		"service of another realm":      {func(i *issued) { i.serviceRealm = "OTHER.ORG" }, WrongRealm},
		"realm in another case":         {func(i *issued) { i.serviceRealm = "example.org" }, WrongRealm},
		"client of another realm":       {func(i *issued) { i.clientRealm, i.sentRealm = "OTHER.ORG", "OTHER.ORG" }, WrongRealm},
		"another realm between":         {func(i *issued) { i.transited = "OTHER.ORG" }, WrongRealm},
		"wrong key":                     {func(i *issued) { i.password = "other" }, WrongKey},
		"key of a session":              {func(i *issued) { i.options = []int{optionUserSession} }, WrongKey},
		"RC4":                           {func(i *issued) { i.encryption = rc4Kind }, WeakEncryption},
		"DES":                           {func(i *issued) { i.encryption = 16 }, WeakEncryption},
		"RC4 for the session":           {func(i *issued) { i.sessionEncryption = rc4Kind }, WeakEncryption},
		"expired":                       {func(i *issued) { i.endTime = noon.Add(-MaxSkew - time.Second) }, Expired},
		"not yet":                       {func(i *issued) { i.start = noon.Add(MaxSkew + time.Second) }, ClockSkew},
		"login in the future":           {func(i *issued) { i.authTime = noon.Add(MaxSkew + time.Second) }, ClockSkew},
		"clock is behind":               {func(i *issued) { i.sentTime = noon.Add(-MaxSkew - time.Microsecond) }, ClockSkew},
		"clock is ahead":                {func(i *issued) { i.sentTime = noon.Add(MaxSkew + time.Microsecond) }, ClockSkew},
		"invalid":                       {func(i *issued) { i.flags = []int{flagInvalid} }, Invalid},
		"postdated":                     {func(i *issued) { i.flags = []int{flagPostdated} }, Invalid},
		"two components":                {func(i *issued) { i.client, i.sentClient = []string{"alice", "admin"}, []string{"alice", "admin"} }, WrongClient},
		"no component":                  {func(i *issued) { i.client, i.sentClient = nil, nil }, WrongClient},
		"empty name":                    {func(i *issued) { i.client, i.sentClient = []string{""}, []string{""} }, WrongClient},
		"NUL in the name":               {func(i *issued) { i.client, i.sentClient = []string{"a\x00"}, []string{"a\x00"} }, WrongClient},
		"no UTF-8":                      {func(i *issued) { i.client, i.sentClient = []string{"\xff"}, []string{"\xff"} }, WrongClient},
		"long name":                     {func(i *issued) { i.client = []string{strings.Repeat("a", 257)}; i.sentClient = i.client }, WrongClient},
		"sent by somebody else":         {func(i *issued) { i.sentClient = []string{"bob"} }, WrongClient},
		"sent by one with more":         {func(i *issued) { i.sentClient = []string{"alice", "x"} }, WrongClient},
		"sent from another realm":       {func(i *issued) { i.sentRealm = "OTHER.ORG" }, WrongClient},
		"made for another protocol":     {func(i *issued) { i.checksum = 16 }, Malformed},
		"binding is short":              {func(i *issued) { i.binding = i.binding[:20] }, Malformed},
		"another version of Kerberos":   {func(i *issued) { i.versionOfTicket = 4 }, Malformed},
		"condition on the ticket":       {func(i *issued) { i.conditions = []authorizationData{{4, []byte("x")}} }, Restricted},
		"condition of the browser":      {func(i *issued) { i.sentConditions = []authorizationData{{5, []byte("x")}} }, Restricted},
		"no PAC":                        {withoutPAC, NoPAC},
		"PAC of another client":         {func(i *issued) { i.pac.client = "bob" }, WrongPAC},
		"PAC in another case":           {func(i *issued) { i.pac.client = "Alice" }, WrongPAC},
		"PAC of another login":          {func(i *issued) { i.pac.authTime = noon.Add(-2 * time.Hour) }, WrongPAC},
		"PAC with another signature":    {func(i *issued) { i.pac.signedWith = "other" }, WrongPAC},
		"PAC with a weak signature":     {func(i *issued) { i.pac.signature = hmacMD5 }, WeakEncryption},
		"PAC with a shorter signature":  {func(i *issued) { i.pac.signature = 15 }, WeakEncryption},
		"PAC without a signature":       {func(i *issued) { i.pac.without = bufferServerSignature }, WrongPAC},
		"PAC without that of the KDC":   {func(i *issued) { i.pac.without = bufferKDCSignature }, WrongPAC},
		"PAC without the client":        {func(i *issued) { i.pac.without = bufferClientInfo }, WrongPAC},
		"PAC without logon information": {func(i *issued) { i.pac.without = bufferLogonInfo }, NoPAC},
		"PAC with two clients":          {func(i *issued) { i.pac.twice = bufferClientInfo }, WrongPAC},
		"PAC with the SID elsewhere":    {func(i *issued) { i.pac.logon = logonInfo(noUserID) }, NoPAC},
		"PAC with broken information":   {func(i *issued) { i.pac.logon = i.pac.logon[:len(i.pac.logon)-1] }, NoPAC},
		"PAC without the mark":          {func(i *issued) { i.conditions = []authorizationData{{dataPAC, i.pac.bytes()}}; i.pac = nil }, Restricted},
		"a second PAC": {func(i *issued) {
			i.conditions = []authorizationData{ifRelevant(authorizationData{dataPAC, i.pac.bytes()})}
		}, WrongPAC},
		"PAC sent by the browser": {func(i *issued) {
			i.sentConditions = []authorizationData{ifRelevant(authorizationData{dataPAC, i.pac.bytes()})}
			i.pac = nil
		}, NoPAC},
		"broken data": {func(i *issued) { i.conditions = []authorizationData{{dataIfRelevant, []byte{0x30, 0x05}}} }, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			keys := keytabOf(t, password, 3, 17, 18, 16, rc4Kind)
			got, err := verifier().Verify(t.Context(), request(keys, token(tt.change)))
			if reasonOf(err) != tt.reason || got != (Ticket{}) {
				t.Errorf("got %+v, %v", got, err)
			}
			for _, secret := range []string{"alice", "EXAMPLE", "HTTP", "planted"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error has %q in it: %v", secret, err)
				}
			}
		})
	}
}

func TestNotAToken(t *testing.T) {
	ticket := issue().gss()
	negoEx := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 30}
	userToUser := asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2, 3}
	for name, tt := range map[string]struct {
		token  []byte
		reason Reason
	}{
		"nothing":                         {nil, Malformed},
		"text":                            {[]byte("hello"), NotNegotiate},
		"NTLM":                            {decode(ntlmNegotiate), NTLM},
		"NTLM in SPNEGO":                  {negTokenInit(decode(ntlmNegotiate), mechNTLM), NTLM},
		"NTLM first":                      {negTokenInit(ticket, mechNTLM, mechKerberos), NTLM},
		"NTLM instead of Kerberos":        {negTokenInit(decode(ntlmNegotiate), mechKerberos, mechNTLM), NTLM},
		"NTLM in a token of Kerberos":     {gssToken(mechKerberos, decode(ntlmNegotiate)), Malformed},
		"no mechanism":                    {negTokenInit(ticket), Malformed},
		"NegoEx first":                    {negTokenInit(ticket, negoEx, mechKerberos), NotNegotiate},
		"no ticket":                       {negTokenInit(nil, mechKerberos), NotNegotiate},
		"token of another mechanism":      {negTokenInit(gssToken(userToUser, issue().apRequest()), mechKerberos), Malformed},
		"SPNEGO in SPNEGO":                {negTokenInit(token(), mechKerberos), Malformed},
		"GSS of another mechanism":        {gssToken(userToUser, issue().apRequest()), NotNegotiate},
		"answer of SPNEGO":                {[]byte{0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x01}, NotNegotiate},
		"something else than an AP-REQ":   {gssToken(mechKerberos, []byte{0x6f, 0x00}), Malformed},
		"something after it":              {append(token(), 0), Malformed},
		"something after the AP-REQ":      {gssToken(mechKerberos, append(issue().apRequest(), 0)), Malformed},
		"too large":                       {append(token(), make([]byte, maxToken)...), Malformed},
		"length of indefinite form":       {[]byte{0x60, 0x80, 0x06, 0x00, 0x00, 0x00}, Malformed},
		"length that is not true":         {[]byte{0x60, 0x84, 0xff, 0xff, 0xff, 0xff, 0x06}, Malformed},
		"length with more than 4 bytes":   {[]byte{0x60, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Malformed},
		"length longer than it has to be": {[]byte{0x60, 0x82, 0x00, 0x03, 0x06, 0x01, 0x00}, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verifier().Verify(t.Context(), request(keytabOf(t, password, 3, 18), tt.token)); reasonOf(err) != tt.reason {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestCutOff: a token of which the end is missing, or of which a bit is another, is refused and makes nothing panic.
func TestCutOff(t *testing.T) {
	whole, keys := token(), keytabOf(t, password, 3, 18)
	for n := range whole {
		if _, err := verifier().Verify(t.Context(), request(keys, whole[:n])); err == nil || reasonOf(err) == Internal {
			t.Fatalf("of %d bytes %d: %v", len(whole), n, err)
		}
		changed := slices.Clone(whole)
		changed[n] ^= 1 << (n % 8)
		// The names of mechanisms after the first, the type of the service's name and the version of its key are not looked at.
		if got, err := verifier().Verify(t.Context(), request(keys, changed)); reasonOf(err) == Internal || err == nil && got.SID != aliceSID {
			t.Fatalf("byte %d is another: %+v, %v", n, got, err)
		}
	}
}

// TestChangedPAC: whatever byte of a PAC is another, it is refused.
func TestChangedPAC(t *testing.T) {
	keys, size := keytabOf(t, password, 3, 18), len(issue().pac.bytes())
	kdc := size - md5Size // It is zero when the PAC is signed.
	for n := range size {
		for name, change := range map[string]func([]byte) []byte{
			"cut off": func(pac []byte) []byte { return pac[:n] },
			"changed": func(pac []byte) []byte { pac[n] ^= 1 << (n % 8); return pac },
		} {
			_, err := verifier().Verify(t.Context(), request(keys, token(func(i *issued) { i.pac.change = change })))
			if signature := n >= kdc && name == "changed"; (err == nil) != signature || reasonOf(err) == Internal {
				t.Fatalf("byte %d is %s: %v", n, name, err)
			}
		}
	}
}

func TestWithoutTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := verifier().Verify(ctx, request(keytabOf(t, password, 3, 18), token())); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPanic(t *testing.T) {
	r := request(nil, token()) // There is no keytab.
	if _, err := verifier().Verify(t.Context(), r); reasonOf(err) != Internal {
		t.Errorf("got %v", err)
	}
}

// BenchmarkVerify: what a token costs that is accepted, and the most expensive ones that somebody without a ticket can make.
func BenchmarkVerify(b *testing.B) {
	large := func(i *issued) {
		i.conditions = []authorizationData{ifRelevant(authorizationData{97, make([]byte, 44<<10)})}
	}
	forged := func(i *issued) { i.password = "guessed"; large(i) }
	four := &Keytab{}
	for n := range maxTried {
		four.keys = append(four.keys, key{service, realm, aesKind, uint32(n), make([]byte, 32), true})
	}
	for _, bb := range []struct {
		name   string
		keytab *Keytab
		token  []byte
		reason Reason
	}{
		{"accepted", keytabOf(b, password, 3, 18, 17), token(), ""},
		{"accepted, 45 KiB", keytabOf(b, password, 3, 18, 17), token(large), ""},
		{"forged, 45 KiB, four keys", four, token(forged), WrongKey},
		{"NTLM", four, decode(ntlmNegotiate), NTLM},
	} {
		b.Run(bb.name, func(b *testing.B) {
			v := verifier()
			for b.Loop() {
				v.seen.tokens = nil // It has been seen.
				if _, err := v.Verify(b.Context(), request(bb.keytab, bb.token)); reasonOf(err) != bb.reason {
					b.Fatal(err)
				}
			}
		})
	}
}
