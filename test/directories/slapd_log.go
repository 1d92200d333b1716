package directories

import (
	"regexp"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Lines of slapd's log: a simple bind, its result, and a search.
var (
	slapdBindLine   = regexp.MustCompile(`conn=(\d+) op=(\d+) BIND dn="(.*)" method=128$`)
	slapdResultLine = regexp.MustCompile(`conn=(\d+) op=(\d+) RESULT tag=97 (err=\d+)`)
	slapdSearchLine = regexp.MustCompile(`conn=(\d+) op=\d+ SRCH base="(.*)" scope=\d deref=\d filter="(.*)"$`)
)

// Unanswered is the result of a bind that slapd has not answered yet.
const Unanswered = "unanswered"

// slapd logs a bind before it answers, and its result after that. So the last result may have to be waited for.
const (
	resultPatience = 5 * time.Second
	resultInterval = 5 * time.Millisecond
)

// Binds returns the simple binds that the server was asked for, those that failed as well, in their order. Those of the administrator are
// left out: this package makes them. If usernames are given, only binds with names of these are returned.
func (d *Slapd) Binds(usernames ...string) ([]Bind, error) {
	ticker := time.NewTicker(resultInterval)
	defer ticker.Stop()

	for deadline := time.Now().Add(resultPatience); ; <-ticker.C {
		binds, err := d.loggedBinds()
		if err != nil {
			return nil, err
		}

		if time.Now().Before(deadline) && slices.ContainsFunc(binds, func(b Bind) bool { return b.Result == Unanswered }) {
			continue
		}

		if len(usernames) == 0 {
			return binds, nil
		}

		return slices.DeleteFunc(binds, func(b Bind) bool { return !slices.Contains(usernames, b.Username) }), nil
	}
}

func (d *Slapd) loggedBinds() ([]Bind, error) {
	starts, err := d.logs.lines()
	if err != nil {
		return nil, err
	}

	var binds []Bind

	for _, lines := range starts {
		type operation struct{ connection, number string }

		unanswered := map[operation]int{}

		for _, line := range lines {
			if match := slapdBindLine.FindStringSubmatch(line); match != nil && match[3] != SlapdAdministrator {
				unanswered[operation{match[1], match[2]}] = len(binds)
				binds = append(binds, Bind{Name: match[3], Username: usernameOf(match[3]), Result: Unanswered})
			}

			if match := slapdResultLine.FindStringSubmatch(line); match != nil {
				if i, found := unanswered[operation{match[1], match[2]}]; found {
					binds[i].Result = resultOf(match[3])
				}
			}
		}
	}

	return binds, nil
}

// resultOf is the Result of a Bind.
func resultOf(logged string) string {
	if logged == "err=0" {
		return ""
	}

	return logged
}

// usernameOf is the username in the DN of a person; empty for other DNs.
func usernameOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 || parsed.RDNs[0].Attributes[0].Type != "uid" {
		return ""
	}

	return parsed.RDNs[0].Attributes[0].Value
}

// Searches returns the searches that the server was asked for, in their order. Those of the administrator are left out.
func (d *Slapd) Searches() ([]Search, error) {
	starts, err := d.logs.lines()
	if err != nil {
		return nil, err
	}

	var searches []Search

	for _, lines := range starts {
		administrators := map[string]bool{} // connections

		for _, line := range lines {
			if match := slapdBindLine.FindStringSubmatch(line); match != nil {
				administrators[match[1]] = match[3] == SlapdAdministrator
			}

			if match := slapdSearchLine.FindStringSubmatch(line); match != nil && !administrators[match[1]] {
				searches = append(searches, Search{Base: match[2], Filter: match[3]})
			}
		}
	}

	return searches, nil
}
