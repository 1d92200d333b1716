package kubeuser

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// prefix begins every name. Nobody else may hand out names that begin with it.
	prefix = "keyturn:"
	// maxNamespace is the length of the longest namespace (RFC 1123 label), maxName that of the longest username or group
	// that the schema of UserAccounts allows, in characters.
	maxNamespace, maxName = 63, 128
)

// ErrRefused is returned for what the schema of UserAccounts does not allow. It can only be met where the schema was
// got round; there is no identity then, rather than a doubtful one.
var ErrRefused = errors.New("the namespace, the username or a group cannot be part of a name in Kubernetes")

// Identity is who an account is in Kubernetes.
type Identity struct {
	// Username is keyturn:NAMESPACE:USERNAME.
	Username string
	// Groups are keyturn:NAMESPACE, and keyturn:NAMESPACE:GROUP for each group.
	Groups []string
}

// Of returns the identity of an account. The error is ErrRefused.
func Of(namespace, username string, groups []string) (Identity, error) {
	if !isNamespace(namespace) || !isUsername(username) {
		return Identity{}, ErrRefused
	}
	organisation := prefix + namespace
	identity := Identity{Username: organisation + ":" + username, Groups: make([]string, 1, 1+len(groups))}
	identity.Groups[0] = organisation
	for _, group := range groups {
		if !isGroup(group) {
			return Identity{}, ErrRefused
		}
		identity.Groups = append(identity.Groups, organisation+":"+group)
	}
	return identity, nil
}

// isNamespace is about what ends a name's second part: it cannot hold a colon, so no namespace is another's beginning.
func isNamespace(name string) bool {
	return name != "" && len(name) <= maxNamespace && made(name, "-", false)
}

func isUsername(name string) bool {
	return name != "" && len(name) <= maxName && made(name, "._@+-", true)
}

// made tells whether a name has only ASCII letters, digits and the marks.
func made(name, marks string, upper bool) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || upper && 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return true
}

func isGroup(name string) bool {
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r == ',' || r == ':' || unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp)
	})
}
