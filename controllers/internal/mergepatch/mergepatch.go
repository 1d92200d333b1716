// Package mergepatch makes the patches by which controllers write objects: of the fields that have changed since an object was read.
package mergepatch

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// From returns a merge patch of what has changed since an object was read. It applies to that very object: a later one of its name
// has another UID, which is a conflict.
//
// unreadable are fields of its status that could not be read, such as status.login. The patch removes them, since a merge patch would
// keep what is wrong inside an object. The controller's next write sets them.
func From(read client.Object, unreadable ...string) client.Patch {
	return patch{client.MergeFrom(read), unreadable}
}

type patch struct {
	client.Patch

	unreadable []string
}

// Data implements client.Patch.
func (p patch) Data(object client.Object) ([]byte, error) {
	changes, err := p.Patch.Data(object)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(changes, &fields); err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	inner(fields, "metadata")["uid"] = object.GetUID()
	for _, field := range p.unreadable {
		if name, found := strings.CutPrefix(field, "status."); found { // Else the stored status is no object, and the patch makes it one.
			inner(fields, "status")[name] = nil
		}
	}
	return json.Marshal(fields)
}

// inner returns the object under a key, which it makes where there is none.
func inner(fields map[string]any, key string) map[string]any {
	found, _ := fields[key].(map[string]any)
	if found == nil {
		found = map[string]any{}
		fields[key] = found
	}
	return found
}
