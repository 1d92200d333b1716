package stdlog

import (
	"bytes"
	"io"
	"log"
	"log/slog"
)

// unsolicited begins the line that the client of net/http writes when a peer sends something that was not asked for. What the peer has
// sent follows: with an identity provider that answers twice, or more than it has announced, that can be a token.
const unsolicited = "Unsolicited response received on idle HTTP channel"

// withoutText is written instead of it.
const withoutText = unsolicited + "; what was received is left out\n"

// Redirect gives package log an output that writes to a handler, as [slog.SetDefault] does, and leaves out text of peers. Call it after that:
// slog.SetDefault sets the output as well.
func Redirect(h slog.Handler) {
	log.SetFlags(0)
	log.SetOutput(output{slog.NewLogLogger(h, slog.LevelInfo).Writer()})
}

// output is given one line in each write.
type output struct{ next io.Writer }

// Write implements [io.Writer].
func (o output) Write(line []byte) (int, error) {
	if !bytes.HasPrefix(line, []byte(unsolicited)) {
		return o.next.Write(line)
	}
	if _, err := io.WriteString(o.next, withoutText); err != nil {
		return 0, err
	}
	return len(line), nil
}
