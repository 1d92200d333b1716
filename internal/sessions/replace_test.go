package sessions_test

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/keyturn/keyturn/api/v1alpha1"
	"github.com/keyturn/keyturn/internal/account"
	"github.com/keyturn/keyturn/internal/catalog"
	"github.com/keyturn/keyturn/internal/credential"
	"github.com/keyturn/keyturn/internal/policy"
	"github.com/keyturn/keyturn/internal/sessions"
	"github.com/keyturn/keyturn/internal/token"
)

// ringOnly has signing keys that do not change.
type ringOnly struct{ ring *token.Ring }

func (k ringOnly) Ring() *token.Ring                           { return k.ring }
func (k ringOnly) Reload(context.Context) (*token.Ring, error) { return k.ring, nil }

// TestReplace: a session that takes the place of another goes on where ending that one has ended all. It does not go on where somebody else,
// such as an administrator, has ended all sessions since it began.
func TestReplace(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	ring, _, _, err := (&token.Ring{}).Rotate(now, time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ada := &v1alpha1.UserAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "uid-of-ada"}}
	full := make([]account.EndedSession, account.MaxEndedSessions)
	for i := range full {
		full[i] = account.EndedSession{ID: "session-" + strconv.Itoa(i), ForgetTime: now.Add(time.Hour)}
	}
	for name, tt := range map[string]struct {
		ended []account.EndedSession
		// raised is how often all sessions were ended since the new one began.
		raised int64
		uid    string
		want   bool
	}{
		"there is room":                    {nil, 0, "", false},
		"too many":                         {full, 0, "", true},
		"ended by another":                 {nil, 1, "", false},
		"ended by another, too many again": {full, 1, "", false},
		"of another account":               {full, 0, "another", false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
					object.SetUID("uid-of-the-credential") // as an API server does
					return c.Create(ctx, object, options...)
				},
			}).Build()
			store := &credential.Store{Reader: cluster, Writer: cluster, Namespace: credential.DefaultNamespace}
			c := account.NewRules(&ada.Spec, policy.Default(), now).New(account.OwnerOf(ada), "id-of-ada")
			began := c.SessionGeneration
			c.EndedSessions, c.SessionGeneration = tt.ended, began+tt.raised
			record, err := store.Create(t.Context(), credential.Name("team", "ada"), c)
			if err != nil {
				t.Fatal(err)
			}
			s := &sessions.Service{
				Keys: ringOnly{ring}, Store: store, Clock: clocktesting.NewFakePassiveClock(now), Catalog: catalog.New(cluster, "keyturn-system"),
			}
			life := token.Lifetimes{Idle: time.Hour, Max: time.Hour}
			former := sessions.Session{Account: ada, Claims: token.New("id-of-ada", record.UID(), began, token.Console, life, false, now)}
			next := token.New("id-of-ada", cmp.Or(tt.uid, record.UID()), began, token.Console, life, false, now)

			signed, claims, isNew, err := s.Replace(t.Context(), former, next)
			if err != nil || isNew != tt.want {
				t.Fatalf("Replace() = %t, %v, want %t", isNew, err, tt.want)
			}
			stored, err := store.Get(t.Context(), credential.Name("team", "ada"))
			if err != nil {
				t.Fatal(err)
			}
			if !isNew {
				if claims.Generation != began {
					t.Errorf("the session is of generation %d, want %d as it began", claims.Generation, began)
				}
				return
			}
			got, err := ring.Verify(signed.Text(), token.Console, now)
			if err != nil || got.SessionID != next.SessionID || got.Generation != stored.SessionGeneration || claims.Generation != got.Generation {
				t.Errorf("the token is of %+v, %v; want the same session of generation %d", got, err, stored.SessionGeneration)
			}
		})
	}
}
