package web

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/json"
)

// maxBodyBytes bounds a request body, of a document and of a form alike. The longest password a policy can allow has 1 KiB.
const maxBodyBytes = 16 << 10

// usualBodyBytes is what nearly all documents fit in, a TokenReview included. No more memory is taken for what has not come.
const usualBodyBytes = 2 << 10

// readJSON reads the body of a request into a struct, which must hold every field there may be. It is strict, because a
// password must be verified as it was given: names of fields match exactly and come once, text is UTF-8 and has no
// halves of surrogate pairs, which decoders replace. The problem, if any, holds nothing of what was sent.
func readJSON(w http.ResponseWriter, r *http.Request, into any, fields string) *problem {
	body, refusal := readBody(w, r)
	if refusal != nil {
		return refusal
	}
	strict, err := json.UnmarshalStrict(body, into)
	switch {
	case err != nil:
		return invalidRequest("The body must be one JSON object, with nothing after it, whose fields have the right types: " + fields + ".")
	case len(strict) > 0:
		return invalidRequest("The body may only have these fields, each once and spelt like this: " + fields + ".")
	}
	return nil
}

// readBody reads the body of a request that says, once, that it is JSON, and that begins as a JSON object of text does.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	contentType := r.Header.Get("Content-Type")
	if len(contentType) > maxContentTypeBytes {
		contentType = "" // No media type that anybody uses is that long.
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	charset := parameters["charset"]
	switch {
	case err != nil, mediaType != "application/json", len(r.Header.Values("Content-Type")) > 1, charset != "" && !strings.EqualFold(charset, "utf-8"):
		return nil, newProblem(http.StatusUnsupportedMediaType, problemUnsupportedMedia, "The request is not JSON",
			"Send the body with the header Content-Type: application/json, in UTF-8.")
	case r.Header.Get("Content-Encoding") != "":
		return nil, newProblem(http.StatusUnsupportedMediaType, problemUnsupportedMedia, "The request is compressed",
			"Send the body without a Content-Encoding.")
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), usualBodyBytes)) + bytes.MinRead)
	_, err = body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, newProblem(http.StatusRequestEntityTooLarge, problemTooLarge, "The request is too large",
			"Send at most "+strconv.Itoa(maxBodyBytes)+" bytes.")
	}
	if err != nil {
		return nil, invalidRequest("The body could not be read to its end. Send it again.")
	}
	if !utf8.Valid(body.Bytes()) || hasLoneSurrogate(body.Bytes()) {
		return nil, invalidRequest("The body must be UTF-8 text without halves of surrogate pairs.")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body.Bytes(), " \t\r\n"), []byte("{")) {
		return nil, invalidRequest("The body must be one JSON object.")
	}
	return body.Bytes(), nil
}

func invalidRequest(detail string) *problem {
	return newProblem(http.StatusBadRequest, problemInvalidRequest, "The request is not valid", detail)
}

// hasLoneSurrogate tells whether a JSON text escapes half of a surrogate pair (RFC 8259, section 8.2).
func hasLoneSurrogate(text []byte) bool {
	high := false // the last escape was the first half of a pair
	for i := 0; i < len(text); i++ {
		unit := uint64(0)
		if text[i] == '\\' {
			i++ // what is escaped is no backslash of its own
			if i+4 < len(text) && text[i] == 'u' {
				unit, _ = strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
				i += 4
			}
		}
		low := unit >= 0xDC00 && unit <= 0xDFFF
		if low != high {
			return true
		}
		high = unit >= 0xD800 && unit <= 0xDBFF
	}
	return high
}
