package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

var (
	errNoTerminal = errors.New("there is no terminal to ask on")
	errNoAnswer   = errors.New("nothing was entered")
	errNotUTF8    = errors.New("the terminal sends what is not UTF-8: set it to UTF-8, passwords are text in that")
)

// terminal is where the person sits. What is asked there never mixes with what a command puts out.
type terminal interface {
	// say prints a line.
	say(format string, args ...any)
	// ask shows a prompt and returns the line that is typed; askSecret does so without showing it. Errors: errNoAnswer,
	// errNotUTF8, that of the context.
	ask(ctx context.Context, prompt string) (string, error)
	askSecret(ctx context.Context, prompt string) (string, error)
	io.Closer
}

// console is the terminal that the process was started from.
type console struct {
	in, out *os.File
	owned   bool
}

// openConsole opens the terminal, also where standard input and output are redirected. Systems without /dev/tty use standard input.
func openConsole() (terminal, error) {
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		return &console{in: tty, out: tty, owned: true}, nil
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return &console{in: os.Stdin, out: os.Stderr}, nil
	}
	return nil, errNoTerminal
}

// Close closes the terminal, if openConsole has opened it.
func (c *console) Close() error {
	if c.owned {
		return c.in.Close()
	}
	return nil
}

func (c *console) say(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

func (c *console) ask(ctx context.Context, prompt string) (string, error) {
	fmt.Fprintf(c.out, "%s", prompt)
	return c.await(ctx, func() ([]byte, error) { return readLine(c.in) })
}

// askSecret hides what is typed before it shows the prompt: people begin to type before they have read it.
func (c *console) askSecret(ctx context.Context, prompt string) (string, error) {
	defer fmt.Fprintln(c.out)
	fd := int(c.in.Fd())
	defer hide(fd)() // ReadPassword may still be running when ctx ends, and restore the terminal too late.
	fmt.Fprintf(c.out, "%s", prompt)
	return c.await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
}

// await waits for a line, or until ctx ends because the person has interrupted the program.
func (c *console) await(ctx context.Context, read func() ([]byte, error)) (string, error) {
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-answers:
		switch {
		case a.err != nil, len(a.line) == 0:
			return "", errNoAnswer
		case !utf8.Valid(a.line):
			return "", errNotUTF8
		}
		return string(a.line), nil
	}
}

// readLine reads one line and no byte more: the next one may be for another program.
func readLine(in io.Reader) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := in.Read(one)
		if n == 1 && one[0] == '\n' {
			return []byte(strings.TrimSuffix(string(line), "\r")), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return nil, err
		}
	}
}
