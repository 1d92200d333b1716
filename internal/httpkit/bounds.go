package httpkit

import (
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxPathBytes bounds a path. The longest of Keyturn's own paths have an organisation of 63 bytes.
	maxPathBytes = 1 << 10
	// maxParameters bounds a query, and a form. The pages' own forms have a dozen fields; a proxy may name many organisations.
	maxParameters = 64
	// maxContentTypeBytes bounds the header Content-Type.
	maxContentTypeBytes = 256
)

// Bounded refuses requests that would be expensive to parse: very long paths, and queries of thousands of parameters.
func Bounded(next http.Handler, refuse Refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal := BoundQuery(r)
		if len(r.URL.Path) > maxPathBytes {
			refusal = nothingHere()
		}
		if refusal != nil {
			Secure(w, r)
			refuse(w, r, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// BoundQuery returns the problem of a query with too many parameters; nil if it has not too many.
func BoundQuery(r *http.Request) *Problem {
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return Invalid("The query may have at most " + strconv.Itoa(maxParameters) + " parameters.")
	}
	return nil
}

func nothingHere() *Problem {
	return NewProgramProblem(http.StatusNotFound, NotFound, "Check the address. The API is below /api/v1/.")
}
