package schema_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refusal is one row: a spec, or a status, that breaks one rule of the schema, and all that the API server says.
type refusal struct {
	kind    schema.GroupVersionKind
	field   string // spec or status
	content string
	want    []string
	// whole marks a rule about the spec as a whole: an object stored before it was there has to meet it with the next
	// change of its spec, whatever the change.
	whole bool
}

// wrong makes a row.
func wrong(kind schema.GroupVersionKind, content string, want ...string) refusal {
	return refusal{kind: kind, field: "spec", content: content, want: want}
}

// wrongWhole makes a row of a rule about the spec as a whole.
func wrongWhole(kind schema.GroupVersionKind, content string, want ...string) refusal {
	return refusal{kind: kind, field: "spec", content: content, want: want, whole: true}
}

// wrongStatus makes a row of a status.
func wrongStatus(kind schema.GroupVersionKind, content string, want ...string) refusal {
	return refusal{kind: kind, field: "status", content: content, want: want}
}

func (r refusal) name() string {
	content := r.content
	if len(content) > 60 {
		content = content[:60] + "..."
	}

	return r.kind.Kind + " " + content
}

func allRefusals() []refusal {
	return slices.Concat(accountRefusals(), accountStatusRefusals(), policyRefusals(), policyStatusRefusals(),
		providerRefusals(), providerStatusRefusals(), instantRefusals())
}

func TestRefusals(t *testing.T) {
	storeEach(t)

	for _, r := range allRefusals() {
		t.Run(r.name(), func(t *testing.T) {
			var err error

			if r.field == "status" {
				o := object(t, r.kind, "stored", "status", r.content)
				err = api.Status().Patch(t.Context(), o, merge(t, o, "status"), client.DryRunAll)
			} else {
				err = api.Create(t.Context(), declared(t, r.kind, "refused", r.content), client.DryRunAll)
			}

			want := slices.Sorted(slices.Values(r.want))
			if got := refusals(t, err); !slices.Equal(got, want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}
