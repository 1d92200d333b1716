package uninstall_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/process"
	"github.com/keyturn/keyturn/test/internal/installation"
)

var httpClient = &http.Client{Timeout: 10 * time.Second}

// servers are the real operator and login server, each under a token of its ServiceAccount, as Pods of the installation would run.
type servers struct {
	operator, login *process.Process
	loginURL        string
}

func startServers(t *testing.T) *servers {
	t.Helper()

	ports := make([]string, 3)
	for i := range ports {
		port, err := controlplane.FreePort(0)
		must(t, err)

		ports[i] = controlplane.Address(port)
	}

	s := &servers{loginURL: "http://" + ports[2]}
	s.operator = launch(t, "operator", auditLog("operator"), "--health-probe-bind-address="+ports[0])
	s.login = launch(t, "login", auditLog("login"), "--health-bind-address="+ports[1], "--bind-address="+ports[2])

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	must(t, s.operator.WaitReady(ctx, process.HTTPReady(httpClient, "http://"+ports[0]+"/readyz")))
	must(t, s.login.WaitReady(ctx, process.HTTPReady(httpClient, "http://"+ports[1]+"/readyz")))

	return s
}

func auditLog(name string) string { return "--audit-log=" + filepath.Join(dir, name+"-audit.log") }

func launch(t *testing.T, name string, args ...string) *process.Process {
	t.Helper()

	kubeconfig := filepath.Join(dir, name+".kubeconfig")
	must(t, installation.Kubeconfig(t.Context(), plane, name, kubeconfig))

	p, err := process.Start(process.Command{
		Name: name, Path: filepath.Join(dir, name), LogFile: filepath.Join(dir, name+".log"),
		Args: append([]string{"--kubeconfig=" + kubeconfig}, args...),
	})
	must(t, err)
	t.Cleanup(p.Kill)

	return p
}

func (s *servers) stop() {
	s.operator.Kill()
	s.login.Kill()
}

// ask sends JSON to the login server and reads its answer.
func (s *servers) ask(method, path, token string, body any) (code int, answer map[string]any, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}

	// Not the test's context, which is over when servers are asked at its end.
	request, err := http.NewRequestWithContext(context.Background(), method, s.loginURL+path, bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}

	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}

	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}

	response, err := httpClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()

	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, nil, fmt.Errorf("%s answers %d: %w", path, response.StatusCode, err)
	}

	return response.StatusCode, answer, nil
}
