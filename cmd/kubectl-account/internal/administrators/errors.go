package administrators

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// hintedError is an error with what to do next, a sentence or several.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

func hintf(err error, format string, args ...any) error {
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// message formats an error as kubectl does, with what to do next in the lines after it.
func message(err error) string {
	if hinted, ok := errors.AsType[*hintedError](err); ok {
		return message(hinted.err) + "\n" + hinted.hint
	}
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return statusMessage(status.Status())
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return unreachable(failed)
	}
	if clientcmd.IsConfigurationInvalid(err) {
		return "Error in configuration: " + strings.TrimPrefix(err.Error(), "invalid configuration: ")
	}
	return fmt.Sprintf("error: %v", err)
}

// statusMessage formats an answer of the API server.
func statusMessage(status metav1.Status) string {
	switch {
	case status.Reason == metav1.StatusReasonUnauthorized:
		return fmt.Sprintf("error: You must be logged in to the server (%s)", status.Message)
	case status.Reason == metav1.StatusReasonInvalid && status.Details != nil && len(status.Details.Causes) > 0:
		text := fmt.Sprintf("The %s %q is invalid:", status.Details.Kind, status.Details.Name)
		var causes []string
		for _, cause := range status.Details.Causes {
			causes = append(causes, fmt.Sprintf("%s: %s", cause.Field, cause.Message))
		}
		causes = slices.Compact(causes)
		if len(causes) == 1 {
			return text + " " + causes[0]
		}
		return text + "\n* " + strings.Join(causes, "\n* ")
	case status.Reason != "":
		return fmt.Sprintf("Error from server (%s): %s", status.Reason, status.Message)
	}
	return "Error from server: " + status.Message
}

// unreachable says that the API server cannot be reached, and what to look at.
func unreachable(err *url.Error) string {
	host := err.URL
	if address, parseErr := url.Parse(err.URL); parseErr == nil {
		host = address.Host
	}
	const hint = "\nkubectl config get-contexts lists the clusters of the kubeconfig, and kubectl cluster-info asks the current one."
	if strings.Contains(err.Err.Error(), "connection refused") {
		return fmt.Sprintf("The connection to the server %s was refused - did you specify the right host or port?", host) + hint
	}
	return fmt.Sprintf("Unable to connect to the server: %v", err.Err) + hint
}

// explain adds to an error of the API server what to do next.
func (k *cluster) explain(err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return err
	}
	details := status.Status().Details
	if details == nil {
		details = &metav1.StatusDetails{}
	}
	ofAccounts := details.Kind == accountResource.Resource || details.Kind == accountKind
	switch {
	case isUnknownResource(status):
		return hintf(fmt.Errorf("the server doesn't have a resource type %q", accountResource.Resource),
			"Keyturn is not installed in this cluster: choose another with --context, or install it (docs/install.md).")
	case apierrors.IsNotFound(err) && ofAccounts:
		return hintf(err, "The namespace is %q. %s status lists the accounts in it, %s status -A all; choose another namespace with -n.", k.namespace, commandName, commandName)
	case apierrors.IsNotFound(err) && details.Kind == namespaces.Resource:
		return hintf(err, "A namespace is an organisation: choose another with -n, or create it with kubectl create namespace %s.", k.namespace)
	case apierrors.IsForbidden(err) && details.Kind == secretResource.Resource:
		return hintf(err, "A password is handed out in a Secret, and the role keyturn-account-admin has no right to Secrets. Ask for the verb patch on this one, "+
			"and for create on Secrets of the namespace %q where there is none yet.", k.namespace)
	case apierrors.IsForbidden(err) && ofAccounts:
		return hintf(err, "The ClusterRole keyturn-account-admin allows it (keyturn-account-viewer to look). Who may hand out rights in the namespace binds it: "+
			"kubectl create rolebinding account-admins -n %s --clusterrole=keyturn-account-admin --user=USERNAME", k.namespace)
	case apierrors.IsAlreadyExists(err) && ofAccounts:
		return hintf(err, "%s reset %s -n %s hands out a new password for it.", commandName, details.Name, k.namespace)
	case isOutdated(err):
		return hintf(err, "It has been changed or created anew meanwhile. Look at it with %s status %s -n %s, and try again.", commandName, details.Name, k.namespace)
	}
	return err
}

// isUnknownResource tells whether the API server has no such resource at all: its answer does not come from a resource.
func isUnknownResource(status *apierrors.StatusError) bool {
	s := status.Status()
	return s.Reason == metav1.StatusReasonNotFound && s.Details != nil &&
		slices.ContainsFunc(s.Details.Causes, func(c metav1.StatusCause) bool { return c.Type == metav1.CauseTypeUnexpectedServerResponse })
}
