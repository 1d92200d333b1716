// Package permission asks Kubernetes who may administer accounts. Permissions are Roles and RoleBindings, as for everything else in the
// cluster, and the API server has the last word: nothing is decided here, and no answer is kept.
package permission
