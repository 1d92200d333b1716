// Command bench measures Keyturn against its budgets, with nothing but real parts: etcd, kube-apiserver, the operator and
// the login server as they are built and run, each under its own ServiceAccount, with the default policy and its hashing.
// It prints a table and exits with 1 when a budget is missed.
//
// Speeds are ratios of two measurements that take turns within one run, so that a slow or busy machine slows both.
// Writes are counted by the API server, in its audit log, by who wrote what.
//
//	go run ./test/bench            # all of it, about 25 minutes
//	go run ./test/bench -checks    # session checks and TokenReviews only, two minutes
//	go run ./test/bench -console   # the console only, five minutes
//	go run ./test/bench -directory # local logins beside directories that misbehave only, eight minutes
//	go run ./test/bench -sweep     # the sweep of a directory only, five minutes
//	go run ./test/bench -quick     # a tenth of the accounts and short rounds: shows that it works, the figures are noise
//
// It runs in the root of the repository, and ends and removes all that it started. It judges and reports; it fixes
// nothing and knows nothing of the insides of the servers.
package main
