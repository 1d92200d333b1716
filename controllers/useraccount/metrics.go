package useraccount

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
)

const (
	// expiryHorizon is how far ahead passwords that expire are counted, and expiryLabel how the label says it.
	expiryHorizon = 7 * 24 * time.Hour
	expiryLabel   = "7d"
	// standingPending is the standing of an account that has no status yet.
	standingPending v1alpha1.Standing = "Pending"
)

// standings are the values of the label standing; every account is counted under one of them.
var standings = []v1alpha1.Standing{
	v1alpha1.StandingActive, v1alpha1.StandingChangeRequired, v1alpha1.StandingResetRequired, v1alpha1.StandingExpired,
	v1alpha1.StandingLocked, v1alpha1.StandingDisabled, v1alpha1.StandingNoPassword, standingPending,
}

// resetOutcomes are the values of the label outcome: the reasons of the condition PasswordApplied, but for Pending.
var resetOutcomes = []string{
	v1alpha1.ConditionReasonApplied, v1alpha1.ConditionReasonPolicyViolation, v1alpha1.ConditionReasonSecretNotFound,
	v1alpha1.ConditionReasonSecretNotUsable, v1alpha1.ConditionReasonKeyNotFound, v1alpha1.ConditionReasonValueInvalid,
	v1alpha1.ConditionReasonDenyListNotFound, v1alpha1.ConditionReasonSpecUnreadable, v1alpha1.ConditionReasonCredentialInvalid,
}

// resetCounters count what became of declared passwords, by outcome.
type resetCounters map[string]prometheus.Counter

func newResetCounters(registry prometheus.Registerer) resetCounters {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keyturn_password_resets_total",
		Help: "Declared passwords that were looked at, by outcome: a reason of the condition PasswordApplied.",
	}, []string{"outcome"})
	registry.MustRegister(total)
	counters := resetCounters{}
	for _, outcome := range resetOutcomes {
		counters[outcome] = total.WithLabelValues(outcome)
	}
	return counters
}

// transition counts a password that was applied, or that the policy refuses: it is a transitions.Listener. A password that another
// policy, or an edit of it, refuses as well has been counted before. Values that cannot be a password are counted by condition.
func (m resetCounters) transition(_ context.Context, t account.Transition, _ *v1alpha1.UserAccount) {
	switch {
	case t.Kind == account.PasswordReset:
		m[v1alpha1.ConditionReasonApplied].Inc()
	case t.Kind == account.ResetRefused && t.Reason == account.TransitionByPolicy && !t.Already:
		m[v1alpha1.ConditionReasonPolicyViolation].Inc()
	}
}

// condition counts what keeps the operator from applying a declared password, when that begins. Passwords that the policy refuses
// are counted by transition.
func (m resetCounters) condition(before, after []metav1.Condition) {
	now := meta.FindStatusCondition(after, v1alpha1.ConditionPasswordApplied)
	if now == nil || now.Status == metav1.ConditionTrue || now.Reason == v1alpha1.ConditionReasonPolicyViolation {
		return
	}
	counter, counted := m[now.Reason]
	was := meta.FindStatusCondition(before, v1alpha1.ConditionPasswordApplied)
	if counted && (was == nil || was.Reason != now.Reason || was.Message != now.Message) {
		counter.Inc()
	}
}

// accountCounts counts the accounts in the cache each time Prometheus asks. That is one pass over them, without a copy of any and
// without a request.
type accountCounts struct {
	reader client.Reader
	clock  clock.PassiveClock
	// elected is closed when this replica becomes the leader. The others count nothing.
	elected <-chan struct{}

	accounts, expiring *prometheus.Desc
}

func newAccountCounts(reader client.Reader, now clock.PassiveClock, elected <-chan struct{}) *accountCounts {
	return &accountCounts{
		reader: reader, clock: now, elected: elected,
		accounts: prometheus.NewDesc("keyturn_accounts", "Accounts, by standing; Pending are those that have none yet.",
			[]string{"standing"}, nil),
		expiring: prometheus.NewDesc("keyturn_passwords_expiring",
			"Passwords that cease to log in as they are within the time that the label says. Accounts that are disabled or have ended do not count.",
			[]string{"within"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *accountCounts) Describe(to chan<- *prometheus.Desc) {
	to <- c.accounts
	to <- c.expiring
}

// Collect implements prometheus.Collector.
func (c *accountCounts) Collect(to chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	accounts := &v1alpha1.UserAccountList{}
	if err := c.reader.List(context.Background(), accounts, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.Log.Error(err, "Accounts could not be counted from the cache")
		return
	}
	counts := map[v1alpha1.Standing]int{}
	for _, standing := range standings {
		counts[standing] = 0
	}
	expiring, now := 0, c.clock.Now()
	for i := range accounts.Items {
		if accounts.Items[i].DeletionTimestamp != nil {
			continue
		}
		status := &accounts.Items[i].Status
		standing := status.Standing
		if _, known := counts[standing]; !known {
			standing = standingPending
		}
		counts[standing]++
		if expiresSoon(status, now) {
			expiring++
		}
	}
	for standing, n := range counts {
		to <- prometheus.MustNewConstMetric(c.accounts, prometheus.GaugeValue, float64(n), string(standing))
	}
	to <- prometheus.MustNewConstMetric(c.expiring, prometheus.GaugeValue, float64(expiring), expiryLabel)
}

// expiresSoon tells whether a password expires within expiryHorizon.
func expiresSoon(status *v1alpha1.UserAccountStatus, now time.Time) bool {
	if status.Standing == v1alpha1.StandingDisabled || status.Standing == v1alpha1.StandingExpired ||
		status.Password == nil || status.Password.ExpirationTime == nil {
		return false
	}
	left := status.Password.ExpirationTime.Sub(now)
	return left > 0 && left <= expiryHorizon
}
