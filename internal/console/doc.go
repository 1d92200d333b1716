// Package console is for administrators: the pages under /admin, and the API under /api/v1/accounts. It answers at the hosts of the
// console alone, and takes sessions of the audience console alone: sessions of people are granted at the hosts of applications, too,
// and an application must not be able to administer accounts.
//
// What an action does and who may is decided in package administration. This package owns the form of requests and answers, the texts
// that tell administrators what happened, and the audit lines. It writes nothing that somebody typed to a log or into an address, but
// for what is searched for in a list.
//
// The endpoints are api_*.go and page_*.go; handler.go lists them. They share session.go, act.go (an action, its audit line and its
// metric), problem.go (errors as problem documents) and answers.go (accounts in JSON).
package console
