package oidc

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/provider"
)

// tinyValues is an object of a length that has a list of as many values as fit.
func tinyValues(length int, name string) string {
	return `{"` + name + `":[` + strings.Repeat("{},", length/3-10) + `{}]}`
}

// tinyNames is an object of a length that has as many names as fit.
func tinyNames(length int) string {
	var text strings.Builder
	text.WriteString("{")
	for n := 0; text.Len() < length-20; n++ {
		fmt.Fprintf(&text, `"%x":0,`, n)
	}
	text.WriteString(`"last":0}`)
	return text.String()
}

// allocated returns how many bytes something takes up, those included that it gives back.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestObjects: an object has every name once, and not too many.
func TestObjects(t *testing.T) {
	many := func(number int) string {
		names := make([]string, number)
		for n := range names {
			names[n] = fmt.Sprintf(`"%d":[{}]`, n)
		}
		return "{" + strings.Join(names, ",") + "}"
	}
	for text, want := range map[string]bool{
		`{}`: true, ` {"a" : [{"b":1,"b":2}], "A":null, "":"x"} `: true, many(maxNames): true,
		many(maxNames + 1): false, `{"a":1,"a":1}`: false, `{"a":1,"\u0061":2}`: false, `{"a":1,"b":[1,{}],"a":[]}`: false,
		``: false, `null`: false, `[]`: false, `"a"`: false, `{`: false, `{"a":1`: false, `{"a":1,}`: false, `{"a" 1}`: false, `{"a":[}`: false,
		`{} {}`: false, `{}x`: false, `{"a":1}}`: false, `{1:1}`: false, `{"a":1 "b":1}`: false,
	} {
		if isObject([]byte(text)) != want {
			t.Errorf("%.40s: want %t", text, want)
		}
	}
}

// TestObjectsCostLittle: whatever is in an answer, looking at it takes a few times its size.
func TestObjectsCostLittle(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want bool
	}{
		"values": {tinyValues(maxBody, "q"), true}, "names": {tinyNames(maxBody), false},
	} {
		var got bool
		taken := allocated(func() { got = isObject([]byte(row.text)) })
		if got != row.want || taken > 10<<20 {
			t.Errorf("%s: answered %t, and %d KiB were allocated", name, got, taken>>10)
		}
	}
}

// lists is an object of a length that has a list of the smallest texts for each of some names.
func lists(length int, names ...string) string {
	all := make([]string, len(names))
	for n, name := range names {
		all[n] = `"` + name + `":[` + strings.Repeat(`"",`, length/3/len(names)-100) + `""]`
	}
	return "{" + strings.Join(all, ",") + "}"
}

// TestAnswersCostLittle: neither a login nor a test of the connection builds all of the many values that a provider can answer.
func TestAnswersCostLittle(t *testing.T) {
	for name, row := range map[string]struct{ path, text string }{
		"token, too long": {"/token", tinyValues(maxTokenBody+100, "q")},
		"token, longest":  {"/token", tinyValues(maxTokenBody, "q")},
		"token, 1 MiB":    {"/token", tinyValues(maxBody, "q")},
		"keys":            {"/keys", tinyValues(maxBody, "keys")},
		"discovery":       {wellKnown, lists(maxBody, "id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t)
			h.handle[row.path] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, row.text)
			}
			c := h.client()
			if taken := allocated(func() {
				f := NewFlow(false, h.clock.Now())
				address, err := c.Begin(t.Context(), netip.Addr{}, redirectURL, f)
				if err == nil {
					_, err = c.Finish(t.Context(), netip.Addr{}, redirectURL, f, h.logIn(address))
				}
				refusedFor(t, err, ReasonAnswerUnusable, true)
			}); taken > 16<<20 {
				t.Errorf("a login allocated %d KiB", taken>>10)
			}
			if taken := allocated(func() {
				if c.Test(t.Context()) == nil {
					t.Error("the provider can be used")
				}
			}); taken > 16<<20 {
				t.Errorf("a test allocated %d KiB", taken>>10)
			}
		})
	}
}

// TestLongAnswers: a document and keys may be much longer than what the token endpoint answers.
func TestLongAnswers(t *testing.T) {
	h := newHostile(t)
	h.document = with(map[string]any{"planted": strings.Repeat("x", maxBody-2048)})
	c := h.client()
	if _, err := h.login(c); err != nil {
		t.Error(err)
	}
	h.claims = with(map[string]any{"planted": strings.Repeat("x", maxTokenBody/2)})
	if _, err := h.login(c); err != nil {
		t.Error(err)
	}
	h.claims = with(map[string]any{"planted": strings.Repeat("x", maxTokenBody)})
	_, err := h.login(c)
	refusedFor(t, err, ReasonAnswerUnusable, true)
}

// cached reads objects as a cache does: it copies nothing that does not have to be copied.
type cached struct {
	client.Reader
	secret    *corev1.Secret
	configMap *corev1.ConfigMap
}

// Get implements [client.Reader].
func (c cached) Get(_ context.Context, _ client.ObjectKey, into client.Object, options ...client.GetOption) error {
	shared := ptr.Deref((&client.GetOptions{}).ApplyOptions(options).UnsafeDisableDeepCopy, false)
	switch into := into.(type) {
	case *corev1.Secret:
		*into = *c.secret
		if !shared {
			c.secret.DeepCopyInto(into)
		}
	case *corev1.ConfigMap:
		*into = *c.configMap
		if !shared {
			c.configMap.DeepCopyInto(into)
		}
	}
	return nil
}

// TestUnchangedProvidersCostLittle: anybody can have logins begin. That a Secret and certificates are as they were is seen without looking into them.
func TestUnchangedProvidersCostLittle(t *testing.T) {
	h := newHostile(t)
	p := h.settings().Provider
	p.Name, p.UID = "contoso", "uid-1"
	p.Spec.OIDC.CAConfigMapRef = &v1alpha1.CAConfigMapReference{Name: "contoso", Key: "ca.crt"}
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	clients := &Clients{Clock: h.clock, Source: provider.Source{Reader: cached{
		secret: &corev1.Secret{Type: v1alpha1.SecretTypeOIDCClient, Data: map[string][]byte{
			v1alpha1.ClientSecretKey: []byte(clientSecret), v1alpha1.ServersKey: []byte(h.Listener.Addr().String()), "planted": make([]byte, 1<<19),
		}},
		configMap: &corev1.ConfigMap{Data: map[string]string{"ca.crt": strings.Repeat(authority, 145)}},
	}}}
	first, err := clients.Of(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if taken := allocated(func() {
		for range 100 {
			if c, err := clients.Of(t.Context(), p); err != nil || c != first {
				t.Errorf("the client is another one: %v", err)
			}
		}
	}); taken > 1<<20 {
		t.Errorf("a hundred logins allocated %d KiB", taken>>10)
	}
}

// TestManyValues: an answer may have many values, but not as many as fit.
func TestManyValues(t *testing.T) {
	for number, want := range map[int]bool{maxValues / 2: true, maxValues: false} {
		h := newHostile(t)
		h.document = with(map[string]any{"planted": make([]int, number)})
		_, err := h.client().Begin(t.Context(), netip.Addr{}, redirectURL, NewFlow(false, h.clock.Now()))
		if want && err != nil {
			t.Errorf("a document of %d values: %v", number, err)
		}
		if !want {
			refusedFor(t, err, ReasonAnswerUnusable, true)
		}
	}
}
