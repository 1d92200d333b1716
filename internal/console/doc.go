// Package console is for administrators: the pages under /admin, and the API under /api/v1/accounts. It answers at the hosts of the
// console alone, and takes sessions of the audience console alone: sessions of people are granted at the hosts of applications, too,
// and an application must not be able to administer accounts.
//
// What an action does and who may is decided in package administration. This package owns the form of requests and answers, the texts
// that tell administrators what happened, and the audit lines. It writes nothing that somebody typed to a log or into an address, but
// for what is searched for in a list.
//
// The endpoints are api_*.go and page_*.go, none of which uses another (TestFilesPointDown); handler.go lists them. They share:
//
//   - session.go, and act.go: an action with its audit line (bounded by refusals.go) and its metric;
//   - query.go reads what a list is asked for, answers.go are accounts in JSON, problem.go errors as problem documents;
//   - account_view.go is an account's page with its dialogs, standing.go how an account stands in words, notice.go what has happened.
package console
