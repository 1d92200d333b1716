package useraccount

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/controllers/internal/statuspatch"
)

// sameObject makes a merge patch apply to the object that was read only, and not to a later one of its name.
type sameObject struct{ client.Patch }

// Data of the patch, with the object's UID as a precondition.
func (p sameObject) Data(obj client.Object) ([]byte, error) {
	data, err := p.Patch.Data(obj)
	if err != nil {
		return nil, err
	}
	var patch map[string]any
	if err := json.Unmarshal(data, &patch); err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	meta, _ := patch["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		patch["metadata"] = meta
	}
	meta["uid"] = obj.GetUID()
	return json.Marshal(patch)
}

// writeStatus writes a status that differs from the one that is there, in one write, and tells what has changed.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope) error {
	declared, status := s.account, project(s)
	if equality.Semantic.DeepEqual(declared.Status, status) {
		return nil
	}
	told := declared.DeepCopy() // The API server's answer goes there: it may be declared otherwise by now.
	told.Status = status
	err := r.client.Status().Patch(ctx, told, sameObject{statuspatch.From(declared, declared.Status.Unreadable)})
	if err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("write status: %w", err)
	}
	r.written.Wrote(client.ObjectKeyFromObject(told).String(), told.ResourceVersion)
	r.resets.condition(declared.Status.Conditions, status.Conditions)
	r.conditionEvents(declared, declared.Status.Conditions, status.Conditions)
	r.lockEvent(declared, s.rules.LockWithoutWrite(&declared.Status, s.credential()), string(status.StandingReason))
	return nil
}
