// Package v1alpha1 holds Keyturn's API: UserAccount, an account declared for one person or machine, and
// PasswordPolicy, the rules that its password follows. Everything a schema can check is checked by the API server;
// the meaning of the fields lives in internal/account and internal/policy.
//
// +kubebuilder:object:generate=true
// +groupName=accounts.keyturn.dev
package v1alpha1
