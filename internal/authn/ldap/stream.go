package ldap

import (
	"errors"
	"net"
	"sync"
)

// budget is how much an answer may be.
type budget struct{ bytes, elements int }

// The budgets of answers. An element of BER takes about 400 bytes once it is read, however short it is.
var (
	// ofBind is for the answer to a bind, ofPerson for one person, ofGroups for the groups of a person.
	ofBind, ofPerson, ofGroups = budget{16 << 10, 500}, budget{64 << 10, 2_000}, budget{384 << 10, 10_000}
	// ofPeople is for up to a thousand people, and ofMembers for the members of a group.
	ofPeople, ofMembers = budget{1 << 20, 50_000}, budget{maxMessage + 64<<10, 150_000}
	// idle is for what comes without being asked for.
	idle = budget{4 << 10, 100}
)

// errTooLong: an answer exceeds its budget.
var errTooLong = errors.New("the answer is too long")

// stream is a connection on which answers are counted.
type stream struct {
	net.Conn

	mu   sync.Mutex
	left budget
	ber  elements
	err  error
	// hasWritten: something was sent, or at least a part of it.
	hasWritten bool
}

// allow begins an answer.
func (s *stream) allow(b budget) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = b
}

// failed returns the first error of the connection.
func (s *stream) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wasUsed tells whether anything may have been sent.
func (s *stream) wasUsed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasWritten
}

// Read implements [net.Conn].
func (s *stream) Read(into []byte) (int, error) {
	n, err := s.Conn.Read(into)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left.bytes -= n
	s.left.elements -= s.ber.count(into[:n])
	if s.left.bytes < 0 || s.left.elements < 0 {
		n, err = 0, errTooLong
	}
	s.note(err)
	return n, err
}

// Write implements [net.Conn].
func (s *stream) Write(text []byte) (int, error) {
	s.mu.Lock()
	s.hasWritten = true // Before it is known whether all of it was sent: who closes the connection meanwhile does not wait for that.
	s.mu.Unlock()
	n, err := s.Conn.Write(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(err)
	return n, err
}

func (s *stream) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// elements counts the BER elements of a text that comes in pieces. An element is constructed, and other elements follow, or it is a value, which is
// passed over.
type elements struct {
	// state is what the next byte is; value is how many bytes of a value are still to come, and length how many of a length.
	state         berState
	value, length uint64
	isConstructed bool
}

type berState int

const (
	berTag berState = iota
	berLongTag
	berLength
	berLongLength
	berValue
)

// count returns how many elements begin in a piece.
func (e *elements) count(piece []byte) int {
	n := 0
	for i := 0; i < len(piece); i++ {
		b := piece[i]
		switch e.state {
		case berTag:
			n++
			e.isConstructed = b&0x20 != 0
			e.state = berLength
			if b&0x1f == 0x1f {
				e.state = berLongTag
			}
		case berLongTag:
			if b&0x80 == 0 {
				e.state = berLength
			}
		case berLength:
			e.value, e.length = uint64(b), 0
			if b&0x80 != 0 {
				e.value, e.length = 0, uint64(b&0x7f)
			}
			e.content()
		case berLongLength:
			e.value = e.value<<8 | uint64(b)
			e.length--
			e.content()
		case berValue:
			rest := uint64(len(piece) - i)
			passed := min(rest, e.value)
			e.value -= passed
			i += int(passed) - 1
			if e.value == 0 {
				e.state = berTag
			}
		}
	}
	return n
}

// content chooses what follows the length of an element, as far as it is read.
func (e *elements) content() {
	switch {
	case e.length > 0:
		e.state = berLongLength
	case e.isConstructed || e.value == 0:
		e.state = berTag
	default:
		e.state = berValue
	}
}
