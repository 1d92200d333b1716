package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func networks(t testing.TB, text string) Proxies {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func forwardedRequest(connection string, forwarded ...string) *http.Request {
	r := &http.Request{RemoteAddr: connection, Header: http.Header{}}
	for _, line := range forwarded {
		r.Header.Add("X-Forwarded-For", line)
	}
	return r
}

func TestClient(t *testing.T) {
	const trusted = "10.0.0.0/8,192.0.2.1/32,fd00::/8"
	for name, row := range map[string]struct {
		trusted    string
		connection string
		forwarded  []string
		want       string
	}{
		"no proxy":                          {trusted, "203.0.113.9:1234", nil, "203.0.113.9"},
		"no proxy, IPv6":                    {trusted, "[2001:db8::1]:1234", nil, "2001:db8::1"},
		"no proxy is trusted":               {"", "10.0.0.1:1234", []string{"203.0.113.9"}, "10.0.0.1"},
		"one that is not trusted":           {trusted, "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"one proxy":                         {trusted, "10.0.0.1:1234", []string{"203.0.113.9"}, "203.0.113.9"},
		"two proxies":                       {trusted, "10.0.0.1:1234", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"what a client has put before it":   {trusted, "10.0.0.1:1234", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		"a trusted address before it":       {trusted, "10.0.0.1:1234", []string{"10.9.9.9, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"several lines, in their order":     {trusted, "10.0.0.1:1234", []string{"198.51.100.1", "203.0.113.9", "10.0.0.2,192.0.2.1"}, "203.0.113.9"},
		"all are trusted":                   {trusted, "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"the proxy says nothing":            {trusted, "10.0.0.1:1234", nil, "10.0.0.1"},
		"an empty line":                     {trusted, "10.0.0.1:1234", []string{""}, "10.0.0.1"},
		"garbage":                           {trusted, "10.0.0.1:1234", []string{"203.0.113.9, x"}, "10.0.0.1"},
		"garbage behind a proxy":            {trusted, "10.0.0.1:1234", []string{"203.0.113.9, x, 10.0.0.2"}, "10.0.0.2"},
		"a comma too many":                  {trusted, "10.0.0.1:1234", []string{"203.0.113.9,"}, "10.0.0.1"},
		"a name":                            {trusted, "10.0.0.1:1234", []string{"localhost"}, "10.0.0.1"},
		"unknown (RFC 7239)":                {trusted, "10.0.0.1:1234", []string{"unknown"}, "10.0.0.1"},
		"a number":                          {trusted, "10.0.0.1:1234", []string{"167772161"}, "10.0.0.1"},
		"an octal part":                     {trusted, "10.0.0.1:1234", []string{"010.0.0.1"}, "10.0.0.1"},
		"with a port":                       {trusted, "10.0.0.1:1234", []string{"203.0.113.9:555"}, "203.0.113.9"},
		"IPv6":                              {trusted, "[fd00::1]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 in brackets":                  {trusted, "[fd00::1]:1234", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv6 with a port":                  {trusted, "[fd00::1]:1234", []string{"[2001:db8::1]:555"}, "2001:db8::1"},
		"half a bracket":                    {trusted, "[fd00::1]:1234", []string{"[2001:db8::1"}, "fd00::1"},
		"a zone":                            {trusted, "[fe80::1%eth0]:1234", nil, "fe80::1"},
		"an address with a zone":            {trusted, "10.0.0.1:1234", []string{"fe80::2%eth0"}, "fe80::2"},
		"IPv4 in an IPv6 socket":            {trusted, "[::ffff:10.0.0.1]:1234", []string{"203.0.113.9"}, "203.0.113.9"},
		"IPv4 written as IPv6":              {trusted, "10.0.0.1:1234", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"a trusted IPv4 written as IPv6":    {trusted, "10.0.0.1:1234", []string{"203.0.113.9, ::ffff:10.0.0.2"}, "203.0.113.9"},
		"a trusted one with a zone":         {trusted, "10.0.0.1:1234", []string{"203.0.113.9, fd00::2%1"}, "203.0.113.9"},
		"blanks":                            {trusted, "10.0.0.1:1234", []string{" \t203.0.113.9 ,  10.0.0.2\t"}, "203.0.113.9"},
		"everything is trusted":             {"0.0.0.0/0,::/0", "203.0.113.9:1", []string{"198.51.100.1, 198.51.100.2"}, "198.51.100.1"},
		"a connection without address":      {trusted, "@", []string{"203.0.113.9"}, "invalid IP"},
		"as many proxies as a header holds": {trusted, "10.0.0.1:1", []string{"203.0.113.9" + strings.Repeat(",10.0.0.2", 1500)}, "203.0.113.9"},
	} {
		t.Run(name, func(t *testing.T) {
			r := forwardedRequest(row.connection, row.forwarded...)
			for _, other := range []string{"Forwarded", "X-Real-Ip", "True-Client-Ip", "X-Client-Ip"} {
				r.Header.Set(other, "for=198.51.100.77")
			}
			if got := networks(t, row.trusted).Client(r).String(); got != row.want {
				t.Errorf("the client is %s, want %s", got, row.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"10.0.0.0/8":             "",
		"10.0.0.0/8, fd00::/8":   "",
		"0.0.0.0/0":              "",
		"10.0.0.1":               "is not a network",
		"10.0.0.0/8,":            "is not a network",
		" ":                      "is not a network",
		"proxy.example/8":        "is not a network",
		"10.0.0.0/33":            "is not a network",
		"fe80::%eth0/64":         "is not a network",
		"10.1.2.3/8":             "write 10.0.0.0/8",
		"::ffff:10.0.0.0/104":    "in disguise",
		"10.0.0.0/8;192.0.2.0/8": "is not a network",
	} {
		_, err := Parse(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzClient: without a trusted proxy the header changes nothing. With one, the address is that of the connection or one that a trusted
// proxy has added, without a zone and never an IPv4 address in the form of an IPv6 one.
func FuzzClient(f *testing.F) {
	f.Add("203.0.113.9:1", "198.51.100.1")
	f.Add("10.0.0.1:1", "198.51.100.1, 10.0.0.2")
	f.Add("[fd00::1%eth0]:1", "[2001:db8::1]:5,::ffff:10.0.0.2")
	f.Add("10.0.0.1:1", ",,x,")
	trusted := networks(f, "10.0.0.0/8,fd00::/8")
	f.Fuzz(func(t *testing.T, connection, forwarded string) {
		r := forwardedRequest(connection, forwarded)
		own := Proxies(nil).Client(r)
		if bare := Proxies(nil).Client(forwardedRequest(connection)); own != bare {
			t.Fatalf("the header alone made %s of %s", own, bare)
		}
		got := trusted.Client(r)
		switch {
		case !trusted.trust(own) && got != own:
			t.Fatalf("one that is not trusted made %s of %s", got, own)
		case got.Zone() != "" || got.Is4In6():
			t.Fatalf("%s is not plain", got)
		case got != own && !contains(forwarded, got):
			t.Fatalf("%s is not in %q", got, forwarded)
		}
		// What a client puts before the rest changes nothing, once there is somebody who is not trusted.
		if got.IsValid() && !trusted.trust(got) {
			if spoofed := trusted.Client(forwardedRequest(connection, "192.0.2.66", forwarded)); spoofed != got {
				t.Fatalf("a line before made %s of %s", spoofed, got)
			}
		}
	})
}

// contains reports whether a header has an address.
func contains(forwarded string, address netip.Addr) bool {
	for part := range strings.SplitSeq(forwarded, ",") {
		if parseAddress(strings.TrimSpace(part)) == address {
			return true
		}
	}
	return false
}
