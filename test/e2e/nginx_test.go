package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
)

// nginxProgram returns the path of nginx, which it installs where it is missing.
var nginxProgram = sync.OnceValues(func() (string, error) { return provide("nginx") })

// documentedNginx is the configuration that the documentation recommends.
func documentedNginx(t *testing.T) string {
	t.Helper()

	document, err := os.ReadFile("../../docs/reverse-proxies.md")
	must(t, err)

	_, after, found := strings.Cut(string(document), "```nginx\n")
	block, _, closed := strings.Cut(after, "```\n")

	if !found || !closed {
		t.Fatal("docs/reverse-proxies.md has no block of nginx")
	}

	return block
}

// proxied is an application behind nginx, and what it has been asked.
type proxied struct {
	url   string
	roots *x509.CertPool

	mu       sync.Mutex
	requests []*http.Request
}

// seen is what the application reports about a request.
type seen struct {
	Method, URI string
	Header      http.Header
	Body        int
}

// ServeHTTP is the application: it reports the request it received, to programs in JSON.
func (p *proxied) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, r.Clone(r.Context()))
	p.mu.Unlock()

	if switchProtocols(w, r) {
		return
	}

	body, _ := io.Copy(io.Discard, r.Body)
	http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark", Path: "/"})

	switch r.URL.Path {
	case "/refused":
		http.Error(w, "the application's own refusal", http.StatusUnauthorized)
	case "/page":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!DOCTYPE html><title>x</title><link rel=icon href=data:,><p>the application</p>
			<form method="post" action="/logout"><button>Log out</button></form>`)
	default:
		_ = json.NewEncoder(w).Encode(seen{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: int(body)})
	}
}

func (p *proxied) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return len(p.requests)
}

// behindNginx starts an application of an organisation behind nginx, configured as documented, save for what more exchanges.
func behindNginx(t *testing.T, organisation, keyturn string, more ...[2]string) *proxied {
	t.Helper()

	nginx, err := nginxProgram()
	must(t, err)
	port, err := controlplane.FreePort(0)
	must(t, err)

	p := &proxied{url: "https://" + controlplane.Address(port)}
	app := httptest.NewServer(p)
	t.Cleanup(app.Close)

	dir, user := t.TempDir(), ""
	if os.Geteuid() == 0 {
		user = "user root;" // Else its workers could not read the test's folder.
	}

	p.roots = writeCertificate(t, dir)

	site := documentedNginx(t)
	for _, exchange := range append(more, [][2]string{
		{"keyturn-login.keyturn-system.svc.cluster.local:80", strings.TrimPrefix(keyturn, "http://")},
		{"application.team.svc.cluster.local:8080", strings.TrimPrefix(app.URL, "http://")},
		{"listen 443 ssl", "listen " + controlplane.Address(port) + " ssl"},
		{"/etc/nginx/tls/application.crt", filepath.Join(dir, "tls.crt")},
		{"/etc/nginx/tls/application.key", filepath.Join(dir, "tls.key")},
		{"namespace=team", "namespace=" + organisation},
		{"/o/team/", "/o/" + organisation + "/"},
		{"location / {", "location / {\nclient_max_body_size 50m;"}, // as the application wants it
	}...) {
		if !strings.Contains(site, exchange[0]) {
			t.Fatalf("the documented configuration does not have %q", exchange[0])
		}

		site = strings.ReplaceAll(site, exchange[0], exchange[1])
	}

	configuration := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(configuration, fmt.Appendf(nil, `daemon off;
%[3]s
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr warn;
events {}
http {
access_log off;
client_body_temp_path %[1]s/body;
proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi;
uwsgi_temp_path %[1]s/uwsgi;
scgi_temp_path %[1]s/scgi;
%[2]s}
`, dir, site, user), 0o600))

	running, err := process.Start(process.Command{
		Name: "nginx", Path: nginx, Args: []string{"-c", configuration, "-e", "stderr"}, LogFile: filepath.Join(dir, "nginx.log"),
	})
	must(t, err)
	t.Cleanup(func() {
		running.Stop(10 * time.Second)

		if t.Failed() {
			log, _ := os.ReadFile(running.LogFile())
			t.Logf("nginx says:\n%s", log)
		}
	})
	must(t, running.WaitReady(t.Context(), process.HTTPReady(p.visitor(t).client, p.url+"/o/"+organisation+"/login")))

	return p
}

// visitor is somebody with a browser's cookies, who follows no redirect by itself.
type visitor struct {
	t      *testing.T
	app    *proxied
	client *http.Client
}

func (p *proxied) visitor(t *testing.T) *visitor {
	t.Helper()

	jar, err := cookiejar.New(nil)
	must(t, err)

	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)

	return &visitor{t: t, app: p, client: &http.Client{
		Jar: jar, Timeout: patience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is what came back through nginx.
type reply struct {
	seen

	status int
	header http.Header
	body   string
}

// do sends a request as a browser that opens a page does, unless the headers say otherwise.
func (v *visitor) do(method, path string, header map[string]string, body string) *reply {
	v.t.Helper()

	request, err := http.NewRequestWithContext(v.t.Context(), method, v.app.url+path, strings.NewReader(body))
	must(v.t, err)
	request.Header.Set("Accept", "text/html,*/*;q=0.8")

	for name, value := range header {
		request.Header.Set(name, value)
	}

	return v.send(request)
}

// send sends a request with the visitor's cookies.
func (v *visitor) send(request *http.Request) *reply {
	v.t.Helper()

	response, err := v.client.Do(request)
	must(v.t, err)
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	must(v.t, err)

	r := &reply{status: response.StatusCode, header: response.Header, body: string(text)}
	if r.status == http.StatusOK {
		_ = json.Unmarshal(text, &r.seen) // pages are no JSON
	}

	return r
}

func (v *visitor) get(path string) *reply {
	v.t.Helper()

	return v.do(http.MethodGet, path, nil, "")
}

// logIn fills in the login form that is at an address.
func (v *visitor) logIn(address string, p *person, more ...string) *reply {
	v.t.Helper()

	at, err := url.Parse(address)
	must(v.t, err)

	form := url.Values{"username": {p.username}, "password": {p.password}, "return_to": {at.Query().Get("return_to")}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}

	return v.do(http.MethodPost, at.Path, map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Origin": v.app.url, "Sec-Fetch-Site": "same-origin",
	}, form.Encode())
}

// submit sends the form that follows a mark on a page, as it stands there but for what is filled in.
func (v *visitor) submit(page *reply, mark string, fill ...string) *reply {
	v.t.Helper()

	_, text, found := strings.Cut(page.body, mark)
	_, text, _ = strings.Cut(text, `<form method="post" action="`)
	action, text, _ := strings.Cut(text, `"`)
	text, _, closed := strings.Cut(text, "</form>")

	if !found || !closed {
		v.t.Fatalf("answered %d, and there is no form after %q:\n%s", page.status, mark, page.body)
	}

	fields := url.Values{}

	for _, input := range inputs.FindAllString(text, -1) {
		switch name := attribute(input, "name"); {
		case !strings.Contains(input, `type="checkbox"`):
			fields.Set(name, attribute(input, "value"))
		case strings.Contains(input, " checked"):
			fields.Set(name, "on")
		}
	}

	for i := 0; i < len(fill); i += 2 {
		fields.Set(fill[i], fill[i+1])
	}

	return v.do(http.MethodPost, html.UnescapeString(action), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Origin": v.app.url, "Sec-Fetch-Site": "same-origin",
	}, fields.Encode())
}

var (
	inputs     = regexp.MustCompile(`<input [^>]*>`)
	attributes = regexp.MustCompile(` (name|value)="([^"]*)"`)
)

// attribute returns the value of an attribute of an element; empty where it has none.
func attribute(element, name string) string {
	for _, found := range attributes.FindAllStringSubmatch(element, -1) {
		if found[1] == name {
			return html.UnescapeString(found[2])
		}
	}

	return ""
}

// cookie returns the session's cookie; nil where there is none.
func (v *visitor) cookie() *http.Cookie {
	v.t.Helper()

	at, err := url.Parse(v.app.url)
	must(v.t, err)

	for _, c := range v.client.Jar.Cookies(at) {
		if c.Name == "__Host-keyturn-session" {
			return c
		}
	}

	return nil
}

// leads wants a redirect.
func (r *reply) leads(t *testing.T, to string) {
	t.Helper()

	if got := strings.TrimPrefix(r.header.Get("Location"), "https://"+"127.0.0.1"); r.status != http.StatusSeeOther || got != to {
		t.Fatalf("answered %d to %q, want a redirect to %q: %s", r.status, got, to, r.body)
	}
}

// writeCertificate writes a certificate for this machine, and returns who has issued it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()

	server := httptest.NewTLSServer(nil)
	defer server.Close()

	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))

	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	return roots
}
