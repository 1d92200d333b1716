package administrators

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/keyturn/keyturn/api/v1alpha1"
)

// Resources that the commands read and write.
var (
	accountResource = v1alpha1.SchemeGroupVersion.WithResource("useraccounts")
	policyResource  = v1alpha1.SchemeGroupVersion.WithResource("passwordpolicies")
	secretResource  = corev1.SchemeGroupVersion.WithResource("secrets")
	namespaces      = corev1.SchemeGroupVersion.WithResource("namespaces")
)

// accountKind is that of a UserAccount.
const accountKind = "UserAccount"

// cluster is a namespace of the cluster that the flags and the kubeconfig name.
type cluster struct {
	client    dynamic.Interface
	clock     *serverClock
	namespace string
}

// connect makes the client. Nothing is sent yet.
func (c *common) connect() (*cluster, error) {
	namespace, _, err := c.config.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	config, err := c.config.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NewWarningWriter(c.environment.Streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	clock := &serverClock{}
	config.Wrap(clock.wrap)
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cluster{client: client, clock: clock, namespace: namespace}, nil
}

func (k *cluster) accounts() dynamic.ResourceInterface {
	return k.client.Resource(accountResource).Namespace(k.namespace)
}

func (k *cluster) secrets() dynamic.ResourceInterface {
	return k.client.Resource(secretResource).Namespace(k.namespace)
}

// account is a UserAccount, and the object that it was read from.
type account struct {
	v1alpha1.UserAccount

	object *unstructured.Unstructured
}

// read reads a UserAccount out of an object. Fields that the API server would refuse today do not make it fail.
func read(object *unstructured.Unstructured) (*account, error) {
	data, err := object.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("read UserAccount %s: %w", object.GetName(), err)
	}
	a := &account{object: object}
	if err := json.Unmarshal(data, &a.UserAccount); err != nil {
		return nil, fmt.Errorf("read UserAccount %s: %w", object.GetName(), err)
	}
	return a, nil
}

func (k *cluster) get(ctx context.Context, name string) (*account, error) {
	object, err := k.accounts().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, k.explain(err)
	}
	return read(object)
}

// apply writes fields of an account that is there, without force.
func (k *cluster) apply(ctx context.Context, a *account, manager string, dryRun []string, fields ...field) (*account, error) {
	return k.applyWith(ctx, a, k.accountPatch(a.Name, fields...), metav1.ApplyOptions{FieldManager: manager, DryRun: dryRun})
}

// takeOver writes fields with force: other managers lose them. It fails where the account is no longer as it was read, so that whoever
// manages a field since then keeps it.
func (k *cluster) takeOver(ctx context.Context, a *account, manager string, dryRun []string, fields ...field) (*account, error) {
	patch := k.accountPatch(a.Name, fields...)
	patch.SetResourceVersion(a.ResourceVersion)
	return k.applyWith(ctx, a, patch, metav1.ApplyOptions{FieldManager: manager, DryRun: dryRun, Force: true})
}

func (k *cluster) applyWith(ctx context.Context, a *account, patch *unstructured.Unstructured, options metav1.ApplyOptions) (*account, error) {
	// Without the UID, an apply would create an account that is gone.
	patch.SetUID(a.UID)
	object, err := k.accounts().Apply(ctx, a.Name, patch, options)
	if err != nil {
		return nil, k.explain(err)
	}
	return read(object)
}

// serverClock tells the API server's time, from the Date of its last answer.
type serverClock struct{ last atomic.Pointer[time.Time] }

func (s *serverClock) wrap(next http.RoundTripper) http.RoundTripper { return &dated{next, s} }

type dated struct {
	next  http.RoundTripper
	clock *serverClock
}

// RoundTrip notes the Date of the answer.
func (d *dated) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(request)
	if err == nil {
		if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			d.clock.last.Store(&at)
		}
	}
	return response, err
}

// now is the time of the last answer, in whole seconds; this machine's where no answer had one. A request that lies in the future would
// not take effect at once, and the clocks of people's machines differ.
func (s *serverClock) now() time.Time {
	if at := s.last.Load(); at != nil {
		return *at
	}
	return time.Now().UTC().Truncate(time.Second)
}
