package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// The two servers, as the API server knows them.
const (
	operatorUser = "system:serviceaccount:keyturn-system:keyturn-operator"
	loginUser    = "system:serviceaccount:keyturn-system:keyturn-login"
)

// auditPolicy has the API server log every write of the two servers, and nothing else: what the benchmark itself writes
// costs it nothing, and no content of a Secret gets into the log.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [` + operatorUser + `, ` + loginUser + `]
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// write is one kind of write, as the audit log records it.
type write struct {
	User, Verb, Resource string
	// Refused is the status code of a write that the API server refused, which is counted too, because it costs as much.
	Refused int
}

// isLeftOut reports whether the budgets leave the kind of write out: events and leases, and questions to the API server that
// are asked by creating an object that is stored nowhere.
func (w write) isLeftOut() bool {
	switch w.Resource {
	case "events", "leases", "tokenreviews", "subjectaccessreviews":
		return true
	default:
		return false
	}
}

// tally counts writes by kind.
type tally map[write]int

// total counts the writes that the budgets count.
func (t tally) total() int {
	n := 0
	for w, count := range t {
		if !w.isLeftOut() {
			n += count
		}
	}
	return n
}

// of counts the writes of one resource.
func (t tally) of(resource string) int {
	n := 0
	for w, count := range t {
		if w.Resource == resource {
			n += count
		}
	}
	return n
}

// by counts the writes of one server that the budgets count.
func (t tally) by(user string) int {
	n := 0
	for w, count := range t {
		if w.User == user && !w.isLeftOut() {
			n += count
		}
	}
	return n
}

// since returns what was added to an earlier tally.
func (t tally) since(earlier tally) tally {
	added := tally{}
	for w, count := range t {
		if n := count - earlier[w]; n != 0 {
			added[w] = n
		}
	}
	return added
}

// String lists what was written, most first; what the budgets leave out comes last, in brackets.
func (t tally) String() string {
	kinds := slices.SortedFunc(maps.Keys(t), func(a, b write) int {
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
	for i, w := range kinds {
		_, name, _ := strings.Cut(w.User, "keyturn-system:keyturn-")
		parts[i] = fmt.Sprintf("%d %s %s by %s", t[w], w.Verb, w.Resource, name)
		if w.Refused != 0 {
			parts[i] += fmt.Sprintf(" refused with %d", w.Refused)
		}
		if w.isLeftOut() {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// writeLog counts the writes in the audit log of the API server.
type writeLog struct {
	path   string
	offset int64
	counts tally
}

func newWriteLog(path string) *writeLog { return &writeLog{path: path, counts: tally{}} }

// read counts what was logged since the last read, and returns a copy of all counts.
func (l *writeLog) read() (tally, error) {
	file, err := os.Open(l.path)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
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
			Stage string `json:"stage"`
			Verb  string `json:"verb"`
			User  struct {
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
		w := write{User: entry.User.Username, Verb: entry.Verb, Resource: entry.ObjectRef.Resource}
		if entry.ObjectRef.Subresource != "" {
			w.Resource += "/" + entry.ObjectRef.Subresource
		}
		if entry.ResponseStatus.Code >= 400 {
			w.Refused = entry.ResponseStatus.Code
		}
		into[w]++
	}
}
