package directories

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// logLevels have Samba log each bind as an object of JSON, and each search as a line of text. The server logs a bind before it answers.
const logLevels = "5 tdb:1 smb:1 rpc_srv:1 auth:1 winbind:1 ldb:1 kerberos:1 auth_audit:0 dsdb_audit:0 dsdb_json_audit:0"

// authentication is one, as Samba logs it.
type authentication struct {
	Type           string `json:"type"`
	Authentication struct {
		Status             string `json:"status"`
		ServiceDescription string `json:"serviceDescription"`
		AuthDescription    string `json:"authDescription"`
		ClientAccount      string `json:"clientAccount"`
		MappedAccount      string `json:"mappedAccount"`
	} `json:"Authentication"`
}

// Binds returns the simple binds that the server was asked for, those that failed as well, in their order. Those of the administrator are
// left out: this package makes them. If usernames are given, only binds with names of these are returned.
func (d *ActiveDirectory) Binds(usernames ...string) ([]Bind, error) {
	lines, err := d.logs.lines()
	if err != nil {
		return nil, err
	}

	var binds []Bind

	for _, line := range slices.Concat(lines...) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, `{"timestamp"`) {
			continue
		}

		var logged authentication
		if err := json.Unmarshal([]byte(line), &logged); err != nil {
			return nil, fmt.Errorf("reading the domain controller's log: %w", err)
		}

		a := logged.Authentication
		if logged.Type != "Authentication" || a.ServiceDescription != "LDAP" || !strings.HasPrefix(a.AuthDescription, "simple bind") ||
			a.MappedAccount == "Administrator" {
			continue
		}

		bind := Bind{Name: a.ClientAccount, Username: a.MappedAccount}
		if a.Status != "NT_STATUS_OK" {
			bind.Result = a.Status
		}

		if len(usernames) == 0 || slices.Contains(usernames, bind.Username) {
			binds = append(binds, bind)
		}
	}

	return binds, nil
}

// searchLine is a search, as Samba logs it. Users with other SIDs than the administrator's -500 have made it.
var searchLine = regexp.MustCompile(`SearchRequest by S-[0-9-]+-(\d+) from \S+ filter: \[(.*)\] basedn: \[(.*?)\] scope: \[`)

// administratorRID is the last part of the administrator's SID.
const administratorRID = "500"

// Searches returns the searches that the server was asked for, in their order. Those of the administrator are left out.
func (d *ActiveDirectory) Searches() ([]Search, error) {
	lines, err := d.logs.lines()
	if err != nil {
		return nil, err
	}

	var searches []Search

	for _, line := range slices.Concat(lines...) {
		if match := searchLine.FindStringSubmatch(line); match != nil && match[1] != administratorRID {
			searches = append(searches, Search{Base: match[3], Filter: match[2]})
		}
	}

	return searches, nil
}
