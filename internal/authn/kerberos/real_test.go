package kerberos

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/test/testdata"

	"github.com/keyturn/keyturn/internal/provider"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPACOfActiveDirectory: one of a domain controller on Windows, with the keytab of the service.
func TestPACOfActiveDirectory(t *testing.T) {
	k, err := Parse(provider.NewSecret(string(unhex(t, testdata.KEYTAB_SYSHTTP_TEST_GOKRB5))))
	if err != nil {
		t.Fatal(err)
	}
	pac := unhex(t, testdata.MarshaledPAC_AD_WIN2K_PAC)
	ticket := ticketPart{client: []string{"testuser1"}, authTime: time.Date(2017, 5, 6, 15, 53, 11, 0, time.UTC)}
	keys := k.candidates("sysHTTP", "TEST.GOKRB5", encrypted{encryption: 18, version: 2})
	if len(keys) == 0 {
		t.Fatal("no key")
	}
	sid, refusal := sidOf(pac, keys[0], ticket)
	if want := "S-1-5-21-3167651404-3865080224-2280184895-1105"; refusal != nil || sid != want {
		t.Errorf("got %q, %v", sid, refusal)
	}
	for n := range pac {
		pac[n] ^= 1
		// The last buffer is the signature of the KDC, which nobody else can verify, and four zeros.
		if _, refusal := sidOf(pac, keys[0], ticket); (refusal == nil) != (n >= len(pac)-4-md5Size && n < len(pac)-4) {
			t.Errorf("with byte %d of %d changed: %v", n, len(pac), refusal)
		}
		pac[n] ^= 1
	}
}

// TestLogonInfo: the example of Microsoft's, with groups and SIDs of other domains, and one of somebody with a trust between domains.
func TestLogonInfo(t *testing.T) {
	for want, text := range map[string]string{
		"S-1-5-21-397955417-626881126-188441444-2914711": testdata.MarshaledPAC_Kerb_Validation_Info_MS,
		"S-1-5-21-3167651404-3865080224-2280184895-1105": testdata.MarshaledPAC_Kerb_Validation_Info,
		"S-1-5-21-2284869408-3503417140-1141177250-1106": testdata.MarshaledPAC_Kerb_Validation_Info_Trust,
		aliceSID: hex.EncodeToString(logonInfo(1105)),
	} {
		b := unhex(t, text)
		if got, ok := parseLogonInfo(b); !ok || got != want {
			t.Errorf("got %q, %v, want %q", got, ok, want)
		}
		for n := range b {
			if got, ok := parseLogonInfo(b[:n]); ok && got != want {
				t.Errorf("of %d bytes %d: %q", len(b), n, got)
			}
		}
	}
}

// TestMessagesOfMIT: encodings by MIT Kerberos, of which the fields are known.
func TestMessagesOfMIT(t *testing.T) {
	a, refusal := parseAPRequest(unhex(t, testdata.MarshaledKRB5ap_req))
	if refusal != nil || a.realm != "ATHENA.MIT.EDU" || len(a.service) != 2 || a.service[1] != "extra" || string(a.ticket.cipher) != "krbASN.1 test message" ||
		a.ticket.version != 5 || string(a.authenticator.cipher) != "krbASN.1 test message" {
		t.Errorf("AP-REQ: %+v, %v", a, refusal)
	}
	for name, encoded := range map[string]string{"whole": testdata.MarshaledKRB5enc_tkt_part, "without optional fields": testdata.MarshaledKRB5enc_tkt_partOptionalsNULL} {
		p, refusal := parseTicketPart(unhex(t, encoded))
		if refusal != nil || p.realm != "ATHENA.MIT.EDU" || string(p.key.value) != "12345678" || len(p.client) != 2 || p.authTime.Unix() != 771228197 ||
			p.startTime.Unix() != 771228197 || (len(p.conditions) == 2) != (name == "whole") {
			t.Errorf("%s: %+v, %v", name, p, refusal)
		}
	}
}
