package web

import (
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxPathBytes bounds a path of ours. The longest have an organisation of 63 bytes in them, or the name of an asset.
	maxPathBytes = 1 << 10
	// maxParameters bounds a query, and a form. The pages' own forms have a dozen fields; a proxy may name many organisations.
	maxParameters = 64
	// maxContentTypeBytes bounds the header that says what a body is.
	maxContentTypeBytes = 256
)

// bounded refuses requests that would cost many times what others do before anything is decided about them: paths that lead
// nowhere, and queries of thousands of parameters. The path and the query of an application, which a proxy sends ahead, are
// let through, as they are not looked at.
func bounded(next http.Handler, answer refuse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, isAhead := cutAhead(r.URL.EscapedPath())
		switch {
		case isAhead:
		case len(r.URL.Path) > maxPathBytes:
			secure(w, r)
			answer(w, r, nothingHere())
			return
		case hasTooManyParameters(r.URL.RawQuery):
			secure(w, r)
			answer(w, r, tooManyParameters("query"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasTooManyParameters tells of a query or a form, encoded as such.
func hasTooManyParameters(text string) bool { return strings.Count(text, "&") >= maxParameters }

func tooManyParameters(where string) *problem {
	return invalidRequest("The " + where + " may have at most " + strconv.Itoa(maxParameters) + " parameters.")
}

func nothingHere() *problem {
	return newProblem(http.StatusNotFound, problemNotFound, "There is nothing here", "Check the address. The API is below /api/v1/.")
}
