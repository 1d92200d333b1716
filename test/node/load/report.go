//go:build node

package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is one that was sent.
type Request struct {
	Sort  string
	Began time.Time
	Took  time.Duration
	// Err is nil where it was answered by 200.
	Err error
}

// Report has the requests of a load, in the order of their answers.
type Report []Request

// Failed are the requests that failed.
func (r Report) Failed() Report {
	return slices.DeleteFunc(slices.Clone(r), func(q Request) bool { return q.Err == nil })
}

// Of are the requests of these sorts.
func (r Report) Of(sorts ...string) Report {
	return slices.DeleteFunc(slices.Clone(r), func(q Request) bool { return !slices.Contains(sorts, q.Sort) })
}

// After are the requests that began later than that.
func (r Report) After(moment time.Time) Report {
	return slices.DeleteFunc(slices.Clone(r), func(q Request) bool { return !q.Began.After(moment) })
}

// Before are the requests that did not begin later than that.
func (r Report) Before(moment time.Time) Report {
	return slices.DeleteFunc(slices.Clone(r), func(q Request) bool { return q.Began.After(moment) })
}

// Slowest is how long the slowest request took.
func (r Report) Slowest() time.Duration {
	if len(r) == 0 {
		return 0
	}

	return slices.MaxFunc(r, func(a, b Request) int { return cmp.Compare(a.Took, b.Took) }).Took
}

// String is a summary for the table of a test.
func (r Report) String() string {
	logins, checks := r.Of(FreshLogin, KeptLogin), r.Of(FreshCheck, KeptCheck)

	return fmt.Sprintf("%d logins, %d failed, slowest %d ms; %d session checks, %d failed, slowest %d ms",
		len(logins), len(logins.Failed()), logins.Slowest().Milliseconds(),
		len(checks), len(checks.Failed()), checks.Slowest().Milliseconds())
}

// Reasons says of failed requests how many of each sort failed for which reason, and when, counted from a moment.
func (r Report) Reasons(from time.Time) string {
	type span struct {
		count       int
		first, last time.Duration
	}

	spans := map[string]*span{}

	for _, q := range r.Failed() {
		key := q.Sort + ": " + reason(q.Err)
		at := q.Began.Sub(from)

		if s := spans[key]; s == nil {
			spans[key] = &span{count: 1, first: at, last: at}
		} else {
			s.count++
			s.first, s.last = min(s.first, at), max(s.last, at)
		}
	}

	var lines []string

	for _, key := range slices.Sorted(maps.Keys(spans)) {
		s := spans[key]
		lines = append(lines, fmt.Sprintf("%d x %s (begun %.1f to %.1f s after)", s.count, key, s.first.Seconds(), s.last.Seconds()))
	}

	return strings.Join(lines, "\n")
}

// reason leaves out the addresses of an error, which differ from one connection to the next.
func reason(err error) string {
	if outer, isURL := errors.AsType[*url.Error](err); isURL {
		err = outer.Err
	}

	text := err.Error()
	if _, rest, found := strings.Cut(text, "->"); found {
		_, text, _ = strings.Cut(rest, ": ")
	}

	return text
}
