package forwarded

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// header is the header in which proxies tell the address that they were asked from. Forwarded (RFC 7239) and
// X-Real-Ip are not read: a proxy that sets one and passes another on as it came would let clients choose.
const header = "X-Forwarded-For"

// Proxies are the networks of proxies whose word about a client's address is taken.
type Proxies []netip.Prefix

// Parse reads networks, separated by commas; none where the text is empty. The error says which is none.
func Parse(text string) (Proxies, error) {
	var proxies Proxies
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" && text == "" {
			continue
		}
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

// Client returns the address of the client: the connection's, unless that is a trusted proxy. Then each proxy is believed in
// turn, from the last to the first, for as long as it is trusted: the address is the first that is not. Where a trusted
// proxy tells none, or what is no address, it is the proxy's own. The zero value means that even the connection has none.
func (p Proxies) Client(r *http.Request) netip.Addr {
	client := parseAddress(r.RemoteAddr)
	if !p.trust(client) {
		return client
	}
	told := strings.Join(r.Header.Values(header), ",")
	for told != "" {
		var last string
		if at := strings.LastIndexByte(told, ','); at >= 0 {
			told, last = told[:at], told[at+1:]
		} else {
			told, last = "", told
		}
		address := parseAddress(strings.TrimSpace(last))
		if !address.IsValid() {
			return client
		}
		client = address
		if !p.trust(client) {
			return client
		}
	}
	return client
}

func (p Proxies) trust(address netip.Addr) bool {
	for _, network := range p {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// parseAddress reads an address, with or without a port or brackets. An IPv4 address that is written as an IPv6 one is the
// IPv4 address that it is, and a zone, which only the host that wrote it knows, is left out.
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
