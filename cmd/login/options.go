package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/keyturn/keyturn/internal/audit"
	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/httpkit/forwarded"
	"github.com/keyturn/keyturn/internal/provider"
	"github.com/keyturn/keyturn/internal/ui"

	_ "sigs.k8s.io/controller-runtime/pkg/client/config" // Adds the flag --kubeconfig.
)

// options are the flags. --kubeconfig is controller-runtime's; without it the server takes the environment variable
// KUBECONFIG, then its ServiceAccount.
type options struct {
	bindAddress         string
	healthBindAddress   string
	defaultNamespace    string
	systemNamespace     string
	credentialNamespace string
	providerNamespace   string
	hashes              int
	hashQueue           int
	hashWorker          string
	maxStaleness        time.Duration
	logFormat           string
	auditLog            string
	trustedProxies      string
	addressFailures     int
	showOrganization    bool
	tellEmail           bool
	insecureCookies     bool
	consoleHosts        string
	pages               ui.Options
	webhook             webhookOptions
}

func (o *options) add(flags *flag.FlagSet) {
	flags.StringVar(&o.bindAddress, "bind-address", ":8080", "Address of the people's port: the pages and the API. Plain HTTP: put an ingress that ends TLS in front.")
	flags.StringVar(&o.healthBindAddress, "health-bind-address", ":8081", "Address of the health port: /healthz, /readyz, /metrics.")
	flags.StringVar(&o.defaultNamespace, "default-namespace", "default", "Namespace of the accounts of those who name none.")
	flags.StringVar(&o.systemNamespace, "system-namespace", "keyturn-system", "Namespace of the signing keys and of the lists of refused passwords.")
	flags.StringVar(&o.credentialNamespace, "credential-namespace", "keyturn-credentials", "Namespace of the credentials.")
	flags.StringVar(&o.providerNamespace, "provider-namespace", provider.DefaultNamespace, "Namespace of the Secrets and certificates of identity providers.")
	flags.IntVar(&o.hashes, "hashes", 0, "Passwords hashed at once, each in memory of its own (19 MiB unless a policy says otherwise). 0: as many as the processors, and as the memory limit leaves room for.")
	flags.IntVar(&o.hashQueue, "hash-queue", 256, "Attempts that may wait for their turn to be hashed, and as many for others on their accounts where directories are used; more are told to try again.")
	flags.DurationVar(&o.maxStaleness, "max-staleness", time.Minute, "How long sessions go on to be checked by what was last known when the API server cannot be followed; 1s or more.")
	flags.StringVar(&o.hashWorker, "hash-worker", "", "Program that hashes passwords, in processes of its own (default: hash-worker beside this one).")
	flags.BoolVar(&o.showOrganization, "show-organization", false, "Ask for the organisation (a namespace) on the pages: for servers of more than the default one.")
	flags.BoolVar(&o.tellEmail, "tell-email", false, "Tell applications behind /auth/verify the e-mail address too, in X-Auth-Request-Email.")
	flags.BoolVar(&o.insecureCookies, "insecure-cookies", false, "Set cookies that also travel without TLS. For trying the server out in a browser on this machine, over http://127.0.0.1; never where people reach it.")
	flags.StringVar(&o.consoleHosts, "console-hosts", "", "Names of this server, separated by commas, at which administrators find the console, /admin; by default none. No application may be served at them: its scripts could use an administrator's session.")
	flags.StringVar(&o.pages.ProductName, "product-name", "Keyturn", "What the pages call themselves.")
	flags.StringVar(&o.pages.LogoFile, "logo-file", "", "Image (SVG, PNG, JPEG or WebP, at most 256 KiB) in the place of the pages' logo.")
	flags.StringVar(&o.pages.Contact, "contact", "", "Sentence that says whom people turn to, such as \"Call the help desk: 4711.\"")
	flags.StringVar(&o.trustedProxies, "trusted-proxies", "", "Networks of the proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8,fd00::/8; by default none, and an address is the connection's.")
	flags.IntVar(&o.addressFailures, "address-failures-per-minute", 60, "Attempts from one address (of IPv6, one /64) that may fail in a minute, at this server; a quiet one may fail as often as in five at once. 0 turns it off.")
	flags.StringVar(&o.auditLog, "audit-log", audit.Stdout, "File that the audit log is appended to; - is standard output. The log itself goes to standard error.")
	o.webhook.add(flags)
	flags.StringVar(&o.logFormat, "log-format", "json", "Format of the log: json or text.")
}

// validate returns an error for flags that make no sense.
func (o *options) validate() error {
	switch {
	case o.hashes < 0:
		return fmt.Errorf("--hashes is %d: give 1 or more, or 0 for what processors and memory allow", o.hashes)
	case o.hashQueue < 0:
		return fmt.Errorf("--hash-queue is %d: give 0 or more", o.hashQueue)
	case o.maxStaleness < time.Second:
		return fmt.Errorf("--max-staleness is %s: give 1s or more", o.maxStaleness)
	case o.defaultNamespace == "" || o.systemNamespace == "" || o.credentialNamespace == "" || o.providerNamespace == "":
		return fmt.Errorf("--default-namespace, --system-namespace, --credential-namespace and --provider-namespace must not be empty")
	case o.providerNamespace == o.systemNamespace || o.providerNamespace == o.credentialNamespace:
		return fmt.Errorf("--provider-namespace is %q, which has other Secrets of Keyturn: providers need a namespace of their own", o.providerNamespace)
	case o.systemNamespace == o.credentialNamespace:
		return fmt.Errorf("--system-namespace and --credential-namespace are both %q: credentials need a namespace of their own", o.systemNamespace)
	case o.logFormat != "json" && o.logFormat != "text":
		return fmt.Errorf("--log-format is %q: give json or text", o.logFormat)
	case o.addressFailures < 0:
		return fmt.Errorf("--address-failures-per-minute is %d: give 0 or more", o.addressFailures)
	case o.auditLog == "":
		return fmt.Errorf("--audit-log is empty: give a file, or - for standard output")
	}
	if _, err := forwarded.Parse(o.trustedProxies); err != nil {
		return fmt.Errorf("--trusted-proxies: %w", err)
	}
	if _, err := httpkit.ParseHosts(o.consoleHosts); err != nil {
		return fmt.Errorf("--console-hosts: %w", err)
	}
	return o.webhook.validate()
}

func (o *options) logHandler(to io.Writer) slog.Handler {
	if o.logFormat == "text" {
		return slog.NewTextHandler(to, nil)
	}
	return slog.NewJSONHandler(to, nil)
}
