package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/keyturn/keyturn/internal/typedname"
)

// execInfoVariable is set by kubectl where it runs a credential plugin.
const execInfoVariable = "KUBERNETES_EXEC_INFO"

var errNoServer = errors.New("say where the login server is: with --server=https://..., in the environment variable KEYTURN_SERVER, " +
	"or with a kubeconfig whose user logs in with kubectl account login")

// settings say which login server, and whose account there.
type settings struct {
	// server is the URL of the login server, without a slash at its end.
	server string
	// namespace is the organisation; empty is the server's default. username is empty where the person is asked.
	namespace, username string
	// setsDefault: a login with these settings also says whose session kubectl uses where no username is named. That is so when a
	// person runs the command, and the username does not come from a kubeconfig.
	setsDefault bool
	// authority is the file of the certificates to trust, in the place of the system's.
	authority string

	// browser: log in with a browser on this computer. noLaunchBrowser: in one on any computer, which shows a code to enter here.
	browser, noLaunchBrowser bool

	kubeconfig, context string
}

// byBrowser tells whether to log in with a browser rather than with a password at the terminal.
func (s *settings) byBrowser() bool { return s.browser || s.noLaunchBrowser }

// flags are those of every command. They print nothing: the caller says what is wrong with the command line.
func (s *settings) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("kubectl account", pflag.ContinueOnError)
	flags.Usage = func() {}
	flags.StringVar(&s.server, "server", "", "address of the login server: https, or http on this machine")
	flags.StringVarP(&s.namespace, "namespace", "n", "", "organisation of the account (default: the server's)")
	flags.StringVar(&s.username, "username", "", "username (default: it is asked for)")
	flags.StringVar(&s.authority, "certificate-authority", "", "file of the certificates to trust for the server (default: the system's)")
	flags.BoolVar(&s.browser, "browser", false, "login: in the browser of this computer, for people whose password is kept elsewhere")
	flags.BoolVar(&s.noLaunchBrowser, "no-launch-browser", false, "login: in a browser on any computer, which shows a code to enter here")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig in which to look for the login server (default: kubectl's)")
	flags.StringVar(&s.context, "context", "", "context of the kubeconfig (default: its current one)")
	return flags
}

// complete fills in what the flags left out, from the environment and then from the kubeconfig, and checks the result.
func (s *settings) complete(getenv func(string) string) error {
	s.fill(getenv)
	named := s.username
	byPerson := getenv(execInfoVariable) == ""
	if s.server == "" && byPerson {
		if err := s.fromKubeconfig(); err != nil {
			return err
		}
	}
	if s.server == "" {
		return errNoServer
	}
	s.setsDefault = byPerson && s.username == named
	s.namespace, s.username = typedname.Trim(s.namespace), typedname.Trim(s.username)
	return s.checkServer()
}

// fill sets what is not set yet from environment variables.
func (s *settings) fill(getenv func(string) string) {
	for name, value := range map[string]*string{
		"KEYTURN_SERVER": &s.server, "KEYTURN_NAMESPACE": &s.namespace, "KEYTURN_USERNAME": &s.username,
		"KEYTURN_CERTIFICATE_AUTHORITY": &s.authority,
	} {
		*value = cmp.Or(*value, getenv(name))
	}
}

// fromKubeconfig sets what is not set yet from the user of the kubeconfig's context, if that user logs in with this program.
func (s *settings) fromKubeconfig() error {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	config, err := rules.Load()
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	context := config.Contexts[cmp.Or(s.context, config.CurrentContext)]
	if context == nil {
		return nil
	}
	user := config.AuthInfos[context.AuthInfo]
	if user == nil || user.Exec == nil {
		return nil
	}
	args, ours := loginArguments(user.Exec)
	if !ours {
		return nil
	}
	there := &settings{}
	if err := there.flags().Parse(args); err != nil {
		return fmt.Errorf("read how the kubeconfig's user %s logs in: %w", context.AuthInfo, err)
	}
	there.fill(func(name string) string {
		for _, variable := range user.Exec.Env {
			if variable.Name == name {
				return variable.Value
			}
		}
		return ""
	})
	s.server = there.server
	if !s.byBrowser() {
		s.browser, s.noLaunchBrowser = there.browser, there.noLaunchBrowser
	}
	s.namespace, s.username, s.authority = cmp.Or(s.namespace, there.namespace), cmp.Or(s.username, there.username), cmp.Or(s.authority, there.authority)
	return nil
}

// loginArguments returns the flags of `kubectl-account login` or `kubectl account login`, if a plugin is that.
func loginArguments(plugin *clientcmdapi.ExecConfig) ([]string, bool) {
	args := plugin.Args
	switch strings.TrimSuffix(filepath.Base(plugin.Command), ".exe") {
	case "kubectl-account":
	case "kubectl":
		if len(args) == 0 || args[0] != "account" {
			return nil, false
		}
		args = args[1:]
	default:
		return nil, false
	}
	if len(args) == 0 || args[0] != "login" {
		return nil, false
	}
	return args[1:], true
}

// checkServer refuses an address to which a password must not be sent.
func (s *settings) checkServer() error {
	address, err := url.Parse(s.server)
	if err != nil || address.Hostname() == "" || address.User != nil || address.RawQuery != "" || address.Fragment != "" {
		return errors.New("the login server must be an address such as https://login.example.org")
	}
	if address.Scheme != "https" && (address.Scheme != "http" || !isLoopback(address.Hostname())) {
		return errors.New("the login server must be an https address: a password is sent to it")
	}
	s.server = strings.TrimRight(address.String(), "/")
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
