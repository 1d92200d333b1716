package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
)

// The two servers, as the API server knows them.
const (
	operatorUser = "system:serviceaccount:keyturn-system:keyturn-operator"
	loginUser    = "system:serviceaccount:keyturn-system:keyturn-login"
)

// auditPolicy has the API server log every write of the operator and every request of login servers, and nothing else: what the benchmark
// itself asks for costs it nothing, and no content of a Secret gets into the log.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [` + loginUser + `]
- level: Metadata
  users: [` + operatorUser + `]
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// request is one kind of request, as the audit log records it.
type request struct {
	// Resource is the path, where the request is for no resource.
	User, Verb, Resource string
	// Refused is the status code of a request that the API server refused, which is counted too, because it costs as much.
	Refused int
}

// isLeftOut reports whether the budgets of writes leave the kind of request out: reads, events and leases, and questions to the API
// server that are asked by creating an object that is stored nowhere.
func (r request) isLeftOut() bool {
	switch r.Verb {
	case "get", "list", "watch", verbProbe:
		return true
	}
	switch r.Resource {
	case "events", "leases", "tokenreviews", resourceReviews:
		return true
	default:
		return false
	}
}

const (
	// resourceReviews are questions who may do what.
	resourceReviews = "subjectaccessreviews"
	// verbProbe stands for lists of one object: so a login server asks every few seconds whether its watches are up to date.
	verbProbe = "probe"
)

// tally counts requests by kind.
type tally map[request]int

// total counts the writes that the budgets count.
func (t tally) total() int {
	n := 0
	for r, count := range t {
		if !r.isLeftOut() {
			n += count
		}
	}
	return n
}

// of counts the requests for one resource.
func (t tally) of(resource string) int {
	n := 0
	for r, count := range t {
		if r.Resource == resource {
			n += count
		}
	}
	return n
}

// besidesReviews counts the requests of login servers that do not ask who may do what. Probes and watches are not among them: these come
// every so often, whatever people do.
func (t tally) besidesReviews() int {
	n := 0
	for r, count := range t {
		if r.User == loginUser && r.Resource != resourceReviews && r.Verb != "watch" && r.Verb != verbProbe {
			n += count
		}
	}
	return n
}

// by counts the writes of one server that the budgets count.
func (t tally) by(user string) int {
	n := 0
	for r, count := range t {
		if r.User == user && !r.isLeftOut() {
			n += count
		}
	}
	return n
}

// since returns what was added to an earlier tally.
func (t tally) since(earlier tally) tally {
	added := tally{}
	for r, count := range t {
		if n := count - earlier[r]; n != 0 {
			added[r] = n
		}
	}
	return added
}

// String lists the requests, most first; what the budgets leave out comes last, in brackets.
func (t tally) String() string {
	kinds := slices.SortedFunc(maps.Keys(t), func(a, b request) int {
		if a.isLeftOut() != b.isLeftOut() {
			if a.isLeftOut() {
				return 1
			}
			return -1
		}
		if t[a] != t[b] {
			return t[b] - t[a]
		}
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	parts := make([]string, len(kinds))
	for i, r := range kinds {
		_, name, _ := strings.Cut(r.User, "keyturn-system:keyturn-")
		parts[i] = fmt.Sprintf("%d %s %s by %s", t[r], r.Verb, r.Resource, name)
		if r.Refused != 0 {
			parts[i] += fmt.Sprintf(" refused with %d", r.Refused)
		}
		if r.isLeftOut() {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// requestLog counts the requests in the audit log of the API server.
type requestLog struct {
	path   string
	offset int64
	counts tally
}

func newRequestLog(path string) *requestLog { return &requestLog{path: path, counts: tally{}} }

// read counts what was logged since the last read, and returns a copy of all counts.
func (l *requestLog) read() (tally, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || info.Size() < l.offset {
		return nil, errors.Join(errors.New("reading the audit log: it has begun anew, so what was in it before is not counted"), err)
	}
	if _, err := file.Seek(l.offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	taken, err := count(file, l.counts)
	if err != nil {
		return nil, err
	}
	l.offset += taken
	return maps.Clone(l.counts), nil
}

// isOfOne tells whether a list asks for one object.
func isOfOne(uri string) bool {
	address, err := url.Parse(uri)
	return err == nil && address.Query().Get("limit") == "1"
}

// count adds the whole lines of an audit log to a tally and returns how many bytes those were. A line that is still
// being written is left for the next time.
func count(log io.Reader, into tally) (taken int64, err error) {
	reader := bufio.NewReader(log)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return taken, nil
		}
		if err != nil {
			return taken, fmt.Errorf("reading the audit log: %w", err)
		}
		taken += int64(len(line))
		var entry struct {
			Stage      string `json:"stage"`
			Verb       string `json:"verb"`
			RequestURI string `json:"requestURI"`
			User       struct {
				Username string `json:"username"`
			} `json:"user"`
			ObjectRef struct {
				Resource    string `json:"resource"`
				Subresource string `json:"subresource"`
			} `json:"objectRef"`
			ResponseStatus struct {
				Code int `json:"code"`
			} `json:"responseStatus"`
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			return taken, fmt.Errorf("reading a line of the audit log: %w", err)
		}
		if entry.Stage != "ResponseComplete" && entry.Stage != "Panic" {
			continue
		}
		r := request{User: entry.User.Username, Verb: entry.Verb, Resource: cmp.Or(entry.ObjectRef.Resource, entry.RequestURI)}
		if entry.ObjectRef.Subresource != "" {
			r.Resource += "/" + entry.ObjectRef.Subresource
		}
		if r.Verb == "list" && isOfOne(entry.RequestURI) {
			r.Verb = verbProbe
		}
		if entry.ResponseStatus.Code >= 400 {
			r.Refused = entry.ResponseStatus.Code
		}
		into[r]++
	}
}
