package provider

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestSecretIsNotShown: in whatever way it is printed, alone or within something else, by whatever field it is reached.
func TestSecretIsNotShown(t *testing.T) {
	secret := NewSecret(clientSecret)
	type hidden struct{ secret Secret } // The package fmt calls no methods there.
	settings := &Settings{Provider: reachable(), ClientSecret: secret, Servers: []string{"id.example.org"}, Version: "1"}
	values := map[string]any{
		"value": secret, "pointer": &secret, "list": []Secret{secret}, "map": map[string]Secret{"a": secret}, "interface": []any{secret},
		"settings": settings, "settings, copied": *settings, "unexported": hidden{secret}, "unexported, pointer": &hidden{secret},
		"error": fmt.Errorf("wrapped: %v", secret), "errors": errors.Join(fmt.Errorf("%s", secret)),
	}
	check := func(how, text string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if strings.Contains(text, "the-secret") || strings.Contains(text, fmt.Sprintf("%x", "the-secret")) || strings.Contains(text, fmt.Sprintf("%X", "the-secret")) {
			t.Errorf("%s: %s", how, text)
		}
	}
	for name, value := range values {
		for verb := '!'; verb <= '~'; verb++ {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "30", ".3", "# x+"} {
				format := "%" + flags + string(verb)
				check(name+" by "+format, fmt.Sprintf(format, value), nil)
			}
		}
		check(name+" by Sprint", fmt.Sprint(value)+fmt.Sprintln(value), nil)

		inJSON, err := json.Marshal(value)
		check(name+" in JSON", string(inJSON), err)
		inYAML, err := yaml.Marshal(value)
		check(name+" in YAML", string(inYAML), err)

		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("Test", "value", value, slog.Group("group", "value", value))
		slog.New(slog.NewJSONHandler(&logged, nil)).With("value", value).Info("Test", "value", value)
		check(name+" in logs", logged.String(), nil)
	}

	inXML, err := xml.Marshal(secret)
	check("XML", string(inXML), err)

	for _, format := range []string{"%v", "%s", "%q", "%x", "%#v"} {
		if got := fmt.Sprintf(format, secret); got != "[redacted]" {
			t.Errorf("printed by %s as %q", format, got)
		}
	}
	if got := secret.Text(); got != clientSecret {
		t.Errorf("the text is %q", got)
	}
	if got := (Secret{}).Text(); got != "" {
		t.Errorf("the text of none is %q", got)
	}
}
