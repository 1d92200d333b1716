package web_test

import (
	"net/http"
	"testing"
)

func TestRequirements(t *testing.T) {
	named := organisation(t, strong())
	plain := organisation(t, nil)
	ids := func(a *answer) map[string]int {
		a.expect(t, http.StatusOK, "")
		found := map[string]int{}
		for _, r := range a.Requirements {
			if r.Message == "" || r.Satisfied != nil {
				t.Errorf("requirement %+v", r)
			}
			found[r.ID] = r.Minimum
		}
		return found
	}
	if got := ids(send(t, http.MethodGet, "/api/v1/requirements?namespace="+named, "", nil)); got["uppercase"] != 1 || got["minLength"] != 8 {
		t.Errorf("the policy of the organisation gives %v", got)
	}
	want := send(t, http.MethodGet, "/api/v1/requirements?namespace="+plain, "", nil)
	if got := ids(want); got["minLength"] != 8 || got["uppercase"] != 0 {
		t.Errorf("the default policy gives %v", got)
	}
	for _, query := range []string{"", "?namespace=", "?namespace=nowhere", "?namespace=..%2F" + named, "?namespace=%00"} {
		if got := send(t, http.MethodGet, "/api/v1/requirements"+query, "", nil); got.text != want.text {
			t.Errorf("%q: answered %s, want what any organisation without a policy answers", query, got.text)
		}
	}
}
