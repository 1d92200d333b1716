package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/controllers"
	"github.com/keyturn/keyturn/controllers/useraccount"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/hash/worker"
)

// counts reads all series, which have one label each. It leaves out those that are 0.
func counts(t *testing.T, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue(); value != 0 {
				values[family.GetName()+" "+metric.GetLabel()[0].GetValue()] = value
			}
		}
	}
	return values
}

// TestMetricsCountAccounts: accounts are counted by their standing, and passwords that expire soon.
func TestMetricsCountAccounts(t *testing.T) {
	w := newWorld(t)
	days, maxFailures := int32(30), int32(1)
	ageing := w.policy("ageing", v1alpha1.PasswordPolicySpec{
		MaxAgeDays: &days, Lockout: v1alpha1.LockoutRule{MaxFailures: &maxFailures},
		AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll},
	})
	w.secret("handed-out", initial)
	under := func(a *v1alpha1.UserAccount) { a.Spec.PolicyRef = &v1alpha1.PolicyReference{Name: ageing.Name} }
	chosen := w.account("chosen", under, handedOut("handed-out"))
	guessed := w.account("guessed", under, handedOut("handed-out"))
	w.account("handed", handedOut("handed-out"))
	w.account("off", under, handedOut("handed-out"), func(a *v1alpha1.UserAccount) { a.Spec.Access = v1alpha1.AccessDisabled })
	w.account("without")
	o := w.run()
	for _, a := range []*v1alpha1.UserAccount{chosen, guessed} {
		w.eventually(a)
		w.choose(a, own)
	}
	w.change(guessed, func(r account.Rules, c account.Credential) account.Credential { return r.Failed(c) })
	settled := map[string]float64{
		"keyturn_accounts Active": 1, "keyturn_accounts Locked": 1, "keyturn_accounts ChangeRequired": 1,
		"keyturn_accounts Disabled": 1, "keyturn_accounts NoPassword": 1,
		"keyturn_password_resets_total Applied": 4,
	}
	w.g.Eventually(func() map[string]float64 { return counts(t, o.metrics) }, patience, glance).Should(gomega.Equal(settled))

	// The lock ends in the meantime; here only passwords that expire matter.
	w.clock.advance(25 * 24 * time.Hour)
	w.g.Expect(counts(t, o.metrics)).To(gomega.HaveKeyWithValue("keyturn_passwords_expiring 7d", 2.0))
	w.clock.advance(6 * 24 * time.Hour)
	w.g.Expect(counts(t, o.metrics)).NotTo(gomega.HaveKey("keyturn_passwords_expiring 7d"))

	problems, err := testutil.GatherAndLint(o.metrics)
	if err != nil || len(problems) > 0 {
		t.Errorf("metrics do not lint: %v, %v", problems, err)
	}
}

// TestMetricsCountResets: each declared password is counted once, however often the operator reconciles its account.
func TestMetricsCountResets(t *testing.T) {
	w := newWorld(t)
	o := w.run()
	expect := func(want map[string]float64) {
		t.Helper()
		w.g.Eventually(func() map[string]float64 {
			got := counts(t, o.metrics)
			maps.DeleteFunc(got, func(name string, _ float64) bool { return !strings.HasPrefix(name, resetsTotal) })
			return got
		}, patience, glance).Should(gomega.Equal(want))
	}
	p := w.policy("strict", v1alpha1.PasswordPolicySpec{AllowedNamespaces: v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}})
	a := w.account("ada", handedOut("password"), func(a *v1alpha1.UserAccount) { a.Spec.PolicyRef = &v1alpha1.PolicyReference{Name: p.Name} })
	expect(map[string]float64{resetsTotal + " SecretNotFound": 1})
	s := w.secret("password", "short")
	expect(map[string]float64{resetsTotal + " SecretNotFound": 1, resetsTotal + " PolicyViolation": 1})
	w.barrier(a)
	edit(w, p, func(p *v1alpha1.PasswordPolicy) { p.Spec.Length.Min = new(int32(9)) })
	w.g.Eventually(func() string {
		w.must(admin.Get(ctx, client.ObjectKeyFromObject(a), a))
		return fmt.Sprint(a.Status.Conditions)
	}, patience, glance).Should(gomega.ContainSubstring("9 characters"))
	w.barrier(a)
	expect(map[string]float64{resetsTotal + " SecretNotFound": 1, resetsTotal + " PolicyViolation": 1})
	edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte("brief") })
	expect(map[string]float64{resetsTotal + " SecretNotFound": 1, resetsTotal + " PolicyViolation": 2})
	edit(w, s, func(s *corev1.Secret) { s.Data["password"] = []byte(initial) })
	want := map[string]float64{resetsTotal + " SecretNotFound": 1, resetsTotal + " PolicyViolation": 2, resetsTotal + " Applied": 1}
	expect(want)
	edit(w, s, func(s *corev1.Secret) { s.Labels = map[string]string{"team": "blue"} })
	w.lookedAt(a, s)
	w.barrier(a)
	expect(want)
}

const resetsTotal = "keyturn_password_resets_total"

// leader is a manager that says it is the leader, without having been started.
type leader struct{ ctrl.Manager }

func (leader) Elected() <-chan struct{} {
	elected := make(chan struct{})
	close(elected)
	return elected
}

// BenchmarkScrape measures what a scrape costs the operator with 10,000 accounts.
func BenchmarkScrape(b *testing.B) {
	const accounts = 10_000
	w := &world{name: fmt.Sprintf("w%d", worlds.Add(1))}
	config := cluster.Config()
	config.QPS = -1
	create, creating := errgroup.WithContext(b.Context())
	create.SetLimit(16)
	if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: objectMeta("", w.name)}); err != nil {
		b.Fatal(err)
	}
	for i := range accounts {
		create.Go(func() error {
			a := &v1alpha1.UserAccount{ObjectMeta: objectMeta(w.name, fmt.Sprintf("person-%05d", i))}
			a.Labels = w.labels()
			a.Spec.DisplayName, a.Spec.Groups = "Somebody Else", []string{"engineering", "on-call"}
			return admin.Create(creating, a)
		})
	}
	if err := create.Wait(); err != nil {
		b.Fatal(err)
	}
	caches := controllers.CacheOptions(w.name)
	caches.ByObject[&v1alpha1.UserAccount{}] = cache.ByObject{Label: labels.SelectorFromSet(w.labels())}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: newScheme(), Cache: caches, Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		b.Fatal(err)
	}
	secrets, err := cache.New(config, controllers.SecretCacheOptions(mgr.GetScheme(), w.name, w.name))
	if err != nil {
		b.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	d := catalog.New(mgr.GetClient(), w.name)
	err = useraccount.SetupWithManager(b.Context(), leader{mgr}, useraccount.Options{
		Credentials: secrets, CredentialNamespace: w.name, Catalog: d, LiveCatalog: d, Hashes: 1, Hasher: worker.InProcess(1),
		Clock: &shiftedClock{}, Registry: registry,
	})
	if err != nil {
		b.Fatal(err)
	}
	// The caches alone, without the controllers.
	go func() { _ = mgr.GetCache().Start(b.Context()) }()
	mgr.GetCache().WaitForCacheSync(b.Context())
	if err := mgr.GetCache().List(context.Background(), &v1alpha1.UserAccountList{}, client.Limit(1)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
