package policy

import (
	"time"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/hash"
)

// Policy is a PasswordPolicySpec with every default filled in, in plain values. Zero counts and durations mean that a rule is off, unless
// a field says otherwise.
type Policy struct {
	// Name of the PasswordPolicy; "" is the built-in default.
	Name string

	MinLength, MaxLength                              int // code points
	MinUppercase, MinLowercase, MinDigits, MinSymbols int // code points of each class
	MinClasses                                        int // 0 to 4
	MaxRepeated                                       int // times that one code point may stand in a row
	MinScore                                          int // zxcvbn score, 0 to 4
	DenyCommon, DenyAccountWords                      bool
	DenyLists                                         []string // names of ConfigMaps
	HistoryCount                                      int      // previous passwords refused besides the current one
	MinAge, MaxAge, ExpiryWarning                     time.Duration
	GraceLogins                                       int
	ExpiryExemptionAllowed                            bool
	ChangeOnInitialLogin, ChangeOnReset               bool
	ChangeWithin                                      time.Duration
	ChangeRequiredTime                                time.Time // zero: none
	EnforceExisting                                   bool
	MaxFailures                                       int
	FailureWindow                                     time.Duration // 0: until a login succeeds
	// ForgetAfterLast has all failures forgotten FailureWindow after the last of them, instead of each by itself.
	ForgetAfterLast                            bool
	LockDuration                               time.Duration // 0: until an administrator acts
	MaxConsecutiveFailures                     int
	IdleLock                                   time.Duration
	Hashing                                    hash.Parameters
	SessionIdle, SessionMax, SessionRememberMe time.Duration
	// Unreadable names the fields of the PasswordPolicy that cannot be read. Their defaults are here instead. What such a policy asks for
	// is not known, so no new password may be judged by it.
	Unreadable []string
}

const day = 24 * time.Hour

// Default returns Keyturn's built-in policy, which is that of an empty spec.
func Default() Policy { return From("", nil) }

// From returns the policy of a spec. The spec and all of its pointers may be nil. From repeats the defaults of the schema, because the
// API server has not defaulted an object that was stored before a field was there. Numbers below zero, which the schema refuses, count
// as zero.
func From(name string, spec *v1alpha1.PasswordPolicySpec) Policy {
	if spec == nil {
		spec = &v1alpha1.PasswordPolicySpec{}
	}
	p := Policy{
		Name: name,

		MinLength:    number(spec.Length.Min, 8),
		MaxLength:    number(spec.Length.Max, 64),
		MinUppercase: number(spec.Characters.Uppercase, 0),
		MinLowercase: number(spec.Characters.Lowercase, 0),
		MinDigits:    number(spec.Characters.Digits, 0),
		MinSymbols:   number(spec.Characters.Symbols, 0),
		MinClasses:   number(spec.MinCharacterClasses, 0),
		MaxRepeated:  number(spec.Characters.MaxRepeated, 0),
		MinScore:     number(spec.Strength.MinScore, 0),

		DenyCommon:       spec.DenyList.Common != v1alpha1.ToggleDisabled,
		DenyAccountWords: spec.DenyList.AccountWords != v1alpha1.ToggleDisabled,
		HistoryCount:     number(spec.History.Count, 0),

		MinAge:                 duration(spec.MinAgeHours, 0, time.Hour),
		MaxAge:                 duration(spec.MaxAgeDays, 0, day),
		ExpiryWarning:          duration(spec.ExpiryWarningDays, 14, day),
		GraceLogins:            number(spec.GraceLogins, 0),
		ExpiryExemptionAllowed: spec.ExpiryExemption == v1alpha1.ExpiryExemptionAllowed,

		ChangeOnInitialLogin: spec.MustChange.OnInitialLogin != v1alpha1.ChangeNotRequired,
		ChangeOnReset:        spec.MustChange.OnReset != v1alpha1.ChangeNotRequired,
		ChangeWithin:         duration(spec.MustChange.WithinHours, 0, time.Hour),
		EnforceExisting:      spec.ExistingPasswords == v1alpha1.ExistingPasswordsEnforce,

		MaxFailures:            number(spec.Lockout.MaxFailures, 10),
		FailureWindow:          duration(spec.Lockout.WindowMinutes, 15, time.Minute),
		LockDuration:           duration(spec.Lockout.DurationMinutes, 15, time.Minute),
		MaxConsecutiveFailures: number(spec.Lockout.MaxConsecutiveFailures, 100),
		IdleLock:               duration(spec.IdleLockDays, 0, day),

		Hashing: hashing(spec.Hashing),

		SessionIdle:       duration(spec.Session.IdleMinutes, 60, time.Minute),
		SessionMax:        duration(spec.Session.MaxMinutes, 720, time.Minute),
		SessionRememberMe: duration(spec.Session.RememberMeDays, 30, day),
	}
	p.Unreadable = spec.Unreadable
	for _, ref := range spec.DenyList.ConfigMapRefs {
		p.DenyLists = append(p.DenyLists, ref.Name)
	}
	if spec.ChangeRequiredTime != nil {
		p.ChangeRequiredTime = spec.ChangeRequiredTime.Time.Time // Zero where it cannot be read.
	}
	return p
}

// WithLockout returns the policy with the stricter of its own lockout and that of a system which keeps passwords itself: the lower number of
// failures; the longer time until they are forgotten, from the last of them on, as such systems do it; and locks of at least that time. A policy
// without lockout gets one.
func (p Policy) WithLockout(maxFailures int, window time.Duration) Policy {
	if p.MaxFailures == 0 || p.MaxFailures > maxFailures {
		p.MaxFailures = maxFailures
	}
	if p.FailureWindow > 0 {
		p.FailureWindow = max(p.FailureWindow, window)
	}
	if p.LockDuration > 0 {
		p.LockDuration = max(p.LockDuration, window)
	}
	p.ForgetAfterLast = true
	return p
}

// hashing fills the block of every algorithm, as hash.DefaultParameters does, so that unused blocks never differ.
func hashing(rule v1alpha1.HashingRule) hash.Parameters {
	p := hash.DefaultParameters()
	if rule.Algorithm != "" {
		p.Algorithm = hash.Algorithm(rule.Algorithm)
	}
	if a := rule.Argon2id; a != nil {
		p.Argon2id.MemoryKiB = uint32(number(a.MemoryKiB, int(p.Argon2id.MemoryKiB)))
		p.Argon2id.Iterations = uint32(number(a.Iterations, int(p.Argon2id.Iterations)))
		p.Argon2id.Parallelism = uint8(min(number(a.Parallelism, int(p.Argon2id.Parallelism)), 255))
	}
	if b := rule.Bcrypt; b != nil {
		p.Bcrypt.Cost = number(b.Cost, p.Bcrypt.Cost)
	}
	if b := rule.PBKDF2SHA512; b != nil {
		p.PBKDF2.Iterations = number(b.Iterations, p.PBKDF2.Iterations)
	}
	return p
}

func number(value *int32, otherwise int) int {
	if value == nil {
		return otherwise
	}
	return max(0, int(*value))
}

func duration(value *int32, otherwise int, unit time.Duration) time.Duration {
	return time.Duration(number(value, otherwise)) * unit
}
