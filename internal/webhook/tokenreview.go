package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"

	"github.com/keyturn/keyturn/internal/httpkit"
	"github.com/keyturn/keyturn/internal/kubeuser"
	"github.com/keyturn/keyturn/internal/metrics"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// reviewTimeout bounds one review: API servers give up after ten seconds.
const reviewTimeout = 5 * time.Second

// Why a token is refused, for the logs of API servers. No text says more about the token.
const (
	reviewErrorSession  = "no Keyturn session, or one that is over: log in again"
	reviewErrorAudience = "Keyturn vouches for none of the audiences asked for: compare --webhook-audiences with the API server's --api-audiences"
)

// TokenReview serves POST /webhooks/tokenreview: API servers ask to whom a bearer token belongs (authentication.k8s.io/v1).
// Only tokens of the audience "kubernetes" are accepted.
type TokenReview struct {
	Sessions *sessions.Service
	Metrics  *metrics.Metrics
	// Audiences are those of the API servers: their --api-audiences, by default their --service-account-issuer.
	Audiences []string
}

// Handler returns the handler of the port for API servers: the endpoint, behind the middleware of every port.
func Handler(review *TokenReview) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/tokenreview", review)
	return httpkit.Logged(httpkit.Secured(httpkit.Routed(mux, httpkit.WriteProblem)), nil, httpkit.WriteProblem)
}

// tokenReviewAnswer is a TokenReview without its spec: the token is not sent back.
type tokenReviewAnswer struct {
	metav1.TypeMeta `json:",inline"`

	Status authenticationv1.TokenReviewStatus `json:"status"`
}

// ServeHTTP implements http.Handler.
func (h *TokenReview) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spec, refusal := readReview(w, r)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	status, err := h.review(ctx, spec)
	if err != nil {
		// Without Retry-After, API servers refuse at once. With it they would retry for up to two minutes, while a person waits.
		p := httpkit.NewUnavailable("session")
		p.RetryAfter = 0
		p.Write(w)
		return
	}
	if status.Authenticated {
		httpkit.OmitFromLog(w)
	} else {
		httpkit.SetOutcome(w, httpkit.InvalidSession)
	}
	httpkit.WriteJSON(w, http.StatusOK, "application/json", tokenReviewAnswer{
		TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "TokenReview"},
		Status:   status,
	})
}

// readReview reads the request. It ignores unknown fields, which a newer API server may send.
func readReview(w http.ResponseWriter, r *http.Request) (authenticationv1.TokenReviewSpec, *httpkit.Problem) {
	var review authenticationv1.TokenReview
	body, refusal := httpkit.ReadBody(w, r)
	if refusal != nil {
		return review.Spec, refusal
	}
	twice, err := json.UnmarshalStrict(body, &review, json.DisallowDuplicateFields)
	if err != nil || len(twice) > 0 {
		return review.Spec, httpkit.Invalid("The body must be one TokenReview in JSON, each field once, with nothing after it.")
	}
	switch {
	case review.APIVersion != authenticationv1.SchemeGroupVersion.String() || review.Kind != "TokenReview":
		return review.Spec, httpkit.Invalid("The body must be a TokenReview of authentication.k8s.io/v1: " +
			"start the API server with --authentication-token-webhook-version=v1.")
	case review.Spec.Token == "":
		return review.Spec, httpkit.Invalid("The TokenReview has no token.")
	}
	return review.Spec, nil
}

// review checks the token and returns whose it is. The error is sessions.ErrUnavailable.
func (h *TokenReview) review(ctx context.Context, spec authenticationv1.TokenReviewSpec) (authenticationv1.TokenReviewStatus, error) {
	audiences := h.shared(spec.Audiences)
	if len(spec.Audiences) > 0 && len(audiences) == 0 {
		return authenticationv1.TokenReviewStatus{Error: reviewErrorAudience}, nil
	}
	found, err := h.Sessions.Check(ctx, spec.Token, token.Kubernetes)
	h.Metrics.SessionCheck(metrics.EntryTokenReview, spec.Token, err)
	if errors.Is(err, sessions.ErrInvalid) {
		return authenticationv1.TokenReviewStatus{Error: reviewErrorSession}, nil
	}
	if err != nil {
		return authenticationv1.TokenReviewStatus{}, err
	}
	identity, err := kubeuser.Of(found.Account.Namespace, found.Account.Username(), found.Groups)
	if err != nil {
		slog.Error("Account refused in Kubernetes: the schema of UserAccounts allows no such username or group, mend it",
			"namespace", found.Account.Namespace, "account", found.Account.Name)
		return authenticationv1.TokenReviewStatus{Error: reviewErrorSession}, nil
	}
	return authenticationv1.TokenReviewStatus{
		Authenticated: true,
		User: authenticationv1.UserInfo{
			Username: identity.Username, UID: found.Claims.AccountID, Groups: identity.Groups,
		},
		Audiences: audiences,
	}, nil
}

// shared returns which of the requested audiences are among Audiences. An API server that requests none gets none in the answer, which
// means that the token is for that API server.
func (h *TokenReview) shared(asked []string) []string {
	var both []string
	for _, audience := range asked {
		if slices.Contains(h.Audiences, audience) && !slices.Contains(both, audience) {
			both = append(both, audience)
		}
	}
	return both
}
