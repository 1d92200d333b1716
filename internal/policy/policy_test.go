package policy

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/hash"
)

func TestDefault(t *testing.T) {
	want := Policy{
		MinLength: 8, MaxLength: 64, DenyCommon: true, DenyAccountWords: true,
		ExpiryWarning: 14 * 24 * time.Hour, ChangeOnInitialLogin: true, ChangeOnReset: true,
		MaxFailures: 10, FailureWindow: 15 * time.Minute, LockDuration: 15 * time.Minute, MaxConsecutiveFailures: 100,
		Hashing: hash.Parameters{
			Algorithm: hash.Argon2id,
			Argon2id:  hash.Argon2idParameters{MemoryKiB: 19456, Iterations: 2, Parallelism: 1},
			Bcrypt:    hash.BcryptParameters{Cost: 12},
			PBKDF2:    hash.PBKDF2Parameters{Iterations: 220_000},
		},
		SessionIdle: time.Hour, SessionMax: 12 * time.Hour, SessionRememberMe: 30 * 24 * time.Hour,
	}
	if got := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := From("", &v1alpha1.PasswordPolicySpec{}); !reflect.DeepEqual(got, want) {
		t.Errorf("an empty spec: %+v", got)
	}
	if err := Default().Hashing.Validate(); err != nil {
		t.Error(err)
	}
}

// TestDefaultsAreTheSchemas defaults an empty spec as the API server does.
func TestDefaultsAreTheSchemas(t *testing.T) {
	data, err := os.ReadFile("../../config/crd/bases/accounts.keyturn.dev_passwordpolicies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Default    any
		Properties map[string]schema
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	defaults := 0
	var fill func(s schema, value map[string]any)
	fill = func(s schema, value map[string]any) {
		for name, property := range s.Properties {
			if property.Default == nil {
				continue
			}
			defaults++
			value[name] = property.Default
			if object, ok := property.Default.(map[string]any); ok {
				fill(property, object)
			}
		}
	}
	for _, withHashing := range []string{"argon2id", "bcrypt", "pbkdf2sha512"} {
		spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		value := map[string]any{}
		fill(spec, value)
		parameters := map[string]any{}
		fill(spec.Properties["hashing"].Properties[withHashing], parameters)
		value["hashing"].(map[string]any)[withHashing] = parameters
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var defaulted v1alpha1.PasswordPolicySpec
		if err := json.Unmarshal(text, &defaulted); err != nil {
			t.Fatal(err)
		}
		if got := From("", &defaulted); !reflect.DeepEqual(got, Default()) {
			t.Errorf("%s: the schema's defaults give %+v\nwant %+v", withHashing, got, Default())
		}
	}
	if defaults < 3*30 {
		t.Errorf("only %d defaults in the schema: is it read right?", defaults)
	}
}

func TestFrom(t *testing.T) {
	at := v1alpha1.NewInstant(now)
	type policyField func(*v1alpha1.PasswordPolicySpec)
	tests := []struct {
		name string
		set  policyField
		want func(*Policy)
	}{
		{"length", func(s *v1alpha1.PasswordPolicySpec) {
			s.Length = v1alpha1.LengthRule{Min: new(int32(15)), Max: new(int32(128))}
		},
			func(p *Policy) { p.MinLength, p.MaxLength = 15, 128 }},
		{"characters", func(s *v1alpha1.PasswordPolicySpec) {
			s.Characters = v1alpha1.CharacterRule{Uppercase: new(int32(1)), Lowercase: new(int32(2)), Digits: new(int32(3)), Symbols: new(int32(4)), MaxRepeated: new(int32(5))}
		}, func(p *Policy) {
			p.MinUppercase, p.MinLowercase, p.MinDigits, p.MinSymbols, p.MaxRepeated = 1, 2, 3, 4, 5
		}},
		{"classes and score", func(s *v1alpha1.PasswordPolicySpec) {
			s.MinCharacterClasses, s.Strength.MinScore = new(int32(3)), new(int32(2))
		}, func(p *Policy) { p.MinClasses, p.MinScore = 3, 2 }},
		{"denyList", func(s *v1alpha1.PasswordPolicySpec) {
			s.DenyList = v1alpha1.DenyListRule{Common: v1alpha1.ToggleDisabled, AccountWords: v1alpha1.ToggleDisabled,
				ConfigMapRefs: []v1alpha1.ConfigMapReference{{Name: "b"}, {Name: "a"}}}
		}, func(p *Policy) { p.DenyCommon, p.DenyAccountWords, p.DenyLists = false, false, []string{"b", "a"} }},
		{"history", func(s *v1alpha1.PasswordPolicySpec) { s.History.Count = new(int32(24)) }, func(p *Policy) { p.HistoryCount = 24 }},
		{"ageing", func(s *v1alpha1.PasswordPolicySpec) {
			s.MinAgeHours, s.MaxAgeDays, s.ExpiryWarningDays, s.GraceLogins = new(int32(24)), new(int32(90)), new(int32(0)), new(int32(3))
			s.ExpiryExemption = v1alpha1.ExpiryExemptionAllowed
		}, func(p *Policy) {
			p.MinAge, p.MaxAge, p.ExpiryWarning, p.GraceLogins = 24*time.Hour, 90*day, 0, 3
			p.ExpiryExemptionAllowed = true
		}},
		{"mustChange", func(s *v1alpha1.PasswordPolicySpec) {
			s.MustChange = v1alpha1.MustChangeRule{OnInitialLogin: v1alpha1.ChangeNotRequired, OnReset: v1alpha1.ChangeNotRequired, WithinHours: new(int32(72))}
			s.ChangeRequiredTime = &at
		}, func(p *Policy) {
			p.ChangeOnInitialLogin, p.ChangeOnReset, p.ChangeWithin, p.ChangeRequiredTime = false, false, 72*time.Hour, now
		}},
		{"existingPasswords", func(s *v1alpha1.PasswordPolicySpec) { s.ExistingPasswords = v1alpha1.ExistingPasswordsEnforce },
			func(p *Policy) { p.EnforceExisting = true }},
		{"lockout", func(s *v1alpha1.PasswordPolicySpec) {
			s.Lockout = v1alpha1.LockoutRule{MaxFailures: new(int32(5)), WindowMinutes: new(int32(0)), DurationMinutes: new(int32(0)), MaxConsecutiveFailures: new(int32(0))}
			s.IdleLockDays = new(int32(90))
		}, func(p *Policy) {
			p.MaxFailures, p.FailureWindow, p.LockDuration, p.MaxConsecutiveFailures, p.IdleLock = 5, 0, 0, 0, 90*day
		}},
		{"Argon2id", func(s *v1alpha1.PasswordPolicySpec) {
			s.Hashing = v1alpha1.HashingRule{Argon2id: &v1alpha1.Argon2idParameters{MemoryKiB: new(int32(65536)), Iterations: new(int32(3)), Parallelism: new(int32(4))}}
		}, func(p *Policy) {
			p.Hashing.Argon2id = hash.Argon2idParameters{MemoryKiB: 65536, Iterations: 3, Parallelism: 4}
		}},
		{"Bcrypt", func(s *v1alpha1.PasswordPolicySpec) {
			s.Hashing = v1alpha1.HashingRule{Algorithm: v1alpha1.HashBcrypt, Bcrypt: &v1alpha1.BcryptParameters{Cost: new(int32(14))}}
		}, func(p *Policy) { p.Hashing.Algorithm, p.Hashing.Bcrypt.Cost = hash.Bcrypt, 14 }},
		{"PBKDF2", func(s *v1alpha1.PasswordPolicySpec) {
			s.Hashing = v1alpha1.HashingRule{Algorithm: v1alpha1.HashPBKDF2SHA512, PBKDF2SHA512: &v1alpha1.PBKDF2Parameters{Iterations: new(int32(300_000))}}
		}, func(p *Policy) { p.Hashing.Algorithm, p.Hashing.PBKDF2.Iterations = hash.PBKDF2SHA512, 300_000 }},
		{"session", func(s *v1alpha1.PasswordPolicySpec) {
			s.Session = v1alpha1.SessionRule{IdleMinutes: new(int32(5)), MaxMinutes: new(int32(10)), RememberMeDays: new(int32(0))}
		}, func(p *Policy) { p.SessionIdle, p.SessionMax, p.SessionRememberMe = 5*time.Minute, 10*time.Minute, 0 }},
		{"below zero is zero", func(s *v1alpha1.PasswordPolicySpec) { s.MaxAgeDays, s.History.Count = new(int32(-1)), new(int32(-1)) },
			func(*Policy) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec, want := &v1alpha1.PasswordPolicySpec{}, Default()
			test.set(spec)
			test.want(&want)
			want.Name = "strong"
			if got := From("strong", spec); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestWithLockout: of two lockouts the stricter counts, in each respect.
func TestWithLockout(t *testing.T) {
	const m = time.Minute
	type lockout struct {
		failures         int
		window, duration time.Duration
	}
	for _, row := range []struct {
		own      lockout
		failures int
		window   time.Duration
		want     lockout
	}{
		{lockout{10, 15 * m, 15 * m}, 5, 30 * m, lockout{5, 30 * m, 30 * m}},
		{lockout{3, 60 * m, 90 * m}, 5, 30 * m, lockout{3, 60 * m, 90 * m}},
		{lockout{0, 15 * m, 15 * m}, 5, 30 * m, lockout{5, 30 * m, 30 * m}},
		{lockout{10, 0, 15 * m}, 5, 30 * m, lockout{5, 0, 30 * m}},
		{lockout{10, 15 * m, 0}, 5, 30 * m, lockout{5, 30 * m, 0}},
	} {
		p := Default()
		p.MaxFailures, p.FailureWindow, p.LockDuration = row.own.failures, row.own.window, row.own.duration
		want := p
		want.MaxFailures, want.FailureWindow, want.LockDuration, want.ForgetAfterLast = row.want.failures, row.want.window, row.want.duration, true
		if got := p.WithLockout(row.failures, row.window); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v with %d in %v: %+v", row.own, row.failures, row.window, got)
		} else if again := got.WithLockout(row.failures, row.window); !reflect.DeepEqual(again, want) {
			t.Errorf("%+v twice: %+v", row.own, again)
		}
	}
}
