package httpkit

import (
	"net/http"
	"testing"
)

func TestHosts(t *testing.T) {
	hosts, err := ParseHosts(" login.example.org, 127.0.0.1,::1,Admin.Example.org ")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"login.example.org": true, "LOGIN.example.org:8443": true, "127.0.0.1:8080": true, "[::1]:8080": true, "[::1]": true,
		"admin.example.org": true, "app.example.org": false, "login.example.org.evil.test": false, "": false, "login.example.org:": true,
	} {
		if got := hosts.Has(&http.Request{Host: host}); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
	if none, err := ParseHosts(""); err != nil || none.Has(&http.Request{Host: ""}) {
		t.Errorf("No names answer %v, %v", none, err)
	}
}

func TestHostsRefused(t *testing.T) {
	for _, text := range []string{"https://login.example.org", "login.example.org:8443", "login.example.org/admin", "*.example.org", "a b", ",", "a,,b", "a..b", ".", "-", "login.example.org."} {
		if _, err := ParseHosts(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
