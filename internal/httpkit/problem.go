package httpkit

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keyturn/keyturn/internal/text"
)

// problemBase begins the type of every problem.
const problemBase = "https://keyturn.dev/problems/"

// The IDs of problems: the last part of their type. Programs go by them, so they are never changed. The title of each is in the
// catalogue of texts, under "title." and the ID.
const (
	InvalidCredentials = "invalid-credentials"
	InvalidSession     = "invalid-session"
	InvalidCode        = "invalid-code"
	ChangeRequired     = "password-change-required"
	ChangeForbidden    = "password-change-forbidden"
	AccountUnavailable = "account-unavailable"
	OtherOrganisation  = "other-organisation"
	GroupsTooLarge     = "groups-too-large"
	PasswordRejected   = "password-rejected"
	TooManyAttempts    = "too-many-attempts"
	Overloaded         = "overloaded"
	Unavailable        = "unavailable"
	InvalidRequest     = "invalid-request"
	CrossOrigin        = "cross-origin-request"
	NotFound           = "not-found"
	MethodNotAllowed   = "method-not-allowed"
	TooLarge           = "request-too-large"
	UnsupportedMedia   = "unsupported-media-type"
	Internal           = "internal-error"

	InsufficientAuthentication = "insufficient-user-authentication"
	NotPermitted               = "not-permitted"
	NotResettable              = "not-resettable"
	NotPossible                = "not-possible"
	OutcomeUnknown             = "outcome-unknown"
	ConsoleSession             = "console-session"

	ProviderUnavailable = "provider-unavailable"
	ProviderRefused     = "provider-refused"
	LoginExpired        = "login-expired"
	NotDeclared         = "not-declared"
)

// Problem is a problem document (RFC 9457), and the headers that go with it.
type Problem struct {
	ID string `json:"-"`
	// RetryAfter is the value of the header Retry-After; zero for no header.
	RetryAfter time.Duration `json:"-"`
	// Challenge is added to the header WWW-Authenticate, such as: error="insufficient_user_authentication".
	Challenge string `json:"-"`
	// Cause is the error for which the request was refused.
	Cause error `json:"-"`
	// Messages are the sentences of the catalogue for people.
	Messages []Message `json:"-"`

	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what to do next: the messages in English, or a text for programs.
	Detail string `json:"detail"`

	// Reason, for programs, is a value of the API of UserAccounts.
	Reason string `json:"reason,omitempty"`
	// Verb that the actor lacks, for programs.
	Verb string `json:"verb,omitempty"`
	// PasswordChangeURL is where a password is changed that Keyturn does not keep.
	PasswordChangeURL string `json:"passwordChangeURL,omitempty"`
	// NotBefore is when the same request can succeed.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Requirements of a new password: policy.Requirement or policy.Result.
	Requirements any `json:"requirements,omitempty"`
}

// Message is a text of the catalogue: its key, and values as text.Say takes them.
type Message struct {
	Key    string
	Values []any
}

// Contact is the message that says whom to ask for help.
var Contact = Message{Key: "contact"}

// NewProblem returns a problem with messages for people.
func NewProblem(status int, id string, messages ...Message) *Problem {
	p := &Problem{ID: id, Type: problemBase + id, Title: text.English().Say("title." + id), Status: status, Messages: messages}
	p.Detail = p.Say(text.English(), "")
	return p
}

// NewProgramProblem returns a problem whose detail is for programs. On a page it has the message of its ID, or "Something went wrong".
func NewProgramProblem(status int, id, detail string) *Problem {
	key := "problem." + id
	if !text.English().Has(key) {
		key = "problem.other"
	}
	p := NewProblem(status, id, Message{Key: key})
	p.Detail = detail
	return p
}

// Say returns the messages in a language. A contact that is not empty replaces the message Contact.
func (p *Problem) Say(t *text.Text, contact string) string {
	said := make([]string, len(p.Messages))
	for i, m := range p.Messages {
		said[i] = t.Say(m.Key, m.Values...)
		if m.Key == Contact.Key && contact != "" {
			said[i] = contact
		}
	}
	return strings.Join(said, " ")
}

// Write answers with the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	p.SetHeaders(w)
	WriteJSON(w, p.Status, "application/problem+json", p)
}

// SetHeaders sets the headers that go with the problem, in a document and a page alike, and logs it as the outcome of the request.
func (p *Problem) SetHeaders(w http.ResponseWriter) {
	SetOutcome(w, p.ID)
	if p.Status == http.StatusUnauthorized {
		// RFC 9110, section 15.5.2, asks for a challenge. Bearer makes no browser open a dialog.
		challenge := `Bearer realm="keyturn"`
		if p.Challenge != "" {
			challenge += ", " + p.Challenge
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if p.RetryAfter > 0 {
		// Whole seconds (RFC 9110, section 10.2.3), rounded up: a second early would be refused again.
		w.Header().Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
}

// Invalid returns the problem of a malformed request.
func Invalid(detail string) *Problem {
	return NewProgramProblem(http.StatusBadRequest, InvalidRequest, detail)
}

// WriteJSON answers with a document.
func WriteJSON(w http.ResponseWriter, status int, contentType string, document any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(document); err != nil {
		slog.Debug("Answer not delivered: the client has gone", "error", err)
	}
}

// RetrySoon is the RetryAfter of a problem that can end within seconds.
const RetrySoon = 2 * time.Second

// NewUnavailable returns the problem of a request that cannot be decided now. page selects the text, such as "session"; empty for
// logins.
func NewUnavailable(page string) *Problem {
	key := "problem." + Unavailable
	if page != "" {
		key += "." + page
	}
	p := NewProblem(http.StatusServiceUnavailable, Unavailable, Message{Key: key})
	p.RetryAfter = RetrySoon
	return p
}
