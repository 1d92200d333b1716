// Package statuspatch owns how a status is written where a part of the stored one cannot be read.
package statuspatch

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// replacing is a merge patch that replaces some fields of the status.
type replacing struct {
	client.Patch

	fields []string
}

// From returns a merge patch of what has changed since an object was read. The fields of its status that could not be read, such as
// status.login, are replaced as a whole, or taken away: they were read as if they were not there, and a patch of what has changed
// would leave them as they are.
func From(read client.Object, unreadable []string) client.Patch {
	return replacing{client.MergeFrom(read), unreadable}
}

// Data implements client.Patch.
func (p replacing) Data(object client.Object) ([]byte, error) {
	data, err := p.Patch.Data(object)
	if err != nil || len(p.fields) == 0 {
		return data, err
	}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", object, err)
	}
	var patch, whole map[string]any
	if err := json.Unmarshal(data, &patch); err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, fmt.Errorf("read %T: %w", object, err)
	}
	status, _ := patch["status"].(map[string]any)
	if status == nil {
		status = map[string]any{}
		patch["status"] = status
	}
	now, _ := whole["status"].(map[string]any)
	for _, field := range p.fields {
		if name, found := strings.CutPrefix(field, "status."); found { // Else the status is no object, and the patch makes it one.
			status[name] = now[name]
		}
	}
	return json.Marshal(patch)
}
