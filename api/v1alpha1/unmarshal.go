package v1alpha1

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
)

// What the API server stores may be older than today's schema, or of another version, and a field of it may be of another type
// than here. Objects come in lists and in watches that serve everybody, which a decoder that failed would end. So none fails:
// what can be read is read, and Spec.Unreadable names the rest.

// UnmarshalJSON reads an account. A field of the spec or the status that cannot be read is left out, and named in Unreadable of that
// part. Errors: the JSON is no object with metadata.
func (a *UserAccount) UnmarshalJSON(data []byte) error {
	type fields UserAccount // Without this method.
	read := fields{}
	if err := unmarshal(data, &read); err == nil {
		*a = UserAccount(read)
		a.Status.Unreadable = withoutUnwritable(&a.Status.Conditions, nil)
		return nil
	}
	kind, metadata, parts, err := split(data)
	if err != nil {
		return fmt.Errorf("read UserAccount: %w", err)
	}
	*a = UserAccount{TypeMeta: kind, ObjectMeta: metadata}
	a.Spec.Unreadable = unmarshalFields("spec", parts["spec"], &a.Spec)
	a.Status.Unreadable = withoutUnwritable(&a.Status.Conditions, unmarshalFields("status", parts["status"], &a.Status))
	return nil
}

// UnmarshalJSON reads a policy, as UserAccount.UnmarshalJSON does.
func (p *PasswordPolicy) UnmarshalJSON(data []byte) error {
	type fields PasswordPolicy // Without this method.
	read := fields{}
	if err := unmarshal(data, &read); err == nil {
		*p = PasswordPolicy(read)
		p.Status.Unreadable = withoutUnwritable(&p.Status.Conditions, nil)
		return nil
	}
	kind, metadata, parts, err := split(data)
	if err != nil {
		return fmt.Errorf("read PasswordPolicy: %w", err)
	}
	*p = PasswordPolicy{TypeMeta: kind, ObjectMeta: metadata}
	p.Spec.Unreadable = unmarshalFields("spec", parts["spec"], &p.Spec)
	p.Status.Unreadable = withoutUnwritable(&p.Status.Conditions, unmarshalFields("status", parts["status"], &p.Status))
	return nil
}

// UnmarshalJSON reads a provider, as UserAccount.UnmarshalJSON does.
func (p *IdentityProvider) UnmarshalJSON(data []byte) error {
	type fields IdentityProvider // Without this method.
	read := fields{}
	if err := unmarshal(data, &read); err == nil {
		*p = IdentityProvider(read)
		p.Status.Unreadable = withoutUnwritable(&p.Status.Conditions, nil)
		return nil
	}
	kind, metadata, parts, err := split(data)
	if err != nil {
		return fmt.Errorf("read IdentityProvider: %w", err)
	}
	*p = IdentityProvider{TypeMeta: kind, ObjectMeta: metadata}
	p.Spec.Unreadable = unmarshalFields("spec", parts["spec"], &p.Spec)
	p.Status.Unreadable = withoutUnwritable(&p.Status.Conditions, unmarshalFields("status", parts["status"], &p.Status))
	return nil
}

// UnreadableFields names the fields of the spec that cannot be read, such as spec.endTime.
func (s *UserAccountSpec) UnreadableFields() []string {
	instants := map[string]*Instant{
		"spec.startTime": s.StartTime, "spec.endTime": s.EndTime,
		"spec.unlockTime": s.UnlockTime, "spec.signOutTime": s.SignOutTime,
	}
	if p := s.Password; p != nil {
		instants["spec.password.resetTime"], instants["spec.password.changeRequiredTime"] = p.ResetTime, p.ChangeRequiredTime
	}
	return unreadable(s.Unreadable, instants)
}

// UsernameUnreadable tells that a username may be declared, and which cannot be known.
func (s *UserAccountSpec) UsernameUnreadable() bool {
	return slices.Contains(s.Unreadable, "spec") || slices.Contains(s.Unreadable, "spec.username")
}

// UnreadableFields names the fields of the spec that cannot be read, such as spec.changeRequiredTime.
func (s *PasswordPolicySpec) UnreadableFields() []string {
	return unreadable(s.Unreadable, map[string]*Instant{"spec.changeRequiredTime": s.ChangeRequiredTime})
}

func unreadable(fields []string, instants map[string]*Instant) []string {
	all := slices.Clone(fields)
	for field, instant := range instants {
		if instant.IsUnreadable() {
			all = append(all, field)
		}
	}
	slices.Sort(all)
	return all
}

// split takes an object of any kind apart. The API server itself reads the metadata, and repairs what it cannot read.
func split(data []byte) (kind metav1.TypeMeta, metadata metav1.ObjectMeta, parts map[string]json.RawMessage, err error) {
	err = unmarshal(data, &parts)
	if err == nil {
		err = errors.Join(unmarshal(data, &kind), unmarshal(parts["metadata"], &metadata))
	}
	return kind, metadata, parts, err
}

// unmarshal reads JSON as the clients of Kubernetes do. Nothing is read from nothing.
func unmarshal(data []byte, into any) error {
	if len(data) == 0 {
		return nil
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(data, into)
}

// withoutUnwritable leaves out conditions whose time can be read and not be written again (see Instant), and names the field then: the
// API server would refuse a status that has one.
func withoutUnwritable(conditions *[]metav1.Condition, unreadable []string) []string {
	kept := slices.DeleteFunc(*conditions, func(c metav1.Condition) bool { return !isStorable(c.LastTransitionTime.Time) })
	if len(kept) < len(*conditions) {
		unreadable = append(unreadable, "status.conditions")
	}
	*conditions = kept
	return unreadable
}

// unmarshalFields reads the fields of a part, "spec" or "status", one by one, and returns those that cannot be read.
func unmarshalFields[T any](part string, data []byte, into *T) []string {
	fields := map[string]json.RawMessage{}
	if err := unmarshal(data, &fields); err != nil {
		return []string{part}
	}
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		alone, err := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		next := *into // A failure leaves parts of a field behind.
		if err == nil {
			err = unmarshal(alone, &next)
		}
		if err != nil {
			failed = append(failed, part+"."+name)
			continue
		}
		*into = next
	}
	return failed
}
