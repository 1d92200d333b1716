// Package e2e tests Keyturn from outside: the real programs against a real API server and etcd. Each server has the token of its own
// ServiceAccount with the rights of config/default, so a missing right shows here. Tests speak HTTP and the Kubernetes API as people,
// pipelines and administrators do, and know nothing of the code. Only where days would have to pass, they set back the times in a
// credential, as an administrator could.
//
// Most tests run side by side, each in an organisation of its own. A test that stops or kills a server of all tests, or measures time,
// runs by itself.
//
// The words of the tests:
//
//	newOrganisation   a namespace of the test's own; governed gives it a policy of its own
//	hired             an account with a handed-out password that nobody has changed yet
//	settled           an account whose person has chosen a password
//	handOut, declare  what a pipeline writes: the Secret, the UserAccount
//	login, change     what the person does over HTTP, and the outcome that the test wants (granted, wrong, locked, mustChange, ...)
//	await...          waits for what an administrator sees: a condition, a standing, an event
//	age               sets back times in the credential
//	fleet, replica    several login servers under rights of their own; wire is the connection of each to the API server
//	administrator     somebody with a session of the console, and a role that binds or bindsRules has given
//	acts, resets      what an administrator does to an account over HTTP; asks sends any request
//	gate              a proxy before the API server, which counts requests and can answer reviews late or with an error
//	contoso           an IdentityProvider of the test's own; employs declares the account of a person there, serves the provider
//	browser, state    a page in Chromium, and the checks of one of its states
package e2e
