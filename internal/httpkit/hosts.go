package httpkit

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Hosts are names of this server, such as login.example.org, in lower case and without ports: cookies know no ports either.
type Hosts []string

// ParseHosts reads names that are separated by commas. Empty text names none.
func ParseHosts(text string) (Hosts, error) {
	var hosts Hosts
	for name := range strings.SplitSeq(text, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case name == "":
			continue
		case net.ParseIP(name) != nil:
		case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "":
			return nil, fmt.Errorf("%q is not the name of a host: give names such as login.example.org, without scheme, port or path", name)
		}
		hosts = append(hosts, name)
	}
	return hosts, nil
}

// Has tells whether a request came to one of the hosts, by its header Host.
func (h Hosts) Has(r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	return slices.Contains(h, strings.ToLower(strings.Trim(name, "[]")))
}
