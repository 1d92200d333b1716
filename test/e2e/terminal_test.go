package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/controlplane/binaries"
)

// desk is where somebody works: a home folder, a kubeconfig whose user logs in with kubectl account, and a kubectl.
type desk struct {
	home, kubeconfig, kubectl, bin string

	// session is the file of the session that was looked at last.
	session string
}

// newDesk is one for the people of an organisation.
func newDesk(t *testing.T, o *organisation, args ...string) *desk {
	t.Helper()

	bin := filepath.Dir(login.path)
	d := &desk{home: t.TempDir(), bin: bin}
	d.kubeconfig = filepath.Join(d.home, "kubeconfig")

	var err error
	d.kubectl, err = binaries.Find(binaries.Kubectl)
	must(t, err)

	args = append([]string{"login", "--server=" + loginURL, "--namespace=" + o.name}, args...)
	must(t, controlplane.WritePersonKubeconfig(d.kubeconfig, plane.Config(), filepath.Join(bin, "kubectl-account"), args...))

	return d
}

// command is kubectl, at this desk.
func (d *desk) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, d.kubectl, args...)
	command.Env = d.environment()

	return command
}

func (d *desk) environment() []string {
	return []string{
		"HOME=" + d.home, "XDG_CACHE_HOME=" + filepath.Join(d.home, "cache"), "KUBECONFIG=" + d.kubeconfig, "TERM=xterm",
		"PATH=" + d.bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
	}
}

// alone runs kubectl without a terminal, as a script does.
func (d *desk) alone(t *testing.T, args ...string) (string, error) {
	t.Helper()

	output, err := d.command(t.Context(), args...).CombinedOutput()
	d.noPasswords(t, string(output))

	return string(output), err
}

func (d *desk) mustAlone(t *testing.T, args ...string) string {
	t.Helper()

	output, err := d.alone(t, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, output)
	}

	return output
}

// noPasswords looks for every password of the tests in what is shown.
func (d *desk) noPasswords(t *testing.T, shown string) {
	t.Helper()
	evidence.Lock()
	defer evidence.Unlock()

	for _, secret := range evidence.secrets {
		if strings.Contains(shown, secret) {
			t.Errorf("a password or a token is shown: %s", shown)
		}
	}
}

// stored returns the session that is stored at this desk.
func (d *desk) stored(t *testing.T) string {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(d.home, "cache", "keyturn", "sessions", "*"))
	must(t, err)

	var session string

	for _, file := range files {
		for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
			info, err := os.Stat(path)
			must(t, err)

			if info.Mode().Perm() != want {
				t.Errorf("%s has the mode %s, want %s", path, info.Mode().Perm(), want)
			}
		}

		content, err := os.ReadFile(file)
		must(t, err)

		if !strings.Contains(string(content), `"token"`) {
			continue // It names whose session is used, and is none.
		}

		if session != "" {
			t.Fatalf("several sessions are stored, among %q", files)
		}

		session, d.session = string(content), file
	}

	return session
}

// screen is a terminal with kubectl in it.
type screen struct {
	desk  *desk
	file  *os.File
	ended chan error

	mu    sync.Mutex
	shown strings.Builder
	// read is how much of it has been looked at.
	read int
}

// sit runs kubectl at a terminal.
func (d *desk) sit(t *testing.T, args ...string) *screen {
	t.Helper()

	return d.sitWith(t, d.command(t.Context(), args...))
}

// sitWith runs another command at a terminal, with the environment of the desk.
func (d *desk) sitWith(t *testing.T, command *exec.Cmd) *screen {
	t.Helper()

	command.Env = d.environment()
	file, err := pty.Start(command)
	must(t, err)

	s := &screen{desk: d, file: file, ended: make(chan error, 1)}

	go func() {
		_, _ = io.Copy(s, file) // ends with the last who has the terminal open
		s.ended <- command.Wait()
	}()

	t.Cleanup(func() { _ = file.Close() })

	return s
}

// Write shows something.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.shown.Write(p)
}

// expect waits until the screen shows something more.
func (s *screen) expect(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the screen shows "+text, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()

		rest := s.shown.String()[s.read:]

		at := strings.Index(rest, text)
		if at < 0 {
			return fmt.Errorf("it shows %q", rest)
		}

		s.read += at + len(text)

		return nil
	})
}

// enter types a line where it is asked for.
func (s *screen) enter(t *testing.T, prompt, line string) {
	t.Helper()
	s.expect(t, prompt)

	_, err := io.WriteString(s.file, line+"\r") // as the key does
	must(t, err)
}

// finish waits for the end of kubectl, and looks for passwords on the screen.
func (s *screen) finish(t *testing.T) (string, error) {
	t.Helper()

	var ended error

	within(t, patience, "kubectl ends", func() error {
		select {
		case ended = <-s.ended:
			return nil
		default:
			return errors.New("it goes on")
		}
	})

	s.mu.Lock()
	defer s.mu.Unlock()
	s.desk.noPasswords(t, s.shown.String())

	return s.shown.String(), ended
}

func (s *screen) mustFinish(t *testing.T) string {
	t.Helper()

	shown, err := s.finish(t)
	if err != nil {
		t.Fatalf("kubectl: %v: %s", err, shown)
	}

	return shown
}
