package httpkit

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Hosts are names of this server, such as login.example.org, in lower case and without ports: cookies know no ports either.
type Hosts []string

// ParseHosts reads names, or IP addresses, that are separated by commas. Empty text names none.
func ParseHosts(text string) (Hosts, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var hosts Hosts
	for name := range strings.SplitSeq(text, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if net.ParseIP(name) == nil && len(validation.IsDNS1123Subdomain(name)) > 0 {
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
