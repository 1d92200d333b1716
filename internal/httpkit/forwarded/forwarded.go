package forwarded

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// header is the header to which each proxy adds the address of its own client. Forwarded (RFC 7239) and
// X-Real-Ip are not read: a proxy that sets one and passes another on as it came would let clients choose.
const header = "X-Forwarded-For"

// Proxies are the networks of trusted proxies.
type Proxies []netip.Prefix

// Parse reads networks, separated by commas; an empty text has none. The error names the first one that is not a network.
func Parse(text string) (Proxies, error) {
	var proxies Proxies
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		network, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network: write one such as 10.0.0.0/8 or fd00::/8", part)
		}
		if network.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is an IPv4 network in disguise: write it as one", part)
		}
		if network != network.Masked() {
			return nil, fmt.Errorf("%q has bits after its length: write %s", part, network.Masked())
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

// Client returns the address of the client: that of the connection unless it is a trusted proxy, else the last address in the header
// that is not a trusted proxy (the first address if all are). At an entry that is not an address, it stops at the proxy that has added
// the entry. The zero value means that not even the connection has an address.
func (p Proxies) Client(r *http.Request) netip.Addr {
	client := parseAddress(r.RemoteAddr)
	if !p.trust(client) {
		return client
	}
	rest := strings.Join(r.Header.Values(header), ",")
	for rest != "" && p.trust(client) {
		at := strings.LastIndexByte(rest, ',')
		address := parseAddress(strings.TrimSpace(rest[at+1:]))
		if !address.IsValid() {
			break
		}
		client, rest = address, rest[:max(at, 0)]
	}
	return client
}

func (p Proxies) trust(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseAddress reads an address, with or without a port or brackets; the zero value if it is none. An IPv4 address in the form of an
// IPv6 one becomes IPv4. A zone is dropped, as it has a meaning on one host only.
func parseAddress(text string) netip.Addr {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone("")
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		if text, found = strings.CutSuffix(inner, "]"); !found {
			return netip.Addr{}
		}
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}
