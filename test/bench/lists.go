package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keyturn/keyturn/test/revocation"
)

const (
	// pageLength is how many accounts a list shows, largestPage how many it shows at most to those who ask for it.
	pageLength, largestPage = 50, 500
	apiList                 = "/api/v1/accounts"
	listPage                = "/admin"
)

// view is something that an administrator looks at.
type view struct {
	what, address string
	// shows is how many accounts it shows.
	shows      int
	isBudgeted bool
}

// views are everything that they look at, each as an answer of the API and as a page, if there are so many accounts.
func views(accounts int) []view {
	middle := listNamespace + "/" + newListed(accounts/2).name
	var all []view
	for _, way := range []string{apiList, listPage} {
		for _, v := range []struct {
			what, name, value string
			shows             int
			isBudgeted        bool
		}{
			{what: "the first page", shows: pageLength, isBudgeted: true},
			{what: "a search that matches few", name: "search", value: "somebody-0042", shows: 10, isBudgeted: true},
			{what: "a search that matches none", name: "search", value: "nobody of this name", isBudgeted: true},
			{what: "a filter by standing", name: "standing", value: "Active", shows: pageLength},
			{what: "a page in the middle", name: "continue", value: middle, shows: pageLength},
		} {
			query := url.Values{"namespace": {"*"}}
			if v.name != "" {
				query.Set(v.name, v.value)
			}
			all = append(all, view{"GET " + way + ", " + v.what, way + "?" + query.Encode(), v.shows, v.isBudgeted})
		}
	}
	return all
}

// rowMarks are what each account has once, in an answer of the API and in a page.
var rowMarks = [][]byte{[]byte(`"standing":`), []byte(`<details class="menu"`)}

// isShown tells whether an answer has as many accounts as it should.
func (v view) isShown(body []byte) bool {
	n := 0
	for _, mark := range rowMarks {
		n += bytes.Count(body, mark)
	}
	return n == v.shows
}

// look has everybody look at one view after the other, for a while. Who has an answer asks again at once, so that there are always as
// many requests as people.
func (e *environment) look(ctx context.Context, administrators []*administrator) error {
	r := &e.results.console
	r.accounts, r.latencies = e.scale.listed, map[string]revocation.Latencies{}
	if err := administrators[0].countAll(ctx, r.accounts); err != nil {
		return err
	}
	say("Letting them look at %d accounts for %.0f s", r.accounts, e.scale.look.Seconds())
	all := views(r.accounts)
	var mu sync.Mutex
	before, err := e.requestLog.read()
	if err != nil {
		return err
	}
	began := time.Now()
	r.usage, err = e.using(func() error {
		group, ctx := errgroup.WithContext(ctx)
		for i, a := range administrators {
			group.Go(func() error {
				for n := i; time.Since(began) < e.scale.look; n++ {
					v := all[n%len(all)]
					took, err := a.see(ctx, v)
					if err != nil {
						return err
					}
					mu.Lock()
					r.latencies[v.what] = append(r.latencies[v.what], took)
					mu.Unlock()
				}
				return nil
			})
		}
		return group.Wait()
	})
	if err != nil {
		return err
	}
	r.took = time.Since(began)
	after, err := e.requestLog.read()
	r.requests = after.since(before)
	return err
}

// see looks at a view, and returns how long the answer took.
func (a *administrator) see(ctx context.Context, v view) (time.Duration, error) {
	began := time.Now()
	body, err := a.ask(ctx, http.MethodGet, v.address, nil)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if !v.isShown(body) {
		return 0, fmt.Errorf("%s does not show %d accounts", v.what, v.shows)
	}
	return took, nil
}

// countAll counts the accounts, page by page.
func (a *administrator) countAll(ctx context.Context, want int) error {
	count, next := 0, ""
	for {
		query := url.Values{"namespace": {"*"}, "limit": {fmt.Sprint(largestPage)}}
		if next != "" {
			query.Set("continue", next)
		}
		body, err := a.ask(ctx, http.MethodGet, apiList+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		var page struct {
			Accounts []json.RawMessage
			Continue string
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("reading a list of accounts: %w", err)
		}
		count, next = count+len(page.Accounts), page.Continue
		if next == "" {
			break
		}
	}
	if count != want {
		return fmt.Errorf("the console lists %d accounts, want %d", count, want)
	}
	return nil
}

// ask sends a request with the administrator's session, and returns the body of the answer. Any status but 200 is an error.
func (a *administrator) ask(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.server+address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the console: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the console: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading an answer of the console: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s answers %s: %s", method, address, response.Status, content)
	}
	return content, nil
}
