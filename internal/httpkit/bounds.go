package httpkit

import (
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxPathBytes bounds a path. The longest have an organisation of 63 bytes in them, or the name of an asset.
	maxPathBytes = 1 << 10
	// maxParameters bounds a query, and a form. The pages' own forms have a dozen fields; a proxy may name many organisations.
	maxParameters = 64
	// maxContentTypeBytes bounds the header that says what a body is.
	maxContentTypeBytes = 256
)

// Bounded refuses requests that would cost many times what others do before anything is decided about them: long paths that lead
// nowhere, and queries of thousands of parameters.
func Bounded(next http.Handler, refuse Refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) > maxPathBytes {
			Secure(w, r)
			refuse(w, r, nothingHere())
			return
		}
		if refusal := BoundQuery(r); refusal != nil {
			Secure(w, r)
			refuse(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// BoundQuery refuses a query of too many parameters; nil where it does not have them.
func BoundQuery(r *http.Request) *Problem {
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return Invalid("The query may have at most " + strconv.Itoa(maxParameters) + " parameters.")
	}
	return nil
}

func nothingHere() *Problem {
	return NewProgramProblem(http.StatusNotFound, NotFound, "Check the address. The API is below /api/v1/.")
}
