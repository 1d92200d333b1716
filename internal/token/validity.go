package token

// Validity says whether a session still holds, as far as the credential of its account is concerned.
type Validity int

const (
	// Ended is for good: the session came before a change of the password, a sign-out everywhere, or whatever
	// else raised the generation. It is the zero value, so what was never decided lets nobody in.
	Ended Validity = iota
	// Unconfirmed means that the session belongs to another credential than the one known here. Either this
	// replica has not yet heard of a new credential, or the session outlived its own: read the credential live,
	// once, and ask again; whatever is not [Valid] then has ended.
	Unconfirmed
	// Valid sessions may go on, if the account may.
	Valid
)

// Known is what a replica knows of an account's credential, possibly from a moment ago.
type Known struct {
	// UID is the UID of the Secret that holds the credential; empty if none is known.
	UID string
	// Generation is the credential's session generation.
	Generation int64
	// Ended tells of a session ID whether that session was ended alone; nil: none was.
	Ended func(id string) bool
}

// Validity holds a session against the credential of its account. Claims must come from [Ring.Verify]. A
// generation above the known one is valid: the session is newer than what this replica has heard. Clocks play
// no part in it.
func (c Claims) Validity(known Known) Validity {
	switch {
	case c.CredentialUID == "":
		return Ended
	case c.CredentialUID != known.UID:
		return Unconfirmed
	case c.Generation < known.Generation, known.Ended != nil && known.Ended(c.SessionID):
		return Ended
	default:
		return Valid
	}
}
