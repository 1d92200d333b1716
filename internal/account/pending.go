package account

import "time"

// PendingRequest is a request that has not taken effect because it lies in the future.
type PendingRequest struct {
	// Field of the UserAccount, such as "spec.unlockTime".
	Field string
	// Time at which it takes effect.
	Time time.Time
}

// PendingRequests lists the requests that lie in the future, in the order of the spec's reference. One that was past when
// the credential was created is none of them, nor is one that has taken effect.
func (r Rules) PendingRequests(c Credential) []PendingRequest {
	var pending []PendingRequest
	add := func(field string, request, handled time.Time) {
		if request.After(r.Now) && request.After(handled) {
			pending = append(pending, PendingRequest{Field: field, Time: request})
		}
	}
	if p := r.Spec.Password; p != nil {
		add("spec.password.resetTime", r.resetTime(), c.Handled.Reset)
		add("spec.password.changeRequiredTime", instant(p.ChangeRequiredTime), c.Handled.ChangeRequired)
	}
	add("spec.unlockTime", instant(r.Spec.UnlockTime), c.Handled.Unlock)
	add("spec.signOutTime", instant(r.Spec.SignOutTime), c.Handled.SignOut)
	return pending
}
