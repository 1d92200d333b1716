package ldap

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/authn"
)

// TestAnswers: what a directory says about a bind.
func TestAnswers(t *testing.T) {
	t.Parallel()
	message := func(code string) string {
		return "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data " + code + ", v2580"
	}
	policy := func(policyError int8) []ldap.Control {
		return []ldap.Control{&ldap.ControlBeheraPasswordPolicy{Error: policyError}}
	}
	const wrong, unavailable, right = "wrong", "ProviderUnavailable", "right"
	for _, tt := range []struct {
		isAD   bool
		answer answer
		want   string
	}{
		{true, answer{}, right},
		{true, answer{code: 49, message: message("52e")}, wrong},
		{true, answer{code: 49, message: message("525")}, wrong},
		{true, answer{code: 49, message: message("775")}, wrong},
		{true, answer{code: 49, message: message("530")}, "ExternalRestricted"},
		{true, answer{code: 49, message: message("531")}, "ExternalRestricted"},
		{true, answer{code: 49, message: message("532")}, "ExternalPasswordExpired"},
		{true, answer{code: 49, message: message("533")}, "ExternalDisabled"},
		{true, answer{code: 49, message: message("701")}, "ExternalAccountExpired"},
		{true, answer{code: 49, message: message("773")}, "ExternalMustChange"},
		{true, answer{code: 49, message: message("51f")}, unavailable},
		{true, answer{code: 49, message: message("51F")}, unavailable},
		{true, answer{code: 49, message: message("0000052E")}, wrong},
		{true, answer{code: 49, message: message("0")}, wrong},
		{true, answer{code: 49, message: message("5330")}, wrong},
		{true, answer{code: 49, message: "metadata 533"}, wrong},
		{true, answer{code: 49}, wrong},
		{true, answer{code: 51, message: message("533")}, unavailable},
		{true, answer{code: 10, message: message("533")}, "AnswerUnusable"},
		{true, answer{controls: policy(2)}, right}, // Active Directory knows no such control.
		{false, answer{}, right},
		{false, answer{code: 49, message: message("533")}, wrong}, // Only Active Directory has these codes.
		{false, answer{controls: policy(-1)}, right},
		{false, answer{controls: policy(2)}, "ExternalMustChange"},
		{false, answer{controls: []ldap.Control{&ldap.ControlVChuPasswordMustChange{MustChange: true}}}, "ExternalMustChange"},
		{false, answer{controls: policy(0)}, "ExternalPasswordExpired"},
		{false, answer{code: 49, controls: policy(0)}, "ExternalPasswordExpired"},
		{false, answer{code: 51, controls: policy(0)}, unavailable},
		{false, answer{code: 19}, wrong}, // 389 Directory Server, of an entry that is locked.
		{false, answer{controls: policy(1)}, wrong},
		{false, answer{code: 49, controls: policy(1)}, wrong},
		{false, answer{code: 49, controls: policy(2)}, wrong},
		{false, answer{code: 53}, unavailable},
		{false, answer{code: 52}, unavailable},
		{false, answer{code: 13}, "AnswerUnusable"},
	} {
		refusal, err := tt.answer.read(tt.isAD)
		got := right
		failed, isFailure := errors.AsType[*failure](err)
		switch {
		case isFailure:
			got = string(failed.reason())
		case errors.Is(err, authn.ErrWrong):
			got = wrong
		case refusal != "":
			got = string(refusal)
		}
		if got != tt.want {
			t.Errorf("%+v (Active Directory %t) means %s, want %s", tt.answer, tt.isAD, got, tt.want)
		}
	}
}

// guidBytes are those of adaID as Active Directory has them.
const guidBytes = "\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55"

func adSchema() schema {
	p := &v1alpha1.IdentityProvider{}
	p.Spec.Type = v1alpha1.IdentityProviderActiveDirectory
	return schemaOf(p)
}

func ldapSchema() schema {
	p := &v1alpha1.IdentityProvider{}
	p.Spec.Type = v1alpha1.IdentityProviderLDAP
	return schemaOf(p)
}

func ticks(at time.Time) string { return strconv.FormatInt((at.Unix()+11_644_473_600)*1e7, 10) }

// TestAccountControl: what Active Directory says about an entry.
func TestAccountControl(t *testing.T) {
	t.Parallel()
	set := noon.Add(-time.Hour)
	for name, tt := range map[string]struct {
		with  map[string]string
		want  v1alpha1.StandingReason
		never bool
	}{
		"active":                {map[string]string{}, "", false},
		"disabled":              {map[string]string{attrControl: "514"}, v1alpha1.ReasonExternalDisabled, false},
		"never expires":         {map[string]string{attrAccountExpires: strconv.Itoa(math.MaxInt64)}, "", false},
		"never expires, as 0":   {map[string]string{attrAccountExpires: "0"}, "", false},
		"expires later":         {map[string]string{attrAccountExpires: ticks(noon.Add(time.Second))}, "", false},
		"expires now":           {map[string]string{attrAccountExpires: ticks(noon)}, v1alpha1.ReasonExternalAccountExpired, false},
		"must change":           {map[string]string{attrPwdLastSet: "0", attrComputedControl: "8388608"}, v1alpha1.ReasonExternalMustChange, false},
		"need not change":       {map[string]string{attrPwdLastSet: "0", attrControl: "66048"}, "", false},
		"password has expired":  {map[string]string{attrComputedControl: "8388608"}, v1alpha1.ReasonExternalPasswordExpired, false},
		"locked":                {map[string]string{attrComputedControl: "16"}, "", false},
		"disabled and expired":  {map[string]string{attrControl: "514", attrAccountExpires: "1"}, v1alpha1.ReasonExternalDisabled, false},
		"control not readable":  {map[string]string{attrControl: ""}, "", true},
		"control is no number":  {map[string]string{attrControl: "0x200"}, "", true},
		"negative":              {map[string]string{attrControl: "-1"}, "", true},
		"expires, no number":    {map[string]string{attrAccountExpires: "tomorrow"}, "", true},
		"expires before time":   {map[string]string{attrAccountExpires: "-5"}, "", true},
		"set, no number":        {map[string]string{attrPwdLastSet: "x"}, "", true},
		"computed, no number":   {map[string]string{attrComputedControl: "x"}, "", true},
		"a number that is long": {map[string]string{attrAccountExpires: "9223372036854775808"}, "", true},
	} {
		attributes := map[string][]string{
			"objectguid": {guidBytes}, attrSAMAccountName: {"ada"}, attrControl: {"512"}, attrComputedControl: {"0"}, attrAccountExpires: {"0"}, attrPwdLastSet: {ticks(set)},
		}
		for attribute, value := range tt.with {
			attributes[attribute] = []string{value}
		}
		got, ok := adSchema().parseEntry(ldap.NewEntry("CN=Ada,DC=corp,DC=test", attributes), noon)
		if ok == tt.never || ok && (got.State != tt.want || got.Subject != adaID || !slices.Equal(got.Names, []string{"ada"})) {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
		wantSet := set
		if tt.with[attrPwdLastSet] == "0" {
			wantSet = time.Time{}
		}
		if ok && !got.PasswordSetTime.Equal(wantSet) {
			t.Errorf("%s: the password was set at %s, want %s", name, got.PasswordSetTime, wantSet)
		}
	}
}

// TestPasswordPolicy: what a password policy says about an entry.
func TestPasswordPolicy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attribute, value string
		want             v1alpha1.StandingReason
		never            bool
	}{
		"active":                  {"cn", "Ada", "", false},
		"disabled":                {attrPwdAccountLockedTime, "000001010000Z", v1alpha1.ReasonExternalDisabled, false},
		"locked":                  {"PWDACCOUNTLOCKEDTIME", "20261130110000Z", "", false},
		"must change":             {attrPwdReset, "TRUE", v1alpha1.ReasonExternalMustChange, false},
		"need not change":         {attrPwdReset, "FALSE", "", false},
		"ended":                   {attrPwdEndTime, "20261130120000Z", v1alpha1.ReasonExternalAccountExpired, false},
		"ends later":              {attrPwdEndTime, "20261130120001Z", "", false},
		"ends never":              {attrPwdEndTime, "never", "", true},
		"set at a fraction":       {attrPwdChangedTime, "20261130110000.123456Z", "", false},
		"set at no time":          {attrPwdChangedTime, "yesterday", "", true},
		"an ID that is no text":   {"entryUUID", "\xff", "", true},
		"an ID with a line break": {"entryUUID", "a\nb", "", true},
		"an ID that is long":      {"entryUUID", strings.Repeat("a", 256), "", true},
		"no ID":                   {"entryUUID", "", "", true},
	} {
		attributes := map[string][]string{"ENTRYUUID": {adaID}, "uid": {"ada"}}
		if tt.attribute == "entryUUID" {
			delete(attributes, "ENTRYUUID")
		}
		attributes[tt.attribute] = []string{tt.value}
		got, ok := ldapSchema().parseEntry(ldap.NewEntry(adaDN, attributes), noon)
		if ok == tt.never || ok && (got.State != tt.want || got.Subject != adaID || !slices.Equal(got.Names, []string{"ada"})) {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
	for _, dn := range []string{"", " ", "ada"} {
		if got, ok := ldapSchema().parseEntry(ldap.NewEntry(dn, map[string][]string{"entryUUID": {adaID}}), noon); ok {
			t.Errorf("the entry %q is %+v", dn, got)
		}
	}
	if got, ok := ldapSchema().parseEntry(ldap.NewEntry(adaDN, map[string][]string{"entryUUID": {adaID, adaID}}), noon); ok {
		t.Errorf("an entry with two IDs is %+v", got)
	}
}

// TestFilters: names and IDs stand for themselves in filters.
func TestFilters(t *testing.T) {
	t.Parallel()
	guid, ok := adSchema().ofID(adaID)
	if want := `(objectGUID=\11\11\11\11\22\22\33\33\44\44\55\55\55\55\55\55)`; !ok || guid != want {
		t.Errorf("the condition is %s, %t, want %s", guid, ok, want)
	}
	for _, id := range []string{"", "11111111-2222-3333-4444-55555555555", strings.ToUpper("aaaaaaaa-2222-3333-4444-555555555555"), "*", adaID + ")"} {
		if condition, ok := adSchema().ofID(id); ok {
			t.Errorf("%q is the ID of %s", id, condition)
		}
	}
	for _, tt := range []struct {
		got, want string
	}{
		{adSchema().byName("ada"), "(&(sAMAccountType=805306368)(sAMAccountName=ada))"},
		{adSchema().byName("ada@corp.test"), "(&(sAMAccountType=805306368)(userPrincipalName=ada@corp.test))"},
		{ldapSchema().byName("ada@corp.test"), "(&(objectClass=*)(uid=ada@corp.test))"},
		{ldapSchema().byName("*)(uid=*"), `(&(objectClass=*)(uid=\2a\29\28uid=\2a))`},
		{ldapSchema().memberships(`cn=a\,b (c),dc=test`), `(&(objectClass=groupOfNames)(member=cn=a\5c,b \28c\29,dc=test))`},
	} {
		if tt.got != tt.want {
			t.Errorf("the filter is %s, want %s", tt.got, tt.want)
		}
	}
	sid, ok := parseSID("S-1-5-21-1-2-4294967295-1104")
	if want := "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\xff\xff\xff\xff\x50\x04\x00\x00"; !ok || string(sid) != want {
		t.Errorf("the SID is %x, %t, want %x", sid, ok, want)
	}
	for _, text := range []string{"", "S-1-5", "S-2-5-21", "s-1-5-21", "S-1-5-4294967296", "S-1-5--1", "S-1-281474976710656-1", "S-1-5" + strings.Repeat("-1", 16)} {
		if sid, ok := parseSID(text); ok {
			t.Errorf("%q is the SID %x", text, sid)
		}
	}
	for text, want := range map[string]bool{"(a=b)": true, "(&(a=b)(c=*))": true, "(a=b": false, "(a=b)(c=d)": false, "(a=b))(|(c=d)": false, "": false} {
		if isFilter(text) != want {
			t.Errorf("%q is a filter: %t", text, !want)
		}
	}
}

// TestNames: distinguished names are compared as such.
func TestNames(t *testing.T) {
	t.Parallel()
	const name = "CN=Größe\\, On Call+OU=X,DC=Corp,DC=Test"
	key, _ := dnKey(name)
	for other, want := range map[string]bool{
		"ou=x + cn=GRÖSSE\\2c on call, dc=corp,dc=test":  false, // ß and SS are not the same.
		"ou=x+cn=GRößE\\2c on call, dc=corp,dc=test":     true,
		"ou=x+cn=grÖße\\2C on call;dc=CORP;dc=test":      false, // Letters beyond ASCII are as the directory has them.
		"ou=x+cn=größe\\2C on call;dc=\u212Aorp;dc=test": false,
		"cn=Größe\\, On Call,DC=Corp,DC=Test":            false,
		"DC=Test,DC=Corp,CN=Größe\\, On Call+OU=X":       false,
	} {
		if got, ok := dnKey(other); !ok || (got == key) != want {
			t.Errorf("%s is the same as %s: %t (%t)", other, name, !want, ok)
		}
	}
	for base, want := range map[string]bool{"dc=corp,dc=test": true, name: true, "dc=test": true, "dc=orp,dc=test": false, "": true, "x=y," + name: false} {
		baseKey, _ := dnKey(base)
		if isBelow(key, baseKey) != want {
			t.Errorf("%s is below %s: %t", name, base, !want)
		}
	}
}

// TestRanges: members that Active Directory gives in ranges.
func TestRanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		attribute string
		next      int
		ok        bool
		members   int
	}{
		{"member", 0, true, 1},
		{"MEMBER;Range=0-1499", 1500, true, 1},
		{"member;range=1500-*", 0, true, 1},
		{"member;range=5-4", 0, false, 0},
		{"member;range=0-9999999999", 0, true, 0},
		{"memberOf", 0, true, 0},
	} {
		values, next, ok := membersOf(ldap.NewEntry("cn=staff", map[string][]string{tt.attribute: {adaDN}}))
		if ok != tt.ok || next != tt.next || len(values) != tt.members {
			t.Errorf("%s: %d members, %d, %t", tt.attribute, len(values), next, ok)
		}
	}
}

// FuzzMessage reads messages of Active Directory.
func FuzzMessage(f *testing.F) {
	f.Add(uint16(49), "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 532, v2580")
	f.Add(uint16(49), "data 51f")
	f.Fuzz(func(t *testing.T, code uint16, message string) {
		refusal, err := answer{code: code, message: message}.read(true)
		if code != 0 && refusal == "" && err == nil {
			t.Errorf("result %d with %q lets somebody in", code, message)
		}
		if refusal != "" && (code != 49 || !strings.Contains(message, "data ")) {
			t.Errorf("result %d with %q is %s", code, message, refusal)
		}
	})
}

// FuzzControl reads answers with controls, as go-ldap decodes them.
func FuzzControl(f *testing.F) {
	for _, policyError := range []byte{0, 1, 2} {
		f.Add([]byte{0x30, 0x03, 0x81, 0x01, policyError}, uint16(0))
	}
	f.Fuzz(func(t *testing.T, value []byte, code uint16) {
		limitMessages()
		control := ber.NewSequence("")
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, ldap.ControlTypeBeheraPasswordPolicy, ""))
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(value), ""))
		packet, err := ber.DecodePacketErr(control.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := ldap.DecodeControl(packet)
		if err != nil {
			return // The connection fails then.
		}
		_, err = answer{code: code, controls: []ldap.Control{decoded}}.read(false)
		policy, ok := decoded.(*ldap.ControlBeheraPasswordPolicy)
		if !ok {
			t.Fatalf("a control of password policies is %T", decoded)
		}
		if err == nil && code != 0 && policy.Error != policyPasswordExpired {
			t.Errorf("result %d with %x lets somebody in", code, value)
		}
	})
}

// FuzzEntry reads entries.
func FuzzEntry(f *testing.F) {
	f.Add("CN=Ada,DC=corp,DC=test", []byte(guidBytes), "512", "0", "0", "134000000000000000", true)
	f.Add(adaDN, []byte(adaID), "", "000001010000Z", "20261130120000Z", "TRUE", false)
	f.Fuzz(func(t *testing.T, dn string, id []byte, control, expires, computed, set string, isAD bool) {
		s := ldapSchema()
		attributes := map[string][]string{s.idAttribute: {string(id)}, attrPwdReset: {set}, attrPwdChangedTime: {computed}, attrPwdAccountLockedTime: {expires}, attrPwdEndTime: {control}}
		if isAD {
			s = adSchema()
			attributes = map[string][]string{s.idAttribute: {string(id)}, attrControl: {control}, attrAccountExpires: {expires}, attrComputedControl: {computed}, attrPwdLastSet: {set}}
		}
		got, ok := s.parseEntry(ldap.NewEntry(dn, attributes), noon)
		if !ok {
			return
		}
		if got.DN == "" || !isSubject(got.Subject) {
			t.Errorf("%+v can be used", got)
		}
		condition, ok := s.ofID(got.Subject)
		if !ok || !isFilter(condition) || !isFilter(s.user(condition)) || !isFilter(s.memberships(got.DN)) || !isFilter(s.byName(got.DN)) {
			t.Errorf("%+v cannot be searched for: %s", got, condition)
		}
	})
}

// FuzzElements counts the elements of a text, whatever pieces it comes in.
func FuzzElements(f *testing.F) {
	f.Add([]byte(startTLSAnswer), 3)
	f.Add([]byte(strings.Repeat("\x04\x00", 50)), 7)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var whole, pieces elements
		want, got := whole.count(text), 0
		for rest := text; len(rest) > 0; {
			n := min(max(size, 1), len(rest))
			got += pieces.count(rest[:n])
			rest = rest[n:]
		}
		if got != want || whole != pieces {
			t.Errorf("%d elements, %d in pieces of %d", want, got, size)
		}
		limitMessages()
		packet, err := ber.ReadPacket(bytes.NewReader(text))
		if err != nil {
			return
		}
		if n := sizeOf(packet); n > want {
			t.Errorf("%d elements are read, and %d were counted", n, want)
		}
	})
}

// sizeOf returns how many elements a packet has.
func sizeOf(p *ber.Packet) int {
	n := 1
	for _, child := range p.Children {
		n += sizeOf(child)
	}
	return n
}
