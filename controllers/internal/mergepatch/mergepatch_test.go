package mergepatch

import (
	"encoding/json"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestUnreadableFieldsAreRemoved: a field of the stored status that cannot be read is removed, also if there is a value for it now.
// Of the other fields, the patch has those that have changed.
func TestUnreadableFieldsAreRemoved(t *testing.T) {
	for name, row := range map[string]struct{ stored, want string }{
		"all can be read":  {`{"standing": "Locked"}`, `{"metadata":{"uid":"u1"},"status":{"policyName":"strict","standing":"Active"}}`},
		"gone now":         {`{"standing": "Locked", "login": 5}`, `{"metadata":{"uid":"u1"},"status":{"login":null,"policyName":"strict","standing":"Active"}}`},
		"there now":        {`{"standing": "Locked", "policyName": {}}`, `{"metadata":{"uid":"u1"},"status":{"policyName":null,"standing":"Active"}}`},
		"nothing else":     {`{"standing": "Active", "policyName": "strict", "password": []}`, `{"metadata":{"uid":"u1"},"status":{"password":null}}`},
		"no object at all": {`"Active"`, `{"metadata":{"uid":"u1"},"status":{"policyName":"strict","standing":"Active"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			read := &v1alpha1.UserAccount{}
			if err := json.Unmarshal([]byte(`{"metadata": {"name": "ada", "uid": "u1"}, "status": `+row.stored+`}`), read); err != nil {
				t.Fatal(err)
			}
			now := read.DeepCopy()
			now.Status = v1alpha1.UserAccountStatus{Standing: v1alpha1.StandingActive, PolicyName: "strict"}
			got, err := From(read, read.Status.Unreadable...).Data(now)
			if err != nil || string(got) != row.want {
				t.Errorf("the patch is %s, %v, want %s", got, err, row.want)
			}
		})
	}
}

// TestPatchIsForOneObject: a patch without any change of the status names the object's UID, and nothing else.
func TestPatchIsForOneObject(t *testing.T) {
	read := &v1alpha1.UserAccount{}
	read.Name, read.UID = "ada", "u1"
	now := read.DeepCopy()
	now.Annotations = map[string]string{"mark": "ada"}
	got, err := From(read).Data(now)
	if want := `{"metadata":{"annotations":{"mark":"ada"},"uid":"u1"}}`; err != nil || string(got) != want {
		t.Errorf("the patch is %s, %v, want %s", got, err, want)
	}
}
