package schema_test

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const noInstant = "must be a time such as 2026-11-29T13:00:00Z or 2026-11-29T14:00:00+01:00, of the years 1 to 9999"

// instantField is a field that holds a time, as YAML with a place for it.
type instantField struct {
	kind          schema.GroupVersionKind
	path, content string
}

var instantFields = []instantField{
	{userAccount, "spec.startTime", "startTime: %q"},
	{userAccount, "spec.endTime", "endTime: %q"},
	{userAccount, "spec.unlockTime", "unlockTime: %q"},
	{userAccount, "spec.signOutTime", "signOutTime: %q"},
	{userAccount, "spec.password.resetTime", "password: {secretRef: {name: a}, resetTime: %q}"},
	{userAccount, "spec.password.changeRequiredTime", "password: {changeRequiredTime: %q}"},
	{userAccount, "status.password.setTime", "password: {setTime: %q}"},
	{userAccount, "status.password.expirationTime", "password: {expirationTime: %q}"},
	{userAccount, "status.login.lastSuccessTime", "login: {lastSuccessTime: %q}"},
	{userAccount, "status.login.lockedUntilTime", "login: {lockedUntilTime: %q}"},
	{passwordPolicy, "spec.changeRequiredTime", "changeRequiredTime: %q"},
}

// instantRefusals are texts that are no time, at each field: what other parsers of RFC 3339 take and Go does not, days that there
// are none of, and times that are outside the years 1 to 9999 in UTC.
func instantRefusals() []refusal {
	var rows []refusal
	for _, f := range instantFields {
		part, _, _ := strings.Cut(f.path, ".")
		row := func(value string, want ...string) {
			rows = append(rows, refusal{kind: f.kind, field: part, content: fmt.Sprintf(f.content, value), want: want})
		}
		for _, value := range []string{
			"now", "2026-11-29", "2026-11-29t01:00:00z", "2026-11-29T01:00:00z", "2026-11-29 01:00:00Z", "2026-11-29T01:00:00",
			"2026-11-29T01:00Z", "2026-11-29T01:00:00,5Z", "2026-11-29T01:00:00+0100", "12026-11-29T01:00:00Z", "0001-01-01T00:00:00Z",
			"2026-02-30T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-00-01T00:00:00Z",
			"2026-11-29T24:00:00Z", "2026-11-29T01:00:60Z", "2026-11-29T01:00:00+24:00",
			"0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01",
		} {
			row(value, valueRule(f.path, value, noInstant))
		}
		row(strings.Repeat("2", 65), tooLong(f.path, 64))
	}
	return rows
}
