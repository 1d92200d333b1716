package credential

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// encoder writes values under the keys of a Secret's data, and annotations.
type encoder struct {
	data        map[string][]byte
	annotations map[string]string
}

// text writes a value. An empty value is stored by leaving out the key, as is each other kind of value below.
func (e *encoder) text(key, value string) {
	if value == "" {
		delete(e.data, key)
		return
	}
	e.data[key] = []byte(value)
}

func (e *encoder) annotate(key, value string) {
	if value == "" {
		delete(e.annotations, key)
		return
	}
	e.annotations[key] = value
}

func (e *encoder) time(key string, t time.Time) { e.text(key, formatTime(t)) }

func (e *encoder) number(key string, n int) {
	if n == 0 {
		delete(e.data, key)
		return
	}
	e.text(key, strconv.Itoa(n))
}

// flag writes a flag that is stored where it is set.
func (e *encoder) flag(key string, isSet bool) {
	value := ""
	if isSet {
		value = flagSet
	}
	e.text(key, value)
}

// flagSet is the stored value of a flag that is set.
const flagSet = "true"

// formatLines formats a list of values, a line each.
func formatLines[T any](values []T, format func(T) string) string {
	lines := make([]string, len(values))
	for i, value := range values {
		lines[i] = format(value)
	}
	return strings.Join(lines, "\n")
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// decoder reads the values under keys. It goes on after an error, so that err names every key that is wrong, and no value.
type decoder struct {
	data map[string][]byte
	err  error
}

// decodeAnnotations returns a decoder of annotations.
func decodeAnnotations(annotations map[string]string) *decoder {
	d := &decoder{data: make(map[string][]byte, len(annotations))}
	for key, value := range annotations {
		d.data[key] = []byte(value)
	}
	return d
}

func (d *decoder) fail(key string, err error) {
	d.err = errors.Join(d.err, fmt.Errorf("%s %w", key, err))
}

func (d *decoder) text(key string) string { return string(d.data[key]) }

// required reads a value that must be there.
func (d *decoder) required(key string) string {
	value := d.text(key)
	if value == "" {
		d.fail(key, errors.New("is missing"))
	}
	return value
}

// lines reads the lines of a list of values.
func (d *decoder) lines(key string) []string {
	if len(d.data[key]) == 0 {
		return nil
	}
	lines := strings.Split(string(d.data[key]), "\n")
	if slices.Contains(lines, "") {
		d.fail(key, errors.New("has an empty line"))
		return nil
	}
	return lines
}

func (d *decoder) time(key string) time.Time { return d.parseTime(key, d.text(key)) }

func (d *decoder) parseTime(key, value string) time.Time {
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	// An offset can move a time out of the years that RFC 3339 can write. The zero time is written as nothing.
	if t = t.UTC(); err != nil || t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		d.fail(key, errors.New("is not a time of RFC 3339"))
		return time.Time{}
	}
	return t
}

func (d *decoder) number(key string) int {
	value := d.text(key)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		d.fail(key, errors.New("is not a whole number of 0 or more"))
	}
	return n
}

func (d *decoder) flag(key string) bool { return oneOf(d, key, flagSet) == flagSet }

func (d *decoder) bytes(key, value string) []byte {
	if value == "" {
		return nil
	}
	b, err := base64.RawStdEncoding.DecodeString(value)
	if err != nil || len(b) == 0 {
		d.fail(key, errors.New("is not base64 without padding"))
		return nil
	}
	return b
}

// oneOf reads a value that is empty or one of those allowed.
func oneOf[T ~string](d *decoder, key string, allowed ...T) T {
	value := T(d.text(key))
	if value != "" && !slices.Contains(allowed, value) {
		d.fail(key, errors.New("has a value that this version of Keyturn does not know"))
		return ""
	}
	return value
}
