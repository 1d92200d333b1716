package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keyturn/keyturn/test/controlplane"
	"github.com/keyturn/keyturn/test/revocation"
)

const (
	// reviewsPerSecond is how many tokens a busy API server asks about, reviewers how many connections take turns to ask, as
	// many as client-go keeps open to one server: each has so long for an answer that one which is late keeps no other from
	// asking in time.
	reviewsPerSecond = 1000
	reviewers        = 25
	// reviewedPeople is how many people the tokens are of.
	reviewedPeople = 16
	reviewBudget   = 2 * time.Millisecond
	// reviewPace is the share of the questions that must have been asked in time for the figure to be of that rate.
	reviewPace = 0.98
)

// reviewed is how long reviews of tokens took, and how many there were a second.
type reviewed struct {
	latencies revocation.Latencies
	rate      float64
}

// measureTokenReviews asks about tokens as an API server does, over TLS, at an even pace.
func (e *environment) measureTokenReviews(ctx context.Context) error {
	people := e.accounts[clients+1:][:reviewedPeople]
	say("Reviewing tokens of %d people, %d a second", len(people), reviewsPerSecond)
	questions, err := e.questions(ctx, people)
	if err != nil {
		return err
	}
	// The operator reports the changes a second later.
	if _, err := e.settle(ctx, 0); err != nil {
		return err
	}
	connections := make([]*connection, reviewers)
	for i := range connections {
		c, err := e.dialWebhook(ctx)
		if err != nil {
			return err
		}
		defer c.close()
		if _, err := review(c, questions[i%len(questions)]); err != nil { // the first answers ready the connection
			return err
		}
		connections[i] = c
	}

	var mu sync.Mutex
	r := &e.results.reviewed
	group, grouped := errgroup.WithContext(ctx)
	began := time.Now()
	for i, c := range connections {
		group.Go(func() error {
			for n := i; ; n += reviewers {
				due := began.Add(time.Duration(n) * time.Second / reviewsPerSecond)
				if due.Sub(began) >= e.scale.reviews {
					return nil
				}
				if err := pause(grouped, time.Until(due)); err != nil {
					return err
				}
				took, err := review(c, questions[n%len(questions)])
				if err != nil {
					return err
				}
				mu.Lock()
				r.latencies = append(r.latencies, took)
				mu.Unlock()
			}
		})
	}
	err = group.Wait()
	r.rate = float64(len(r.latencies)) / time.Since(began).Seconds()
	return err
}

// questions are those of an API server about the tokens of people, who choose their passwords first.
func (e *environment) questions(ctx context.Context, people []*person) ([][]byte, error) {
	all := make([][]byte, len(people))
	for i, p := range people {
		r := revoker{person: p, password: p.password, client: http.DefaultClient}
		token, err := r.change(ctx, "http://"+controlplane.Address(e.people), fmt.Sprintf("Cluster phrase of mine %05d", i), "kubernetes")
		if err != nil {
			return nil, err
		}
		question, err := json.Marshal(&authenticationv1.TokenReview{
			TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "TokenReview"},
			Spec:     authenticationv1.TokenReviewSpec{Token: token},
		})
		if err != nil {
			return nil, fmt.Errorf("encoding a TokenReview: %w", err)
		}
		all[i] = post("/webhooks/tokenreview", question)
	}
	return all, nil
}

// dialWebhook connects to the port for API servers.
func (e *environment) dialWebhook(ctx context.Context) (*connection, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(e.plane.Config().CAData) {
		return nil, errors.New("the control plane's authority cannot be read")
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", e.plane.TokenReview().Address)
	if err != nil {
		return nil, fmt.Errorf("connecting to the port for API servers: %w", err)
	}
	return newConnection(ctx, conn), nil
}

// review asks one question, and returns how long the answer took. Any answer but yes is an error.
func review(c *connection, question []byte) (time.Duration, error) {
	began := time.Now()
	body, err := c.send(question)
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("asking about a token: %w", err)
	}
	var answer authenticationv1.TokenReview
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, fmt.Errorf("reading the answer about a token: %w", err)
	}
	if !answer.Status.Authenticated {
		return 0, fmt.Errorf("the login server says no to a token of its own: %s", answer.Status.Error)
	}
	return took, nil
}

func (r *reviewed) rows() []row {
	p99 := r.latencies.Quantile(0.99)
	return []row{{
		fmt.Sprintf("TokenReviews at %d/s, p99", reviewsPerSecond), fmt.Sprintf("< %d ms", reviewBudget.Milliseconds()),
		fmt.Sprintf("%.2f ms", milliseconds(p99)), verdict(len(r.latencies) > 0 && p99 < reviewBudget && r.rate >= reviewPace*reviewsPerSecond),
	}}
}

// String reports more of them.
func (r *reviewed) String() string {
	return fmt.Sprintf("TokenReviews: %d at %.0f/s, p50 %.2f ms, longest %.2f ms. They are of %d tokens, whose signatures are "+
		"remembered after the first time; of one that is new, or of more than 8,192 in turns, the signature is checked as well.",
		len(r.latencies), r.rate,
		milliseconds(r.latencies.Quantile(0.5)), milliseconds(r.latencies.Quantile(1)), reviewedPeople)
}
