package v1alpha1

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Instant is a time in RFC 3339, such as 2026-11-29T13:00:00Z, of the years 1 to 9999 in UTC. The schema refuses all other text. An
// object that was stored before that rule can hold other text nevertheless: then Time is zero, Unreadable has the text, and the
// object can be read all the same.
//
// The rule spells out days, hours and years instead of asking timestamp() for them: a rule that ends in an error would refuse every
// write of an object that holds such text already, and of its status, too.
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$') && !self.matches('^(0000-|0001-01-01T(00:00:00([.][0-9]+)?Z|.*[+])|9999-12-31T.*-)')",message="must be a time such as 2026-11-29T13:00:00Z or 2026-11-29T14:00:00+01:00, of the years 1 to 9999"
type Instant struct {
	metav1.Time `json:"-"`

	// Unreadable is the JSON that is no such time; empty where Time was read.
	Unreadable string `json:"-"`
}

// NewInstant returns an instant.
func NewInstant(t time.Time) Instant { return Instant{Time: metav1.NewTime(t)} }

// IsUnreadable tells whether something is given that is no time.
func (i *Instant) IsUnreadable() bool { return i != nil && i.Unreadable != "" }

// UnmarshalJSON reads a time, or keeps what is none. It never fails: one bad time in a list would make the list unreadable.
func (i *Instant) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		if t, err := time.Parse(time.RFC3339, text); err == nil && isStorable(t) {
			*i = NewInstant(t.Local()) // As metav1.Time does.
			return nil
		}
	}
	*i = Instant{Unreadable: string(data)}
	return nil
}

// isStorable tells whether a time can be written in UTC, to the second, and be read again. The zero time stands for none.
func isStorable(t time.Time) bool {
	return t.Unix() > time.Time{}.Unix() && t.UTC().Year() <= 9999
}

// MarshalJSON writes what was read, also where that is no time: a write of the object must not change it.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i.Unreadable != "" {
		return []byte(i.Unreadable), nil
	}
	return i.Time.MarshalJSON()
}

// ToUnstructured implements runtime.UnstructuredConverter, as MarshalJSON does.
func (i Instant) ToUnstructured() any {
	if i.Unreadable == "" {
		return i.Time.ToUnstructured()
	}
	var value any
	if err := json.Unmarshal([]byte(i.Unreadable), &value); err != nil {
		return i.Unreadable
	}
	return value
}

// Equal tells whether two instants are the same time, or the same text that is none; nil is equal to nil alone.
func (i *Instant) Equal(other *Instant) bool {
	if i == nil || other == nil {
		return i == other
	}
	return i.Unreadable == other.Unreadable && i.Time.Equal(&other.Time)
}

// String returns the time, or the text that is none.
func (i Instant) String() string {
	if i.Unreadable != "" {
		return i.Unreadable
	}
	return fmt.Sprint(i.Time)
}
