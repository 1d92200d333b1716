package httpkit

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/json"
)

// maxBodyBytes bounds a request body, of a document and of a form alike. The longest password a policy can allow has 1 KiB.
const maxBodyBytes = 16 << 10

// usualBodyBytes is the most memory that is reserved for a body before it has arrived. Nearly all bodies fit, TokenReviews included.
const usualBodyBytes = 2 << 10

// ReadJSON reads the body of a request into a struct, which must have every allowed field; fields lists them for the problem. It is
// strict, so that a password is verified as it was sent: names of fields match exactly and come once, and text is UTF-8 without
// halves of surrogate pairs, which decoders would replace. The problem repeats nothing of the body.
func ReadJSON(w http.ResponseWriter, r *http.Request, into any, fields string) *Problem {
	body, refusal := ReadBody(w, r)
	if refusal != nil {
		return refusal
	}
	strict, err := json.UnmarshalStrict(body, into)
	switch {
	case err != nil:
		return Invalid("The body must be one JSON object, with nothing after it, whose fields have the right types: " + fields + ".")
	case len(strict) > 0:
		return Invalid("The body may only have these fields, each once and spelt like this: " + fields + ".")
	}
	return nil
}

// ReadBody reads the body of a request that has one Content-Type, application/json, and a body that begins like a JSON object.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	contentType := r.Header.Get("Content-Type")
	if len(contentType) > maxContentTypeBytes {
		contentType = "" // No media type in use is that long.
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	charset := parameters["charset"]
	switch {
	case err != nil, mediaType != "application/json", len(r.Header.Values("Content-Type")) > 1, charset != "" && !strings.EqualFold(charset, "utf-8"):
		return nil, NewProgramProblem(http.StatusUnsupportedMediaType, UnsupportedMedia,
			"Send the body with the header Content-Type: application/json, in UTF-8.")
	case r.Header.Get("Content-Encoding") != "":
		return nil, NewProgramProblem(http.StatusUnsupportedMediaType, UnsupportedMedia,
			"Send the body without a Content-Encoding.")
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), usualBodyBytes)) + bytes.MinRead)
	_, err = body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if refusal := tooLarge(err); refusal != nil {
		return nil, refusal
	}
	if err != nil {
		return nil, Invalid("The body could not be read to its end. Send it again.")
	}
	if !utf8.Valid(body.Bytes()) || hasLoneSurrogate(body.Bytes()) {
		return nil, Invalid("The body must be UTF-8 text without halves of surrogate pairs.")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body.Bytes(), " \t\r\n"), []byte("{")) {
		return nil, Invalid("The body must be one JSON object.")
	}
	return body.Bytes(), nil
}

// tooLarge returns the problem of a body larger than maxBodyBytes; nil if err says anything else.
func tooLarge(err error) *Problem {
	if _, is := errors.AsType[*http.MaxBytesError](err); is {
		return NewProgramProblem(http.StatusRequestEntityTooLarge, TooLarge, "Send at most "+strconv.Itoa(maxBodyBytes)+" bytes.")
	}
	return nil
}

// ReadForm reads a form that a page has sent into r.PostForm.
func ReadForm(w http.ResponseWriter, r *http.Request) *Problem {
	if len(r.Header.Get("Content-Type")) > maxContentTypeBytes {
		return Invalid("Send the page's own form.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err == nil {
		if bytes.Count(body, []byte("&")) >= maxParameters {
			return Invalid("The form may have at most " + strconv.Itoa(maxParameters) + " parameters.")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		err = r.ParseForm()
	}
	if refusal := tooLarge(err); refusal != nil {
		return refusal
	}
	if err != nil || r.PostForm == nil {
		return Invalid("Send the page's own form.")
	}
	return nil
}

// hasLoneSurrogate tells whether a JSON text escapes half of a surrogate pair (RFC 8259, section 8.2).
func hasLoneSurrogate(text []byte) bool {
	high := false // the last escape was the first half of a pair
	for i := 0; i < len(text); i++ {
		unit := uint64(0)
		if text[i] == '\\' {
			i++ // an escaped backslash begins no escape
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
