package kerberos

import (
	"encoding/asn1"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/keytab"
	der "golang.org/x/crypto/cryptobyte/asn1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/keyturn/keyturn/internal/provider"
)

const (
	service   = "HTTP/login.example.org"
	realm     = "EXAMPLE.ORG"
	password  = "planted-password"
	aesKind   = 18
	rc4Kind   = 23
	domainSID = "S-1-5-21-397955417-626881126-188441444"
	aliceSID  = domainSID + "-1105"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// issued is a token to be made, by a KDC and a browser that do whatever a test asks for.
type issued struct {
	// What the ticket says.
	service, serviceRealm    string
	flags                    []int
	clientRealm              string
	client                   []string
	transited                string
	authTime, start, endTime time.Time
	conditions               []authorizationData
	// With what it is encrypted.
	encryption, sessionEncryption int32
	password                      string
	keyVersion                    uint32
	// What the browser says.
	options         []int
	sentRealm       string
	sentClient      []string
	sentTime        time.Time
	checksum        int64
	binding         []byte
	sentConditions  []authorizationData
	versionOfTicket int64
	// pac is put into the ticket, signed, unless it is nil.
	pac *issuedPAC
}

type issuedPAC struct {
	client   string
	authTime time.Time
	logon    []byte
	// signature is the number of the server's checksum, signedWith the password of the key.
	signature  uint32
	signedWith string
	// change is done after it was signed.
	change func(pac []byte) []byte
	// without has the type of a buffer that is left out, twice that of one that is there twice.
	without, twice uint32
}

// token returns one that has to be accepted, after the changes that a test makes to it.
func token(changes ...func(*issued)) []byte { return issue(changes...).spnego() }

func issue(changes ...func(*issued)) *issued {
	i := &issued{
		service: service, serviceRealm: realm, clientRealm: realm, client: []string{"alice"},
		authTime: noon.Add(-time.Hour), start: noon.Add(-time.Minute), endTime: noon.Add(time.Hour),
		encryption: aesKind, sessionEncryption: aesKind, password: password, keyVersion: 3,
		sentRealm: realm, sentClient: []string{"alice"}, sentTime: noon.Add(123456 * time.Microsecond),
		checksum: gssChecksum, binding: append([]byte{16, 0, 0, 0}, make([]byte, 20)...), versionOfTicket: 5,
		pac: &issuedPAC{client: "alice", authTime: noon.Add(-time.Hour), logon: logonInfo(1105), signature: 16, signedWith: password},
	}
	for _, change := range changes {
		change(i)
	}
	return i
}

// keytabOf returns a keytab with keys of the service, made of a password.
func keytabOf(t testing.TB, password string, version uint8, encryptions ...int32) *Keytab {
	t.Helper()
	k, err := Parse(provider.NewSecret(string(keytabFile(t, service, realm, password, version, encryptions...))))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keytabFile(t testing.TB, principal, realm, password string, version uint8, encryptions ...int32) []byte {
	t.Helper()
	k := keytab.New()
	for _, e := range encryptions {
		if err := k.AddEntry(principal, realm, password, noon, version, e); err != nil {
			t.Fatal(err)
		}
	}
	b, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keyOf returns the key of the service that is made of a password. A test that makes many does it once for each.
var keyOf = func() func(password string, encryption int32) []byte {
	type id struct {
		password   string
		encryption int32
	}
	known := map[id][]byte{}
	return func(password string, encryption int32) []byte {
		if known[id{password, encryption}] == nil {
			k := keytab.New()
			if err := k.AddEntry(service, realm, password, noon, 1, encryption); err != nil {
				panic(err)
			}
			known[id{password, encryption}] = k.Entries[0].Key.KeyValue
		}
		return known[id{password, encryption}]
	}
}()

func encrypt(plain []byte, encryption int32, key []byte, usage uint32) []byte {
	e, err := crypto.GetEtype(encryption)
	if err != nil {
		panic(err)
	}
	_, cipher, err := e.EncryptMessage(key, plain, usage)
	if err != nil {
		panic(err)
	}
	return cipher
}

func verifier() *Verifier { return &Verifier{Clock: testingclock.NewFakePassiveClock(noon)} }

func request(keytab *Keytab, token []byte) Request {
	return Request{Keytab: keytab, ServicePrincipal: service, Realm: realm, Token: token, RequirePAC: true}
}

// spnego wraps it as browsers do.
func (i *issued) spnego() []byte {
	return negTokenInit(i.gss(), mechKerberosOfWindows, mechKerberos, mechNTLM)
}

func negTokenInit(token []byte, mechs ...asn1.ObjectIdentifier) []byte {
	return build(func(b *builder) {
		b.AddASN1(0x60, func(b *builder) {
			b.AddASN1ObjectIdentifier(mechSPNEGO)
			field(b, 0, func(b *builder) {
				b.AddASN1(der.SEQUENCE, func(b *builder) {
					field(b, 0, func(b *builder) {
						b.AddASN1(der.SEQUENCE, func(b *builder) {
							for _, m := range mechs {
								b.AddASN1ObjectIdentifier(m)
							}
						})
					})
					if token != nil {
						field(b, 2, func(b *builder) { b.AddASN1OctetString(token) })
					}
				})
			})
		})
	})
}

// gss wraps it for GSS, without SPNEGO.
func (i *issued) gss() []byte { return gssToken(mechKerberos, i.apRequest()) }

func gssToken(mech asn1.ObjectIdentifier, message []byte) []byte {
	return build(func(b *builder) {
		b.AddASN1(0x60, func(b *builder) {
			b.AddASN1ObjectIdentifier(mech)
			b.AddBytes(apRequestID)
			b.AddBytes(message)
		})
	})
}

func (i *issued) apRequest() []byte {
	session := make([]byte, 64)
	for n := range session {
		session[n] = byte(n)
	}
	session = session[:len(keyOf(i.password, i.sessionEncryption))]
	return i.wrap(i.ticketPart(session), i.authenticator(), session)
}

// wrap encrypts the two secret parts.
func (i *issued) wrap(ticketPart, authenticator, session []byte) []byte {
	ticket := encrypt(ticketPart, i.encryption, keyOf(i.password, i.encryption), usageTicket)
	return build(func(b *builder) {
		b.AddASN1(0x6e, func(b *builder) {
			b.AddASN1(der.SEQUENCE, func(b *builder) {
				number(b, 0, 5)
				number(b, 1, 14)
				flags(b, 2, i.options)
				field(b, 3, func(b *builder) {
					b.AddASN1(0x61, func(b *builder) {
						b.AddASN1(der.SEQUENCE, func(b *builder) {
							number(b, 0, i.versionOfTicket)
							text(b, 1, i.serviceRealm)
							principal(b, 2, strings.Split(i.service, "/"))
							cipher(b, 3, i.encryption, i.keyVersion, ticket)
						})
					})
				})
				cipher(b, 4, i.sessionEncryption, 0, encrypt(authenticator, i.sessionEncryption, session, usageAuthenticator))
			})
		})
	})
}

func (i *issued) ticketPart(session []byte) []byte {
	conditions := i.conditions
	if i.pac != nil {
		conditions = append(conditions, ifRelevant(authorizationData{dataPAC, i.pac.bytes()}))
	}
	return build(func(b *builder) {
		b.AddASN1(0x63, func(b *builder) {
			b.AddASN1(der.SEQUENCE, func(b *builder) {
				flags(b, 0, i.flags)
				field(b, 1, func(b *builder) {
					b.AddASN1(der.SEQUENCE, func(b *builder) {
						number(b, 0, int64(i.sessionEncryption))
						field(b, 1, func(b *builder) { b.AddASN1OctetString(session) })
					})
				})
				text(b, 2, i.clientRealm)
				principal(b, 3, i.client)
				field(b, 4, func(b *builder) {
					b.AddASN1(der.SEQUENCE, func(b *builder) {
						number(b, 0, 1)
						field(b, 1, func(b *builder) { b.AddASN1OctetString([]byte(i.transited)) })
					})
				})
				moment(b, 5, i.authTime)
				if !i.start.IsZero() {
					moment(b, 6, i.start)
				}
				moment(b, 7, i.endTime)
				moment(b, 8, i.endTime)
				if len(conditions) > 0 {
					field(b, 10, func(b *builder) { b.AddBytes(authorizationDataOf(conditions)) })
				}
			})
		})
	})
}

func (i *issued) authenticator() []byte {
	return build(func(b *builder) {
		b.AddASN1(0x62, func(b *builder) {
			b.AddASN1(der.SEQUENCE, func(b *builder) {
				number(b, 0, 5)
				text(b, 1, i.sentRealm)
				principal(b, 2, i.sentClient)
				field(b, 3, func(b *builder) {
					b.AddASN1(der.SEQUENCE, func(b *builder) {
						number(b, 0, i.checksum)
						field(b, 1, func(b *builder) { b.AddASN1OctetString(i.binding) })
					})
				})
				number(b, 4, int64(i.sentTime.Nanosecond()/1000))
				moment(b, 5, i.sentTime)
				number(b, 7, 12345)
				if len(i.sentConditions) > 0 {
					field(b, 8, func(b *builder) { b.AddBytes(authorizationDataOf(i.sentConditions)) })
				}
			})
		})
	})
}

func authorizationDataOf(all []authorizationData) []byte {
	return build(func(b *builder) {
		b.AddASN1(der.SEQUENCE, func(b *builder) {
			for _, d := range all {
				b.AddASN1(der.SEQUENCE, func(b *builder) {
					number(b, 0, d.kind)
					field(b, 1, func(b *builder) { b.AddASN1OctetString(d.value) })
				})
			}
		})
	})
}

func ifRelevant(all ...authorizationData) authorizationData {
	return authorizationData{dataIfRelevant, authorizationDataOf(all)}
}

// bytes returns the PAC, signed.
func (p *issuedPAC) bytes() []byte {
	name := utf16Of(p.client)
	info := binary.LittleEndian.AppendUint64(nil, uint64(p.authTime.Unix()+11_644_473_600)*10_000_000)
	info = append(binary.LittleEndian.AppendUint16(info, uint16(len(name))), name...)
	type buffer struct {
		kind    uint32
		content []byte
	}
	var all []buffer
	for _, one := range []buffer{
		{bufferLogonInfo, p.logon},
		{bufferClientInfo, info},
		{bufferServerSignature, append(binary.LittleEndian.AppendUint32(nil, p.signature), make([]byte, 12)...)},
		{bufferKDCSignature, append(binary.LittleEndian.AppendUint32(nil, hmacMD5), make([]byte, md5Size)...)},
	} {
		if one.kind != p.without {
			all = append(all, one)
		}
		if one.kind == p.twice {
			all = append(all, one)
		}
	}
	pac := binary.LittleEndian.AppendUint64(nil, uint64(len(all)))
	pac = append(pac, make([]byte, 16*len(all))...)
	signature := 0
	for n, one := range all {
		pac = append(pac, make([]byte, -len(pac)&7)...)
		entry := pac[8+16*n:]
		binary.LittleEndian.PutUint32(entry, one.kind)
		binary.LittleEndian.PutUint32(entry[4:], uint32(len(one.content)))
		binary.LittleEndian.PutUint64(entry[8:], uint64(len(pac)))
		if one.kind == bufferServerSignature {
			signature = len(pac) + 4
		}
		pac = append(pac, one.content...)
	}
	if signature > 0 {
		e, err := crypto.GetEtype(aesKind)
		if err != nil {
			panic(err)
		}
		sum, err := e.GetChecksumHash(keyOf(p.signedWith, aesKind), pac, usagePAC)
		if err != nil {
			panic(err)
		}
		copy(pac[signature:], sum)
	}
	if p.change != nil {
		pac = p.change(pac)
	}
	return pac
}

// logonInfo returns a KERB_VALIDATION_INFO of a person in the domain, with names of odd lengths and two groups.
func logonInfo(user uint32) []byte {
	le := binary.LittleEndian
	fixed := make([]byte, logonInfoFixedSize)
	var referred []byte
	pointer := uint32(0x20000)
	at := func(offset int, referent []byte) {
		pointer += 4
		le.PutUint32(fixed[offset:], pointer)
		referred = append(referred, make([]byte, -len(referred)&3)...)
		referred = append(referred, referent...)
	}
	name := func(offset int, text string) {
		b := utf16Of(text)
		le.PutUint16(fixed[offset:], uint16(len(b)))
		le.PutUint16(fixed[offset+2:], uint16(len(b)))
		n := uint32(len(b) / 2)
		at(offset+4, append(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, n), 0), n), b...))
	}
	for i, text := range []string{"alice", "Alice", "", "p", "", "H:"} {
		name(offsetNames+8*i, text)
	}
	le.PutUint32(fixed[offsetUserID:], user)
	le.PutUint32(fixed[offsetGroups-4:], 2)
	at(offsetGroups, append(le.AppendUint32(nil, 2), make([]byte, 16)...))
	name(offsetLogonServer, "DC1")
	name(offsetLogonDomain, "EXAMPLE")
	sid := le.AppendUint32(nil, 4)
	sid = append(sid, 1, 4, 0, 0, 0, 0, 0, 5)
	for _, n := range []uint32{21, 397955417, 626881126, 188441444} {
		sid = le.AppendUint32(sid, n)
	}
	at(offsetDomainID, sid)
	header := []byte{1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0}
	return append(append(header, fixed...), referred...)
}
