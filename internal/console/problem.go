package console

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/keyturn/keyturn/internal/administration"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/sessions"
)

// problemPage selects the texts that the console has of its own for a problem.
const problemPage = "admin"

// refusalOf returns the problem of an error of package administration or of a session's check; nil for no error.
func refusalOf(err error) *httpkit.Problem {
	if err == nil {
		return nil
	}
	p := problemOf(err)
	p.Cause = err
	return p
}

func problemOf(err error) *httpkit.Problem {
	switch {
	case errors.Is(err, administration.ErrNotFound):
		return problem(http.StatusNotFound, httpkit.NotFound, "account")
	case errors.Is(err, sessions.ErrInvalid), errors.Is(err, administration.ErrSessionOver):
		return problem(http.StatusUnauthorized, httpkit.InvalidSession, problemPage)
	case errors.Is(err, administration.ErrProofTooOld):
		p := problem(http.StatusUnauthorized, httpkit.InsufficientAuthentication, "")
		// RFC 9470, section 3.
		p.Challenge = `error="insufficient_user_authentication", max_age="` + strconv.Itoa(int(administration.MaxProofAge.Seconds())) + `"`
		return p
	case errors.Is(err, administration.ErrUncertain):
		return problem(http.StatusServiceUnavailable, httpkit.OutcomeUnknown, "")
	case errors.Is(err, sessions.ErrUnavailable), errors.Is(err, administration.ErrUnavailable):
		return httpkit.NewUnavailable(problemPage)
	}
	if e, ok := errors.AsType[*administration.NotPermittedError](err); ok {
		p := problem(http.StatusForbidden, httpkit.NotPermitted, e.Reason, "verb", string(e.Verb))
		p.Reason, p.Verb = e.Reason, string(e.Verb)
		return p
	}
	if e, ok := errors.AsType[*administration.NotPossibleError](err); ok {
		p := problem(http.StatusConflict, httpkit.NotPossible, e.Reason)
		p.Reason = e.Reason
		return p
	}
	if e, ok := errors.AsType[*administration.PasswordRejectedError](err); ok {
		p := httpkit.NewProblem(http.StatusUnprocessableEntity, httpkit.PasswordRejected, httpkit.Message{Key: "admin.reset.rejected"})
		p.Requirements = e.Results
		return p
	}
	// administration.ErrOverloaded, or the action has waited too long, or the client has gone.
	p := problem(http.StatusServiceUnavailable, httpkit.Overloaded, problemPage)
	p.RetryAfter = httpkit.RetrySoon
	return p
}

// problem returns a problem with the text of its ID, or of a variant of it.
func problem(status int, id, variant string, values ...any) *httpkit.Problem {
	key := "problem." + id
	if variant != "" {
		key += "." + variant
	}
	return httpkit.NewProblem(status, id, httpkit.Message{Key: key, Values: values})
}

// notResettable turns what is not possible at a reset into the problem of a reset.
func notResettable(p *httpkit.Problem) *httpkit.Problem {
	if p == nil || p.ID != httpkit.NotPossible {
		return p
	}
	reset := problem(p.Status, httpkit.NotResettable, p.Reason)
	reset.Reason, reset.Cause = p.Reason, p.Cause
	return reset
}
