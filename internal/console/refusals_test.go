package console

import (
	"testing"
	"time"
)

// TestRefusals: the first refusals of an actor have a line each, later ones now and then, which says how many have none.
func TestRefusals(t *testing.T) {
	r, now := newRefusals(), time.Unix(1, 0)
	for range refusalBurst {
		if omitted, hasLine := r.next("eve", now); !hasLine || omitted != 0 {
			t.Fatalf("%d, %t", omitted, hasLine)
		}
	}
	for range 100 {
		if _, hasLine := r.next("eve", now); hasLine {
			t.Fatal("has a line")
		}
	}
	if _, hasLine := r.next("ada", now); !hasLine {
		t.Error("another actor has none")
	}
	if omitted, hasLine := r.next("eve", now.Add(refusalInterval)); !hasLine || omitted != 100 {
		t.Errorf("later: %d, %t", omitted, hasLine)
	}
	if omitted, hasLine := r.next("eve", now.Add(time.Hour)); !hasLine || omitted != 0 {
		t.Errorf("much later: %d, %t", omitted, hasLine)
	}
}
