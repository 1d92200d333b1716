// Package mergepatch makes the patches by which controllers write objects: of the fields that have changed since an object was read.
package mergepatch

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// From returns a merge patch of what has changed since an object was read. It applies to that very object: a later one of its name
// has another UID, which is a conflict.
//
// unreadable are fields of its status that could not be read, such as status.login. Reading has left them out, so they do not
// show as changed; the patch replaces them as a whole, or removes them.
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
	if len(p.unreadable) > 0 {
		if err := replaceStatus(inner(fields, "status"), object, p.unreadable); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// replaceStatus sets fields of a patch's status to what an object has; null, which removes a field, where it has none.
func replaceStatus(status map[string]any, object client.Object, fields []string) error {
	whole, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("read %T: %w", object, err)
	}
	for _, field := range fields {
		if name, found := strings.CutPrefix(field, "status."); found { // Else the stored status is no object, and the patch makes it one.
			status[name] = inner(whole, "status")[name]
		}
	}
	return nil
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
