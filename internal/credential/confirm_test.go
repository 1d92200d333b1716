package credential

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keyturn/keyturn/internal/account"
)

// TestIsRefused: only an error by which the API server says so tells that nothing was written, and of these only some that it would be refused again.
func TestIsRefused(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	status := func(code int32) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code}}
	}
	for name, tt := range map[string]struct {
		err          error
		want, denied bool
	}{
		"forbidden":           {apierrors.NewForbidden(secrets, "ada", nil), true, true},
		"invalid":             {apierrors.NewBadRequest("no"), true, true},
		"not found":           {apierrors.NewNotFound(secrets, "ada"), true, true},
		"too many requests":   {apierrors.NewTooManyRequests("later", 1), true, false},
		"wrapped":             {fmt.Errorf("update credential: %w", status(http.StatusUnprocessableEntity)), true, true},
		"unwritable":          {fmt.Errorf("a key: %w", ErrUnwritable), true, true},
		"conflict":            {apierrors.NewConflict(secrets, "ada", nil), true, false},
		"another was first":   {fmt.Errorf("%w: %w", ErrConflict, status(http.StatusNotFound)), true, false},
		"who asks":            {apierrors.NewUnauthorized("expired"), true, false},
		"request timeout":     {status(http.StatusRequestTimeout), true, false},
		"timeout":             {apierrors.NewTimeoutError("too slow", 1), false, false},
		"timeout of a server": {apierrors.NewServerTimeout(secrets, "update", 1), false, false},
		"failure":             {apierrors.NewInternalError(errors.New("etcd")), false, false},
		"unavailable":         {apierrors.NewServiceUnavailable("down"), false, false},
		"bad gateway":         {status(http.StatusBadGateway), false, false},
		"no status":           {status(0), false, false},
		"the connection":      {errors.New("connection reset by peer"), false, false},
		"given up":            {context.DeadlineExceeded, false, false},
	} {
		if got := IsRefused(tt.err); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
		if got := IsDenied(tt.err); got != tt.denied {
			t.Errorf("%s is denied: %t, want %t", name, got, tt.denied)
		}
	}
}

// TestConfirm: where an update has no answer, what is stored says what became of it.
func TestConfirm(t *testing.T) {
	wanted := full()
	wanted.SessionGeneration++
	others := full()
	others.SessionGeneration += 7
	update := func(c account.Credential) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			t.Helper()
			if _, err := s.Update(t.Context(), get(t, s), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, s *Store) {
		t.Helper()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: Name("org", "ada")}}
		if err := s.Writer.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		happens func(*testing.T, *Store)
		want    error
	}{
		"written":            {update(wanted), nil},
		"not written, yet":   {func(*testing.T, *Store) {}, ErrUncertain},
		"another came first": {update(others), ErrConflict},
		"deleted":            {remove, ErrConflict},
		"made anew, the same": {func(t *testing.T, s *Store) {
			t.Helper()
			remove(t, s)
			create(t, s, wanted)
		}, ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			read := create(t, s, full())
			tt.happens(t, s)
			var told []account.Credential
			s.OnWrite = func(_ context.Context, _, written *Record) { told = append(told, written.Credential) }
			got, err := s.Confirm(t.Context(), read, wanted)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Confirm() = %v, want %v", err, tt.want)
			}
			if (len(told) == 1) != (tt.want == nil) {
				t.Errorf("OnWrite was called %d times", len(told))
			}
			if tt.want == nil {
				wantRecord(t, s, got, wanted)
			}
		})
	}
}

// TestConfirmThatCannotLook: where the API server does not answer either, that is the error, and nobody is told of a write.
func TestConfirmThatCannotLook(t *testing.T) {
	s, _ := newStore(t)
	read := create(t, s, full())
	s.OnWrite = func(context.Context, *Record, *Record) { t.Error("OnWrite was called") }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Confirm(ctx, read, least()); err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrUncertain) {
		t.Errorf("Confirm() = %v, want the error of the read", err)
	}
}
