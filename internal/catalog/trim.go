package catalog

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/policy"
)

// Caches hold what is read. Everybody who may create an account or a Secret can give it a megabyte of metadata, which would fill the memory
// of both servers. So each of the functions below leaves of an object's metadata what tells which object it is, and what the servers
// read besides. They are transforms of caches, for objects that no server writes back as a whole: a PUT would lose the rest.

// TrimAccount leaves of an account's metadata the marks that the operator made.
func TrimAccount(obj any) (any, error) {
	if account, ok := obj.(*v1alpha1.UserAccount); ok {
		annotations := pick(account.Annotations, v1alpha1.AnnotationInitialized, v1alpha1.AnnotationResetHandledTime)
		account.ObjectMeta = identity(account)
		account.Annotations = annotations
	}
	return obj, nil
}

// TrimAccountForSweep leaves of an account what the directory server reads: which one it is, how it is verified, and what ends its sessions. Of one
// that names no provider it leaves which one it is.
func TrimAccountForSweep(obj any) (any, error) {
	if account, ok := obj.(*v1alpha1.UserAccount); ok {
		account.ObjectMeta, account.Status = identity(account), v1alpha1.UserAccountStatus{}
		if account.Spec.Authentication.ProviderRef == nil {
			account.Spec = v1alpha1.UserAccountSpec{}
		}
		account.Spec.DisplayName, account.Spec.Email, account.Spec.Groups, account.Spec.PolicyRef = "", "", nil, nil
	}
	return obj, nil
}

// TrimPolicy leaves of a policy's metadata whether it is the default one, and finalizers: the operator takes off its former one, and a
// patch of finalizers carries all of them. Policies are few, and made by platform teams.
func TrimPolicy(obj any) (any, error) {
	if p, ok := obj.(*v1alpha1.PasswordPolicy); ok {
		annotations, finalizers := pick(p.Annotations, v1alpha1.AnnotationDefaultPolicy), p.Finalizers
		p.ObjectMeta = identity(p)
		p.Annotations, p.Finalizers = annotations, finalizers
	}
	return obj, nil
}

// TrimProvider leaves of a provider's metadata what tells which object it is.
func TrimProvider(obj any) (any, error) {
	if p, ok := obj.(*v1alpha1.IdentityProvider); ok {
		p.ObjectMeta = identity(p)
	}
	return obj, nil
}

// maxLabels bounds the labels of a namespace that are kept, in bytes of their keys and values. Nothing but the size of the object bounds
// them for the API server: 3,700 fit in. A namespace that people look after has some ten, of less than 1 KiB.
const maxLabels = 16 << 10

// boundedLabels returns the labels of a namespace; of more than maxLabels the one that names its policy, and policy.LabelsOmitted, so that no
// selector of a policy matches the namespace. That they are left out must not look as if they were not there: a selector may ask for that.
func boundedLabels(labels map[string]string) map[string]string {
	size := 0
	for key, value := range labels {
		size += len(key) + len(value)
	}
	if size <= maxLabels {
		return labels
	}
	bounded := map[string]string{policy.LabelsOmitted: ""}
	if name, found := labels[v1alpha1.LabelPasswordPolicy]; found {
		bounded[v1alpha1.LabelPasswordPolicy] = name
	}
	return bounded
}

// TrimNamespace leaves of a namespace's metadata the labels, by which policies choose namespaces, if they are not too many.
func TrimNamespace(obj any) (any, error) {
	if namespace, ok := obj.(*metav1.PartialObjectMetadata); ok {
		labels := boundedLabels(namespace.Labels)
		namespace.ObjectMeta = identity(namespace)
		namespace.Labels = labels
	}
	return obj, nil
}

// TrimAll leaves nothing but what tells which object it is, and of which version.
func TrimAll(obj any) (any, error) {
	object, ok := obj.(client.Object)
	if !ok {
		return obj, nil
	}
	object.SetLabels(nil)
	object.SetAnnotations(nil)
	object.SetFinalizers(nil)
	object.SetOwnerReferences(nil)
	object.SetManagedFields(nil)
	return obj, nil
}

// identity is the metadata that tells which object it is, of which version, and whether it is being deleted.
func identity(object client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: object.GetNamespace(), Name: object.GetName(), UID: object.GetUID(),
		ResourceVersion: object.GetResourceVersion(), Generation: object.GetGeneration(),
		CreationTimestamp: object.GetCreationTimestamp(), DeletionTimestamp: object.GetDeletionTimestamp(),
	}
}

// maxAnnotation bounds an annotation that is kept, in bytes: those that the servers read are shorter. A longer one is somebody else's
// text under a name of ours, and counts as not given.
const maxAnnotation = 512

func pick(annotations map[string]string, keys ...string) map[string]string {
	var picked map[string]string
	for _, key := range keys {
		if value, found := annotations[key]; found && len(value) <= maxAnnotation {
			if picked == nil {
				picked = map[string]string{}
			}
			picked[key] = value
		}
	}
	return picked
}
