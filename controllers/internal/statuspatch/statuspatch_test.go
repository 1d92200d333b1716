package statuspatch

import (
	"encoding/json"
	"testing"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// TestUnreadableFieldsAreReplaced: by what is there now, or by nothing. The others are patched as ever.
func TestUnreadableFieldsAreReplaced(t *testing.T) {
	for name, row := range map[string]struct{ stored, want string }{
		"all can be read":  {`{"standing": "Locked"}`, `{"status":{"policyName":"strict","standing":"Active"}}`},
		"gone now":         {`{"standing": "Locked", "login": 5}`, `{"status":{"login":null,"policyName":"strict","standing":"Active"}}`},
		"there now":        {`{"standing": "Locked", "policyName": {}}`, `{"status":{"policyName":"strict","standing":"Active"}}`},
		"nothing else":     {`{"standing": "Active", "policyName": "strict", "password": []}`, `{"status":{"password":null}}`},
		"no object at all": {`"Active"`, `{"status":{"policyName":"strict","standing":"Active"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			read := &v1alpha1.UserAccount{}
			if err := json.Unmarshal([]byte(`{"metadata": {"name": "ada"}, "status": `+row.stored+`}`), read); err != nil {
				t.Fatal(err)
			}
			now := read.DeepCopy()
			now.Status = v1alpha1.UserAccountStatus{Standing: v1alpha1.StandingActive, PolicyName: "strict"}
			got, err := From(read, read.Status.Unreadable).Data(now)
			if err != nil || string(got) != row.want {
				t.Errorf("the patch is %s, %v, want %s", got, err, row.want)
			}
		})
	}
}
