package kerberos

import (
	"testing"

	"github.com/jcmturner/gokrb5/v8/test/testdata"

	"github.com/keyturn/keyturn/internal/provider"
)

// FuzzVerify: whatever a browser sends, nothing panics, and nobody but alice gets in. The committed inputs have tokens that are accepted, and
// tokens of Samba and of MIT Kerberos.
func FuzzVerify(f *testing.F) {
	for _, seed := range [][]byte{
		negTokenInit(nil, mechKerberos),
		gssToken(mechKerberos, unhex(f, testdata.MarshaledKRB5ap_req)), {0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x01}, {0x60, 0x80},
	} {
		f.Add(seed)
	}
	keys := keytabOf(f, password, 3, 18, 17)
	f.Fuzz(func(t *testing.T, token []byte) {
		got, err := verifier().Verify(t.Context(), request(keys, token))
		if reasonOf(err) == Internal || err == nil && got != (Ticket{"alice", realm, aliceSID}) || err != nil && got != (Ticket{}) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// FuzzDecrypted: whatever is in a ticket and an authenticator that are encrypted with the right keys, nothing panics.
func FuzzDecrypted(f *testing.F) {
	session := keyOf("session", aesKind)
	f.Add(unhex(f, testdata.MarshaledKRB5enc_tkt_part), unhex(f, testdata.MarshaledKRB5authenticator))
	f.Add(unhex(f, testdata.MarshaledKRB5enc_tkt_partOptionalsNULL), unhex(f, testdata.MarshaledKRB5authenticatorOptionalsNULL))
	keys := keytabOf(f, password, 3, 18)
	f.Fuzz(func(t *testing.T, part, sent []byte) {
		token := gssToken(mechKerberos, issue().wrap(part, sent, session))
		got, err := verifier().Verify(t.Context(), request(keys, token))
		if reasonOf(err) == Internal || err == nil && (got.Realm != realm || !isName(got.Principal) || got.SID == "") {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// FuzzPAC: whatever is in a PAC, signed or not, nothing panics.
func FuzzPAC(f *testing.F) {
	f.Add(unhex(f, testdata.MarshaledPAC_AD_WIN2K_PAC), unhex(f, testdata.MarshaledPAC_Kerb_Validation_Info_MS))
	f.Add([]byte{}, unhex(f, testdata.MarshaledPAC_Kerb_Validation_Info_Trust))
	k := key{encryption: aesKind, value: keyOf(password, aesKind), usable: true}
	ticket := ticketPart{client: []string{"alice"}, authTime: issue().authTime}
	f.Fuzz(func(t *testing.T, pac, logon []byte) {
		if sid, refusal := sidOf(pac, k, ticket); refusal == nil && sid != aliceSID {
			t.Errorf("nobody has signed %q", sid)
		}
		signed := issue(func(i *issued) { i.pac.logon = logon }).pac.bytes()
		sid, refusal := sidOf(signed, k, ticket)
		if want, ok := parseLogonInfo(logon); ok != (refusal == nil) || sid != want {
			t.Errorf("got %q, %v, want %q", sid, refusal, want)
		}
	})
}

// FuzzKeytab: whatever is in a Secret, nothing panics, and an error has none of it.
func FuzzKeytab(f *testing.F) {
	f.Add(unhex(f, testdata.KEYTAB_SYSHTTP_TEST_GOKRB5))
	f.Add([]byte{5, 2, 0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 4<<10 {
			t.Skip("nothing new is in a large one")
		}
		k, err := Parse(provider.NewSecret(string(content)))
		if (k == nil) != (err != nil) {
			t.Fatalf("got %v, %v", k, err)
		}
		if k != nil {
			_ = k.Check(service, realm)
			k.candidates(service, realm, encrypted{encryption: 18})
		}
	})
}
