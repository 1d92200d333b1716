package provider

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// httpsPort is that of an address without one.
const httpsPort = "443"

// ServerOf returns the host and the port of an address as the key servers of a Secret has them: HOST, or HOST:PORT where the port is not 443.
// It is empty for an address without a host, or with one beyond ASCII: libraries differ in which letters they take for the same.
func ServerOf(u *url.URL) string {
	host := u.Hostname()
	if host == "" || !isASCII(host) {
		return ""
	}
	return server(strings.ToLower(host), u.Port(), httpsPort)
}

// server returns HOST, or HOST:PORT where the port is not the default one.
func server(host, port, defaultPort string) string {
	if port == "" || port == defaultPort {
		return host
	}
	return net.JoinHostPort(host, port)
}

// parseServers reads the key servers of a Secret. It returns the servers as function server has them, and the number of the first entry that is
// none, from 1 on; 0 where all are.
func parseServers(text, defaultPort string) (servers []string, invalid int) {
	for i, entry := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		s, ok := parseServer(entry, defaultPort)
		if !ok {
			return nil, i + 1
		}
		servers = append(servers, s)
	}
	return servers, 0
}

// hostName is a name of a host, or an IPv4 address.
var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$`)

func parseServer(entry, defaultPort string) (string, bool) {
	if !isASCII(entry) {
		return "", false
	}
	entry = strings.ToLower(entry)
	if isIPv6(entry) {
		return entry, true
	}
	u, err := url.Parse("https://" + entry)
	if err != nil || u.Host != entry || strings.HasSuffix(entry, ":") {
		return "", false
	}
	host, port := u.Hostname(), u.Port()
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port != strconv.FormatUint(n, 10) {
			return "", false
		}
	}
	return server(host, port, defaultPort), hostName.MatchString(host) || isIPv6(host)
}

func isIPv6(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is6() && address.Zone() == ""
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}
