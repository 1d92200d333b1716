package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/keyturn/keyturn/hack/internal/lock"
	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/oidcprovider"
)

// TestMustRun: a sample needs a local cluster that runs, and says so where there is none. There is one sample at a time.
func TestMustRun(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")

	for _, provider := range []sampleProvider{&openIDProvider{}, &domain{}} {
		for _, without := range []string{dir, missing} {
			err := runSample(t.Context(), settings{dir: without, loginAddress: "127.0.0.1:8080"}, provider)
			if !errors.Is(err, errNoCluster) || !strings.Contains(err.Error(), "make run") {
				t.Errorf("runSample() of %s on %s = %v, want errNoCluster with what to do", provider.name(), without, err)
			}
		}
	}

	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is made: %v", err)
	}

	held, err := lock.Try(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()

	if err := mustRun(dir); err != nil {
		t.Errorf("mustRun() beside a running cluster = %v", err)
	}

	other, err := lock.Try(filepath.Join(dir, sampleLockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()

	for _, provider := range []sampleProvider{&openIDProvider{}, &domain{}} {
		err := runSample(t.Context(), settings{dir: dir, loginAddress: "127.0.0.1:8080"}, provider)
		if !errors.Is(err, lock.ErrHeld) || !strings.Contains(err.Error(), "one of them at a time") {
			t.Errorf("runSample() of %s beside another sample = %v, want ErrHeld with what to do", provider.name(), err)
		}
	}
}

// TestProviderIntroduction: the text has the address, who has an account and who has none, and commands that a shell can read.
func TestProviderIntroduction(t *testing.T) {
	password := oidcprovider.SamplePeople()[0].Password

	introduces(t, &openIDProvider{}, settings{dir: "/home/a b/.local", loginURL: "http://127.0.0.1:8080"},
		"Open http://127.0.0.1:8080 and",
		"  dorothy / "+password+" has an account", "http://127.0.0.1:8080/change-password\n",
		"  linus / "+password+" has none",
		"  export KUBECONFIG='/home/a b/.local/kubeconfig'\n", "/home/a b/.local/provider/ca.crt",
	)
}

// TestDirectoryIntroduction: the text has the address, who can log in and who cannot, the commands that change a person in the domain, and
// the name at which a browser shows its ticket, since it shows none to an IP address.
func TestDirectoryIntroduction(t *testing.T) {
	text := introduces(t, &domain{}, settings{dir: "/home/a b/.local", loginURL: "http://127.0.0.1:8080"},
		"Open http://127.0.0.1:8080 and", "http://127.0.0.1:8080/change-password\n",
		"  hedy / Tulip+7/harbour has an account", "  jean / ", "  mary / ", "  annie / ",
		"  export KUBECONFIG='/home/a b/.local/kubeconfig'\n",
		"  samba-tool user disable hedy -d 0 --configfile='/home/a b/.local/domain/smb.conf'\n",
		"  samba-tool group removemembers Engineers hedy ",
		"  kubectl --kubeconfig '/home/a b/.local/person.kubeconfig' auth whoami\n",
		"  export KRB5_CONFIG='/home/a b/.local/krb5.conf' KRB5CCNAME=",
		"  kinit hedy@CORP.TEST\n", " --auth-server-allowlist=localhost ", " http://localhost:8080/login\n",
	)

	for line := range strings.SplitSeq(text, "\n") {
		if command, found := strings.CutPrefix(line, "  "); found && !strings.Contains(command, " / ") {
			if out, err := exec.CommandContext(t.Context(), "/bin/sh", "-n", "-c", command).CombinedOutput(); err != nil {
				t.Errorf("a shell cannot read %q: %s", command, out)
			}
		}
	}
}

// TestDirectoryIntroductionElsewhere: at an address that is not of this machine alone nothing is said of kubectl account, which needs TLS
// there, nor of Windows sign-in, whose tickets are for this machine.
func TestDirectoryIntroductionElsewhere(t *testing.T) {
	text := introduces(t, &domain{}, settings{dir: "/d", loginURL: "http://192.0.2.1:8080"}, "Open http://192.0.2.1:8080 and")

	for _, unwanted := range []string{"person.kubeconfig", "kinit"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("the text has %q:\n%s", unwanted, text)
		}
	}
}

func introduces(t *testing.T, provider sampleProvider, s settings, wants ...string) string {
	t.Helper()

	text, err := provider.introduction(s)
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}

	return text
}

// TestDirectoryDeclarations: a provider is declared for the sample organisation alone, and what people of its directory need to log in is
// declared with it, by the DNs of groups that are there.
func TestDirectoryDeclarations(t *testing.T) {
	d := &domain{}

	if err := d.start(t.Context(), settings{dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	defer d.stop()

	for group, want := range map[string]string{directGroup: groupDN(directGroup), nestedGroup: groupDN(nestedGroup)} {
		if dn, err := d.DN(group); err != nil || dn != want {
			t.Errorf("the group %s is %q, %v; want %q", group, dn, err, want)
		}
	}

	objects, err := d.declarations()
	if err != nil {
		t.Fatal(err)
	}

	kinds := map[string]int{}
	for _, o := range labelled(objects...) {
		kinds[o.GetKind()]++

		if o.GetLabels()[sampleLabel] == "" {
			t.Errorf("%s %s has no label", o.GetKind(), o.GetName())
		}
	}

	samples, err := controlplane.Kustomize(t.Context(), filepath.Join("..", "..", "config", "samples"))
	if err != nil {
		t.Fatal(err)
	}

	for _, o := range objects {
		if slices.ContainsFunc(samples, func(other *unstructured.Unstructured) bool {
			return other.GetKind() == o.GetKind() && other.GetNamespace() == o.GetNamespace() && other.GetName() == o.GetName()
		}) {
			t.Errorf("%s %s is one of config/samples as well", o.GetKind(), o.GetName())
		}
	}

	if kinds["UserAccount"] != len(directoryPeople()) || kinds["IdentityProvider"] != 1 || kinds["Secret"] != 2 || kinds["ConfigMap"] != 1 {
		t.Errorf("declared are %v", kinds)
	}
}
