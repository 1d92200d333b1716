package kubeuser

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for name, row := range map[string]struct {
		namespace, username string
		groups              []string
		want                []string // the username, then the groups; nil where there is no identity
	}{
		"no groups":      {"acme", "ada", nil, []string{"keyturn:acme:ada", "keyturn:acme"}},
		"groups":         {"acme", "ada", []string{"one", "Zwei drei"}, []string{"keyturn:acme:ada", "keyturn:acme", "keyturn:acme:one", "keyturn:acme:Zwei drei"}},
		"any username":   {"a-1", "Ada.Love_l+1@acme-x", nil, []string{"keyturn:a-1:Ada.Love_l+1@acme-x", "keyturn:a-1"}},
		"looks like one": {"system", "masters", []string{"admin"}, []string{"keyturn:system:masters", "keyturn:system", "keyturn:system:admin"}},
		"longest":        {strings.Repeat("n", 63), strings.Repeat("u", 128), nil, []string{"keyturn:" + strings.Repeat("n", 63) + ":" + strings.Repeat("u", 128), "keyturn:" + strings.Repeat("n", 63)}},

		"no namespace":              {"", "ada", nil, nil},
		"colon in the namespace":    {"acme:ada", "x", nil, nil},
		"no label":                  {"Acme", "ada", nil, nil},
		"dot in the namespace":      {"acme.org", "ada", nil, nil},
		"long namespace":            {strings.Repeat("n", 64), "ada", nil, nil},
		"no username":               {"acme", "", nil, nil},
		"colon in the username":     {"acme", "system:admin", nil, nil},
		"letters beyond ASCII":      {"acme", "Ada\u0301", nil, nil},
		"long username":             {"acme", strings.Repeat("u", 129), nil, nil},
		"empty group":               {"acme", "ada", []string{""}, nil},
		"group of the cluster":      {"acme", "ada", []string{"one", "system:masters"}, nil},
		"comma":                     {"acme", "ada", []string{"a,b"}, nil},
		"line break":                {"acme", "ada", []string{"a\nb"}, nil},
		"line separator":            {"acme", "ada", []string{"a\u2028b"}, nil},
		"no text":                   {"acme", "ada", []string{"\xff"}, nil},
		"long group":                {"acme", "ada", []string{strings.Repeat("g", 129)}, nil},
		"one bad group spoils them": {"acme", "ada", []string{"one", "two", ":"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Of(row.namespace, row.username, row.groups)
			if row.want == nil {
				if !errors.Is(err, ErrRefused) || got.Username != "" || got.Groups != nil {
					t.Errorf("got %+v, %v; want ErrRefused alone", got, err)
				}
				return
			}
			if all := append([]string{got.Username}, got.Groups...); err != nil || !slices.Equal(all, row.want) {
				t.Errorf("got %q, %v; want %q", all, err, row.want)
			}
		})
	}
}

// FuzzOf: whatever an account contains, no name leaves the organisation.
func FuzzOf(f *testing.F) {
	f.Add("acme", "ada", "engineering\x00staff")
	f.Add("acme", "ada", "system:masters")
	f.Add("acme:other", "ada", "")
	f.Add("system", "masters", "\x00")
	f.Fuzz(func(t *testing.T, namespace, username, groups string) {
		names := strings.Split(groups, "\x00")
		got, err := Of(namespace, username, names)
		if err != nil {
			if got.Username != "" || got.Groups != nil {
				t.Fatalf("an error and an identity: %+v", got)
			}
			return
		}
		below := "keyturn:" + namespace
		if strings.Contains(namespace, ":") || got.Username != below+":"+username || strings.Count(got.Username, ":") != 2 {
			t.Fatalf("the username is %q", got.Username)
		}
		if len(got.Groups) != 1+len(names) || got.Groups[0] != below {
			t.Fatalf("the groups are %q", got.Groups)
		}
		for i, group := range got.Groups[1:] {
			if group != below+":"+names[i] || strings.Count(group, ":") != 2 {
				t.Fatalf("a group is %q", group)
			}
		}
	})
}
